//go:build linux || darwin

package local

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/failpoint"
	"github.com/gotuner/tuner/trial/executor"
)

// fixture is a state folder with an executor, and attempts.
type fixture struct {
	*testing.T
	state string
	ex    *Executor
	n     int
}

func newFixture(t *testing.T, cfg Config) *fixture {
	t.Helper()
	f := &fixture{T: t, state: t.TempDir()}
	cfg.Dir = f.state
	f.ex = f.open(cfg)
	return f
}

func (f *fixture) open(cfg Config) *Executor {
	f.Helper()
	checkLog(f, cfg.Dir)
	ex, err := New(cfg)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := ex.Close(); err != nil {
			f.Error(err)
		}
	})
	return ex
}

func (f *fixture) spec(argv ...string) executor.Spec {
	f.Helper()
	f.n++
	dir := filepath.Join(f.TempDir(), strconv.Itoa(f.n))
	if err := os.Mkdir(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	return executor.Spec{
		ID: dir, Argv: argv, Dir: dir, AttemptDir: dir,
		Env: []string{"PATH=" + os.Getenv("PATH")},
	}
}

func (f *fixture) sh(script string) executor.Spec { return f.spec("/bin/sh", "-c", script) }

func (f *fixture) start(spec executor.Spec) string {
	f.Helper()
	h, err := f.ex.Start(f.Context(), spec)
	if err != nil {
		f.Fatal(err)
	}
	return h
}

func (f *fixture) wait(handle string) executor.Status {
	f.Helper()
	return waitOn(f, f.ex, handle)
}

func waitOn(t testing.TB, ex *Executor, handle string) executor.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	st, err := ex.Wait(ctx, handle)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// pidIn waits for a process to write its number.
func pidIn(t testing.TB, path string) int {
	t.Helper()
	pid := 0
	eventually(t, "a pid is in "+path, func() bool {
		b, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	t.Cleanup(func() { _ = unix.Kill(pid, unix.SIGKILL) }) // If the test fails.
	return pid
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestAgentKilled: kill -9 of an agent leaves its attempts and their output
// untouched, and the next one learns how they end.
func TestAgentKilled(t *testing.T) {
	f := newFixture(t, Config{})
	one, two := f.spec(), f.spec()
	agent := exec.Command(os.Args[0], "__agent", f.state, one.AttemptDir, two.AttemptDir)
	agent.Stderr = os.Stderr
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var handles []string
	for range 2 {
		if !lines.Scan() {
			t.Fatal("the agent ended")
		}
		handles = append(handles, lines.Text())
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := agent.Wait(); err == nil {
		t.Fatal("the agent was not killed")
	}

	size := func() int64 {
		info, err := os.Stat(filepath.Join(one.AttemptDir, stdoutFile))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	eventually(t, "the output grows without an agent", func() bool { return size() > before })
	for _, dir := range []string{one.AttemptDir, two.AttemptDir} {
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		// One ends before the next agent comes, the other when it waits.
		if dir == one.AttemptDir {
			eventually(t, "it has ended", func() bool { return exists(filepath.Join(dir, exitFile)) })
		}
	}
	for _, h := range handles {
		if st := f.wait(h); st.Phase != executor.Ended || st.Exit != 6 {
			t.Errorf("Wait = %+v, want ended with 6", st)
		}
	}
}

// TestFailpoints cuts the supervisor at each step of an attempt that writes a
// byte for each time it is started.
func TestFailpoints(t *testing.T) {
	for point, want := range map[string]executor.Phase{
		failBeforeStart:    executor.Gone,
		failAfterStart:     executor.Gone,
		failAfterHandle:    executor.Gone,
		failBeforeExitJSON: executor.Gone,
		failAfterExitJSON:  executor.Ended,
	} {
		t.Run(point, func(t *testing.T) {
			t.Setenv(failpoint.Env, point+":2") // The supervisor inherits it.
			f := newFixture(t, Config{})
			if st := f.wait(f.start(f.sh("exit 1"))); st.Exit != 1 {
				t.Fatalf("the first attempt: %+v", st)
			}
			killed := supervisorPid(t, f.state)

			spec := f.sh(`printf x >>count; echo $$ >pid; exit 2`)
			if point == failAfterStart || point == failAfterHandle {
				spec = f.sh(`printf x >>count; echo $$ >pid; exec sleep 1000`)
			}
			h := f.start(spec)
			st := f.wait(h)
			if st.Phase != want || want == executor.Ended && st.Exit != 2 {
				t.Errorf("Wait = %+v, want %s", st, want)
			}
			eventually(t, "the supervisor is dead", func() bool { return !runs(killed) })
			if again := f.start(spec); again != h {
				t.Errorf("Start again = %q, want %q", again, h)
			}
			if again := f.wait(h); again.Phase != want {
				t.Errorf("Wait again = %+v, want %s", again, want)
			}
			count, err := os.ReadFile(filepath.Join(spec.AttemptDir, "count"))
			if err != nil && !errors.Is(err, os.ErrNotExist) || len(count) > 1 {
				t.Errorf("it ran %d times (%v), want at most once", len(count), err)
			}
			if len(count) == 1 && point != failAfterExitJSON && point != failBeforeExitJSON {
				if pid := pidIn(t, filepath.Join(spec.AttemptDir, "pid")); runs(pid) {
					t.Errorf("process %d of the lost attempt lives", pid)
				}
			}
			if st := f.wait(f.start(f.sh("exit 3"))); st.Exit != 3 {
				t.Errorf("an attempt after that: %+v", st)
			}
		})
	}
}

// TestFailpointAlways: a supervisor that dies at each start makes lost attempts,
// not a loop.
func TestFailpointAlways(t *testing.T) {
	t.Setenv(failpoint.Env, failBeforeStart)
	f := newFixture(t, Config{})
	for range 3 {
		if st := f.wait(f.start(f.sh("exit 0"))); st.Phase != executor.Gone {
			t.Errorf("Wait = %+v, want gone", st)
		}
	}
}

// TestExitCannotBeWritten: agents learn the end from memory, and the file is
// written when that is possible. A folder in its place fails as a full disk does.
func TestExitCannotBeWritten(t *testing.T) {
	f := newFixture(t, Config{})
	spec := f.sh(`mkdir -p exit.json.tmp/full; exit 7`)
	h := f.start(spec)
	if st := f.wait(h); st.Phase != executor.Ended || st.Exit != 7 {
		t.Errorf("Wait = %+v, want ended with 7", st)
	}
	if exists(filepath.Join(spec.AttemptDir, exitFile)) {
		t.Fatal("exit.json was written, the test is void")
	}
	next := f.open(Config{Dir: f.state})
	if st := waitOn(t, next, h); st.Phase != executor.Ended || st.Exit != 7 {
		t.Errorf("Wait of another executor = %+v, want ended with 7", st)
	}
	if again, err := next.Start(t.Context(), spec); err != nil || again != h {
		t.Errorf("Start again = %q, %v; want %q", again, err, h)
	}
	if err := os.RemoveAll(filepath.Join(spec.AttemptDir, "exit.json.tmp")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "exit.json is written", func() bool { return exists(filepath.Join(spec.AttemptDir, exitFile)) })
	eventually(t, "it can be read from the file", func() bool {
		st, err := inspect(handle{Version: 1, Dir: spec.AttemptDir}, "")
		return err == nil && st.Phase == executor.Ended && st.Exit == 7
	})
}

// TestHandleCannotBeWritten: an attempt that could not be found again is not
// started.
func TestHandleCannotBeWritten(t *testing.T) {
	f := newFixture(t, Config{})
	spec := f.sh(`echo $$ >pid; exec sleep 1000`)
	if err := os.Mkdir(filepath.Join(spec.AttemptDir, handleFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if h, err := f.ex.Start(t.Context(), spec); types.CodeOf(err) != types.Unavailable {
		t.Fatalf("Start = %q, %v; want an Unavailable error", h, err)
	}
	// It may have been killed before or after it wrote its number.
	if b, err := os.ReadFile(filepath.Join(spec.AttemptDir, "pid")); err == nil && len(b) > 0 {
		if pid := pidIn(t, filepath.Join(spec.AttemptDir, "pid")); runs(pid) {
			t.Errorf("process %d lives", pid)
		}
	}
	if st := f.wait(f.start(f.sh("exit 5"))); st.Exit != 5 {
		t.Errorf("the next attempt: %+v", st)
	}
}
