package tuner

import (
	"context"
	"maps"
	"sync"

	"github.com/gotuner/tuner/api/types"
)

// Trial is one point to evaluate, given to an objective function. It is safe
// for concurrent use while that function runs.
type Trial struct {
	backend Backend
	lease   types.Lease
	metric  string // of the first objective

	mu      sync.Mutex
	stop    types.Decision
	metrics map[string]types.Float
	unsent  []types.Report // while the backend was away
}

// Number is the trial's number within its study, from 0.
func (t *Trial) Number() int64 { return t.lease.Ref.Trial }

// Seed is a seed for the trial's own randomness; it depends on the study's seed
// and the trial's number only.
func (t *Trial) Seed() int64 { return t.lease.Seed }

// Params are the active parameters in the order of the space.
func (t *Trial) Params() Params { return t.lease.Params }

// Report reports the first objective at a step (an epoch, a fold); a second
// report of the same step replaces the first. The stopper may decide on it that
// the trial should end: see ShouldStop. Steps are not negative.
//
// While a server is away, reports are kept and sent with the next one, or with
// the trial's end: that is no error, and the function goes on.
func (t *Trial) Report(ctx context.Context, step int64, value float64) error {
	return t.ReportMetrics(ctx, step, map[string]float64{t.metric: value})
}

// ReportMetrics reports several metrics at a step.
func (t *Trial) ReportMetrics(ctx context.Context, step int64, metrics map[string]float64) error {
	rs := make([]types.Report, 0, len(metrics))
	for k, v := range metrics {
		rs = append(rs, types.Report{Metric: k, Step: step, Value: types.Float(v)})
	}
	err := t.send(ctx, rs, true)
	if types.CodeOf(err) == types.Unavailable && ctx.Err() == nil {
		return nil // kept
	}
	return err
}

// send sends reports after those that could not be sent before, and keeps all of
// them if the backend is away.
func (t *Trial) send(ctx context.Context, rs []types.Report, buffered bool) error {
	t.mu.Lock()
	rs = append(t.unsent, rs...)
	t.unsent = nil
	t.mu.Unlock()
	d, err := t.backend.Report(ctx, types.ReportRequest{Ref: t.lease.Ref, Reports: rs, Buffered: buffered})
	if err != nil {
		if types.CodeOf(err) == types.Unavailable {
			t.mu.Lock()
			t.unsent = append(rs, t.unsent...)
			t.mu.Unlock()
		}
		return err
	}
	if d.Stop {
		t.mu.Lock()
		t.stop = d
		t.mu.Unlock()
	}
	return nil
}

// Flush returns once everything that was reported is stored. Without it reports
// are stored within a second, and at the latest with the trial's end.
func (t *Trial) Flush(ctx context.Context) error {
	return t.send(ctx, nil, false)
}

// ShouldStop reports whether the trial should end now; the function then
// returns ErrPruned.
func (t *Trial) ShouldStop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stop.Stop
}

// StopReason says in words why ShouldStop is true, "" if it is not.
func (t *Trial) StopReason() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stop.Reason
}

// SetMetric gives the trial a final value of a metric beside the one that the
// function returns, such as its second objective.
func (t *Trial) SetMetric(metric string, value float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.metrics == nil {
		t.metrics = map[string]types.Float{}
	}
	t.metrics[metric] = types.Float(value)
}

// left are the reports that could not be sent; the function has returned.
func (t *Trial) left() []types.Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unsent
}

// finals are the metrics of SetMetric.
func (t *Trial) finals() map[string]types.Float {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := make(map[string]types.Float, len(t.metrics)+2)
	maps.Copy(m, t.metrics)
	return m
}
