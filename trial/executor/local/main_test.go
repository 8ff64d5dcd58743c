//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/trial/executor"
	"github.com/gotuner/tuner/trial/executor/executortest"
)

// TestMain lets the test binary play the supervisor, the programs of the suite,
// and an agent that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case SuperviseCommand:
			if err := Supervise(context.Background(), os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		case "__helper":
			os.Exit(executortest.Helper(os.Args[2:]))
		case "__agent":
			os.Exit(agentMain(os.Args[2:]))
		}
	}
	// Under the race detector processes would take a second to exit.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// checkLog fails the test, when it is over, if its supervisors crashed or the
// race detector found something in them.
func checkLog(t testing.TB, dir string) {
	t.Helper()
	t.Cleanup(func() {
		b, err := os.ReadFile(filepath.Join(dir, logFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
			if strings.Contains(string(b), bad) {
				t.Errorf("the supervisor's log has %q:\n%s", bad, b)
			}
		}
	})
}

func newExecutor(t testing.TB, dir string) *Executor {
	t.Helper()
	checkLog(t, dir)
	ex, err := New(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return ex
}

// supervisorPid returns the supervisor of a state folder.
func supervisorPid(t testing.TB, dir string) int {
	t.Helper()
	p, ok := readPresence(dir)
	if !ok {
		t.Fatalf("%s has no supervisor", dir)
	}
	return p.Pid
}

// eventually waits for a condition that other processes bring about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func runs(pid int) bool {
	p, ok := lookProcess(pid)
	return ok && !p.zombie
}

func killSupervisor(t testing.TB, dir string) {
	t.Helper()
	pid := supervisorPid(t, dir)
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the supervisor is dead", func() bool { return !runs(pid) })
}

func TestConformance(t *testing.T) {
	executortest.Run(t, executortest.Harness{
		New:            func(t testing.TB, dir string) executor.Executor { return newExecutor(t, dir) },
		Capabilities:   Capabilities(),
		Helper:         []string{os.Args[0], "__helper"},
		AddedEnv:       []string{MarkEnv},
		KillSupervisor: killSupervisor,
	})
}

var errUsage = errors.New("usage: __agent STATE ATTEMPT…")

// agentMain starts an attempt that never ends in each directory, says so, and
// waits to be killed.
func agentMain(args []string) int {
	if len(args) < 2 {
		fmt.Fprintln(os.Stderr, errUsage)
		return 2
	}
	ex, err := New(Config{Dir: args[0]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, dir := range args[1:] {
		h, err := ex.Start(context.Background(), executor.Spec{
			ID: dir, Argv: []string{"/bin/sh", "-c", `while ! [ -e go ]; do echo on; sleep 0.01; done; exit 6`},
			Dir: dir, AttemptDir: dir,
			Env: []string{"PATH=" + os.Getenv("PATH")},
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(h)
	}
	<-time.After(time.Hour) // without a timer the runtime would see a deadlock
	return 0
}
