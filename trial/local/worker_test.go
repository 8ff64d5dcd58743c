//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/trial"
	executor "github.com/gotuner/tuner/trial/executor"
	processes "github.com/gotuner/tuner/trial/executor/local"
)

// TestMain lets the test binary play the supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == processes.SuperviseCommand {
		if err := processes.Supervise(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func openHere(t *testing.T, dir string) *Local {
	t.Helper()
	l, err := Open(t.Context(), Config{DB: filepath.Join(dir, "tuner.db"), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func openLine(t *testing.T, l *Local) types.Study {
	t.Helper()
	st, err := l.Engine.OpenStudy(t.Context(), types.StudySpec{Name: "a", Seed: 1,
		Space:      []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
		Algorithm:  types.Component{Name: "random"}, Budget: types.Budget{Trials: 2}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A process that ended takes its functions with it: the next one need not wait
// until their leases end, whichever Run of it they belong to.
func TestTrialsOfADeadProcessAreFreeAtOnce(t *testing.T) {
	dir := t.TempDir()
	lock, err := filelock.Try(filepath.Join(dir, ".owners", "dead.lock"))
	if err != nil {
		t.Fatal(err)
	}
	first := openHere(t, dir)
	dead := first.host + "|" + lock.Path()
	st := openLine(t, first)
	for _, worker := range []string{dead, dead + "#2"} {
		if OwnerDead(worker) {
			t.Errorf("%s is taken for dead", worker)
		}
		if r, err := first.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: worker}); err != nil || r.Status != types.LeaseGranted {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if err := errors.Join(first.Engine.Close(t.Context()), lock.Release()); err != nil {
		t.Fatal(err)
	}
	next := openHere(t, dir)
	began := time.Now()
	for range 2 {
		r, err := next.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w", Wait: types.Duration(20 * time.Second)})
		if err != nil || r.Status != types.LeaseGranted || r.Leases[0].Ref.Attempt != 2 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
}

// The owner notices at once that a process has ended which ran functions of its
// study, too.
func TestTrialsOfADeadGuestAreFreeAtOnce(t *testing.T) {
	dir := t.TempDir()
	lock, err := filelock.Try(filepath.Join(dir, ".owners", "dead.lock"))
	if err != nil {
		t.Fatal(err)
	}
	owner := openHere(t, dir)
	st := openLine(t, owner)
	if _, err := owner.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: owner.host + "|" + lock.Path()}); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: owner.owner}); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	r, err := owner.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w", Wait: types.Duration(20 * time.Second)})
	if err != nil || r.Status != types.LeaseGranted || r.Leases[0].Ref.Trial != 0 || r.Leases[0].Ref.Attempt != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if tr, err := owner.Engine.Trial(t.Context(), st.ID, 1); err != nil || tr.State != types.Running || len(tr.Attempts) != 1 {
		t.Errorf("the trial of the living is %+v, %v", tr, err)
	}
}

// The directory of an attempt is stored with the first sign of life; a process
// may run before that.
func TestReclaimFindsAProcessWhoseDirectoryWasNeverStored(t *testing.T) {
	l := openHere(t, t.TempDir())
	st := openLine(t, l)
	root := l.StudyDir("default", "a")
	ex, err := processes.New(processes.Config{Dir: filepath.Join(root, ".agents", "0")})
	if err != nil {
		t.Fatal(err)
	}
	attempt := filepath.Join(root, "0", "1")
	if err := os.MkdirAll(attempt, 0o700); err != nil {
		t.Fatal(err)
	}
	h, err := ex.Start(t.Context(), executor.Spec{ID: "a", Dir: attempt, AttemptDir: attempt, Argv: []string{"/bin/sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.reclaim(t.Context(), trial.Attempt{Study: st.ID, Trial: 0, Number: 1, Executor: ProcessExecutor, Node: l.host}); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if s, err := ex.Wait(ctx, h); err != nil || s.Signal != "KILL" && s.Phase != executor.Gone {
		t.Errorf("the process ended as %+v, %v; its trial would run twice at once", s, err)
		if err := ex.Stop(t.Context(), h, "KILL", 0); err != nil {
			t.Error(err)
		}
	}
	if err := ex.Close(); err != nil {
		t.Error(err)
	}
}
