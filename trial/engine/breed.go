package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// armCopy is the arm of a trial that is a changed copy of another.
const armCopy = "copy"

// populate is the copy that a population should make now, or, if no trial may be
// created any more, the trial that goes on instead; nil if there is none. full says
// that no trials are to be created but copies.
func (s *study) populate(ctx context.Context, tx *txn) (lt *liveTrial, full bool, err error) {
	b, ok := s.stopper.(earlystop.Breeder)
	if !ok {
		return nil, false, nil
	}
	c, reason, ok := b.Breed(s.st.NextNumber)
	switch {
	case !ok:
	case s.spent() != "":
		return s.release(b.Spare()), false, nil
	default:
		lt, err = s.breed(ctx, tx, b, c, reason)
	}
	return lt, b.Full(), err
}

// breed makes the copy c. It changes nothing if it fails.
func (s *study) breed(ctx context.Context, tx *txn, b earlystop.Breeder, c types.Copy, reason string) (*liveTrial, error) {
	from, err := s.pointOf(ctx, c.Of)
	if err != nil {
		return nil, err
	}
	p := b.Explore(s.st.Space, from, c)
	if err := s.st.Space.Validate(p); err != nil {
		return nil, types.Errorf(types.Internal, "the copy of trial %d would be an invalid point: %w", c.Of, err)
	}
	basis := trial.Basis{Seq: s.st.NextSeq, Copy: &c}
	for _, q := range s.pendingPoints() {
		basis.Pending = append(basis.Pending, q.Number)
	}
	lt := &liveTrial{point: p, Trial: trial.Trial{Origin: trial.FromAlgorithm, Basis: basis, Arm: armCopy, Parent: c.Of,
		Explain: changes(s.st.Space, from, p)}}
	s.add(tx, lt)
	if old := s.live[c.For]; old != nil && old.State == types.Paused {
		s.closeTrial(tx, old, trial.Prune, reason, nil)
	}
	return lt, nil
}

// pointOf is the point of a trial in the current space, one drawn anew if it has no
// place there any more.
func (s *study) pointOf(ctx context.Context, number int64) (space.Point, error) {
	var version int
	var p space.Point
	if lt := s.live[number]; lt != nil {
		version, p = lt.SpaceVersion, lt.settled(s.spaces[lt.SpaceVersion-1])
	} else {
		t, err := s.e.cfg.Store.Trial(ctx, s.id, number)
		if err != nil {
			return nil, err
		}
		version = t.SpaceVersion
		if p, err = s.spaces[version-1].FromParams(t.Params); err != nil {
			return nil, types.Errorf(types.Internal, "stored trial %d: %w", number, err)
		}
	}
	if q, ok := s.st.Space.Translate(s.spaces[version-1], p); ok {
		return q, nil
	}
	return s.st.Space.SampleFeasible(suggest.Stream(s.st.Spec.Seed, armCopy, s.st.NextNumber))
}

// changes says what a copy has otherwise than the trial that it is a copy of.
func changes(sp *space.Space, from, to space.Point) json.RawMessage {
	text := func(i int, v space.Value) string {
		if v == nil {
			return "nothing"
		}
		return sp.Text(i, v)
	}
	changed := map[string]string{}
	for i := range to {
		if from[i] != to[i] {
			changed[sp.Param(i).Name] = fmt.Sprintf("%s, was %s", text(i, to[i]), text(i, from[i]))
		}
	}
	b, err := json.Marshal(map[string]any{"changed": changed})
	if err != nil {
		panic(err) // texts always encode
	}
	return b
}

// fitsPopulation makes sure that a whole population can be created, and copied: a
// copy is a change of a whole point, and with an open space a trial draws its point
// anew wherever it goes on.
func fitsPopulation(spec types.StudySpec, sp *space.Space, stopper earlystop.Stopper) error {
	b, ok := stopper.(earlystop.Breeder)
	if !ok {
		return nil
	}
	if sp.Open() {
		return types.Errorf(types.Invalid, "a population needs a space that is known from the start, and this one is open").WithField("stopper").
			WithRemedy("declare the parameters without open; or use another stopper than %s", spec.Stopper.Name)
	}
	if n, finite := sp.Size(); finite && n < b.Size() {
		return types.Errorf(types.Invalid, "a population of %d does not fit into a space of %d points", b.Size(), n).WithField("stopper").
			WithRemedy("make it smaller, as in %s:population=%d,…, or the space larger", spec.Stopper.Name, max(2, n))
	}
	if n := spec.Budget.Trials; n > 0 && n < b.Size() {
		return types.Errorf(types.Invalid, "a population of %d does not fit into a budget of %d trials", b.Size(), n).WithField("budget.trials").
			WithRemedy("leave -n out (the population ends by itself), or give more: each copy is a trial, too; or a smaller one: %s:population=%d,…",
				spec.Stopper.Name, max(2, n/2))
	}
	return nil
}
