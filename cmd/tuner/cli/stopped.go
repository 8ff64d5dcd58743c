package cli

import (
	"context"
	"fmt"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// mostCounted is up to how many trials the steps of a study are counted: beyond,
// reading them would take seconds of a command that else answers at once.
const mostCounted = 100_000

// stoppedSteps is what a stopper saved of a study, in steps of the trials that
// completed or were pruned.
type stoppedSteps struct {
	// Steps are those that the trials ran, by the highest step of each.
	Steps float64 `json:"steps"`
	// OfSteps would have been run if each pruned trial had run for as long as the
	// completed ones did in the mean.
	OfSteps float64 `json:"of_steps"`
}

// countStopped counts the steps of a study with a stopper; nil if it has none, or
// nothing to compare: no pruned trial, no completed one, or no steps. A population
// saves nothing: its copies go on from what others have trained.
func countStopped(ctx context.Context, db store.Lister, id int64, spec types.StudySpec, c types.Counts) (*stoppedSteps, error) {
	none := spec.Stopper.Name == earlystop.DefaultName || earlystop.Copies(spec.Stopper)
	if none || c.Pruned == 0 || c.Completed == 0 || c.Total() > mostCounted {
		return nil, nil //nolint:nilnil // there is nothing to say
	}
	var whole, completed float64
	var pruned []float64
	filter := store.TrialFilter{States: []types.State{types.Completed, types.Pruned}}
	err := store.EachTrial(ctx, db, id, filter, func(t *trial.Trial) error {
		step := float64(max(t.Step, 0))
		if t.State == types.Completed {
			completed++
			whole += step
		} else {
			pruned = append(pruned, step)
		}
		return nil
	})
	if err != nil || whole == 0 {
		return nil, err
	}
	out := stoppedSteps{Steps: whole, OfSteps: whole}
	for _, step := range pruned {
		out.Steps += step
		out.OfSteps += max(step, whole/completed)
	}
	return &out, nil
}

// text is "asha saved 71 % of the steps: 349 run instead of about 1200".
func (s *stoppedSteps) text(stopper string) string {
	return fmt.Sprintf("%s saved %.0f %% of the steps: %.0f run instead of about %.0f",
		stopper, 100*(1-s.Steps/s.OfSteps), s.Steps, s.OfSteps)
}
