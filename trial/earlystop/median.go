package earlystop

import (
	"fmt"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

func medianRule() Rule {
	return Rule{
		Name: "median",
		Doc: "Ends a trial whose best value so far is worse than the median of the completed trials " +
			"at the same step.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "startup", Type: trial.IntSetting, Default: int64(5), Min: new(float64(1)),
				Doc: "Trials that must have completed before any trial is ended."},
			{Name: "warmup", Type: trial.IntSetting, Default: int64(0), Min: new(float64(0)),
				Doc: "First step at which a trial may be ended."},
			{Name: "interval", Type: trial.IntSetting, Default: int64(1), Min: new(float64(1)),
				Doc: "Steps between two decisions on a trial, counted from warmup."},
			{Name: "min_trials", Type: trial.IntSetting, Default: int64(1), Min: new(float64(1)),
				Doc: "Completed trials that must have a value at the step."},
		},
		New: newMedian,
	}
}

// median is the median stopping rule in the form of Optuna's MedianPruner
// (optuna/pruners/_percentile.py, version 5). The idea is of Golovin et al.,
// "Google Vizier", KDD 2017, section 3.2.2, who compare with running averages;
// Optuna, and this rule, compare with the values at the very step.
//
// Let s be the highest step that the trial has reported. The trial is ended if
//
//   - startup trials have completed, s >= warmup, and s is the first reported
//     step of its interval [warmup + k*interval, warmup + (k+1)*interval);
//   - at least min_trials completed trials have a value at s that is not NaN;
//   - the best of all values that the trial has reported is strictly worse
//     than the median of those values, or all of its own are NaN.
//
// Pruned, failed and running trials never count, so the rule does not feed on
// its own decisions. One deviation: Optuna counts NaN values of other trials
// towards min_trials, this rule does not. A second report of a step replaces
// the first, as everywhere in tuner (Optuna keeps the first).
//
// Cost: a completed trial with r reports takes O(r log n) once; a decision
// reads a running median and takes O(1), and O(r) only where a replaced report
// was the trial's best.
type median struct {
	objective                        types.Objective
	startup, warmup, interval, floor int64

	completed int64
	running   map[int64]*curve
	steps     map[int64]*runningMedian
}

var _ Stopper = (*median)(nil)

func newMedian(cfg Config) (Stopper, error) {
	return &median{
		objective: cfg.Objectives[0],
		startup:   cfg.Settings.Int("startup"),
		warmup:    cfg.Settings.Int("warmup"),
		interval:  cfg.Settings.Int("interval"),
		floor:     cfg.Settings.Int("min_trials"),
		running:   map[int64]*curve{},
		steps:     map[int64]*runningMedian{},
	}, nil
}

// Observe implements Stopper.
func (m *median) Observe(e trial.Event) {
	switch e.Kind {
	case trial.EventCreated:
		m.running[e.Trial] = &curve{}
	case trial.EventReported:
		if c := m.running[e.Trial]; c != nil && e.Report.Metric == m.objective.Metric {
			c.set(e.Report.Step, m.signed(e.Report.Value))
		}
	case trial.EventRequeued:
		// The reports of the lost attempt are void.
		if m.running[e.Trial] != nil {
			m.running[e.Trial] = &curve{}
		}
	case trial.EventFinished:
		m.finish(e.Trial, e.Finish)
	case trial.EventStarted, trial.EventSpace, trial.EventStudy:
	}
}

func (m *median) finish(number int64, f *trial.Finish) {
	c := m.running[number]
	delete(m.running, number)
	if c == nil || f == nil || f.State != types.Completed {
		return
	}
	m.completed++
	for step, v := range c.values {
		if math.IsNaN(v) {
			continue
		}
		q := m.steps[step]
		if q == nil {
			q = &runningMedian{}
			m.steps[step] = q
		}
		q.add(v)
	}
}

// signed turns v so that smaller is better.
func (m *median) signed(v float64) float64 {
	if m.objective.Goal == types.Maximize {
		return -v
	}
	return v
}

// Decide implements Stopper.
func (m *median) Decide(r trial.Report) Decision {
	c := m.running[r.Trial]
	if c == nil || len(c.values) == 0 || r.Metric != m.objective.Metric {
		return Decision{}
	}
	step := c.highest
	if m.completed < m.startup || step < m.warmup || !m.firstOfInterval(c) {
		return Decision{}
	}
	q := m.steps[step]
	if q == nil || q.len() < m.floor {
		return Decision{}
	}
	own, at := c.best()
	mid := q.median()
	name, trials := m.objective.Metric, plural(q.len(), "trial")
	switch {
	case math.IsNaN(own):
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s is NaN in every report up to step %d, while the median of %s there is %s",
			name, step, trials, m.show(mid))}
	case own > mid && at == step:
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s %s at step %d is worse than the median %s of %s",
			name, m.show(own), step, m.show(mid), trials)}
	case own > mid:
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s %s, its best up to step %d, is worse than the median %s of %s at that step",
			name, m.show(own), step, m.show(mid), trials)}
	}
	return Decision{}
}

// firstOfInterval reports whether the highest step of c is its only one in the
// current interval.
func (m *median) firstOfInterval(c *curve) bool {
	if m.interval == 1 {
		return true // distinct steps lie in distinct intervals
	}
	start := (c.highest-m.warmup)/m.interval*m.interval + m.warmup
	return !c.hasSecond || c.second < start
}

func (m *median) show(v float64) string { return fmt.Sprintf("%.6g", m.signed(v)) }

func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
