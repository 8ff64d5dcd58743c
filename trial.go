package tuner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gotuner/tuner/api/types"
)

// Trial is one point to evaluate: given to an objective function by Study.Run,
// asked for by Study.Ask, or the one that this process is, by Current. It is
// safe for concurrent use until it is over.
type Trial struct {
	host    host
	lease   types.Lease
	metrics []string // of the objectives; the first is what Report reports
	// Of a process: its directories.
	dir, checkpoint string

	ctx    context.Context //nolint:containedctx // the trial's own life, which Context gives away
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	params types.Params // those of the lease, and those drawn since
	stop   types.Decision
	finals map[string]types.Float
	unsent []types.Report // while the backend was away
	phase  phase
	reply  types.FinishReply
	fault  error // of the first draw that failed

	drawing sync.Mutex // held during a draw
	draws   map[string]drawn
}

// host is what a trial talks to.
type host interface {
	// report is Backend.Report.
	report(ctx context.Context, req types.ReportRequest) (types.Decision, error)
	// finish ends the trial; it is called once at a time, and again if ctx was
	// done before it returned.
	finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error)
	// extend is Backend.Extend of one parameter.
	extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error)
	// refuse says why the trial cannot be told how it ended, nil if it can.
	refuse(t *Trial, o types.Outcome) error
}

// phase is how far the telling of a trial's end has come.
type phase int

const (
	open phase = iota
	telling
	over
)

func newTrial(ctx context.Context, h host, l types.Lease, metrics []string) *Trial {
	t := &Trial{host: h, lease: l, metrics: metrics, params: l.Params}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	return t
}

// ErrSuperseded is what the cause of a trial's context is when the trial is
// somebody else's now, because its lease was lost: nothing that it reports
// counts any more.
var ErrSuperseded = errors.New("tuner: the trial is run elsewhere now")

// StopError is the cause with which the context of a trial ends that is to stop.
// errors.Is finds ErrPruned in one of the kind types.StopPruned, and
// ErrSuperseded in one of the kind types.StopSuperseded.
type StopError struct {
	Kind   types.StopKind
	Reason string
}

// Error implements error.
func (s *StopError) Error() string {
	return "tuner: the trial is to stop (" + string(s.Kind) + "): " + cmp.Or(s.Reason, "no reason is known")
}

// Is makes errors.Is find the sentinel of the kind.
func (s *StopError) Is(target error) bool {
	return target == ErrPruned && s.Kind == types.StopPruned || target == ErrSuperseded && s.Kind == types.StopSuperseded
}

// Context is done when the trial is to stop or is over. Its cause says why: a
// *StopError, ErrOver once it was told, ErrClosed if the client was closed, else
// the cause of the context that Ask, Run or Current was given.
func (t *Trial) Context() context.Context { return t.ctx }

// Number is the trial's number within its study, from 0.
func (t *Trial) Number() int64 { return t.lease.Ref.Trial }

// Attempt is the number of this try at the trial, from 1.
func (t *Trial) Attempt() int { return t.lease.Ref.Attempt }

// Seed is a seed for the trial's own randomness; it depends on the study's seed
// and the trial's number only.
func (t *Trial) Seed() int64 { return t.lease.Seed }

// Budget is what the trial may spend, such as epochs, in the study's own unit; 0
// if the study gives its trials no budget.
func (t *Trial) Budget() float64 { return t.lease.Budget }

// Params are the active parameters in the order of the space; of a study whose
// space is open, those that were drawn so far, in the order of the draws.
func (t *Trial) Params() Params {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.params)
}

func (t *Trial) value(name string) (any, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.params.Get(name)
}

// Report reports the first objective at a step (an epoch, a fold); a second
// report of the same step replaces the first. The stopper may decide on it that
// the trial should end: see ShouldStop. Steps are not negative.
//
// While a server is away, reports are kept and sent with the next one, or with
// the trial's end: that is no error, and the function goes on.
func (t *Trial) Report(ctx context.Context, step int64, value float64) error {
	if len(t.metrics) == 0 {
		return types.Errorf(types.Unsupported, "it is not known which metric the study optimises").
			WithRemedy("name it: ReportMetrics(ctx, step, map[string]float64{…})")
	}
	return t.ReportMetrics(ctx, step, map[string]float64{t.metrics[0]: value})
}

// ReportMetrics reports several metrics at a step.
func (t *Trial) ReportMetrics(ctx context.Context, step int64, metrics map[string]float64) error {
	rs := make([]types.Report, 0, len(metrics))
	for _, k := range slices.Sorted(maps.Keys(metrics)) {
		rs = append(rs, types.Report{Metric: k, Step: step, Value: types.Float(metrics[k])})
	}
	err := t.send(ctx, rs, true)
	if types.CodeOf(err) == types.Unavailable && ctx.Err() == nil {
		return nil // kept
	}
	return err
}

// Flush returns once everything that was reported is stored. Without it reports
// are stored within a second, and at the latest with the trial's end.
func (t *Trial) Flush(ctx context.Context) error { return t.send(ctx, nil, false) }

// send sends reports after those that could not be sent before, and keeps all of
// them if the backend is away.
func (t *Trial) send(ctx context.Context, rs []types.Report, buffered bool) error {
	t.mu.Lock()
	if t.phase != open {
		t.mu.Unlock()
		return t.errOver()
	}
	rs = append(t.unsent, rs...)
	t.unsent = nil
	t.mu.Unlock()
	d, err := t.host.report(ctx, types.ReportRequest{Ref: t.lease.Ref, Reports: rs, Buffered: buffered})
	switch c := types.CodeOf(err); {
	case c == types.Unavailable:
		t.keep(rs)
		return err
	case c == types.Superseded || c == types.NotFound:
		t.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
		return err
	}
	if err != nil && ctx.Err() != nil { // cut short: it may not have arrived, and counts once anyway
		t.keep(rs)
	}
	if err == nil {
		t.halt(d)
	}
	return err
}

func (t *Trial) keep(rs []types.Report) {
	t.mu.Lock()
	t.unsent = append(rs, t.unsent...)
	t.mu.Unlock()
}

// halt carries out a decision; the first one to stop holds. A trial whose end has
// been stored is nobody's any more: a heartbeat that was under way meanwhile hears
// that before the call that told the end returns, so it is not heard then.
func (t *Trial) halt(d types.Decision) {
	t.mu.Lock()
	heard := d.Stop && (t.phase == open || t.phase == telling && d.Kind != types.StopSuperseded)
	if heard && !t.stop.Stop {
		t.stop = d
	}
	t.mu.Unlock()
	if heard {
		t.cancel(&StopError{Kind: d.Kind, Reason: d.Reason})
	}
}

// ShouldStop reports whether the trial should end now; the objective function
// then returns ErrPruned, and whoever asked for the trial calls Prune.
func (t *Trial) ShouldStop() bool { return t.decision().Stop }

// StopReason says in words why ShouldStop is true, "" if it is not.
func (t *Trial) StopReason() string { return t.decision().Reason }

func (t *Trial) decision() types.Decision {
	t.mu.Lock()
	d := t.stop
	t.mu.Unlock()
	if !d.Stop && t.ctx.Err() != nil && !errors.Is(context.Cause(t.ctx), ErrOver) {
		d = types.Decision{Stop: true, Kind: types.StopInterrupt, Reason: context.Cause(t.ctx).Error()}
	}
	return d
}

// SetMetric gives the trial a final value of a metric beside the objective that
// is returned or told, such as a second objective.
func (t *Trial) SetMetric(metric string, value float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.finals == nil {
		t.finals = map[string]types.Float{}
	}
	t.finals[metric] = types.Float(value)
}

// given are the reports that could not be sent and the metrics of SetMetric.
func (t *Trial) given() ([]types.Report, map[string]types.Float) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := make(map[string]types.Float, len(t.finals)+2)
	maps.Copy(m, t.finals)
	return slices.Clone(t.unsent), m
}

// String names the trial.
func (t *Trial) String() string { return fmt.Sprintf("trial %d", t.Number()) }
