package engine

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// edit changes budget, parallelism, required labels and space where given.
func (s *study) edit(ctx context.Context, tx *txn, req types.ControlRequest) error {
	spec := s.st.Spec
	if req.Budget != nil {
		spec.Budget = *req.Budget
	}
	if req.Parallelism != nil {
		spec.Parallelism = *req.Parallelism
	}
	if req.Require != nil {
		spec.Require = req.Require
	}
	if err := checkSpec(spec); err != nil {
		return err
	}
	var next *space.Space
	if len(req.Space) > 0 {
		c, err := s.e.merge(ctx, spec, types.StudySpec{Name: spec.Name, Space: req.Space, Extend: true})
		if err != nil {
			return err
		}
		spec, next = c.spec, c.next
	}
	var what []string
	if !sameBudget(spec.Budget, s.st.Spec.Budget) || spec.Parallelism != s.st.Spec.Parallelism {
		what = append(what, fmt.Sprintf("trials %d, parallelism %d", spec.Budget.Trials, spec.Parallelism))
	}
	if !maps.Equal(spec.Require, s.st.Spec.Require) {
		what = append(what, fmt.Sprintf("required labels %v", spec.Require))
	}
	if next != nil {
		what = append(what, "space")
	}
	if len(what) == 0 {
		return nil
	}
	s.costOf(tx, spec.Budget.Cost)
	s.st.Spec = spec
	s.put(store.PutStudy{Spec: spec, State: s.st.State, Reason: s.st.Reason})
	if next != nil {
		s.newSpace(tx, next)
		s.exhausted = false
		tx.retire = true // the algorithm is built anew, from the events
	}
	if s.st.State == types.StudyFinished && s.spent() == "" && s.late(tx) == "" {
		s.setState(tx, types.StudyActive, "")
	}
	s.emit(trial.Event{Kind: trial.EventStudy, Trial: -1, Time: tx.now, Detail: detail("edit", strings.Join(what, "; "))})
	return nil
}

// newSpace makes next, whose text the spec has already, the current version of
// the space.
func (s *study) newSpace(tx *txn, next *space.Space) {
	s.spaces = append(s.spaces, next)
	s.st.Space, s.st.SpaceVersion = next, len(s.spaces)
	s.put(store.AddSpace{Version: s.st.SpaceVersion, JSON: s.st.Spec.Space, Time: tx.now})
	s.emit(trial.Event{Kind: trial.EventSpace, Trial: -1, Time: tx.now, Space: next})
}
