//go:build linux || darwin

package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

func TestSupervisorEndsWhenIdle(t *testing.T) {
	f := newFixture(t, Config{IdleExit: 20 * time.Millisecond})
	running := f.start(f.sh(`echo >ready; while ! [ -e go ]; do sleep 0.01; done`))
	h, err := parseHandle(running)
	if err != nil {
		t.Fatal(err)
	}
	pid := supervisorPid(t, f.state)
	if err := f.ex.Close(); err != nil {
		t.Fatal(err)
	}
	if !runs(pid) {
		t.Fatal("the supervisor ended although an attempt runs")
	}
	if err := os.WriteFile(filepath.Join(h.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the supervisor has ended", func() bool { return !runs(pid) })
	if exists(filepath.Join(f.state, presenceFile())) {
		t.Error("the supervisor left its file behind")
	}
	f.ex = f.open(Config{Dir: f.state})
	if st := f.wait(running); st.Phase != executor.Ended || st.Exit != 0 {
		t.Errorf("Wait = %+v, want ended with 0", st)
	}
	if exists(filepath.Join(f.state, presenceFile())) {
		t.Error("waiting for what has ended started a supervisor")
	}
}

func TestCloseEndsIdleSupervisor(t *testing.T) {
	f := newFixture(t, Config{IdleExit: time.Hour})
	f.wait(f.start(f.sh("exit 0")))
	pid := supervisorPid(t, f.state)
	if err := f.ex.Close(); err != nil {
		t.Fatal(err)
	}
	if runs(pid) || unix.Kill(pid, 0) == nil {
		t.Errorf("the supervisor (process %d) is left, perhaps as a zombie", pid)
	}
}

// TestSocketIsGone: cleaners of temporary folders do not cut an agent off.
func TestSocketIsGone(t *testing.T) {
	f := newFixture(t, Config{})
	h := f.start(f.sh(`while ! [ -e go ]; do sleep 0.01; done; exit 4`))
	p, _ := readPresence(f.state)
	if err := f.ex.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.Socket); err != nil {
		t.Fatal(err)
	}
	f.ex = f.open(Config{Dir: f.state})
	if st := f.wait(f.start(f.sh("exit 3"))); st.Exit != 3 {
		t.Errorf("a new attempt: %+v", st)
	}
	if pid := supervisorPid(t, f.state); pid != p.Pid {
		t.Errorf("there is another supervisor, %d beside %d", pid, p.Pid)
	}
	hd, err := parseHandle(h)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hd.Dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := f.wait(h); st.Exit != 4 {
		t.Errorf("Wait = %+v, want ended with 4", st)
	}
}

// TestFoldersDoNotMeet: the death of one folder's supervisor is nothing to
// another's.
func TestFoldersDoNotMeet(t *testing.T) {
	f, g := newFixture(t, Config{}), newFixture(t, Config{})
	lost := f.start(f.sh("exec sleep 1000"))
	spec := g.sh(`while ! [ -e go ]; do sleep 0.01; done; exit 8`)
	kept := g.start(spec)
	killSupervisor(t, f.state)
	if st := f.wait(lost); st.Phase != executor.Gone {
		t.Errorf("Wait = %+v, want gone", st)
	}
	if err := os.WriteFile(filepath.Join(spec.AttemptDir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if st := g.wait(kept); st.Exit != 8 {
		t.Errorf("Wait = %+v, want ended with 8", st)
	}
}

// TestSupervisorTerminated: what a dying supervisor kills is lost, not failed.
func TestSupervisorTerminated(t *testing.T) {
	f := newFixture(t, Config{})
	spec := f.sh(`trap '' TERM; sleep 1000 & echo $! >child; echo $$ >pid; wait; sleep 1000`)
	h := f.start(spec)
	pids := []int{pidIn(t, filepath.Join(spec.AttemptDir, "pid")), pidIn(t, filepath.Join(spec.AttemptDir, "child"))}
	if err := unix.Kill(supervisorPid(t, f.state), unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if st := f.wait(h); st.Phase != executor.Gone {
		t.Errorf("Wait = %+v, want gone", st)
	}
	for _, pid := range pids {
		if runs(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

// TestUnattributable: a process that left its session, its parents and its
// environment is killed when the last attempt ends, and not before.
func TestUnattributable(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs a child subreaper")
	}
	f := newFixture(t, Config{})
	spec := f.spec(os.Args[0], "__helper", "vanish", "pid", "sleep", "1000")
	other := f.sh(`while ! [ -e go ]; do sleep 0.01; done`)
	running := f.start(other)
	f.wait(f.start(spec))
	pid := pidIn(t, filepath.Join(spec.AttemptDir, "pid"))
	if !runs(pid) {
		t.Error("it was killed while it might be another attempt's")
	}
	if err := os.WriteFile(filepath.Join(other.AttemptDir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.wait(running)
	if runs(pid) {
		t.Errorf("process %d is left", pid)
	}
}

// TestSupervisorHoldsNothing: locks and pipes that were open around the agent
// are not held by the supervisor.
func TestSupervisorHoldsNothing(t *testing.T) {
	f := newFixture(t, Config{})
	spec := f.spec()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	agent := exec.Command(os.Args[0], "__agent", f.state, spec.AttemptDir)
	agent.ExtraFiles = []*os.File{w, w}
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(agent.Process.Kill(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err == nil {
		t.Fatal("the agent was not killed")
	}
	if err := r.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %d, %v; want the end of the pipe, as nobody holds it", n, err)
	}
	if err := f.ex.Stop(t.Context(), strings.TrimSpace(line), "KILL", 0); err != nil {
		t.Error(err)
	}
	if st := f.wait(strings.TrimSpace(line)); st.Signal != "KILL" {
		t.Errorf("Wait = %+v, want killed", st)
	}
}

// TestIgnoredSignals: an agent in the background of a script, or under nohup,
// ignores signals; its attempts do not.
func TestIgnoredSignals(t *testing.T) {
	f := newFixture(t, Config{})
	spec := f.spec()
	agent := exec.Command("/bin/sh", "-c", `trap '' INT HUP TERM USR1; exec "$@"`, "sh",
		os.Args[0], "__agent", f.state, spec.AttemptDir)
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait() // It was killed.
	h := strings.TrimSpace(line)
	if err := f.ex.Stop(t.Context(), h, "INT", 20*time.Second); err != nil {
		t.Error(err)
	}
	if st := f.wait(h); st.Signal != "INT" {
		t.Errorf("Wait = %+v, want killed by INT", st)
	}
}

func TestSupervisorCannotStart(t *testing.T) {
	for name, argv := range map[string][]string{
		"no such executable": {"/no/such/tuner"},
		"without a word":     {"/bin/sh", "-c", "exit 3", "sh"},
		"weird":              {"/bin/sh", "-c", "printf 'the weird reason' >&3", "sh"},
	} {
		f := newFixture(t, Config{Supervisor: argv})
		spec := f.sh("exit 0")
		h, err := f.ex.Start(t.Context(), spec)
		if types.CodeOf(err) != types.Unavailable {
			t.Errorf("%s: Start = %q, %v; want an Unavailable error", name, h, err)
		}
		if left, err := os.ReadDir(spec.AttemptDir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left behind (%v)", name, left, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []Config{{}, {Dir: file}, {Dir: t.TempDir(), IdleExit: -1}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%+v) is no error", cfg)
		}
	}
}

// TestLongTemporaryFolder: sockets have short paths whatever TMPDIR is.
func TestLongTemporaryFolder(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	dir := filepath.Join(long, strings.Repeat("y", 100))
	f := &fixture{T: t, state: dir}
	f.ex = f.open(Config{Dir: dir})
	if st := f.wait(f.start(f.sh("exit 2"))); st.Exit != 2 {
		t.Errorf("Wait = %+v, want ended with 2", st)
	}
}

// TestForeignSocketFolder: a folder that others can write is not trusted.
func TestForeignSocketFolder(t *testing.T) {
	base := t.TempDir()
	t.Setenv("TMPDIR", base)
	if err := os.Symlink(t.TempDir(), filepath.Join(base, fmt.Sprint("tuner-", os.Geteuid()))); err != nil {
		t.Fatal(err)
	}
	folder, err := socketFolder(10)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(folder)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		t.Errorf("the sockets are in %s: %v, %v; want a private folder", folder, info, err)
	}
}

// TestOrphansAreStopped: attempts whose agent does not come back end; those of an
// agent that is there, or comes back in time, go on.
func TestOrphansAreStopped(t *testing.T) {
	// The agent is away for a tenth of that at a time, which a busy machine may make
	// much longer; all in all it is away for longer than that, which must not count.
	const grace = 1200 * time.Millisecond
	f := newFixture(t, Config{Orphan: grace, IdleExit: 20 * time.Millisecond})
	waits := `trap 'echo >stopped; exit 7' TERM; echo >ready; n=0; while [ $n -lt 3000 ]; do sleep 0.01; n=$((n+1)); done`
	h := f.start(f.sh(waits))
	handle, err := parseHandle(h)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(handle.Dir, name) }
	eventually(t, "the attempt runs", func() bool { return exists(file("ready")) })

	// The agent is there for longer than that, and then comes back again and again.
	later := time.Now().Add(grace + grace/4)
	eventually(t, "time passes", func() bool { return time.Now().After(later) })
	for range 12 {
		if err := f.ex.Close(); err != nil {
			t.Fatal(err)
		}
		soon := time.Now().Add(grace / 10)
		eventually(t, "time passes", func() bool { return time.Now().After(soon) })
		f.ex = f.open(Config{Dir: f.state})
		watch, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if st, err := f.ex.Wait(watch, h); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("with an agent it ended: %+v, %v", st, err)
		}
		cancel()
	}
	if exists(file("stopped")) {
		t.Fatal("it was stopped although its agent came back")
	}

	// An agent that knows nothing of it does not keep it alive.
	pid := supervisorPid(t, f.state)
	if err := f.ex.Close(); err != nil {
		t.Fatal(err)
	}
	f.ex = f.open(Config{Dir: f.state})
	other := f.start(f.sh(`echo >ready; while ! [ -e go ]; do sleep 0.01; done`))
	eventually(t, "the orphan has been stopped", func() bool { return exists(file("stopped")) })
	if st, err := f.ex.Status(t.Context(), []string{other}); err != nil || st[0].Phase != executor.Running {
		t.Fatalf("the attempt of the agent that is there: %+v, %v", st, err)
	}
	if err := f.ex.Stop(t.Context(), other, "KILL", 0); err != nil {
		t.Fatal(err)
	}
	f.wait(other)
	if err := f.ex.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the supervisor has ended", func() bool { return !runs(pid) })
	f.ex = f.open(Config{Dir: f.state})
	if st := f.wait(h); st.Phase != executor.Ended || st.Exit != 7 || st.Stopped != "TERM" {
		t.Errorf("the orphan's end: %+v", st)
	}
}
