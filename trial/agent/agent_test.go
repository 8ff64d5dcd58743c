package agent_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/executor"
	"github.com/gotuner/tuner/trial/executor/inproc"
)

const worker = "w"

// world is an engine, a study, and functions that an agent runs as its trials.
// It lives in a bubble, whose time passes when all wait.
type world struct {
	*testing.T
	db     struct{ store.Store }
	engine *engine.Engine
	study  int64
	// run is a trial; the default returns at once.
	run func(ctx context.Context, l types.Lease) error
	// change completes the job of an attempt.
	change func(*agent.Job)
	launch func() error // a fault of Launch
	resume error        // of Resume
	cfg    agent.Config
	exec   *inproc.Executor
	tokens atomic.Int64
}

func inWorld(t *testing.T, trials int64, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, resume: errors.New("the function is gone"),
			run:    func(context.Context, types.Lease) error { return nil },
			launch: func() error { return nil }, change: func(*agent.Job) {}}
		w.db.Store = memstore.New()
		w.engine = w.newEngine("owner")
		defer func() {
			if err := w.engine.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		st, err := w.engine.OpenStudy(t.Context(), types.StudySpec{Name: "a", Seed: 1,
			Space:      []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
			Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
			Algorithm:  types.Component{Name: "random"}, Budget: types.Budget{Trials: trials}})
		if err != nil {
			t.Fatal(err)
		}
		w.study = st.ID
		w.exec = inproc.New(func(ctx context.Context, l types.Lease) error { return w.run(ctx, l) }, inproc.Config{})
		w.cfg = agent.Config{Backend: w.engine, Executor: w.exec, Launcher: w, Study: st.ID, Worker: worker, ExecutorName: "inproc",
			NewKey: w.token}
		f(w)
		if err := w.exec.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (w *world) token() string { return fmt.Sprint("t", w.tokens.Add(1)) }

func (w *world) newEngine(owner string) *engine.Engine {
	return engine.New(engine.Config{
		Store: &w.db, Owner: owner, Now: time.Now,
		NewSuggester: func(c types.Component, sc suggest.Config) (suggest.Suggester, error) {
			return suggest.New(suggest.Registry{random.Algorithm()}, c, sc)
		},
		NewStopper: earlystop.New,
		NewSeed:    func() int64 { return 1 }, NewToken: w.token,
	})
}

// Launch implements agent.Launcher.
func (w *world) Launch(l types.Lease, _ int) (*agent.Job, error) {
	if err := w.launch(); err != nil {
		return nil, err
	}
	return w.job(l), nil
}

// Resume implements agent.Launcher.
func (w *world) Resume(a types.Adopted) (*agent.Job, error) {
	if w.resume != nil {
		return nil, w.resume
	}
	return w.job(a.Lease), nil
}

func (w *world) job(l types.Lease) *agent.Job {
	j := &agent.Job{Spec: executor.Spec{ID: fmt.Sprint(l.Ref.Trial, "/", l.Ref.Attempt, "/", l.Ref.Token), Ref: l.Ref, Lease: l}, StopSignal: "TERM"}
	j.Finish = func(st executor.Status) types.FinishRequest {
		if st.Err != "" {
			return types.FinishRequest{Outcome: types.OutcomeFailed, Reason: st.Err}
		}
		return types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": 1}}
	}
	w.change(j)
	return j
}

// start runs an agent; wait returns what Run did.
func (w *world) start() (a *agent.Agent, wait func() (string, error)) {
	a = agent.New(w.cfg)
	var reason string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		reason, err = a.Run(context.Background())
	}()
	return a, func() (string, error) { <-done; return reason, err }
}

func (w *world) mustRun() {
	w.Helper()
	_, wait := w.start()
	if _, err := wait(); err != nil {
		w.Error(err)
	}
}

func (w *world) counts() types.Counts {
	w.Helper()
	v, err := w.engine.Study(context.Background(), w.study)
	if err != nil {
		w.Fatal(err)
	}
	return v.Counts
}

func (w *world) wantCounts(when string, want types.Counts) {
	w.Helper()
	if got := w.counts(); got != want {
		w.Errorf("%s: %+v, want %+v", when, got, want)
	}
}

// lease takes a trial as an earlier agent of the same name did.
func (w *world) lease(handle string) types.Lease {
	w.Helper()
	r, err := w.engine.Lease(context.Background(), types.LeaseRequest{Study: w.study, Worker: worker})
	if err != nil || r.Status != types.LeaseGranted {
		w.Fatalf("%+v, %v", r, err)
	}
	l := r.Leases[0]
	if handle != "" {
		b := types.Beat{Ref: l.Ref, State: types.AttemptRunning, Handle: handle}
		if _, err := w.engine.Heartbeat(context.Background(), types.HeartbeatRequest{Worker: worker, Beats: []types.Beat{b}}); err != nil {
			w.Fatal(err)
		}
	}
	return l
}

// untilDone is a trial that goes on until it is stopped.
func untilDone(ctx context.Context, _ types.Lease) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestRunSpendsTheBudget(t *testing.T) {
	inWorld(t, 20, func(w *world) {
		w.cfg.Slots = 4
		_, wait := w.start()
		if reason, err := wait(); err != nil || reason != "the budget of 20 trials is spent" {
			t.Errorf("%q, %v", reason, err)
		}
		w.wantCounts("after the run", types.Counts{Completed: 20})
	})
}

// What an agent is asked to do must find every attempt in whichever phase it
// is, and leave none that runs nowhere.
func TestEndingOfAnAgent(t *testing.T) {
	ask := map[string]func(*agent.Agent){
		"drain": (*agent.Agent).Drain, "interrupt": (*agent.Agent).Interrupt,
		"kill": (*agent.Agent).Kill, "detach": (*agent.Agent).Detach,
	}
	for name, end := range ask {
		t.Run(name, func(t *testing.T) {
			ended := types.Counts{Queued: 2} // what ran goes back
			if name == "drain" {
				ended = types.Counts{Completed: 2}
			}
			for _, polled := range []bool{false, true} {
				t.Run(fmt.Sprint("while running, polled=", polled), func(t *testing.T) {
					inWorld(t, 50, func(w *world) {
						w.cfg.Slots = 2
						w.run = work
						if polled {
							w.change = func(j *agent.Job) { j.Timeout = time.Hour }
							if name == "detach" {
								ended = types.Counts{Running: 2} // for the next agent
							}
						}
						a, wait := w.start()
						synctest.Wait()
						end(a)
						if _, err := wait(); err != nil {
							t.Error(err)
						}
						w.wantCounts("at the end", ended)
					})
				})
			}
			t.Run("before it runs", func(t *testing.T) {
				inWorld(t, 50, func(w *world) {
					a := agent.New(w.cfg)
					end(a)
					if _, err := a.Run(context.Background()); err != nil {
						t.Error(err)
					}
					w.wantCounts("at the end", types.Counts{})
				})
			})
			t.Run("while it waits for a trial", func(t *testing.T) {
				inWorld(t, 1, func(w *world) {
					w.cfg.Worker = "other"
					l := w.lease("")
					a, wait := w.start()
					synctest.Wait()
					end(a)
					if _, err := wait(); err != nil {
						t.Error(err)
					}
					w.wantCounts("at the end", types.Counts{Running: 1})
					if _, err := w.engine.Finish(t.Context(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed}); err != nil {
						t.Error(err)
					}
				})
			})
			t.Run("while a trial starts", func(t *testing.T) {
				inWorld(t, 50, func(w *world) {
					began, goOn := make(chan struct{}), make(chan struct{})
					w.run = work
					w.launch = func() error {
						close(began)
						<-goOn
						return nil
					}
					a, wait := w.start()
					<-began
					end(a)
					synctest.Wait()
					close(goOn)
					if _, err := wait(); err != nil {
						t.Error(err)
					}
					want := types.Counts{Queued: 1}
					if name == "drain" {
						want = types.Counts{Completed: 1}
					}
					w.wantCounts("at the end", want)
				})
			})
			t.Run("before it adopts", func(t *testing.T) {
				inWorld(t, 50, func(w *world) {
					w.run = work
					w.lease("")
					a := agent.New(w.cfg)
					end(a)
					if _, err := a.Run(context.Background()); err != nil {
						t.Error(err)
					}
					want := types.Counts{Queued: 1}
					if name == "drain" {
						want = types.Counts{Completed: 1}
					}
					w.wantCounts("at the end", want)
				})
			})
		})
	}
}

// work takes an hour unless it is stopped.
func work(ctx context.Context, _ types.Lease) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Hour):
		return nil
	}
}

func TestUntilEndsTheHandingOut(t *testing.T) {
	inWorld(t, 50, func(w *world) {
		until := make(chan struct{})
		w.cfg.Until = until
		w.run = work
		_, wait := w.start()
		time.Sleep(90 * time.Minute)
		close(until)
		if _, err := wait(); err != nil {
			t.Error(err)
		}
		w.wantCounts("two trials of an hour", types.Counts{Completed: 2})
	})
}

func TestTrialGrantedWithTheLastAnswerGoesBack(t *testing.T) {
	inWorld(t, 50, func(w *world) {
		var a *agent.Agent
		w.cfg.Hooks.Ended = func(types.Lease, types.FinishRequest, types.FinishReply) { a.Drain() }
		a = agent.New(w.cfg)
		if _, err := a.Run(context.Background()); err != nil {
			t.Error(err)
		}
		w.wantCounts("the agent was drained when it had the next trial", types.Counts{Completed: 1, Queued: 1})
	})
}
