//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/trial"
)

// patience bounds the waiting for other processes.
const patience = 2 * time.Minute

// screen is what a process has printed so far.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// waitUntil polls for what another process does.
func waitUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); !done(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not happen in time", what)
		}
	}
}

// lab is a database with the program under test.
type lab struct {
	*crasher
	db, trials string
	// disk is a small one that only what runs in the lab sees; may be nil.
	disk *disk
}

func newLab(t *testing.T) *lab {
	c := newCrasher(t)
	c.study = "s"
	return &lab{crasher: c, db: filepath.Join(c.dir, "tuner.db"), trials: filepath.Join(c.dir, "trials")}
}

// command is a call of tuner in the lab.
func (l *lab) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = l.dir
	cmd.Env = append(os.Environ(), roleEnv+"=tuner", "CRASH_DIR="+l.dir, "TUNER_DB="+l.db,
		"XDG_DATA_HOME="+l.dir, "XDG_CONFIG_HOME="+l.dir)
	if l.disk != nil {
		cmd.Path, cmd.Args = l.disk.enter, append([]string{l.disk.enter, "--target", strconv.Itoa(l.disk.pid)}, l.disk.flags...)
		cmd.Args = append(append(cmd.Args, "--", "sh", "-c", `cd "$0" && exec "$@"`, l.dir, self), args...)
	}
	return cmd
}

// sweep is a sweep under way.
type sweep struct {
	*lab
	cmd   *exec.Cmd
	shown *screen
	ended chan struct{}
}

// begin starts a sweep of n trials; script is a trial for sh.
func (l *lab) begin(n int, script string, flags ...string) *sweep {
	l.t.Helper()
	args := append([]string{"sweep", "--dir", l.trials, "--name", l.study, "--min", "v", "-p", "x=0.0..1.0",
		"--algorithm", "random", "-n", strconv.Itoa(n), "-j", "2"}, flags...)
	return l.run(l.command(append(args, "--", "sh", "-c", script, "sh", "{x}")...))
}

func (l *lab) run(cmd *exec.Cmd) *sweep {
	l.t.Helper()
	s := &sweep{lab: l, cmd: cmd, shown: &screen{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s.shown, s.shown
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = cmd.Wait() // the exit code tells
	}()
	l.t.Cleanup(func() {
		_ = cmd.Process.Kill() // mostly it has ended
		<-s.ended
	})
	return s
}

// shows waits until the sweep has printed text.
func (s *sweep) shows(text string) {
	s.t.Helper()
	over := false
	waitUntil(s.t, fmt.Sprintf("%q in\n%s", text, s.shown), func() bool {
		if strings.Contains(s.shown.String(), text) {
			return true
		}
		select {
		case <-s.ended:
			over = !strings.Contains(s.shown.String(), text)
			return true
		default:
			return false
		}
	})
	if over {
		s.t.Fatalf("it ended without %q:\n%s", text, s.shown)
	}
}

// exits waits for the end with a code.
func (s *sweep) exits(code int) string {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatalf("it did not end:\n%s", s.shown)
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("exit code %d, want %d:\n%s", got, code, s.shown)
	}
	return s.shown.String()
}

func (s *sweep) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// leave interrupts a sweep that cannot store anything until it ends.
func (s *sweep) leave() {
	s.t.Helper()
	for _, says := range []string{"no new trials; waiting", "asking the running trials to stop", "killing the running trials"} {
		s.signal(syscall.SIGINT)
		s.shows(says)
	}
	if out := s.exits(130); !strings.Contains(out, "\ntuner: the database could not be written or read: ") {
		s.t.Errorf("it ends without the reason:\n%s", out)
	}
}

// states are the trials in the store, by number.
func (l *lab) states() []types.State {
	l.t.Helper()
	var out []types.State
	l.look(func(db store.Store, study int64, t trial.Trial) { out = append(out, t.State) })
	return out
}

// look calls each with every trial of the study.
func (l *lab) look(each func(db store.Store, study int64, t trial.Trial)) {
	l.t.Helper()
	ctx := context.Background()
	path := l.db
	if l.disk != nil { // SQLite cannot go the way into the namespace
		path = filepath.Join(l.t.TempDir(), "copy.db")
		for _, end := range []string{"", "-wal"} {
			if _, err := os.Stat(l.disk.reach(l.db + end)); err == nil {
				copyFile(l.t, l.disk.reach(l.db+end), path+end)
			}
		}
	}
	db, err := sqlstore.Open(ctx, sqlstore.Config{DSN: path, Now: time.Now})
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			l.t.Error(err)
		}
	}()
	st, err := db.Study(ctx, "default", l.study)
	if err != nil {
		l.t.Fatal(err)
	}
	rows, _, err := db.ListTrials(ctx, st.ID, store.TrialFilter{Sort: store.SortNumber, Limit: 1000})
	if err != nil {
		l.t.Fatal(err)
	}
	for i, row := range rows {
		if row.Number != int64(i) {
			l.t.Fatalf("trial %d of the listing has number %d", i, row.Number)
		}
		each(db, st.ID, row)
	}
}

// whole makes sure that n trials completed and that every line that they wrote
// is a stored report, and that nothing of them is left running.
func (l *lab) whole(n int) {
	l.t.Helper()
	count := 0
	l.look(func(db store.Store, study int64, t trial.Trial) {
		count++
		if t.State != types.Completed {
			l.t.Errorf("trial %d is %s: %s", t.Number, t.State, t.Reason)
			return
		}
		as, err := db.Attempts(context.Background(), study, t.Number)
		if err != nil {
			l.t.Fatal(err)
		}
		log, err := os.ReadFile(filepath.Join(as[len(as)-1].Dir, "stdout.log"))
		if err != nil {
			l.t.Fatal(err)
		}
		rs, err := db.Reports(context.Background(), study, t.Number, "v", 0)
		if err != nil {
			l.t.Fatal(err)
		}
		if lines := bytes.Count(log, []byte("v=")); len(rs) != lines {
			l.t.Errorf("trial %d wrote %d values, %d are stored", t.Number, lines, len(rs))
		}
	})
	if count != n {
		l.t.Errorf("%d trials are stored, want %d", count, n)
	}
	l.quiet()
}

// quiet waits until no process of the lab is left.
func (l *lab) quiet() {
	l.t.Helper()
	waitUntil(l.t, "the end of all processes", func() bool { return len(l.processes()) == 0 })
}

// disk is a file system of little room in a mount namespace of its own, which
// lasts as long as the process that holds it.
type disk struct {
	dir   string // in the namespace
	pid   int
	enter string // nsenter, and what it needs beside the target
	flags []string
}

// smallDisk gives the lab a disk of size bytes.
func (l *lab) smallDisk(size int) *disk {
	t := l.t
	t.Helper()
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		t.Skip("there is no nsenter here")
	}
	d := &disk{dir: t.TempDir(), enter: enter, flags: []string{"--mount"}}
	holder := exec.Command("sh", "-c", fmt.Sprintf("mount -t tmpfs -o size=%d,mode=0700 none '%s' && echo ready && exec cat", size, d.dir))
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		d.flags = append(d.flags, "--user", "--preserve-credentials")
		holder.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		holder.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		holder.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skipf("no mount namespace here: %v", err)
	}
	d.pid = holder.Process.Pid
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		_ = holder.Wait() // it was not there to succeed
	})
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		t.Skip("nothing can be mounted here")
	}
	l.disk = d
	return d
}

// reach is how this process, which is not in the namespace, gets at a file.
func (d *disk) reach(path string) string {
	if rel, err := filepath.Rel(d.dir, path); err == nil && filepath.IsLocal(rel) {
		return filepath.Join("/proc", strconv.Itoa(d.pid), "root", path)
	}
	return path
}

// fill takes all room of a disk until free is called.
func (l *lab) fill() (free func()) {
	t := l.t
	t.Helper()
	path := l.disk.reach(filepath.Join(l.disk.dir, "fill"))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close() // it may complain of the same
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
