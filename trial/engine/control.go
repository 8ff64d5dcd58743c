package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// control changes the study by hand; a request whose key came before has its
// answer already.
func (s *study) control(ctx context.Context, tx *txn, req types.ControlRequest) (types.ControlReply, error) {
	if req.Key == "" {
		return s.command(ctx, tx, req)
	}
	key, known, err := s.request(ctx, tx, req.Key, req)
	if err != nil {
		return types.ControlReply{}, err
	}
	var reply types.ControlReply
	if known {
		err := json.Unmarshal(key.Response, &reply)
		reply.Repeated = true
		return reply, err
	}
	if reply, err = s.command(ctx, tx, req); err != nil {
		return reply, err
	}
	s.remember(key, reply)
	return reply, nil
}

// keysKept is how many keys are kept in memory at most, but for those that are
// not stored yet.
const keysKept = 1024

// remember stores the reply to a request with its effect.
func (s *study) remember(key store.PutRequestKey, reply any) {
	var err error
	if key.Response, err = json.Marshal(reply); err != nil {
		panic(err) // a reply always encodes
	}
	if len(s.keys) >= keysKept && s.last != nil {
		select {
		case <-s.last.done: // the store has them
			clear(s.keys)
		default:
		}
	}
	s.keys[key.Key] = key
	s.put(key)
}

// request looks for an earlier request with the same key; one that asks for
// something else is a Conflict.
func (s *study) request(ctx context.Context, tx *txn, name string, req any) (key store.PutRequestKey, known bool, err error) {
	body, err := json.Marshal(req)
	if err != nil {
		return key, false, types.Errorf(types.Invalid, "the request cannot be encoded: %w", err)
	}
	hash := sha256.Sum256(body)
	if key, known = s.keys[name]; !known {
		if key, known, err = s.e.cfg.Store.RequestKey(ctx, s.id, name); err != nil {
			return key, false, err
		}
	}
	switch {
	case !known:
		return store.PutRequestKey{Key: name, BodyHash: hash[:], Time: tx.now}, false, nil
	case !bytes.Equal(key.BodyHash, hash[:]):
		return key, true, types.Errorf(types.Conflict, "the key %q belongs to another request", name).WithField("key").
			WithRemedy("draw a new key for each request")
	}
	return key, true, nil
}

// command is control without a key.
func (s *study) command(ctx context.Context, tx *txn, req types.ControlRequest) (types.ControlReply, error) {
	from := s.st.NextNumber
	var reply types.ControlReply
	var err error
	switch req.Kind {
	case types.Enqueue:
		err = s.enqueuePoints(tx, req.Points)
	case types.Import:
		err = s.importTrials(tx, req.Trials)
	case types.StopTrial:
		if reply.Numbers, err = s.cancel(tx, req.Numbers, req.Reason); err == nil {
			s.afterEnd(tx)
		}
	case types.StopStudy:
		s.stopStudy(tx, req.Reason)
	case types.PauseStudy:
		s.setState(tx, types.StudyPaused, req.Reason)
	case types.ResumeStudy:
		s.setState(tx, types.StudyActive, "")
	case types.Edit:
		err = s.edit(ctx, tx, req)
	case types.RemoveStudy:
		if s.counts.Running > 0 {
			err = types.Errorf(types.Conflict, "%d trials of %s run", s.counts.Running, s.st.Spec.Name).WithRemedy("stop the study first, and wait until they have ended")
		}
		tx.retire = err == nil // nobody leases a trial of it any more
	default:
		err = types.Errorf(types.Invalid, "the request %q is not known", req.Kind)
	}
	if err != nil {
		return types.ControlReply{}, err
	}
	for n := from; n < s.st.NextNumber; n++ {
		reply.Numbers = append(reply.Numbers, n)
	}
	reply.Study = s.view()
	return reply, nil
}

// tryPoint completes a partial point: an active parameter that is not named
// takes its default or the middle of its range; a dynamic one is left to the
// program and the algorithm.
func tryPoint(sp *space.Space, q types.Params) (space.Point, error) {
	p, err := sp.FromParams(q)
	if err != nil {
		return nil, err
	}
	sp.Repair(p)
	for i, v := range p {
		_, given := q.Get(sp.Param(i).Name)
		if !given && sp.Param(i).Dynamic {
			p[i] = nil
		}
		if given && v == nil {
			return nil, types.Errorf(types.Invalid, "%s is inactive at this point", sp.Param(i).Name).
				WithRemedy("leave it out, or choose values that make it active")
		}
	}
	return p, sp.Validate(p)
}

// addPoints queues trials at given points, before those of the algorithm.
func (s *study) addPoints(tx *txn, points []space.Point, origin trial.Origin) {
	for _, p := range points {
		s.add(tx, &liveTrial{point: p, Trial: trial.Trial{Origin: origin, Priority: 1, Parent: -1}})
	}
}

// enqueuePoints queues a user's points, all or none.
func (s *study) enqueuePoints(tx *txn, points []types.Params) error {
	ps := make([]space.Point, len(points))
	for i, q := range points {
		p, err := tryPoint(s.st.Space, q)
		if err != nil {
			return within(err, fmt.Sprintf("points[%d]", i))
		}
		ps[i] = p
	}
	s.addPoints(tx, ps, trial.FromUser)
	if len(ps) > 0 && s.st.State == types.StudyFinished {
		s.setState(tx, types.StudyActive, "")
	}
	return nil
}

// importTrials adds results from elsewhere, all or none.
func (s *study) importTrials(tx *txn, ts []types.FinishedTrial) error {
	ps := make([]space.Point, len(ts))
	ts = slices.Clone(ts)
	for i := range ts {
		t, needs := &ts[i], "a completed trial needs"
		p, err := s.st.Space.FromParams(t.Params)
		if err == nil {
			err = s.st.Space.Validate(p)
		}
		if err == nil && t.State == "" {
			t.State, needs = types.Completed, "a trial without a state is completed, and needs"
		}
		if err == nil && !t.State.Finished() {
			err = types.Errorf(types.Invalid, "%q is no final state", t.State).WithField("state").WithRemedy("use completed, pruned, failed, infeasible or cancelled")
		}
		if err == nil && t.State == types.Completed {
			err = s.checkMetrics(t.Metrics, needs)
		}
		if err != nil {
			return within(err, fmt.Sprintf("trials[%d]", i))
		}
		ps[i] = p
	}
	for i, t := range ts {
		s.importTrial(tx, ps[i], t)
	}
	s.afterEnd(tx)
	return nil
}

// checkMetrics makes sure that a completed trial has its objectives; needs begins
// the sentence.
func (s *study) checkMetrics(metrics map[string]types.Float, needs string) error {
	for _, o := range s.st.Spec.Objectives {
		v, ok := metrics[o.Metric]
		switch {
		case !ok:
			return types.Errorf(types.Invalid, "%s the metric %s", needs, o.Metric).WithRemedy("give it in metrics, or the trial the state that it has without")
		case math.IsNaN(float64(v)) || math.IsInf(float64(v), 0):
			return types.Errorf(types.Invalid, "%s of a completed trial is %v", o.Metric, float64(v)).WithRemedy("import it as infeasible")
		}
	}
	return nil
}

func (s *study) importTrial(tx *txn, p space.Point, f types.FinishedTrial) {
	t := &trial.Trial{Study: s.id, Number: s.st.NextNumber, SpaceVersion: s.st.SpaceVersion,
		Params: s.st.Space.Params(p), Origin: trial.FromImport, Parent: -1, Reason: f.Reason,
		Created: tx.now, Finished: tx.now, Step: -1, Metrics: map[string]float64{}}
	for k, v := range f.Metrics {
		t.Metrics[k] = float64(v)
	}
	if err := t.ApplyImport(f.State); err != nil {
		panic(err) // importTrials checked the state
	}
	s.st.NextNumber++
	s.count("", t.State)
	s.put(store.AddTrial{Trial: t})
	s.emitOf(trial.Event{Kind: trial.EventCreated, Trial: t.Number, Time: tx.now, Point: p, SpaceVersion: t.SpaceVersion}, t.Origin)
	fin := &trial.Finish{State: t.State, Reason: t.Reason, Step: -1}
	if t.State == types.Completed || t.State == types.Pruned {
		fin.Values = s.objectives(t.Metrics)
	}
	s.emit(trial.Event{Kind: trial.EventFinished, Trial: t.Number, Time: tx.now, Finish: fin})
	s.tally(t.Number, fin, t.Origin)
}

// cancel ends queued trials at once and asks running ones to stop. Of one that was
// asked for by hand, under a lease that is not renewed, nobody listens: it ends at
// once too.
func (s *study) cancel(tx *txn, numbers []int64, reason string) ([]int64, error) {
	if reason == "" {
		reason = "stopped by hand"
	}
	numbers = slices.Compact(slices.Sorted(slices.Values(numbers)))
	for _, n := range numbers {
		if s.live[n] == nil {
			if n < 0 || n >= s.st.NextNumber {
				return nil, types.Errorf(types.NotFound, "the study has no trial %d", n).
					WithRemedy("list its trials: they are numbered from 0")
			}
			return nil, types.Errorf(types.Conflict, "trial %d is over", n).
				WithRemedy("name trials that are queued, running or paused")
		}
	}
	for _, n := range numbers {
		lt := s.live[n]
		if lt.State == types.Running {
			if !lt.stop.Stop {
				s.halt(tx, lt, types.StopCancelled, reason, lt.Step)
			}
			// A program that renews a short lease hears of it.
			if lt.attempt.Executor == types.ExecutorAsk && lt.ttl > s.e.cfg.LeaseTTL {
				s.abandon(tx, lt)
			}
			continue
		}
		s.dequeue(n)
		s.closeTrial(tx, lt, trial.Cancel, reason, nil)
	}
	return numbers, nil
}

// abandon ends a trial that has to stop without waiting for who runs it.
func (s *study) abandon(tx *txn, lt *liveTrial) {
	act, reason := trial.Cancel, lt.attempt.Reason
	if lt.attempt.Stopping == types.StopPruned {
		act = trial.Prune
	}
	s.endAttempt(tx, lt, trial.Exit)
	s.closeTrial(tx, lt, act, reason, nil)
}

// stopStudy cancels everything and hands out no more.
func (s *study) stopStudy(tx *txn, reason string) {
	if reason == "" {
		reason = "stopped by hand"
	}
	all := slices.Collect(maps.Keys(s.live))
	s.queue = nil
	if _, err := s.cancel(tx, all, reason); err != nil {
		panic(err) // all are live
	}
	s.setState(tx, types.StudyStopped, reason)
}
