package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// finish ends an attempt and, unless it goes back to the queue, its trial.
func (s *study) finish(tx *txn, req types.FinishRequest) (types.FinishReply, error) {
	lt, err := s.holder(req.Ref)
	if err != nil {
		return types.FinishReply{}, err
	}
	if err := checkOutcome(req.Outcome); err != nil {
		return types.FinishReply{}, err
	}
	if err := checkReports(req.Reports); err != nil {
		return types.FinishReply{}, err
	}
	if req.Next != nil && req.Next.Study != s.id {
		return types.FinishReply{}, types.Errorf(types.Invalid, "the next trial is asked for from another study").WithField("next.study")
	}
	s.ingest(tx, lt, req.Reports)
	a := lt.attempt
	if req.Cursor != "" {
		a.Cursor = req.Cursor
	}
	a.Exit, a.Signal = req.Exit, req.Signal
	a.Dir = cmp.Or(req.Dir, a.Dir)
	outcome, reason := lt.outcome(req)
	if a.Reason == "" {
		a.Reason = reason
	}
	act := trial.Exit
	if outcome == types.OutcomeLost {
		act = trial.Vanish
	}
	s.endAttempt(tx, lt, act)
	switch outcome {
	case types.OutcomeInterrupted, types.OutcomeLost:
		s.requeue(tx, lt, outcome == types.OutcomeLost, reason)
	default:
		if outcome == types.OutcomeFailed {
			s.failers[a.Worker] = true
		}
		if outcome != types.OutcomeCompleted || !s.pause(tx, lt, req.Metrics) {
			s.end(tx, lt, outcome, reason, req.Metrics)
		}
		s.rate(tx, a, lt)
	}
	reply := types.FinishReply{State: lt.State, Reason: lt.Reason, Value: valueOf(s.st.Spec, lt.Metrics)}
	if req.Next != nil {
		next, err := s.lease(context.Background(), tx, *req.Next)
		if err != nil {
			// The trial is finished; whoever asks again for a lease gets the error.
			next = types.LeaseReply{Status: types.LeaseWait, Reason: err.Error()}
		}
		reply.Next = &next
	}
	return reply, nil
}

// checkOutcome refuses an outcome that there is not; the lease is kept.
func checkOutcome(o types.Outcome) error {
	switch o {
	case types.OutcomeCompleted, types.OutcomePruned, types.OutcomeFailed, types.OutcomeInfeasible, types.OutcomeCancelled,
		types.OutcomeInterrupted, types.OutcomeLost:
		return nil
	}
	return types.Errorf(types.Invalid, "%q is no outcome", o).WithField("outcome").
		WithRemedy("use completed, pruned, failed, infeasible, cancelled, interrupted or lost")
}

// outcome is what an attempt's end means: an intended stop is never a failure,
// whatever the holder saw.
func (lt *liveTrial) outcome(req types.FinishRequest) (types.Outcome, string) {
	switch lt.attempt.Stopping {
	case types.StopPruned:
		return types.OutcomePruned, lt.attempt.Reason
	case types.StopCancelled:
		return types.OutcomeCancelled, cmp.Or(lt.attempt.Reason, "cancelled")
	case types.StopPaused:
		if req.Outcome == types.OutcomeFailed || req.Outcome == types.OutcomeInterrupted {
			return types.OutcomeCompleted, ""
		}
	case types.StopInterrupt:
		if req.Outcome == types.OutcomeFailed || req.Outcome == types.OutcomeLost {
			return types.OutcomeInterrupted, cmp.Or(lt.attempt.Reason, "interrupted")
		}
	case types.StopTimeout:
		if req.Outcome != types.OutcomeCompleted {
			return types.OutcomeFailed, cmp.Or(lt.attempt.Reason, req.Reason)
		}
	case types.StopSuperseded: // somebody else has it
	}
	return req.Outcome, req.Reason
}

// endAttempt closes the current attempt.
func (s *study) endAttempt(tx *txn, lt *liveTrial, act trial.Action) {
	if err := lt.attempt.Apply(act); err != nil {
		panic(err) // the current attempt of a live trial is never finished
	}
	lt.attempt.Ended = tx.now
	s.saveAttempt(lt)
	lt.attempt = nil
	delete(s.running, lt.Number)
	if act == trial.Vanish {
		s.wake() // its holder, should it live, learns that it is superseded
	}
}

// requeue hands the trial out again, unless too many attempts were lost.
func (s *study) requeue(tx *txn, lt *liveTrial, lost bool, reason string) {
	if lost {
		lt.Lost++
		retries := s.st.Spec.Retries
		if retries == 0 {
			retries = DefaultRetries
		}
		if lt.Lost > max(0, retries) {
			s.end(tx, lt, types.OutcomeFailed, fmt.Sprintf("lost %d times, last: %s", lt.Lost, reason), nil)
			return
		}
	}
	s.mustStep(lt, trial.Requeue)
	lt.Reason, lt.stop = reason, types.Decision{}
	lt.rewind()
	s.enqueue(lt)
	s.saveTrial(lt)
	s.emit(trial.Event{Kind: trial.EventRequeued, Trial: lt.Number, Time: tx.now, Detail: detail("reason", reason)})
}

func detail(kv ...string) json.RawMessage {
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// end gives a running trial its final state.
func (s *study) end(tx *txn, lt *liveTrial, o types.Outcome, reason string, given map[string]types.Float) {
	lt.Metrics = lt.finals(s.st.Spec.Strategy, given)
	values := s.objectives(lt.Metrics)
	act := map[types.Outcome]trial.Action{
		types.OutcomeCompleted: trial.Complete, types.OutcomePruned: trial.Prune, types.OutcomeFailed: trial.Fail,
		types.OutcomeInfeasible: trial.Infeasible, types.OutcomeCancelled: trial.Cancel,
	}[o]
	if act == trial.Complete {
		act, reason = s.judge(values, lt.Metrics)
	}
	if act == trial.Complete {
		reason = s.early(lt)
	}
	s.closeTrial(tx, lt, act, reason, values)
	s.afterEnd(tx)
}

// closeTrial gives a trial the final state of act. nil values are made of what it
// has reported.
func (s *study) closeTrial(tx *txn, lt *liveTrial, act trial.Action, reason string, values []float64) {
	if values == nil {
		lt.Metrics = lt.finals(s.st.Spec.Strategy, nil)
		values = s.objectives(lt.Metrics)
	}
	s.mustStep(lt, act)
	lt.Reason, lt.Finished = reason, tx.now
	fin := &trial.Finish{State: lt.State, Reason: reason, Step: lt.Step}
	if !lt.Started.IsZero() { // else it was cancelled in the queue
		fin.Duration = tx.now.Sub(lt.Started)
	}
	if lt.State == types.Completed || lt.State == types.Pruned {
		fin.Values = values
	}
	delete(s.live, lt.Number)
	s.pay(lt, lt.State, lt.Metrics)
	s.saveTrial(lt)
	s.conclude(tx, lt)
	s.emit(trial.Event{Kind: trial.EventFinished, Trial: lt.Number, Time: tx.now, Finish: fin})
	s.tally(lt.Number, fin, lt.Origin)
}

// finals are the values of all metrics by the study's strategy, replaced by
// those that were given explicitly.
func (lt *liveTrial) finals(strategy string, given map[string]types.Float) map[string]float64 {
	m := make(map[string]float64, len(lt.series)+len(given))
	for name, sr := range lt.series {
		switch strategy {
		case "min":
			m[name] = sr.min
		case "max":
			m[name] = sr.max
		default:
			m[name] = sr.last
		}
	}
	for name, v := range given {
		m[name] = float64(v)
	}
	for name, v := range lt.spent {
		m[name] += v
	}
	return m
}

// objectives are the objectives' values, NaN where a metric is missing.
func (s *study) objectives(metrics map[string]float64) []float64 {
	v := make([]float64, len(s.st.Spec.Objectives))
	for i, o := range s.st.Spec.Objectives {
		x, ok := metrics[o.Metric]
		if !ok {
			x = math.NaN()
		}
		v[i] = x
	}
	return v
}

// judge says what a trial is that ran to its end: completed, infeasible if an
// objective is no number, failed if one was never reported.
func (s *study) judge(values []float64, metrics map[string]float64) (trial.Action, string) {
	for i, o := range s.st.Spec.Objectives {
		if _, ok := metrics[o.Metric]; !ok {
			seen := "it reported no metric at all"
			if len(metrics) > 0 {
				seen = "it reported " + strings.Join(slices.Sorted(maps.Keys(metrics)), ", ")
			}
			return trial.Fail, fmt.Sprintf("the trial ended without reporting %s; %s", o.Metric, seen)
		}
		if v := values[i]; math.IsNaN(v) || math.IsInf(v, 0) {
			return trial.Infeasible, fmt.Sprintf("%s is %v", o.Metric, v)
		}
	}
	return trial.Complete, ""
}

// tally keeps the totals that budgets and failure rules need. What was imported
// can be the best, but says nothing of how this search goes; what was cancelled
// says nothing at all.
func (s *study) tally(number int64, fin *trial.Finish, from trial.Origin) {
	if fin.State == types.Cancelled {
		return
	}
	if from != trial.FromImport {
		s.sinceBest++
		s.finished++
		if fin.State == types.Failed {
			s.failed++
		}
	}
	s.prospect.Add(fin, from == trial.FromImport)
	if fin.State == types.Completed && s.best.add(s.st.Spec.Objectives, number, fin.Values) {
		s.sinceBest = 0
	}
}

// afterEnd ends the study where a finished trial was its last.
func (s *study) afterEnd(tx *txn) {
	if s.st.State != types.StudyActive {
		return
	}
	b := s.st.Spec.Budget
	switch {
	case s.allFailed() && !s.othersRun():
		s.setState(tx, types.StudyStopped, fmt.Sprintf("the first %d trials all failed", s.failed))
	case b.MaxFailures > 0 && s.failed >= b.MaxFailures:
		s.setState(tx, types.StudyStopped, fmt.Sprintf("%d trials failed, which is the limit", s.failed))
	case b.Target != nil && s.best.reaches(s.st.Spec.Objectives[0], *b.Target):
		s.setState(tx, types.StudyFinished, fmt.Sprintf("%s reached the target %v", s.st.Spec.Objectives[0].Metric, *b.Target))
	case b.Patience > 0 && s.sinceBest >= b.Patience:
		s.setState(tx, types.StudyFinished, fmt.Sprintf("no better value in the last %d trials", s.sinceBest))
	case s.unpriced != "":
		s.setState(tx, types.StudyStopped, s.unpriced)
	case s.overspent() != "":
		s.setState(tx, types.StudyFinished, s.overspent())
	case b.StopWhen == stopUnlikely && s.prospect.Unlikely() != "":
		s.setState(tx, types.StudyFinished, s.prospect.Unlikely())
	case b.Trials > 0 && s.counts.Spent() >= b.Trials && len(s.live) == 0:
		s.setState(tx, types.StudyFinished, s.spent())
	}
}

// allFailed reports whether the study is to stop for its first trials' sake.
func (s *study) allFailed() bool {
	return s.failed >= FirstFailures && s.failed == s.finished && s.st.Spec.Budget.MaxFailures == 0
}

// othersRun reports whether a worker runs a trial of which none has failed: how it
// ends tells whether the failures are the study's or their workers' own.
func (s *study) othersRun() bool {
	for _, lt := range s.running {
		if !s.failers[lt.attempt.Worker] {
			return true
		}
	}
	return false
}

// valueOf is the first objective's value, nil if there is none.
func valueOf(spec types.StudySpec, metrics map[string]float64) *types.Float {
	v, ok := metrics[spec.Objectives[0].Metric]
	if !ok {
		return nil
	}
	return new(types.Float(v))
}
