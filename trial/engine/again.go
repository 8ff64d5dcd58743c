package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// What is told again of a trial that is over: the same is answered like the first
// time, for the first answer may have been lost; anything else is refused, for
// whoever tells it believes that it counts.

// finishedBefore answers a Finish that the engine refused because its attempt
// does not run.
func (e *Engine) finishedBefore(ctx context.Context, req types.FinishRequest, refusal error) (types.FinishReply, error) {
	t, err := e.cfg.Store.Trial(ctx, req.Ref.Study, req.Ref.Trial)
	if err != nil {
		return types.FinishReply{}, err
	}
	as, err := e.cfg.Store.Attempts(ctx, req.Ref.Study, req.Ref.Trial)
	if err != nil {
		return types.FinishReply{}, err
	}
	i := slices.IndexFunc(as, func(a trial.Attempt) bool {
		return a.Number == req.Ref.Attempt && a.Token == req.Ref.Token && a.State.Finished()
	})
	over := (t.State.Finished() || t.State == types.Paused) && req.Ref.Attempt == t.Attempts
	// Who wanted the trial back in the queue has got that, whoever did it.
	back := req.Outcome == types.OutcomeInterrupted || req.Outcome == types.OutcomeLost
	if i < 0 || !back && (!over || as[i].State == types.Lost && as[i].Stopping == "") {
		if types.CodeOf(refusal) != types.Superseded {
			refusal = types.Errorf(types.Superseded, "attempt %d of trial %d was superseded: its lease ended and the trial is %s",
				req.Ref.Attempt, req.Ref.Trial, t.State).WithRemedy("stop this attempt")
		}
		return types.FinishReply{}, refusal
	}
	st, err := e.cfg.Store.StudyByID(ctx, req.Ref.Study)
	if err != nil {
		return types.FinishReply{}, err
	}
	if !back && !moot(as[i], t) && (as[i].Stopping == "" && !follows(st.Spec, req.Outcome, t) || !holds(t, req.Metrics)) {
		return types.FinishReply{}, contradicts(st.Spec, t, req.Outcome, req.Metrics)
	}
	reply := types.FinishReply{State: t.State, Reason: t.Reason, Value: valueOf(st.Spec, t.Metrics)}
	if req.Next != nil {
		next, err := e.Lease(ctx, *req.Next)
		if err != nil {
			return reply, err
		}
		reply.Next = &next
	}
	return reply, nil
}

// moot reports whether what the holder of an attempt tells of its end changes
// nothing: the trial rests, or was stopped and ended so whatever its holder had.
func moot(a trial.Attempt, t trial.Trial) bool {
	return t.State == types.Paused || a.Stopping != "" && (a.State == types.Lost || t.State == types.Cancelled)
}

// toldBefore answers a Tell that the engine refused because the trial does not
// run.
func (e *Engine) toldBefore(ctx context.Context, req types.TellRequest, refusal error) (types.FinishReply, error) {
	t, err := e.cfg.Store.Trial(ctx, req.Study, req.Trial)
	if err != nil {
		return types.FinishReply{}, err
	}
	st, err := e.cfg.Store.StudyByID(ctx, req.Study)
	if err != nil {
		return types.FinishReply{}, err
	}
	reply := types.FinishReply{State: t.State, Reason: t.Reason, Value: valueOf(st.Spec, t.Metrics)}
	if req.Outcome == types.OutcomeInterrupted {
		as, err := e.cfg.Store.Attempts(ctx, req.Study, req.Trial)
		i := slices.IndexFunc(as, func(a trial.Attempt) bool { return a.Number == req.Attempt })
		if err == nil && (i < 0 || !as[i].State.Finished() || as[i].Executor != types.ExecutorAsk) {
			err = refusal
		}
		return reply, err
	}
	if !t.State.Finished() {
		return types.FinishReply{}, refusal
	}
	if t.State == types.Cancelled {
		return types.FinishReply{}, cancelled(t)
	}
	metrics, err := valued(st.Spec.Objectives, req.Value, req.Metrics)
	if err != nil {
		return types.FinishReply{}, err
	}
	if req.Attempt != 0 && req.Attempt != t.Attempts {
		return types.FinishReply{}, handedOn(t, req.Attempt)
	}
	if t.State != types.Pruned && !follows(st.Spec, req.Outcome, t) || !holds(t, metrics) {
		return types.FinishReply{}, contradicts(st.Spec, t, req.Outcome, metrics)
	}
	return reply, nil
}

// handedOn refuses what is told under an attempt that is not the trial's last.
func handedOn(t trial.Trial, attempt int) error {
	return types.Errorf(types.Superseded, "trial %d was handed out again after attempt %d, and is %s", t.Number, attempt, t.State).
		WithRemedy("ask for another trial, with a longer ttl")
}

// cancelled refuses what is told for a trial that was cancelled.
func cancelled(t trial.Trial) error {
	return types.Errorf(types.Conflict, "trial %d was cancelled (%s): what is told now does not count", t.Number, t.Reason).
		WithRemedy("ask for another trial, if the study goes on")
}

// follows reports whether the state of a finished trial follows from an outcome.
// Completed fails where an objective is missing.
func follows(spec types.StudySpec, o types.Outcome, t trial.Trial) bool {
	switch o {
	case types.OutcomeCompleted:
		return t.State == types.Completed || t.State == types.Infeasible ||
			t.State == types.Failed && slices.ContainsFunc(spec.Objectives, func(o types.Objective) bool {
				_, ok := t.Metrics[o.Metric]
				return !ok
			})
	case types.OutcomePruned, types.OutcomeFailed, types.OutcomeInfeasible, types.OutcomeCancelled:
		return t.State == types.State(o)
	case types.OutcomeInterrupted, types.OutcomeLost: // these end no trial
	}
	return false
}

// holds reports whether a finished trial has these values. What its attempts add
// up is not that of the last one alone.
func holds(t trial.Trial, metrics map[string]types.Float) bool {
	for name, v := range metrics {
		x, ok := t.Metrics[name]
		same := x == float64(v) || math.IsNaN(x) && math.IsNaN(float64(v))
		if !ok || !same && !(t.Attempts > 1 && slices.Contains(summed, name)) {
			return false
		}
	}
	return true
}

// contradicts refuses what is told for a trial that ended otherwise, and names
// both ends.
func contradicts(spec types.StudySpec, t trial.Trial, o types.Outcome, metrics map[string]types.Float) error {
	stored := map[string]types.Float{}
	for name := range metrics {
		if v, ok := t.Metrics[name]; ok {
			stored[name] = types.Float(v)
		}
	}
	for _, o := range spec.Objectives {
		if v, ok := t.Metrics[o.Metric]; ok {
			stored[o.Metric] = types.Float(v)
		}
	}
	return types.Errorf(types.Conflict, "trial %d is over: it is %s; what is told now is %s", t.Number,
		ending(string(t.State), stored), ending(string(o), metrics)).
		WithRemedy("what was told first stays: ask for another trial")
}

// ending is the end of a trial in words.
func ending(state string, metrics map[string]types.Float) string {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		values = append(values, fmt.Sprintf("%s %v", name, float64(metrics[name])))
	}
	if len(values) == 0 {
		return state
	}
	return state + " with " + strings.Join(values, ", ")
}
