package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/earlystop"
)

// worthSaying is the share of the reports from which on it is worth saying that
// a stopper would have saved them.
const worthSaying = 0.1

// advised are the stoppers that a user without one is told of.
var advised = []string{"asha", "median", "hyperband"}

// wouldSave says what stoppers would have saved of a sweep that ran without one
// but printed curves; "" if that is not worth saying.
func (r *sweepRun) wouldSave(ctx context.Context) (string, error) {
	spec := r.study.Spec
	if spec.Stopper.Name != earlystop.DefaultName || len(r.study.Best) == 0 || r.at.local == nil { // a server does not tell all reports
		return "", nil
	}
	tallies := make([]*earlystop.Tally, len(advised))
	for i, name := range advised {
		rule, err := earlystop.New(types.Component{Name: name}, earlystop.Config{Objectives: spec.Objectives, Seed: spec.Seed})
		if err != nil {
			return "", err
		}
		tallies[i] = earlystop.NewTally(rule, spec.Objectives[0].Metric, r.study.Best[0])
	}
	err := r.at.local.Store.Events(ctx, r.study.ID, 0, func(se store.StoredEvent) error {
		for _, t := range tallies {
			t.Observe(se.Event)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	var parts []string
	for i, t := range tallies {
		s := t.Result()
		if s.OfSteps == 0 || float64(s.Steps) < worthSaying*float64(s.OfSteps) {
			continue
		}
		kept := "keeping the best one"
		if !s.KeptBest {
			kept = "but the best one among them"
		}
		parts = append(parts, fmt.Sprintf("  --stopper %-10s %2d %% of all steps, by ending %s early, %s",
			advised[i], 100*s.Steps/s.OfSteps, plural(int64(s.Trials), "trial"), kept))
	}
	if parts == nil {
		return "", nil
	}
	return "an early stop would have saved (tuner help early-stopping):\n" + strings.Join(parts, "\n"), nil
}
