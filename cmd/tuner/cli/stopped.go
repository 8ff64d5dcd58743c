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

// unmatched says what of a study's reports does not fit its stopper: trials of one
// value, or of another length than it was told; "" if nothing.
func unmatched(ctx context.Context, db store.Lister, id int64, spec types.StudySpec, c types.Counts) (string, error) {
	name := spec.Stopper.Name
	if name == earlystop.DefaultName || c.Completed == 0 || c.Total() > mostCounted {
		return "", nil
	}
	longest := int64(-1)
	filter := store.TrialFilter{States: []types.State{types.Completed}}
	err := store.EachTrial(ctx, db, id, filter, func(t *trial.Trial) error {
		longest = max(longest, t.Step)
		return nil
	})
	length := maxStepOf(spec.Stopper)
	off := max(longest, length) - min(longest, length)
	switch {
	case err != nil:
		return "", err
	case longest <= 0 && name != "threshold": // which judges one value, too
		return fmt.Sprintf("%s had nothing to judge: no trial got beyond one value of %s; print it at each step, as in epoch=3 %s=0.31",
			name, spec.Objectives[0].Metric, spec.Objectives[0].Metric), nil
	case length > 0 && off > max(1, length/10):
		return fmt.Sprintf("%s was told that a trial has %s, and the longest that completed got to step %d: say max_step=%d",
			name, plural(length, "step"), longest, longest), nil
	}
	return "", nil
}

// text is "asha saved 71 % of the steps: 349 run instead of about 1200".
func (s *stoppedSteps) text(stopper types.Component) string {
	resumed := ""
	if stopper.Settings["mode"] == "promote" { // those that did not have run more often
		resumed = ", if paused trials went on from checkpoints"
	}
	return fmt.Sprintf("%s saved %.0f %% of the steps%s: %.0f run instead of about %.0f",
		stopper.Name, 100*(1-s.Steps/s.OfSteps), resumed, s.Steps, s.OfSteps)
}
