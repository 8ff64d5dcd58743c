package earlystop

import (
	"fmt"
	"math"

	"github.com/gotuner/tuner/trial"
)

func percentileRule() Rule {
	return Rule{
		Name: "percentile",
		Doc: "Ends a trial whose best value so far is not among the best so many percent of the completed " +
			"trials at the same step.",
		Version: 1,
		Settings: append([]trial.Setting{
			{Name: "percentile", Type: trial.FloatSetting, Default: 25.0, Min: new(float64(0)), Max: new(float64(100)),
				Doc: "Percent of the completed trials that are good enough; less ends more trials."},
		}, quantileSettings()...),
		New: func(cfg Config) (Stopper, error) { return newQuantile(cfg, cfg.Settings.Float("percentile")), nil },
	}
}

// quantileSettings are those of median and percentile.
func quantileSettings() []trial.Setting {
	return []trial.Setting{
		startupSetting(), warmupSetting(), intervalSetting(),
		{Name: "min_trials", Type: trial.IntSetting, Default: int64(1), Min: new(float64(1)),
			Doc: "Completed trials that must have a value at the step."},
	}
}

// quantile is the rule percentile, and median, which is percentile 50. Optuna
// has both (optuna/pruners/_percentile.py, version 5).
//
// Let s be the highest step that the trial has reported. The trial is ended if
//
//   - startup trials have completed (see watch.open), s >= warmup, and s is the
//     first reported step of its interval;
//   - some completed trial has gone beyond s: at the last step there is nothing
//     left to save;
//   - at least min_trials completed trials have a value at s that is not NaN;
//   - the best of all values that the trial has reported is strictly worse
//     than the quantile of those values, or all of its own are NaN. The
//     quantile is counted from the best value on.
//
// Pruned, failed and running trials never count, so the rule does not feed on
// its own decisions. Deviations from Optuna: the trials that startup counts
// must have reported the metric, and are by default as many as there are
// workers, at least 5 (Optuna: 5); NaN values of other trials do not count
// towards min_trials; a second report of a step replaces the first, as
// everywhere in tuner (Optuna keeps the first); and Optuna ends trials at their
// last step, too, whose result is then lost as that of a whole trial.
//
// Cost: a completed trial with r reports takes O(r log n) once; a decision
// reads a running quantile and takes O(1), and O(r) only where a replaced
// report was the trial's best.
type quantile struct {
	watch
	percent                 float64
	warmup, interval, floor int64
	steps                   map[int64]*runningQuantile
	longest                 int64 // highest step of the completed trials
}

var _ Stopper = (*quantile)(nil)

func newQuantile(cfg Config, percent float64) *quantile {
	return &quantile{
		watch: newWatch(cfg), percent: percent,
		warmup: cfg.Settings.Int("warmup"), interval: cfg.Settings.Int("interval"),
		floor: cfg.Settings.Int("min_trials"), steps: map[int64]*runningQuantile{},
	}
}

// Observe implements Stopper.
func (m *quantile) Observe(e trial.Event) {
	c, completed := m.observe(e)
	if !completed {
		return
	}
	m.longest = max(m.longest, c.highest)
	for step, v := range c.values {
		if math.IsNaN(v) {
			continue
		}
		q := m.steps[step]
		if q == nil {
			q = &runningQuantile{p: m.percent / 100}
			m.steps[step] = q
		}
		q.add(v)
	}
}

// Decide implements Stopper.
func (m *quantile) Decide(r trial.Report) Decision {
	c := m.judged(r)
	if c == nil || !m.open() {
		return Decision{}
	}
	step := c.highest
	if step < m.warmup || step >= m.longest || !c.firstOfInterval(m.warmup, m.interval) {
		return Decision{}
	}
	q := m.steps[step]
	if q == nil || q.len() < m.floor {
		return Decision{}
	}
	own, at := c.best()
	limit := q.value()
	name, bar := m.objective.Metric, m.bar(limit, q.len())
	switch {
	case math.IsNaN(own):
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s is NaN in every report up to step %d; there is %s", name, step, bar)}
	case own > limit && at == step:
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s %s at step %d is worse than %s", name, m.show(own), step, bar)}
	case own > limit:
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s %s, its best up to step %d, is worse than %s at that step", name, m.show(own), step, bar)}
	}
	return Decision{}
}

// bar names the value that has to be reached.
func (m *quantile) bar(limit float64, trials int64) string {
	if m.percent == 50 {
		return fmt.Sprintf("the median %s of %s", m.show(limit), plural(trials, "trial"))
	}
	return fmt.Sprintf("%s, which the best %g %% of %s reach,", m.show(limit), m.percent, plural(trials, "trial"))
}
