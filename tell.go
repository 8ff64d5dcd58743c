package tuner

import (
	"context"
	"errors"
	"maps"

	"github.com/gotuner/tuner/api/types"
)

// ErrOver is the cause of a trial's context once its end was told.
var ErrOver = errors.New("tuner: the trial is over")

// Tell completes a trial that was asked for with the values of the study's
// objectives, in their order; NaN and the infinities make it infeasible. Without
// values it is completed with what was reported and set (SetMetric).
//
// A server that is away is waited for until ctx is done; then Tell can be called
// again. Once it has returned nil the result is stored, and a second call is an
// error of code types.Conflict. types.Superseded means that the trial is run
// elsewhere now and this result does not count.
func (t *Trial) Tell(ctx context.Context, values ...float64) error {
	if len(values) > max(len(t.metrics), 0) {
		return types.Errorf(types.Invalid, "%d values were told, and the study has %d objectives", len(values), len(t.metrics)).
			WithRemedy("give one value for each objective; SetMetric takes any other metric")
	}
	if err := t.Err(); err != nil {
		return types.Errorf(types.Conflict, "trial %d has no point: %w", t.Number(), err).WithRemedy("end it with Fail(ctx, t.Err())")
	}
	metrics := map[string]types.Float{}
	for i, v := range values {
		metrics[t.metrics[i]] = types.Float(v)
	}
	return t.end(ctx, types.OutcomeCompleted, "", metrics)
}

// Prune ends a trial that was asked for because it is hopeless. Its value is the
// one at the highest step reported.
func (t *Trial) Prune(ctx context.Context) error {
	reason := t.StopReason()
	if reason == "" {
		reason = "the program gave it up"
	}
	return t.end(ctx, types.OutcomePruned, reason, nil)
}

// Fail ends a trial that was asked for by an error of the program.
func (t *Trial) Fail(ctx context.Context, cause error) error {
	if cause == nil {
		return types.Errorf(types.Invalid, "a failed trial needs a reason").WithRemedy("give the error; Tell completes a trial")
	}
	return t.end(ctx, types.OutcomeFailed, cause.Error(), nil)
}

// Infeasible ends a trial that was asked for and whose point has no value, such
// as one that does not fit into memory. The algorithm keeps away from such
// points.
func (t *Trial) Infeasible(ctx context.Context, reason string) error {
	return t.end(ctx, types.OutcomeInfeasible, reason, nil)
}

// Release gives a trial back that was asked for: it is handed out again, with
// the same point, to whoever asks next.
func (t *Trial) Release(ctx context.Context, reason string) error {
	return t.end(ctx, types.OutcomeInterrupted, reason, nil)
}

// State is what the trial has become, "" before its end was told.
func (t *Trial) State() types.State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reply.State
}

func (t *Trial) end(ctx context.Context, o types.Outcome, reason string, metrics map[string]types.Float) error {
	if err := t.host.refuse(t, o); err != nil {
		return err
	}
	t.mu.Lock()
	was := t.phase
	if was == open {
		t.phase = telling
	}
	t.mu.Unlock()
	if was != open {
		return t.errOver()
	}
	reports, finals := t.given()
	maps.Copy(finals, metrics)
	reply, err := t.host.finish(ctx, types.FinishRequest{Ref: t.lease.Ref, Outcome: o, Reason: reason, Reports: reports, Metrics: finals})
	t.mu.Lock()
	switch c := types.CodeOf(err); {
	case err == nil:
		t.phase, t.reply = over, reply
	case c == types.Superseded || c == types.NotFound:
		t.phase = over
		err = types.Errorf(types.Superseded, "the result of trial %d does not count: %w", t.Number(), err).WithRemedy("ask for another")
	default:
		t.phase = open
	}
	done := t.phase == over
	t.mu.Unlock()
	if done {
		t.cancel(ErrOver)
	}
	return err
}

// errOver is for those who use a trial after its end.
func (t *Trial) errOver() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase == telling {
		return types.Errorf(types.Conflict, "the end of trial %d is being told", t.Number()).WithRemedy("wait until that call returns")
	}
	state := string(t.reply.State)
	if state == "" {
		state = "somebody else's"
	}
	return types.Errorf(types.Conflict, "trial %d is over: it is %s", t.Number(), state).WithRemedy("ask for another")
}
