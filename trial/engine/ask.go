package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/gotuner/tuner/api/types"
)

// Ask leases trials to a caller who tells their values and renews nothing. With
// a key the answer is stored with the leases: the same request again is answered
// by it, whatever became of them.
func (e *Engine) Ask(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error) {
	req.Executor = types.ExecutorAsk
	return lease(ctx, e, kindAsk, req, (*study).ask)
}

func (s *study) ask(ctx context.Context, tx *txn, req types.LeaseRequest) (types.LeaseReply, error) {
	key := req.Key
	if key == "" {
		return s.lease(ctx, tx, req)
	}
	var reply types.LeaseReply
	stored, known, err := s.request(ctx, tx, key, req)
	if err != nil {
		return reply, err
	}
	if known {
		err := json.Unmarshal(stored.Response, &reply)
		return reply, err
	}
	req.Key = "" // that of a lease holds for leases only
	reply, err = s.lease(ctx, tx, req)
	if err == nil && reply.Status == types.LeaseGranted {
		s.remember(stored, reply)
	}
	return reply, err
}

// Tell ends a trial that was asked for. It is idempotent.
func (e *Engine) Tell(ctx context.Context, req types.TellRequest) (types.FinishReply, error) {
	req.Outcome = cmp.Or(req.Outcome, types.OutcomeCompleted)
	switch req.Outcome {
	case types.OutcomeCompleted, types.OutcomeFailed, types.OutcomeInfeasible, types.OutcomePruned:
	case types.OutcomeInterrupted:
		if req.Attempt == 0 { // a second time might take the trial from somebody else
			return types.FinishReply{}, types.Errorf(types.Invalid, "to put a trial back its attempt is needed").WithField("attempt").
				WithRemedy("give the attempt that it was asked for with")
		}
	case types.OutcomeCancelled, types.OutcomeLost:
		fallthrough
	default:
		return types.FinishReply{}, types.Errorf(types.Invalid, "%q is no outcome that can be told", req.Outcome).WithField("outcome").
			WithRemedy("use completed, failed, infeasible, pruned or interrupted")
	}
	reply, err := call(ctx, e, req.Study, kindTell, req, func(s *study, tx *txn) (types.FinishReply, error) { return s.tell(tx, req) })
	if c := types.CodeOf(err); c == types.NotFound || c == types.Superseded {
		return e.toldBefore(ctx, req, err)
	}
	return reply, err
}

// asked finds the running trial that was asked for.
func (s *study) asked(number int64, attempt int) (*liveTrial, error) {
	lt := s.live[number]
	switch {
	case lt == nil:
		return nil, types.Errorf(types.NotFound, "trial %d of this study does not run", number)
	case attempt > lt.Attempts:
		return nil, types.Errorf(types.Invalid, "trial %d has no attempt %d", number, attempt).WithField("attempt")
	case lt.attempt == nil && attempt == 0:
		return nil, types.Errorf(types.Conflict, "trial %d is %s: nobody has asked for it", number, lt.State).WithRemedy("ask for it")
	case lt.attempt == nil || attempt != 0 && attempt != lt.attempt.Number || lt.ending:
		return nil, types.Errorf(types.Superseded, "trial %d was handed out again, or will be: nothing was heard of attempt %d for too long",
			number, cmp.Or(attempt, lt.Attempts)).WithRemedy("ask for another trial, with a longer ttl")
	case lt.attempt.Executor != types.ExecutorAsk:
		return nil, types.Errorf(types.Conflict, "trial %d is run by the worker %s and was not asked for", number, lt.attempt.Worker).
			WithRemedy("stop it first, or use the token of its lease")
	}
	return lt, nil
}

// valued is the values of a request by metric.
func valued(objectives []types.Objective, value *types.Float, metrics map[string]types.Float) (map[string]types.Float, error) {
	if value == nil {
		return metrics, nil
	}
	name := objectives[0].Metric
	if len(objectives) > 1 {
		return nil, types.Errorf(types.Invalid, "the study has several objectives").WithField("value").WithRemedy("name each in metrics")
	}
	if _, twice := metrics[name]; twice {
		return nil, types.Errorf(types.Invalid, "%s is given as value and in metrics", name).WithField("value").WithRemedy("give it once")
	}
	all := maps.Clone(metrics)
	if all == nil {
		all = map[string]types.Float{}
	}
	all[name] = *value
	return all, nil
}

func (s *study) tell(tx *txn, req types.TellRequest) (types.FinishReply, error) {
	lt, err := s.asked(req.Trial, req.Attempt)
	if err != nil {
		return types.FinishReply{}, err
	}
	metrics, err := valued(s.st.Spec.Objectives, req.Value, req.Metrics)
	if err != nil {
		return types.FinishReply{}, err
	}
	for _, o := range s.st.Spec.Objectives {
		_, given := metrics[o.Metric]
		if req.Outcome == types.OutcomeCompleted && !given && lt.series[o.Metric] == nil && lt.attempt.Stopping == "" {
			return types.FinishReply{}, types.Errorf(types.Invalid, "%s was neither told nor reported", o.Metric).WithField("metrics").
				WithRemedy(`tell its value, or the outcome "failed"`)
		}
	}
	reason := req.Reason
	if req.Outcome != types.OutcomeCompleted {
		reason = cmp.Or(reason, fmt.Sprintf("told as %s", req.Outcome))
	}
	return s.finish(tx, types.FinishRequest{Ref: lt.attempt.Ref(), Outcome: req.Outcome, Reason: reason, Metrics: metrics})
}

// ReportAsked counts reports of a trial that was asked for. Those of one that was
// cancelled count no more, and are answered by the decision to stop.
func (e *Engine) ReportAsked(ctx context.Context, req types.ReportAskedRequest) (types.Decision, error) {
	d, err := call(ctx, e, req.Study, kindReportAsked, req, func(s *study, tx *txn) (types.Decision, error) {
		return s.reportAsked(ctx, tx, req)
	})
	if types.CodeOf(err) == types.NotFound {
		t, gone := e.cfg.Store.Trial(ctx, req.Study, req.Trial)
		switch {
		case gone != nil:
			err = gone
		case t.State == types.Cancelled && (req.Attempt == 0 || req.Attempt == t.Attempts):
			return types.Decision{Stop: true, Kind: types.StopCancelled, Reason: t.Reason}, nil
		case req.Attempt != 0 && req.Attempt != t.Attempts:
			err = handedOn(t, req.Attempt)
		case t.State.Finished():
			err = types.Errorf(types.Conflict, "trial %d is over: it is %s; what is reported now does not count", t.Number, t.State).
				WithRemedy("ask for another trial")
		}
	}
	return d, err
}

func (s *study) reportAsked(ctx context.Context, tx *txn, req types.ReportAskedRequest) (types.Decision, error) {
	if req.Key == "" {
		return s.countAsked(tx, req)
	}
	stored, known, err := s.request(ctx, tx, req.Key, req)
	var d types.Decision
	if err == nil && known {
		err = json.Unmarshal(stored.Response, &d)
	} else if err == nil {
		if d, err = s.countAsked(tx, req); err == nil {
			s.remember(stored, d)
		}
	}
	return d, err
}

func (s *study) countAsked(tx *txn, req types.ReportAskedRequest) (types.Decision, error) {
	lt, err := s.asked(req.Trial, req.Attempt)
	if err != nil {
		return types.Decision{}, err
	}
	metrics, err := valued(s.st.Spec.Objectives, req.Value, req.Metrics)
	if err == nil && len(metrics) == 0 {
		err = types.Errorf(types.Invalid, "no value is reported").WithField("metrics").WithRemedy("give value or metrics")
	}
	if err != nil {
		return types.Decision{}, err
	}
	r := types.ReportRequest{Ref: lt.attempt.Ref()}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		r.Reports = append(r.Reports, types.Report{Metric: name, Step: lt.stepOf(name, req.Step), Value: metrics[name]})
	}
	return s.report(tx, r)
}

// stepOf is the step of a report: the one that is given, else the one after the
// metric's last.
func (lt *liveTrial) stepOf(metric string, given *int64) int64 {
	switch sr := lt.series[metric]; {
	case given != nil:
		return *given
	case sr != nil:
		return sr.lastStep + 1
	}
	return 0
}
