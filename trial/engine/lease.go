package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/aside"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// leasing is how a study answers a LeaseRequest.
type leasing func(*study, context.Context, *txn, types.LeaseRequest) (types.LeaseReply, error)

// lease answers a LeaseRequest by op, which is called kind in the mailbox,
// waiting up to req.Wait for a trial.
func lease(ctx context.Context, e *Engine, kind string, req types.LeaseRequest, op leasing) (types.LeaseReply, error) {
	wait := time.Duration(req.Wait)
	req.Wait = 0
	if ctx.Err() != nil {
		return types.LeaseReply{}, context.Cause(ctx)
	}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for pause := mailboxIdle; ; pause = min(2*pause, time.Second) {
		var reply types.LeaseReply
		var changed <-chan struct{}
		var err error
		aside.If(wait > 0, func() { reply, changed, err = leaseOnce(ctx, e, kind, &req, op) })
		if err != nil || reply.Status != types.LeaseWait || wait <= 0 {
			return reply, err
		}
		var again <-chan time.Time
		if changed == nil { // the owner is another process
			again = time.After(pause)
		}
		select {
		case <-changed:
		case <-again:
		case <-deadline.C:
			return reply, nil
		case <-ctx.Done():
			return types.LeaseReply{}, context.Cause(ctx)
		}
	}
}

// leaseOnce is lease without waiting. changed is closed when the answer may
// differ; it is nil if that is not heard of here.
func leaseOnce(ctx context.Context, e *Engine, kind string, req *types.LeaseRequest, op leasing) (reply types.LeaseReply, changed <-chan struct{}, err error) {
	owned := e.Owns(req.Study)
	// A trial that was handed out to a caller who does not hear of it would
	// run nowhere until its lease ends: only the waiting can be cancelled.
	reply, ok, err := here(context.WithoutCancel(ctx), e, req.Study, func(s *study, tx *txn) (types.LeaseReply, error) {
		if ctx.Err() != nil { // it took long to get here
			return types.LeaseReply{}, context.Cause(ctx)
		}
		r, err := op(s, ctx, tx, *req)
		changed = s.changed
		return r, err
	})
	switch {
	case ok:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case owned:
		// This process stood still, and the caller may have asked elsewhere
		// meanwhile: what would be handed out now might be nobody's.
		err = types.Errorf(types.Unavailable, "the study has another owner now").WithRemedy("ask again")
	default:
		reply, err = post[types.LeaseRequest, types.LeaseReply](context.WithoutCancel(ctx), e, req.Study, kind, *req)
	}
	return reply, changed, err
}

// lease hands out up to req.Max trials.
func (s *study) lease(ctx context.Context, tx *txn, req types.LeaseRequest) (types.LeaseReply, error) {
	if err := fits(s.st.Spec.Require, req.Labels); err != nil {
		return types.LeaseReply{}, err
	}
	if _, copies := s.stopper.(earlystop.Breeder); copies && (req.Executor == types.ExecutorAsk || req.Executor == types.ExecutorInProcess) {
		return types.LeaseReply{}, types.Errorf(types.Unsupported,
			"trials of a population go on from each other's checkpoints, and only those that are commands have a directory for them").WithField("stopper").
			WithRemedy("run the study with tuner sweep or tuner worker; or use another stopper than %s", s.st.Spec.Stopper.Name)
	}
	if req.Key != "" {
		if again := s.leasesOf(req); len(again) > 0 {
			return types.LeaseReply{Status: types.LeaseGranted, Leases: again}, nil
		}
	}
	if err := s.refuse(req); err != nil {
		return types.LeaseReply{}, err
	}
	if s.failers[req.Worker] && s.st.State == types.StudyActive && s.allFailed() && s.othersRun() {
		return types.LeaseReply{Status: types.LeaseWait,
			Reason: fmt.Sprintf("the first %d trials all failed; how those of other workers end tells whether the study goes on", s.failed)}, nil
	}
	var leases []types.Lease
	reply := types.LeaseReply{}
	for range max(1, req.Max) {
		lt, status, reason, err := s.next(ctx, tx)
		if err != nil && len(leases) == 0 {
			return types.LeaseReply{}, err
		}
		reply.Status, reply.Reason = status, reason
		if lt == nil {
			break
		}
		leases = append(leases, s.hand(tx, lt, req))
	}
	if len(leases) > 0 {
		s.greet(tx, req)
		return types.LeaseReply{Status: types.LeaseGranted, Leases: leases}, nil
	}
	return reply, nil
}

// leasesOf finds the leases that an earlier request with the same key made.
func (s *study) leasesOf(req types.LeaseRequest) []types.Lease {
	var out []types.Lease
	for _, lt := range s.running {
		if lt.attempt.Key == req.Key && lt.attempt.Worker == req.Worker {
			out = append(out, s.leaseOf(lt, req.Texts))
		}
	}
	slices.SortFunc(out, func(a, b types.Lease) int { return int(a.Ref.Trial - b.Ref.Trial) })
	return out
}

// next returns the trial to hand out: a queued one, else a new one if state and
// budget allow. A nil trial comes with the reason.
func (s *study) next(ctx context.Context, tx *txn) (*liveTrial, types.LeaseStatus, string, error) {
	switch s.st.State {
	case types.StudyPaused:
		return nil, types.LeaseWait, "the study is paused", nil
	case types.StudyFinished, types.StudyStopped:
		return nil, types.LeaseDone, s.st.Reason, nil
	case types.StudyActive:
	}
	if reason := s.late(tx); reason != "" {
		return s.idle(tx, reason)
	}
	if p := s.st.Spec.Parallelism; p > 0 && s.counts.Running >= int64(p) {
		return nil, types.LeaseWait, fmt.Sprintf("%d trials run, which is the study's parallelism", p), nil
	}
	if len(s.queue) > 0 {
		return s.live[s.queue[0]], types.LeaseGranted, "", nil
	}
	lt, full, err := s.populate(ctx, tx)
	if lt != nil || err != nil {
		return lt, types.LeaseGranted, "", err
	}
	if lt := s.promote(false); lt != nil {
		return lt, types.LeaseGranted, "", nil
	}
	if reason := s.spent(); reason != "" {
		return s.lastly(tx, reason)
	}
	if full {
		return s.lastly(tx, "the whole population has trained")
	}
	if s.exhausted {
		return s.lastly(tx, "every point of the space has been tried")
	}
	lt, err = s.create(ctx, tx)
	if types.CodeOf(err) == types.Exhausted {
		s.exhausted = true
		return s.lastly(tx, "every point of the space has been tried")
	}
	return lt, types.LeaseGranted, "", err
}

// idle ends the study if nothing runs, else lets the caller wait: a running
// trial may come back to the queue.
func (s *study) idle(tx *txn, reason string) (*liveTrial, types.LeaseStatus, string, error) {
	if s.counts.Running > 0 {
		return nil, types.LeaseWait, reason + "; the last trials still run", nil
	}
	s.setState(tx, types.StudyFinished, reason)
	return nil, types.LeaseDone, reason, nil
}

// late says in words why no trial may start any more, "" if one may.
func (s *study) late(tx *txn) string {
	if d := time.Duration(s.st.Spec.Budget.Time); d > 0 && !s.started.IsZero() && tx.now.Sub(s.started) >= d {
		return fmt.Sprintf("the study's time of %v is over", d)
	}
	return ""
}

// spent says in words why no new trial may be created, "" if one may.
func (s *study) spent() string {
	if n := s.st.Spec.Budget.Trials; n > 0 && s.counts.Spent()+int64(len(s.live)) >= n {
		return fmt.Sprintf("the budget of %d trials is spent", n)
	}
	return s.overspent()
}

// create asks the algorithm for the next point and makes a queued trial of it.
func (s *study) create(ctx context.Context, tx *txn) (*liveTrial, error) {
	basis := trial.Basis{Seq: s.st.NextSeq}
	pending := s.pendingPoints()
	for _, p := range pending {
		basis.Pending = append(basis.Pending, p.Number)
	}
	if s.st.Space.Open() && s.st.Space.Len() == 0 { // nothing is known that could be proposed
		lt := &liveTrial{point: space.Point{}, Trial: trial.Trial{Origin: trial.FromAlgorithm, Basis: basis, Parent: -1}}
		s.add(tx, lt)
		return lt, nil
	}
	began := s.e.cfg.Now()
	props, err := s.suggest.Suggest(ctx, suggest.Request{Numbers: []int64{s.st.NextNumber}, Pending: pending})
	if f := s.e.cfg.Probe.Suggested; f != nil {
		f(s.st.Spec.Algorithm.Name, s.e.cfg.Now().Sub(began))
	}
	if err != nil {
		return nil, err
	}
	p := props[0]
	if err := s.st.Space.Validate(p.Point); err != nil {
		return nil, types.Errorf(types.Internal, "algorithm %s proposed an invalid point: %w", s.st.Spec.Algorithm.Name, err)
	}
	lt := &liveTrial{point: p.Point, Trial: trial.Trial{
		Origin: trial.FromAlgorithm, Basis: basis, Arm: p.Arm, Explain: p.Explain, Parent: -1,
	}}
	s.add(tx, lt)
	return lt, nil
}

// add numbers a new trial and queues it.
func (s *study) add(tx *txn, lt *liveTrial) {
	s.mustStep(lt, trial.Enqueue)
	lt.Study, lt.Number, lt.SpaceVersion = s.id, s.st.NextNumber, s.st.SpaceVersion
	lt.Created, lt.Step, lt.primary = tx.now, -1, s.st.Spec.Objectives[0].Metric
	// What the point has of dynamic parameters is a plan until the program asks.
	lt.Params = s.st.Space.Params(s.st.Space.Declared(lt.point))
	s.st.NextNumber++
	s.live[lt.Number] = lt
	s.enqueue(lt)
	lt.trialPending = true
	s.touched = append(s.touched, lt)
	s.put(store.AddTrial{Trial: &lt.Trial})
	s.emitOf(trial.Event{Kind: trial.EventCreated, Trial: lt.Number, Time: tx.now,
		Point: lt.point, SpaceVersion: lt.SpaceVersion, Copy: lt.Basis.Copy, Detail: s.planOf(lt)}, lt.Origin)
}

// hand leases a queued trial.
func (s *study) hand(tx *txn, lt *liveTrial, req types.LeaseRequest) types.Lease {
	s.mustStep(lt, trial.Lease) // the queue holds queued trials only
	s.dequeue(lt.Number)
	lt.Attempts++
	lt.stop, lt.ending = types.Decision{}, false
	lt.rewind()
	if lt.Started.IsZero() {
		lt.Started = tx.now
	}
	if s.started.IsZero() {
		s.started = tx.now
	}
	lt.ttl = s.e.cfg.LeaseTTL
	if d := time.Duration(req.TTL); d > 0 {
		lt.ttl = d
	}
	lt.expires = tx.now.Add(lt.ttl)
	lt.attempt = &trial.Attempt{
		Study: s.id, Trial: lt.Number, Number: lt.Attempts, State: types.Leased,
		Token: s.e.cfg.NewToken(), Worker: req.Worker, Executor: req.Executor, Node: req.Node,
		Leased: tx.now, Expires: lt.expires, Key: req.Key,
	}
	s.running[lt.Number] = lt
	s.saveTrial(lt)
	s.saveAttempt(lt)
	s.emit(trial.Event{Kind: trial.EventStarted, Trial: lt.Number, Time: tx.now})
	lt.Budget = s.budgetOf(lt)
	return s.leaseOf(lt, req.Texts)
}

// leaseOf is the wire form of the trial's current lease.
func (s *study) leaseOf(lt *liveTrial, texts bool) types.Lease {
	l := types.Lease{
		Ref: lt.attempt.Ref(), Expires: lt.expires, Params: lt.Params, Budget: lt.Budget, Arm: lt.Arm,
		Copy: lt.Basis.Copy,
		Seed: trialSeed(s.st.Spec.Seed, lt.Number),
	}
	if texts {
		sp := s.spaces[lt.SpaceVersion-1]
		for i, v := range lt.settled(sp) {
			if v == nil {
				l.Inactive = append(l.Inactive, sp.Param(i).Name)
			} else {
				l.Texts = append(l.Texts, sp.Text(i, v))
			}
		}
	}
	return l
}

// saveTrial stores the columns of lt that change. The store reads the row when
// the commit is submitted.
func (s *study) saveTrial(lt *liveTrial) {
	if !lt.trialPending {
		lt.trialPending = true
		s.touched = append(s.touched, lt)
		s.put(store.UpdateTrial{Trial: &lt.Trial})
	}
}

func (s *study) saveAttempt(lt *liveTrial) {
	if lt.attemptPending != lt.attempt {
		lt.attemptPending = lt.attempt
		s.touched = append(s.touched, lt)
		s.put(store.PutAttempt{Attempt: lt.attempt})
	}
}

// trialSeed derives a trial's seed from the study's: positive, different for
// each number, and the same whenever it is asked for (SplitMix64's finaliser,
// Steele, Lea and Flood 2014).
func trialSeed(seed, number int64) int64 {
	z := uint64(seed) + 0x9e3779b97f4a7c15*(uint64(number)+1)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return int64(z >> 33) // 31 bits, which every language's seed function takes
}
