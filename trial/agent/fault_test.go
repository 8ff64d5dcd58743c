package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
)

// What an agent does when something is not as it should be.

// An attempt that cannot be found again must not take another trial with it.
func TestAttemptThatCannotBeAdopted(t *testing.T) {
	for name, c := range map[string]struct {
		handle string
		launch error
	}{
		"it cannot be found":   {handle: "gone"},
		"it cannot be started": {launch: types.Errorf(types.Invalid, "no such program")},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 3, func(w *world) {
				w.lease(c.handle)
				faults := 0
				w.launch = func() error {
					if faults++; faults == 1 {
						return c.launch
					}
					return nil
				}
				began := time.Now()
				w.mustRun()
				if d := time.Since(began); d > 10*time.Second {
					t.Errorf("it took %v: a trial ran nowhere until its lease ended", d)
				}
				if c := w.counts(); c.Spent() != 3 {
					t.Errorf("counts %+v", c)
				}
			})
		})
	}
}

// faulty is a backend that is away for a while, as a database whose disk is
// full. Everything else goes to the engine.
type faulty struct {
	agent.Backend
	mu     sync.Mutex
	away   map[string]bool
	called map[string]int
}

var errAway = types.Errorf(types.Unavailable, "the disk is full")

func (f *faulty) fault(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.called == nil {
		f.called = map[string]int{}
	}
	f.called[call]++
	if f.away[call] {
		return errAway
	}
	return nil
}

func (f *faulty) set(away bool, calls ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		f.away = map[string]bool{}
	}
	for _, c := range calls {
		f.away[c] = away
	}
}

func (f *faulty) Report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	if err := f.fault("report"); err != nil {
		return types.Decision{}, err
	}
	return f.Backend.Report(ctx, req)
}

func (f *faulty) Heartbeat(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error) {
	if err := f.fault("heartbeat"); err != nil {
		return types.HeartbeatReply{}, err
	}
	return f.Backend.Heartbeat(ctx, req)
}

func (f *faulty) Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	if err := f.fault("finish"); err != nil {
		return types.FinishReply{}, err
	}
	return f.Backend.Finish(ctx, req)
}

func TestResultWaitsForTheBackend(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		f := &faulty{Backend: w.engine}
		w.cfg.Backend = f
		f.set(true, "finish")
		_, wait := w.start()
		time.Sleep(10 * time.Minute)
		f.set(false, "finish")
		if _, err := wait(); err != nil {
			t.Error(err)
		}
		w.wantCounts("the disk had room again after ten minutes", types.Counts{Completed: 2})
	})
}

func TestAgentEndsThoughItsBackendIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(*agent.Agent)
		within time.Duration
	}{
		"interrupt": {(*agent.Agent).Interrupt, 2 * time.Minute},
		"kill":      {(*agent.Agent).Kill, 15 * time.Second},
		"detach":    {(*agent.Agent).Detach, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				f := &faulty{Backend: w.engine}
				w.cfg.Backend = f
				f.set(true, "finish", "heartbeat", "report")
				w.run = untilDone
				a, wait := w.start()
				time.Sleep(time.Minute)
				began := time.Now()
				c.end(a)
				if _, err := wait(); !errors.Is(err, errAway) {
					t.Errorf("the run ended with %v, want that a result could not be stored", err)
				}
				if d := time.Since(began); d > c.within {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// lines is an Output with a report each second.
type lines struct {
	began time.Time
	sent  int64
	slow  time.Duration // what the last reading takes
}

func (o *lines) Poll(final bool) (rs []types.Report, cursor string, err error) {
	if final {
		time.Sleep(o.slow)
	}
	for ; o.sent < int64(time.Since(o.began)/time.Second); o.sent++ {
		rs = append(rs, types.Report{Metric: "loss", Step: o.sent, Value: types.Float(o.sent)})
	}
	return rs, fmt.Sprint(o.sent), nil
}

func (o *lines) Close() error { return nil }

func TestAttemptIsEndedInTimeThoughReportsCannotBeStored(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		f := &faulty{Backend: w.engine}
		w.cfg.Backend = f
		f.set(true, "report")
		w.run = untilDone
		w.change = func(j *agent.Job) {
			j.Output, j.Timeout = &lines{began: time.Now()}, 20*time.Second
		}
		began := time.Now()
		w.mustRun()
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("the timeout of 20s took %v", d)
		}
		rs, err := w.db.Reports(t.Context(), w.study, 0, "loss", 0)
		if err != nil {
			t.Fatal(err)
		}
		steps := make([]int64, 0, len(rs))
		for _, r := range rs {
			steps = append(steps, r.Step)
		}
		want := make([]int64, 20)
		for i := range want {
			want[i] = int64(i)
		}
		if !slices.Equal(steps, want) {
			t.Errorf("stored are the steps %v", steps)
		}
	})
}

func TestTimeoutOfAnAdoptedAttemptCountsFromItsBegin(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.run, w.resume = untilDone, nil
		w.change = func(j *agent.Job) { j.Timeout = time.Hour }
		began := time.Now()
		a, wait := w.start()
		for range 3 {
			time.Sleep(15 * time.Minute)
			a.Detach() // its process is killed; the function stands for what goes on
			if _, err := wait(); err != nil {
				t.Error(err)
			}
			a, wait = w.start()
		}
		if _, err := wait(); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d != time.Hour {
			t.Errorf("with three restarts the timeout of an hour took %v", d)
		}
		w.wantCounts("after the timeout", types.Counts{Failed: 1})
	})
}

func TestReportsWaitUntilTheHandleIsStored(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		f := &faulty{Backend: w.engine}
		w.cfg.Backend = f
		f.set(true, "heartbeat")
		w.run = untilDone
		w.change = func(j *agent.Job) {
			j.Output, j.Spec.AttemptDir = &lines{began: time.Now()}, "/somewhere"
		}
		a, wait := w.start()
		time.Sleep(10 * time.Second)
		f.mu.Lock()
		if n := f.called["report"]; n > 0 {
			t.Errorf("%d reports were sent before the handle was stored: after a crash they would be read again", n)
		}
		f.mu.Unlock()
		f.set(false, "heartbeat")
		time.Sleep(10 * time.Second)
		adopted, err := w.engine.Adopt(t.Context(), types.AdoptRequest{Study: w.study, Worker: worker})
		if err != nil || len(adopted) != 1 || adopted[0].Handle == "" || adopted[0].Cursor < "1" {
			t.Errorf("the next agent would get %+v, %v", adopted, err)
		}
		a.Kill()
		if _, err := wait(); err != nil {
			t.Error(err)
		}
	})
}

func TestFaultOfTheMachineIsNoFailureOfTheTrial(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		faults := 0
		w.launch = func() error {
			if faults++; faults <= 8 {
				return types.Errorf(types.Unavailable, "make the trial's directory: the disk is full")
			}
			return nil
		}
		var heard atomic.Int64
		w.cfg.Hooks.Trouble = func(error) { heard.Add(1) }
		began := time.Now()
		w.mustRun()
		w.wantCounts("after eight faults", types.Counts{Completed: 2})
		if d := time.Since(began); d < 10*time.Second || d > 10*time.Minute {
			t.Errorf("eight faults took %v; want growing pauses", d)
		}
		if heard.Load() != 8 {
			t.Errorf("the user heard of %d faults, want 8", heard.Load())
		}
	})
}

func TestLeaseIsKeptWhileTheLastOutputIsRead(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.change = func(j *agent.Job) { j.Output = &lines{began: time.Now(), slow: 5 * time.Minute} }
		w.mustRun()
		tr, err := w.db.Trial(t.Context(), w.study, 0)
		if err != nil || tr.Attempts != 1 || tr.State != types.Completed {
			t.Errorf("%+v, %v", tr, err)
		}
	})
}

func TestAgentOfAStoppingTrialAsksRarely(t *testing.T) {
	for _, polled := range []bool{false, true} {
		inWorld(t, 50, func(w *world) {
			f := &faulty{Backend: w.engine}
			w.cfg.Backend = f
			w.run = func(context.Context, types.Lease) error { // deaf
				time.Sleep(time.Hour)
				return nil
			}
			if polled {
				w.change = func(j *agent.Job) { j.Timeout = 2 * time.Hour }
			}
			a, wait := w.start()
			time.Sleep(time.Minute)
			if _, err := w.engine.Control(t.Context(), types.ControlRequest{Study: w.study, Kind: types.StopTrial, Numbers: []int64{0}}); err != nil {
				t.Fatal(err)
			}
			a.Drain()
			if _, err := wait(); err != nil {
				t.Error(err)
			}
			w.wantCounts("at the end", types.Counts{Cancelled: 1})
			if n := f.called["heartbeat"]; n < 600 || n > 1500 {
				t.Errorf("%d heartbeats in an hour, want one each 5s", n)
			}
		})
	}
}

func TestRemovedStudyEndsWhatRuns(t *testing.T) {
	inWorld(t, 50, func(w *world) {
		var why atomic.Value
		w.run = func(ctx context.Context, l types.Lease) error {
			err := untilDone(ctx, l)
			why.Store(err.Error())
			return err
		}
		_, wait := w.start()
		time.Sleep(time.Minute)
		st, err := w.db.StudyByID(t.Context(), w.study)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.db.DeleteStudy(t.Context(), w.study, st.Epoch); err != nil {
			t.Fatal(err)
		}
		if _, err := wait(); types.CodeOf(err) != types.NotFound {
			t.Errorf("the run ended with %v", err)
		}
		if why.Load() == nil {
			t.Error("the function was not stopped")
		}
	})
}
