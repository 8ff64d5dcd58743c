//go:build linux || darwin

package agent_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
	processes "github.com/gotuner/tuner/trial/executor/local"
	"github.com/gotuner/tuner/trial/local"
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

// shop is an engine over a database in memory with real processes as trials.
type shop struct {
	*testing.T
	dir   string
	local *local.Local
	study types.Study
}

// openShop makes a study of one trial that runs script, in which $PWD is
// dir.
func openShop(t *testing.T, script string, change ...func(*types.StudySpec)) *shop {
	t.Helper()
	s := &shop{T: t, dir: t.TempDir()}
	var err error
	if s.local, err = local.Open(t.Context(), local.Config{DB: local.Memory, Dir: filepath.Join(s.dir, "trials")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.local.Close(); err != nil {
			t.Error(err)
		}
	})
	run := &types.RunSpec{Command: []string{"/bin/sh", "-c", script, "sh", "{args}"}, Dir: s.dir, Grace: types.Duration(20 * time.Second)}
	spec := types.StudySpec{Name: "a", Seed: 1,
		Space:      []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
		Algorithm:  types.Component{Name: "random"}, Budget: types.Budget{Trials: 1}, Run: run}
	for _, f := range change {
		f(&spec)
	}
	s.study, err = s.local.Engine.OpenStudy(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// worker is an agent under way; wait returns what its Run did.
func (s *shop) worker(b agent.Backend) (a *local.Worker, wait func()) {
	s.Helper()
	w, err := s.local.Worker(b, s.study, local.Processes{Slots: 1, Environ: os.Environ(),
		Supervisor: []string{os.Args[0], processes.SuperviseCommand}})
	if err != nil {
		s.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := w.Run(context.Background())
		done <- err
	}()
	return w, func() {
		s.Helper()
		if err := <-done; err != nil {
			s.Error(err)
		}
		if err := w.Close(); err != nil {
			s.Error(err)
		}
	}
}

// until waits for what a process brings about.
func (s *shop) until(what string, condition func() bool) {
	s.Helper()
	timeout := time.NewTimer(20 * time.Second)
	defer timeout.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout.C:
			s.Fatalf("waited in vain until %s", what)
		}
	}
}

func (s *shop) read(name string) string {
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (s *shop) write(name string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *shop) trial() types.Trial {
	s.Helper()
	tr, err := s.local.Engine.Trial(context.Background(), s.study.ID, 0)
	if err != nil {
		s.Fatal(err)
	}
	return tr
}

// curve are the stored reports of the trial.
func (s *shop) curve() string {
	s.Helper()
	rs, err := s.local.Store.Reports(context.Background(), s.study.ID, 0, "loss", 0)
	if err != nil {
		s.Fatal(err)
	}
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%d:%v ", r.Step, r.Value)
	}
	return strings.TrimSpace(b.String())
}

func TestProcessEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script  string
		state         types.State
		reason, curve string
	}{
		{"well", "echo step=1 loss=0.5; echo step=2 loss=0.25", types.Completed, "", "1:0.5 2:0.25"},
		{"with an error", "echo loss=1; echo out of paper >&2; exit 3", types.Failed, "exit code 3: out of paper", "0:1"},
		{"infeasible", "exit 9", types.Infeasible, "exit code 9, which means infeasible", ""},
		{"too late", "echo loss=1; exec sleep 1000", types.Failed, "it ran longer than the timeout of 500ms", "0:1"},
		{"without its metric", "echo acc=1", types.Failed, "it ended without the metric loss; its output has acc", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, c.script, func(sp *types.StudySpec) {
				sp.Run.InfeasibleExit = 9
				if c.name == "too late" {
					sp.Run.Timeout = types.Duration(500 * time.Millisecond)
				}
			})
			_, wait := s.worker(s.local.Engine)
			wait()
			if tr := s.trial(); tr.State != c.state || tr.Reason != c.reason {
				t.Errorf("the trial is %s: %q; want %s: %q", tr.State, tr.Reason, c.state, c.reason)
			}
			if got := s.curve(); got != c.curve {
				t.Errorf("reports %q, want %q", got, c.curve)
			}
		})
	}
}

// A process that the stopper ends is pruned, with the step that it reached, the
// reason and its metrics, however it takes the stop signal.
func TestStoppedProcessIsPruned(t *testing.T) {
	t.Parallel()
	const report = `echo step=1 loss=2 acc=0.5; echo step=2 loss=20 acc=0.25; `
	for _, c := range []struct {
		name, script string
		grace        time.Duration
		exit         int    // with which it ends
		signal       string // by which it ends
	}{
		{"and exits with an error", `trap 'echo term >> terms; exit 7' TERM; ` + report + `while :; do sleep 0.01; done`, 20 * time.Second, 7, ""},
		{"and exits well", `trap 'echo term >> terms; exit 0' TERM; ` + report + `while :; do sleep 0.01; done`, 20 * time.Second, 0, ""},
		{"and dies of the signal", report + `exec sleep 1000`, 20 * time.Second, 0, "TERM"},
		{"and is killed after the grace", `trap '' TERM; ` + report + `while :; do sleep 0.01; done`, 50 * time.Millisecond, 0, "KILL"},
		{"and says that it is infeasible", `trap 'echo term >> terms; exit 9' TERM; ` + report + `while :; do sleep 0.01; done`, 20 * time.Second, 9, ""},
		{"too late, since it has failed", report + `echo out of paper >&2; exit 3`, 20 * time.Second, 3, ""},
		{"too late, since it has ended", report, 20 * time.Second, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, c.script, func(sp *types.StudySpec) {
				sp.Stopper = types.Component{Name: "threshold", Settings: map[string]any{"upper": 10.0}}
				sp.Run.Grace, sp.Run.InfeasibleExit = types.Duration(c.grace), 9
			})
			_, wait := s.worker(s.local.Engine)
			wait()
			tr := s.trial()
			if tr.State != types.Pruned || tr.Reason != "loss 20 at step 2 is above 10" {
				t.Errorf("the trial is %s: %q", tr.State, tr.Reason)
			}
			if tr.Step == nil || *tr.Step != 2 || tr.Metrics["loss"] != 20 || tr.Metrics["acc"] != 0.25 || s.curve() != "1:2 2:20" {
				t.Errorf("it got to step %v with %v; reports %s", tr.Step, tr.Metrics, s.curve())
			}
			if d := tr.Decisions; len(d) != 1 || d[0].Step != 2 || d[0].Kind != types.StopPruned || d[0].Reason != tr.Reason {
				t.Errorf("the decisions are %+v", d)
			}
			a := tr.Attempts[0]
			exit := -1
			if a.Exit != nil {
				exit = *a.Exit
			}
			if c.signal != a.Signal || c.signal == "" && exit != c.exit || a.Reason != tr.Reason {
				t.Errorf("its attempt ended with exit code %d, signal %q: %q", exit, a.Signal, a.Reason)
			}
			if strings.Contains(c.script, "terms") && s.read("terms") != "term\n" {
				t.Errorf("the process got %q, want one TERM", s.read("terms"))
			}
		})
	}
}

// steady counts its starts, reports, and goes on until the file go is there.
const steady = `echo start >> starts; trap 'echo term >> terms; exit 7' TERM
echo step=1 loss=3; while ! [ -e go ]; do sleep 0.01; done; echo step=2 loss=2`

func TestDetachedProcessIsFoundByTheNextAgent(t *testing.T) {
	s := openShop(t, steady)
	w, wait := s.worker(s.local.Engine)
	s.until("the first report is stored", func() bool { return s.curve() == "1:3" })
	w.Detach()
	wait()
	if tr := s.trial(); tr.State != types.Running {
		t.Fatalf("the detached trial is %s", tr.State)
	}
	s.write("go")
	_, wait = s.worker(s.local.Engine)
	wait()
	tr := s.trial()
	if tr.State != types.Completed || len(tr.Attempts) != 1 || s.curve() != "1:3 2:2" {
		t.Errorf("%s after %d attempts, with the reports %q", tr.State, len(tr.Attempts), s.curve())
	}
	if s.read("starts") != "start\n" || s.read("terms") != "" {
		t.Errorf("started %q, stopped %q", s.read("starts"), s.read("terms"))
	}
}

// Another agent of the study that runs meanwhile goes on with what one left
// that is gone, through the same supervisor, and takes the signals for it.
func TestSurvivorInherits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end   func(*local.Worker)
		state types.State
	}{
		"to its end":            {nil, types.Completed},
		"and is interrupted":    {(*local.Worker).Interrupt, types.Queued},
		"and is killed":         {(*local.Worker).Kill, types.Queued},
		"and detaches in turn":  {(*local.Worker).Detach, types.Running},
		"although it is to end": {(*local.Worker).Drain, types.Completed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, steady)
			first, wait := s.worker(s.local.Engine)
			s.until("the first report is stored", func() bool { return s.curve() == "1:3" })
			f := &adopter{Backend: s.local.Engine, got: make(chan struct{})}
			survivor, waitForIt := s.worker(f)
			first.Detach()
			wait()
			<-f.got
			if c.end != nil {
				c.end(survivor)
			}
			if c.state == types.Completed || c.state == types.Running {
				s.write("go")
			}
			waitForIt()
			tr := s.trial()
			if tr.State != c.state || len(tr.Attempts) != 1 || s.read("starts") != "start\n" {
				t.Errorf("%s after %d attempts and the starts %q, want %s", tr.State, len(tr.Attempts), s.read("starts"), c.state)
			}
			if got := s.curve(); c.state == types.Completed && got != "1:3 2:2" {
				t.Errorf("the reports are %q", got)
			}
			if c.state == types.Running { // and the next finds it once more
				_, wait := s.worker(s.local.Engine)
				wait()
				if tr := s.trial(); tr.State != types.Completed || len(tr.Attempts) != 1 || s.curve() != "1:3 2:2" {
					t.Errorf("%s after %d attempts, with the reports %q", tr.State, len(tr.Attempts), s.curve())
				}
			}
		})
	}
}

// adopter tells when something was adopted and shows a sign of life.
type adopter struct {
	agent.Backend
	once sync.Once
	mine atomic.Bool
	got  chan struct{}
}

func (a *adopter) Adopt(ctx context.Context, req types.AdoptRequest) ([]types.Adopted, error) {
	as, err := a.Backend.Adopt(ctx, req)
	a.mine.Store(a.mine.Load() || len(as) > 0)
	return as, err
}

func (a *adopter) Heartbeat(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error) {
	if a.mine.Load() {
		a.once.Do(func() { close(a.got) })
	}
	return a.Backend.Heartbeat(ctx, req)
}

func TestProcessWhoseHandleWasNeverStoredIsNotStartedTwice(t *testing.T) {
	s := openShop(t, steady)
	f := &faulty{Backend: s.local.Engine}
	f.set(true, "heartbeat") // the agent dies before it can store the handle
	w, wait := s.worker(f)
	s.until("the process runs", func() bool { return s.read("starts") != "" })
	w.Detach()
	wait()
	s.write("go")
	_, wait = s.worker(s.local.Engine)
	wait()
	tr := s.trial()
	if tr.State != types.Completed || len(tr.Attempts) != 1 || s.read("starts") != "start\n" || s.curve() != "1:3 2:2" {
		t.Errorf("%s after %d attempts and the starts %q, with the reports %q", tr.State, len(tr.Attempts), s.read("starts"), s.curve())
	}
}

func TestInterruptedProcessGoesBackToTheQueue(t *testing.T) {
	for name, end := range map[string]func(*agent.Agent){"interrupt": (*agent.Agent).Interrupt, "kill": (*agent.Agent).Kill} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, steady)
			w, wait := s.worker(s.local.Engine)
			s.until("the first report is stored", func() bool { return s.curve() == "1:3" })
			end(w.Agent)
			wait()
			tr := s.trial()
			if tr.State != types.Queued || tr.Attempts[0].Reason != "interrupted" {
				t.Errorf("the trial is %s, its attempt %+v", tr.State, tr.Attempts[0])
			}
			if name == "interrupt" && s.read("terms") != "term\n" {
				t.Errorf("the process got %q, want one TERM", s.read("terms"))
			}
			s.write("go")
			_, wait = s.worker(s.local.Engine)
			wait()
			if tr := s.trial(); tr.State != types.Completed || len(tr.Attempts) != 2 {
				t.Errorf("run again it is %s after %d attempts", tr.State, len(tr.Attempts))
			}
		})
	}
}

func TestProcessUnderAnUnreadableHandleIsRunAgain(t *testing.T) {
	s := openShop(t, "echo loss=1")
	r, err := s.local.Engine.Lease(t.Context(), types.LeaseRequest{Study: s.study.ID, Worker: s.name()})
	if err != nil {
		t.Fatal(err)
	}
	b := types.Beat{Ref: r.Leases[0].Ref, State: types.AttemptRunning, Handle: "?"}
	if _, err := s.local.Engine.Heartbeat(t.Context(), types.HeartbeatRequest{Beats: []types.Beat{b}}); err != nil {
		t.Fatal(err)
	}
	_, wait := s.worker(s.local.Engine)
	wait()
	if tr := s.trial(); tr.State != types.Completed || len(tr.Attempts) != 2 {
		t.Errorf("%s after %d attempts: %+v", tr.State, len(tr.Attempts), tr.Attempts)
	}
}

// name is the worker name of the study's first agent on this machine.
func (s *shop) name() string {
	s.Helper()
	host, err := os.Hostname()
	if err != nil {
		s.Fatal(err)
	}
	return host + ":" + filepath.Join(s.local.StudyDir("default", "a"), ".agents", "0")
}
