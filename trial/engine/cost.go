package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// stopUnlikely is the StopWhen that ends a study when going on is unlikely to pay.
const stopUnlikely = "unlikely"

// pay adds what a trial that ended has cost.
func (s *study) pay(lt *liveTrial, st types.State, metrics map[string]float64) {
	name := s.st.Spec.Budget.Cost.Metric
	if name == "" {
		return
	}
	v, ok := metrics[name]
	ok = ok && !math.IsNaN(v) && !math.IsInf(v, 0)
	if ok {
		s.cost += v - lt.paid
		lt.paid = v
	}
	if !ok && st == types.Completed {
		s.unpriced = fmt.Sprintf("trial %d completed without a finite %s, whose sum is limited", lt.Number, name)
	}
}

// payAhead adds what a trial that is paused has cost so far.
func (s *study) payAhead(lt *liveTrial) { s.pay(lt, "", lt.finals(s.st.Spec.Strategy, nil)) }

// overspent says in words that the cost reached its limit, "" if not.
func (s *study) overspent() string {
	if c := s.st.Spec.Budget.Cost; c.Metric != "" && s.cost >= c.Limit {
		return fmt.Sprintf("the trials' %s adds up to %.6g, and the limit is %.6g", c.Metric, s.cost, c.Limit)
	}
	return ""
}

// costOf makes ready for another limit. The sum of another metric is known when
// the study is loaded again.
func (s *study) costOf(tx *txn, c types.Cost) {
	if c.Metric != s.st.Spec.Budget.Cost.Metric {
		s.cost, s.unpriced, tx.retire = 0, "", true
	}
}

// loadCost adds up what the stored trials have cost.
func (s *study) loadCost(ctx context.Context) error {
	if s.st.Spec.Budget.Cost.Metric == "" {
		return nil
	}
	f := store.TrialFilter{Sort: store.SortNumber, Limit: 1000, States: []types.State{
		types.Completed, types.Pruned, types.Failed, types.Infeasible, types.Cancelled}}
	for {
		page, next, err := s.e.cfg.Store.ListTrials(ctx, s.id, f)
		if err != nil {
			return err
		}
		for _, t := range page {
			if t.Origin != trial.FromImport {
				s.pay(&liveTrial{}, "", t.Metrics)
			}
		}
		if next == "" {
			break
		}
		f.After = next
	}
	for _, n := range slices.Sorted(maps.Keys(s.live)) {
		if lt := s.live[n]; lt.base != nil {
			before := &liveTrial{Trial: lt.Trial, series: lt.base, spent: lt.spent}
			s.payAhead(before)
			lt.paid = before.paid
		}
	}
	return nil
}
