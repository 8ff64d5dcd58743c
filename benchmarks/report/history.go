package report

import (
	"context"
	"math"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// History is what a picture of learning curves shows of a study.
type History struct {
	Study     string
	Objective types.Objective
	Stopper   string
	// Best is the number of the best trial, -1 if there is none.
	Best   int64
	Trials []Trained
	// Omitted is how many trials more there are, which are not drawn.
	Omitted int
}

// Trained is a trial and its learning curve.
type Trained struct {
	Number int64
	State  types.State
	Points []trial.Report // by step
}

const (
	// mostCurves is how many curves a picture has: more would cover one another.
	mostCurves = 300
	// mostPoints is how many points of a curve are drawn.
	mostPoints = 200
)

// ReadHistory reads the trials of a study that reported their objective: of many,
// evenly chosen ones and the best.
func ReadHistory(ctx context.Context, db store.Store, study trial.Study) (*History, error) {
	o := study.Spec.Objectives[0]
	h := &History{Study: study.Spec.Name, Objective: o, Stopper: study.Spec.Stopper.Name, Best: -1}
	var all []Trained
	best := math.NaN()
	err := store.EachTrial(ctx, db, study.ID, store.TrialFilter{}, func(t *trial.Trial) error {
		if t.Step < 0 {
			return nil
		}
		all = append(all, Trained{Number: t.Number, State: t.State})
		v, ok := t.Metrics[o.Metric]
		if ok && t.State == types.Completed && !math.IsNaN(v) && (h.Best < 0 || better(o.Goal, v, best)) {
			h.Best, best = t.Number, v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, t := range all {
		n := max(len(all), mostCurves)
		if i*mostCurves/n == (i-1)*mostCurves/n && i > 0 && t.Number != h.Best {
			h.Omitted++
			continue
		}
		if t.Points, err = db.Reports(ctx, study.ID, t.Number, o.Metric, mostPoints); err != nil {
			return nil, err
		}
		h.Trials = append(h.Trials, t)
	}
	h.Trials = slices.DeleteFunc(h.Trials, func(t Trained) bool { return len(t.Points) == 0 })
	return h, nil
}

func better(goal types.Goal, a, b float64) bool {
	if goal == types.Maximize {
		return a > b
	}
	return a < b
}
