package earlystop

import (
	"fmt"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// thresholdRule ends a trial by its own latest value. Let s be the highest step
// that the trial has reported. It is ended if s >= warmup, s is the first
// reported step of its interval, and the value at s is
//
//   - below lower or above upper (the bounds themselves are good), or
//   - NaN or infinite, if nan is true.
//
// It compares with no other trial, so it needs no finishers. Optuna's
// ThresholdPruner (optuna/pruners/_threshold.py) always ends a trial at NaN and
// judges infinities by the bounds alone.
func thresholdRule() Rule {
	return Rule{
		Name:    "threshold",
		Doc:     "Ends a trial whose latest value is out of bounds or no finite number.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "lower", Type: trial.FloatSetting, Doc: "Least value that is good; auto is none."},
			{Name: "upper", Type: trial.FloatSetting, Doc: "Greatest value that is good; auto is none."},
			{Name: "nan", Type: trial.BoolSetting, Default: true, Doc: "Whether NaN or an infinite value ends a trial."},
			warmupSetting(), intervalSetting(),
		},
		New: newThreshold,
	}
}

type threshold struct {
	watch
	lower, upper     float64
	nan              bool
	warmup, interval int64
	bounds           int // how many were given
}

var _ Stopper = (*threshold)(nil)

func newThreshold(cfg Config) (Stopper, error) {
	s := cfg.Settings
	t := &threshold{watch: newWatch(cfg), lower: math.Inf(-1), upper: math.Inf(1), nan: s.Bool("nan"),
		warmup: s.Int("warmup"), interval: s.Int("interval")}
	if !s.Auto("lower") {
		t.lower, t.bounds = s.Float("lower"), t.bounds+1
	}
	if !s.Auto("upper") {
		t.upper, t.bounds = s.Float("upper"), t.bounds+1
	}
	if t.lower > t.upper {
		return nil, types.Errorf(types.Invalid, "lower %g is above upper %g", t.lower, t.upper).
			WithField("threshold.lower").WithRemedy("give the smaller one as lower")
	}
	return t, nil
}

// Observe implements Stopper.
func (t *threshold) Observe(e trial.Event) { t.observe(e) }

// Decide implements Stopper.
func (t *threshold) Decide(r trial.Report) Decision {
	c := t.judged(r)
	if c == nil || c.highest < t.warmup || !c.firstOfInterval(t.warmup, t.interval) {
		return Decision{}
	}
	v := t.signed(c.values[c.highest])
	var text string
	switch {
	case v < t.lower:
		text = fmt.Sprintf("is below %g", t.lower)
	case v > t.upper:
		text = fmt.Sprintf("is above %g", t.upper)
	case t.nan && (math.IsNaN(v) || math.IsInf(v, 0)):
		text = "is no finite number"
	default:
		return Decision{}
	}
	return Decision{Stop: true, Reason: fmt.Sprintf("%s %.6g at step %d %s", t.objective.Metric, v, c.highest, text)}
}
