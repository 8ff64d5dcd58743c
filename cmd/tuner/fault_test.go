//go:build linux

package main

import (
	"database/sql" //nolint:depguard // it makes databases as other programs would
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// steps is a trial of about 60 ms with three values.
const steps = `for i in 1 2 3; do echo step=$i v=$1; sleep 0.02; done`

func TestFullDiskUnderTheDatabase(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.db = filepath.Join(l.smallDisk(24<<20).dir, "tuner.db")
	s := l.begin(30, steps)
	s.shows("trial 5 running")
	free := l.fill()
	s.shows("trouble: the database could not be written or read: database or disk is full (13); see whether the disk is full (df), over quota, or failing; nothing half-written remains")
	free()
	s.shows("the trouble is over, going on")
	out := s.exits(0)
	if n := strings.Count(out, "trouble: the database"); n > 2 {
		t.Errorf("the same trouble was shown %d times:\n%s", n, out)
	}
	l.whole(30)
}

// Whoever does not want to wait for room can leave: what was acknowledged is
// there, and the same sweep goes on later.
func TestLeavingAFullDisk(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.db = filepath.Join(l.smallDisk(24<<20).dir, "tuner.db")
	s := l.begin(12, steps)
	s.shows("trial 3 completed")
	before := strings.Count(s.shown.String(), " completed ")
	free := l.fill()
	s.shows("trouble: the database could not be written")
	s.leave()
	free()
	done := 0
	for _, state := range l.states() {
		if state == types.Completed {
			done++
		}
	}
	if done < before {
		t.Errorf("%d trials were shown as completed, %d are stored", before, done)
	}
	l.begin(12, steps).exits(0)
	l.whole(12)
}

func TestFullDiskUnderTheTrials(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.trials = l.smallDisk(4 << 20).dir
	s := l.begin(20, steps)
	s.shows("trial 4 running")
	free := l.fill()
	s.shows("trouble: start trial")
	s.shows("no space left on device; make room on the disk (df, tuner gc), and see that the folder is there and writable")
	free()
	s.exits(0)
	count := 0
	l.look(func(_ store.Store, _ int64, tr trial.Trial) {
		count++
		if tr.State != types.Completed {
			t.Errorf("trial %d is %s: %s", tr.Number, tr.State, tr.Reason)
		}
	})
	if count != 20 {
		t.Errorf("%d trials are stored, want 20", count)
	}
	l.quiet()
}

// A trial that ends badly on a full disk, or well without its metric or with one
// whose later values may not have been written any more, is run again
// also if nobody looked then and there is room when the next sweep finds it.
// Folders in the place of files stand for a full disk: when a real one was found to
// be full nobody here could tell.
func TestFullDiskWhileNobodyLooked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.begin(3, `echo begun
		[ $TUNER_TRIAL$TUNER_ATTEMPT != 21 ] || echo v=99
		until [ -e go ]; do sleep 0.01; done
		[ $TUNER_ATTEMPT = 1 ] || { echo v=$1; exit; }
		cd "$TUNER_TRIAL_DIR/1"; mkdir -p .room/full
		[ $TUNER_TRIAL = 1 ] || mkdir -p exit.json.tmp/full
		exit $((7 * (TUNER_TRIAL == 1)))`, "-j", "3")
	for i := range 3 {
		s.shows(fmt.Sprintf("trial %d running", i))
	}
	l.written(3)
	s.signal(syscall.SIGHUP)
	s.exits(130)
	l.goOn()
	study := filepath.Join(l.trials, "default", l.study)
	for path, text := range map[string][]string{".agents/0/supervisor.log": {`trying on" dir=` + study + "/0/1 ", `trying on" dir=` + study + "/2/1 "}, "1/1/exit.json": {"7"}} {
		waitUntil(t, fmt.Sprint(text, " in ", path), func() bool {
			b, err := os.ReadFile(filepath.Join(study, path))
			return err == nil && !slices.ContainsFunc(text, func(part string) bool { return !strings.Contains(string(b), part) })
		})
	}
	for _, path := range []string{"0/1/exit.json.tmp", "0/1/.room", "1/1/.room", "2/1/exit.json.tmp", "2/1/.room"} {
		if err := os.RemoveAll(filepath.Join(study, path)); err != nil {
			t.Fatal(err)
		}
	}
	out := l.run(l.command("sweep", "--dir", l.trials, "--name", l.study, "-n", "3")).exits(0)
	l.look(func(db store.Store, study int64, tr trial.Trial) {
		as, err := db.Attempts(t.Context(), study, tr.Number)
		if err != nil || len(as) != 2 || tr.State != types.Completed || tr.Metrics["v"] == 99 || !strings.Contains(as[0].Reason, "was full when it ended") {
			t.Errorf("trial %d is %s after attempts %+v, %v\n%s", tr.Number, tr.State, as, err, out)
		}
	})
	for _, path := range []string{"0/1/exit.json", "2/1/exit.json"} { // tried on, now that there is room
		waitUntil(t, path, func() bool {
			_, err := os.Stat(filepath.Join(study, path))
			return err == nil
		})
	}
}

// A limit on the size of files is met in the same way as a full disk. It is the
// size that the database has already, so that its log can be emptied no more.
func TestLimitOfFileSize(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first := l.begin(2, steps)
	first.exits(0)
	file, err := os.Stat(l.db)
	if err != nil {
		t.Fatal(err)
	}
	cmd := l.command()
	self := cmd.Path
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", `ulimit -f "$0"; exec "$@"`, strconv.FormatInt(file.Size()/512, 10), self, "sweep", "--dir", l.trials, "--name", l.study, "-n", "40"}
	s := l.run(cmd)
	s.shows("trouble: the database could not be written or read: disk I/O error (778)")
	s.leave()
	l.begin(40, steps).exits(0)
	l.whole(40)
}

// asSomebody makes a command run as a user to whom file modes mean something.
func asSomebody(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	program := filepath.Join(dir, "program")
	if _, err := os.Stat(program); err != nil {
		// By a process of its own: were it open for writing here, a process that another
		// test starts at this moment would inherit that, and the program be busy.
		if out, err := exec.CommandContext(t.Context(), "cp", cmd.Path, program).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v %s", err, out)
		}
		for _, d := range []string{dir, filepath.Dir(dir)} { // go test makes them for its user alone
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Path = program
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && path != program {
			err = os.Lchown(path, nobody, nobody)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	inner := filepath.Join(l.dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	l.db, l.trials = filepath.Join(inner, "tuner.db"), filepath.Join(l.dir, "trials")
	sweep := func(n int) *sweep {
		cmd := l.command("sweep", "--dir", l.trials, "--name", l.study, "--min", "v", "-p", "x=0.0..1.0", "-n", strconv.Itoa(n), "--", "echo", "v={x}")
		asSomebody(t, cmd, l.dir)
		return l.run(cmd)
	}
	sweep(2).exits(0)
	l.quiet()
	for _, c := range []struct {
		path string
		mode os.FileMode
		want string
	}{
		{l.db, 0o444, "tuner: db: the database " + l.db + " cannot be written: open " + l.db + ": permission denied\n  make the file and its folder writable for you, or name another file\n"},
		{l.db, 0, "permission denied\n  make the file and its folder writable for you, or name another file\n"},
		{inner, 0o555, "  make the file and its folder writable for you, or name another file\n"},
		{filepath.Join(l.trials, ".owners"), 0o555, "tuner: dir: the folder of the trials " + l.trials + " cannot be written: "},
		{filepath.Join(l.trials, "default", l.study), 0o555, "permission denied\n  make it writable for you, or choose another folder with --dir\n"},
	} {
		info, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		if out := sweep(4).exits(2); !strings.Contains(out, c.want) {
			t.Errorf("with mode %o of %s:\n%s\nwant %q", c.mode, c.path, out, c.want)
		}
		if err := os.Chmod(c.path, info.Mode()); err != nil {
			t.Fatal(err)
		}
		if got := l.states(); len(got) != 2 {
			t.Fatalf("there are %d trials after mode %o of %s", len(got), c.mode, c.path)
		}
	}
	sweep(4).exits(0) // nothing that is in the way was left
	l.whole(4)
}

func TestDatabasesOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want string
		// written: SQLite counts in the head of the file that it was opened.
		written bool
	}{
		{"foreign", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			change(t, path, "CREATE TABLE a (b)")
		}, "tuner: db: %s is the SQLite database of another program\n  name another file; this one was not touched\n", false},
		{"newer", func(t *testing.T, path string) {
			change(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1); UPDATE schema_meta SET min_reader = 9999")
		}, "tuner: db: %s was written by a newer tuner (schema 9999, this one knows ", true},
		{"damaged", func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 3000; i < min(43_000, len(b)); i++ {
				b[i] = byte(i * i >> 3)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "tuner: db: %s: the database is damaged: ", false},
		{"cut", func(t *testing.T, path string) {
			if err := os.Truncate(path, 30_000); err != nil {
				t.Fatal(err)
			}
		}, "tuner: db: %s: the database is damaged: ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.begin(2, steps).exits(0)
			c.make(t, l.db)
			before, err := os.ReadFile(l.db)
			if err != nil {
				t.Fatal(err)
			}
			out := l.begin(4, steps).exits(2)
			if want := fmt.Sprintf(strings.ReplaceAll(c.want, "%s", "%[1]s"), l.db); !strings.Contains(out, want) {
				t.Errorf("it says\n%s\nwant %q", out, want)
			}
			if after, err := os.ReadFile(l.db); err != nil || !c.written && !slices.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
			if ls := l.run(l.command("ls")).exits(2); !strings.Contains(ls, "tuner: db: ") {
				t.Errorf("tuner ls says\n%s", ls)
			}
		})
	}
}

// change runs statements on a SQLite file with the driver that the store has.
func change(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(statements)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
