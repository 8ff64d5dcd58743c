package engine

import (
	"context"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// load rebuilds a study from the store: totals and the algorithm's knowledge
// from the events, unfinished trials from their rows. O(events).
func (e *Engine) load(ctx context.Context, st trial.Study) (*study, error) {
	s := &study{e: e, id: st.ID, project: st.Spec.Project, records: map[string]*workRecord{}, failers: map[string]bool{}, epoch: st.Epoch, st: st, fromSeq: st.NextSeq, fromNumber: st.NextNumber,
		live: map[int64]*liveTrial{}, running: map[int64]*liveTrial{}, keys: map[string]store.PutRequestKey{},
		changed: make(chan struct{}), stops: make(chan struct{}), prospect: trial.NewProspect(st.Spec.Objectives)}
	raw, err := e.cfg.Store.Spaces(ctx, st.ID)
	if err != nil {
		return nil, err
	}
	for i, b := range raw {
		sp, err := space.Parse(b)
		if err != nil {
			return nil, types.Errorf(types.Internal, "stored space version %d: %w", i+1, err)
		}
		s.spaces = append(s.spaces, sp)
	}
	s.st.SpaceVersion = len(s.spaces)
	s.st.Space = s.spaces[len(s.spaces)-1]
	if s.suggest, s.stopper, err = e.build(s.st.Spec, s.st.Space); err != nil {
		return nil, err
	}
	if err := s.replay(ctx); err != nil {
		return nil, err
	}
	if err := s.loadLive(ctx); err != nil {
		return nil, err
	}
	if err := s.loadCost(ctx); err != nil {
		return nil, err
	}
	if st.NextSeq == 0 { // nothing has happened yet: it is new
		if err := s.first(&txn{now: store.Time(e.cfg.Now())}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// first queues the space's default and then the points to try of a new study.
func (s *study) first(tx *txn) error {
	try, err := tries(s.st.Space, s.st.Spec, 0)
	if err != nil {
		return err
	}
	if p, ok := s.st.Space.Default(); ok && s.st.Space.Feasible(p) {
		s.add(tx, &liveTrial{point: p, Trial: trial.Trial{Origin: trial.FromDefault, Priority: 1, Parent: -1}})
	}
	s.addPoints(tx, try, trial.FromTry)
	return nil
}

// build makes the algorithm and the stopper of a spec.
func (e *Engine) build(spec types.StudySpec, sp *space.Space) (suggest.Suggester, earlystop.Stopper, error) {
	return build(e.cfg, spec, sp)
}

func build(cfg Config, spec types.StudySpec, sp *space.Space) (suggest.Suggester, earlystop.Stopper, error) {
	det := spec.Deterministic
	if det == "" {
		det = "auto"
	}
	sg, err := cfg.NewSuggester(spec.Algorithm, suggest.Config{
		Space: sp, Objectives: spec.Objectives, Seed: spec.Seed, Deterministic: det})
	if err != nil {
		return nil, nil, err
	}
	stp, err := cfg.NewStopper(spec.Stopper, earlystop.Config{Objectives: spec.Objectives, Seed: spec.Seed})
	return sg, stp, err
}

// loadLive reads the unfinished trials with their current attempts.
func (s *study) loadLive(ctx context.Context) error {
	now := s.e.cfg.Now()
	f := store.TrialFilter{States: []types.State{types.Queued, types.Running, types.Paused}, Sort: store.SortNumber}
	for {
		page, next, err := s.e.cfg.Store.ListTrials(ctx, s.id, f)
		if err != nil {
			return err
		}
		for _, t := range page {
			lt := &liveTrial{Trial: t, primary: s.st.Spec.Objectives[0].Metric}
			if lt.point, err = s.spaces[t.SpaceVersion-1].FromParams(t.Params); err != nil {
				return types.Errorf(types.Internal, "stored trial %d: %w", t.Number, err)
			}
			s.replan(lt)
			s.live[t.Number] = lt
			s.count("", t.State)
			if sh := s.shadows[t.Number]; sh != nil {
				lt.base, lt.spent = sh.base, sh.spent
			}
			lt.rewind()
			switch t.State {
			case types.Queued:
				s.enqueue(lt)
			case types.Running:
				if err := s.loadAttempt(ctx, lt); err != nil {
					return err
				}
				// Our own absence must not cost anybody a lease, but a worker that
				// is certainly dead will not come back.
				s.renew(lt, now)
				if dead := s.e.cfg.OwnerDead; dead != nil && dead(lt.attempt.Worker) {
					lt.expires = now
				}
			case types.Paused, types.Completed, types.Pruned, types.Failed, types.Infeasible, types.Cancelled:
			}
		}
		if next == "" {
			s.plans, s.shadows = nil, nil
			return nil
		}
		f.After = next
	}
}

func (s *study) loadAttempt(ctx context.Context, lt *liveTrial) error {
	as, err := s.e.cfg.Store.Attempts(ctx, s.id, lt.Number)
	if err != nil {
		return err
	}
	if len(as) == 0 || as[len(as)-1].State.Finished() {
		return types.Errorf(types.Internal, "stored trial %d runs without an attempt", lt.Number)
	}
	lt.attempt = &as[len(as)-1]
	lt.ttl = lt.attempt.Expires.Sub(lt.attempt.Leased)
	s.running[lt.Number] = lt
	// What else is being stopped its holder stops by its own will.
	if k := lt.attempt.Stopping; k == types.StopPruned || k == types.StopCancelled || k == types.StopPaused {
		lt.stop = types.Decision{Stop: true, Kind: k, Reason: lt.attempt.Reason}
	}
	lt.rewind()
	rs, err := s.e.cfg.Store.Reports(ctx, s.id, lt.Number, "", 0)
	if err != nil {
		return err
	}
	for _, r := range rs {
		if r.Attempt != lt.attempt.Number {
			continue
		}
		lt.add(r.Metric, r.Step, r.Value)
		if r.Metric == s.st.Spec.Objectives[0].Metric {
			lt.Step = max(lt.Step, r.Step)
		}
	}
	return nil
}
