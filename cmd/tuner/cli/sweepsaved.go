package cli

import (
	"context"
	"fmt"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/earlystop"
)

// worthSaying is the share of the reports from which on it is worth saying that
// a stopper would have saved them.
const worthSaying = 0.1

// wouldSave says what the median rule would have saved of a sweep that ran
// without a stopper but printed curves; "" if that is not worth saying.
func (r *sweepRun) wouldSave(ctx context.Context) (string, error) {
	spec := r.study.Spec
	if spec.Stopper.Name != earlystop.DefaultName || len(r.study.Best) == 0 || r.at.local == nil { // a server does not tell all reports
		return "", nil
	}
	rule, err := earlystop.New(types.Component{Name: "median"}, earlystop.Config{Objectives: spec.Objectives, Seed: spec.Seed})
	if err != nil {
		return "", err
	}
	tally := earlystop.NewTally(rule, spec.Objectives[0].Metric, r.study.Best[0])
	err = r.at.local.Store.Events(ctx, r.study.ID, 0, func(se store.StoredEvent) error {
		tally.Observe(se.Event)
		return nil
	})
	if err != nil {
		return "", err
	}
	s := tally.Result()
	if s.OfSteps == 0 || float64(s.Steps) < worthSaying*float64(s.OfSteps) {
		return "", nil
	}
	kept := "kept the best trial"
	if !s.KeptBest {
		kept = "ended the best trial early, too"
	}
	return fmt.Sprintf("--stopper median would have ended %d trials early, saved %d %% of all steps, and %s",
		s.Trials, 100*s.Steps/s.OfSteps, kept), nil
}
