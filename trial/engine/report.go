package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/aside"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// holder finds the running trial that ref holds the lease of.
func (s *study) holder(ref types.AttemptRef) (*liveTrial, error) {
	lt := s.live[ref.Trial]
	if lt == nil {
		if ref.Trial < 0 || ref.Trial >= s.st.NextNumber {
			return nil, types.Errorf(types.NotFound, "the study has no trial %d", ref.Trial).WithField("number").WithRemedy("list its trials: they are numbered from 0")
		}
		return nil, types.Errorf(types.Superseded, "trial %d is over", ref.Trial).WithRemedy("stop this attempt")
	}
	if lt.attempt != nil && lt.attempt.Number == ref.Attempt && lt.attempt.Token != ref.Token {
		return nil, types.Errorf(types.Superseded, "attempt %d of trial %d was superseded: it has another token now, unless this one is mistyped",
			ref.Attempt, ref.Trial).WithRemedy("stop this attempt")
	}
	if lt.attempt == nil || lt.attempt.Number != ref.Attempt || lt.ending {
		return nil, types.Errorf(types.Superseded,
			"attempt %d of trial %d was superseded: its lease ended and the trial is %s",
			ref.Attempt, ref.Trial, lt.State).WithRemedy("stop this attempt")
	}
	return lt, nil
}

// report counts reports and lets the stopper decide.
func (s *study) report(tx *txn, req types.ReportRequest) (types.Decision, error) {
	lt, err := s.holder(req.Ref)
	if err != nil {
		return types.Decision{}, err
	}
	if err := checkReports(req.Reports); err != nil {
		return types.Decision{}, err
	}
	// The same request again has counted already.
	if req.Cursor == "" || req.Cursor != lt.attempt.Cursor {
		s.ingest(tx, lt, req.Reports)
	}
	if req.Cursor != "" && req.Cursor != lt.attempt.Cursor {
		lt.attempt.Cursor = req.Cursor
		s.saveAttempt(lt)
	}
	s.renew(lt, tx.now)
	// A decision to stop is stored before anybody acts on it.
	tx.buffered = req.Buffered && !lt.stop.Stop
	return s.decision(lt), nil
}

func checkReports(rs []types.Report) error {
	for i, r := range rs {
		field := fmt.Sprintf("reports[%d]", i)
		if r.Metric == "" {
			return types.Errorf(types.Invalid, "a report needs a metric name").WithField(field)
		}
		if r.Step < 0 {
			return types.Errorf(types.Invalid, "step %d of %s is negative", r.Step, r.Metric).WithField(field)
		}
	}
	return nil
}

// ingest makes events of reports and asks the stopper about each of the first
// objective.
func (s *study) ingest(tx *txn, lt *liveTrial, rs []types.Report) {
	primary := s.st.Spec.Objectives[0].Metric
	for _, r := range rs {
		v := float64(r.Value)
		rep := trial.Report{Trial: lt.Number, Attempt: lt.attempt.Number, Metric: r.Metric,
			Step: r.Step, Value: v, Time: tx.now}
		lt.add(r.Metric, r.Step, v)
		s.buffered++
		ev := s.emit(trial.Event{Kind: trial.EventReported, Trial: lt.Number, Time: tx.now, Report: rep})
		if r.Metric != primary {
			continue
		}
		lt.Step = max(lt.Step, r.Step)
		if lt.stop.Stop {
			continue
		}
		if d := s.stopper.Decide(ev.Report); d.Stop {
			kind := types.StopPruned
			if d.Pause {
				kind = types.StopPaused
			}
			s.halt(tx, lt, kind, d.Reason, r.Step)
		}
	}
}

// add keeps what the trial's value may need of a metric's reports.
func (lt *liveTrial) add(metric string, step int64, v float64) {
	if lt.series == nil {
		lt.series = map[string]*series{}
	}
	m := lt.series[metric]
	if m == nil {
		m = &series{lastStep: -1, min: math.NaN(), max: math.NaN()}
		lt.series[metric] = m
	}
	m.n++
	if step >= m.lastStep {
		m.last, m.lastStep = v, step
	}
	if !math.IsNaN(v) {
		if !(m.min <= v) {
			m.min = v
		}
		if !(m.max >= v) {
			m.max = v
		}
	}
}

// halt decides that a running trial has to end. The intent is stored before
// anybody acts on it.
func (s *study) halt(tx *txn, lt *liveTrial, kind types.StopKind, reason string, step int64) {
	lt.stop = types.Decision{Stop: true, Kind: kind, Reason: reason}
	lt.attempt.Stopping, lt.attempt.Reason = kind, reason
	s.saveAttempt(lt)
	s.put(store.AddDecision{Seq: s.st.NextSeq, Trial: lt.Number, Step: step, Kind: kind, Reason: reason, Time: tx.now})
	s.wake()
}

func (s *study) decision(lt *liveTrial) types.Decision {
	d := lt.stop
	d.Expires = lt.expires
	return d
}

// renew extends a lease. Renewals stay in memory: a new owner gives every lease
// a full term anyway.
func (s *study) renew(lt *liveTrial, now time.Time) { lt.expires = now.Add(lt.ttl) }

// Heartbeat renews leases, stores handles and stop intents, and answers with a
// decision for each beat. It waits up to req.Wait for a decision to stop.
func (e *Engine) Heartbeat(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error) {
	wait := time.Duration(req.Wait)
	req.Wait = 0
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		var reply types.HeartbeatReply
		var changed <-chan struct{}
		var err error
		aside.If(wait > 0, func() { reply, changed, err = e.beatAll(ctx, req) })
		if err != nil || wait <= 0 || tellsStop(req.Beats, reply.Decisions) {
			return reply, err
		}
		var again <-chan time.Time
		if changed == nil { // an owner is another process
			again = time.After(mailboxBeat)
		}
		select {
		case <-changed:
		case <-again:
		case <-deadline.C:
			return reply, nil
		case <-ctx.Done():
			return reply, context.Cause(ctx)
		}
	}
}

// tellsStop reports whether a decision to stop is news to its holder: one that
// is stopping already would otherwise ask again and again.
func tellsStop(beats []types.Beat, ds []types.Decision) bool {
	for i, d := range ds {
		if d.Stop && beats[i].State != types.Stopping {
			return true
		}
	}
	return false
}

// beatAll sends the beats of each study to it. changed fires when any decision
// may differ; it is nil if that cannot be known here.
func (e *Engine) beatAll(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, <-chan struct{}, error) {
	reply := types.HeartbeatReply{Decisions: make([]types.Decision, len(req.Beats))}
	byStudy := map[int64][]int{}
	for i, b := range req.Beats {
		byStudy[b.Ref.Study] = append(byStudy[b.Ref.Study], i)
	}
	var changed <-chan struct{}
	for id, idx := range byStudy {
		part := types.HeartbeatRequest{Worker: req.Worker}
		for _, i := range idx {
			part.Beats = append(part.Beats, req.Beats[i])
		}
		r, err := call(ctx, e, id, kindBeat, part, func(s *study, tx *txn) (types.HeartbeatReply, error) {
			changed = s.stops
			return s.beats(tx, part), nil
		})
		if err != nil {
			return reply, nil, err
		}
		for k, i := range idx {
			reply.Decisions[i] = r.Decisions[k]
		}
	}
	if len(byStudy) > 1 {
		changed = nil
	}
	return reply, changed, nil
}

// beats answers each beat; one whose lease is lost is told to stop.
func (s *study) beats(tx *txn, req types.HeartbeatRequest) types.HeartbeatReply {
	out := types.HeartbeatReply{Decisions: make([]types.Decision, 0, len(req.Beats))}
	news := false
	for _, b := range req.Beats {
		lt, err := s.holder(b.Ref)
		if err != nil {
			out.Decisions = append(out.Decisions, types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
			continue
		}
		s.renew(lt, tx.now)
		if s.beat(lt, b) {
			news = true
		}
		out.Decisions = append(out.Decisions, s.decision(lt))
	}
	// A decision to stop is stored before anybody acts on it.
	tx.buffered = !news && !tellsStop(req.Beats, out.Decisions)
	return out
}

// beat stores what the holder tells of its attempt, and reports whether that
// was new.
func (s *study) beat(lt *liveTrial, b types.Beat) bool {
	a := lt.attempt
	before := *a
	act := map[types.AttemptState]trial.Action{
		types.AttemptStarting: trial.Begin, types.AttemptRunning: trial.Run, types.Stopping: trial.Halt,
	}[b.State]
	if act != "" {
		// A beat that tells an earlier phase late changes nothing; the attempt is
		// not finished, so Apply cannot fail.
		_ = a.Apply(act)
	}
	if b.Handle != "" {
		a.Handle = b.Handle
	}
	if b.Dir != "" {
		a.Dir = b.Dir
	}
	if b.Stopping != "" && a.Stopping == "" {
		a.Stopping, a.Reason = b.Stopping, b.Reason
	}
	news := a.State != before.State || a.Handle != before.Handle || a.Dir != before.Dir || a.Stopping != before.Stopping
	if news {
		s.saveAttempt(lt)
	}
	return news
}

// adopt returns the open attempts of a worker and renews their leases. Each gets
// a new token: what the worker had sent before it died and what is still in the
// mailbox must not count beside what its heir reads again.
func (s *study) adopt(tx *txn, req types.AdoptRequest) []types.Adopted {
	out := []types.Adopted{}
	for _, n := range slices.Sorted(maps.Keys(s.running)) {
		lt := s.running[n]
		if lt.attempt.Worker != req.Worker || lt.ending || req.Outside && !strings.HasSuffix(lt.attempt.Node, types.OutsideNode) {
			continue
		}
		s.renew(lt, tx.now)
		a := lt.attempt
		a.Token = s.e.cfg.NewToken()
		s.saveAttempt(lt)
		out = append(out, types.Adopted{Lease: s.leaseOf(lt, true), Executor: a.Executor, Handle: a.Handle,
			Dir: a.Dir, Cursor: a.Cursor, Stopping: a.Stopping, Reason: a.Reason, Leased: a.Leased})
	}
	return out
}
