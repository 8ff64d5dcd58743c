package tuner

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/executor"
	"github.com/gotuner/tuner/trial/executor/inproc"
)

// ErrPruned is returned by an objective function that ends because ShouldStop
// says so. The trial's value is then the one at the highest step reported.
var ErrPruned = errors.New("tuner: the trial was pruned")

// Infeasible is returned by an objective function for a point that has no
// value, such as one that does not fit into memory. The trial is not a failure,
// and the algorithm keeps away from such points.
func Infeasible(reason string) error { return &infeasible{reason} }

type infeasible struct{ reason string }

func (e *infeasible) Error() string { return e.reason }

// Func evaluates one trial and returns the first objective's value; NaN and the
// infinities make the trial infeasible. It should return soon after ctx is
// done, whose cause says why. An error fails the trial, as a panic does.
type Func func(ctx context.Context, t *Trial) (float64, error)

// RunOptions says how Run runs trials. The zero value is useful.
type RunOptions struct {
	// Workers is how many trials run at once; 0 is 1.
	Workers int
	// OnTrial is called with the end of every trial, one call at a time; may be
	// nil.
	OnTrial func(number int64, state types.State, reason string)
}

// Run evaluates trials with fn until the study's budget is spent or ctx is
// done; in that case the contexts of running trials end, those trials go back to
// the queue, and the cause of ctx is returned. A study that stopped because of
// failures is an error of code types.Conflict with the reason. What finished is
// stored when Run returns. Several Runs of a study share its trials.
func (s *Study) Run(ctx context.Context, fn Func, opt RunOptions) error {
	r := &runner{study: s, fn: fn, open: map[types.AttemptRef]*attempt{}}
	exec := inproc.New(r.run, inproc.Config{})
	prefix := rand.Text()
	var keys atomic.Int64
	var telling sync.Mutex // also with one worker the ends of two trials may come at once
	a, leave, err := s.client.agent(agent.Config{
		Backend: s.client.backend, Executor: exec, Launcher: r, ExecutorName: types.ExecutorInProcess,
		Study: s.id, Slots: opt.Workers, Ahead: true,
		NewKey: func() string { return prefix + strconv.FormatInt(keys.Add(1), 36) },
		Hooks: agent.Hooks{Stopping: r.stopping, Ended: func(l types.Lease, _ types.FinishRequest, reply types.FinishReply) {
			if opt.OnTrial != nil {
				telling.Lock()
				defer telling.Unlock()
				opt.OnTrial(l.Ref.Trial, reply.State, reply.Reason)
			}
		}},
	})
	if err != nil {
		return err
	}
	defer leave()
	_, err = a.Run(ctx)
	if s.client.isClosed() {
		err = errors.Join(ErrClosed, err)
	}
	if err = errors.Join(err, exec.Close()); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.ended(ctx, ""); !errors.Is(err, ErrDone) {
		return err
	}
	return nil
}

// runner launches trials as calls of a function.
type runner struct {
	study *Study
	fn    Func

	mu   sync.Mutex
	open map[types.AttemptRef]*attempt
}

// attempt is one call of the function.
type attempt struct {
	trial *Trial
	value float64
	err   error
}

var _ agent.Launcher = (*runner)(nil)

// Launch implements agent.Launcher.
func (r *runner) Launch(l types.Lease, _ int) (*agent.Job, error) {
	at := &attempt{trial: newTrial(context.Background(), runHost{r.study.client.backend}, l, r.study.metrics())}
	r.mu.Lock()
	r.open[l.Ref] = at
	r.mu.Unlock()
	return &agent.Job{
		Spec:       executor.Spec{ID: l.Ref.Token, Ref: l.Ref, Lease: l},
		StopSignal: "TERM",
		Finish: func(st executor.Status) types.FinishRequest {
			r.mu.Lock()
			delete(r.open, l.Ref)
			r.mu.Unlock()
			return at.finish(st)
		},
	}, nil
}

// Resume implements agent.Launcher: a function that ran in a process which is
// gone cannot be found again.
func (r *runner) Resume(types.Adopted) (*agent.Job, error) {
	return nil, types.Errorf(types.NotFound, "the process that ran it has ended")
}

// run is the executor's function.
func (r *runner) run(ctx context.Context, l types.Lease) error {
	at := r.find(l)
	t := at.trial
	defer t.cancel(ErrOver)
	// Why it is to stop the agent says by stopping, before ctx ends.
	defer context.AfterFunc(ctx, func() { t.cancel(context.Cause(ctx)) })()
	at.value, at.err = r.fn(t.ctx, t)
	if at.err == nil {
		at.err = t.Err()
	}
	return at.err
}

func (r *runner) find(l types.Lease) *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[l.Ref]
}

// stopping is the agent's hook for the decision that a trial has to end.
func (r *runner) stopping(l types.Lease, d types.Decision) {
	if at := r.find(l); at != nil {
		at.trial.halt(d)
	}
}

// runHost is the host of a trial whose end Run tells.
type runHost struct{ Backend }

func (h runHost) report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	return h.Report(ctx, req)
}

func (h runHost) extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	return h.Extend(ctx, req)
}

func (h runHost) refuse(t *Trial, _ types.Outcome) error {
	return types.Errorf(types.Conflict, "Run tells the end of trial %d by what the function returns", t.Number()).
		WithRemedy("return the value, ErrPruned, Infeasible(reason) or an error")
}

func (h runHost) finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	return h.Finish(ctx, req)
}

// finish is what the return of the function means.
func (at *attempt) finish(st executor.Status) types.FinishRequest {
	req := types.FinishRequest{Outcome: types.OutcomeCompleted}
	req.Reports, req.Metrics = at.trial.given()
	var none *infeasible
	switch {
	case at.err == nil && st.Err != "": // it panicked
		req.Outcome, req.Reason = types.OutcomeFailed, st.Err
	case at.err == nil:
		req.Metrics[at.trial.metrics[0]] = types.Float(at.value)
	case errors.Is(at.err, ErrPruned):
		req.Outcome, req.Reason = types.OutcomePruned, "the function gave it up"
	case errors.As(at.err, &none):
		req.Outcome, req.Reason = types.OutcomeInfeasible, none.reason
	default:
		req.Outcome, req.Reason = types.OutcomeFailed, at.err.Error()
	}
	req.Metrics["trial.elapsed"] = types.Float(st.Ended.Sub(st.Started).Seconds())
	return req
}
