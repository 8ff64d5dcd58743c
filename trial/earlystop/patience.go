package earlystop

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// patienceRule ends a trial that no longer improves, if another rule agrees.
//
// Walk through the values of the trial in the order of steps, NaN left out. The
// first is the mark; a value that is better than the mark by more than
// min_delta becomes the mark. With s the highest reported step, the trial has
// run out of patience if s >= warmup and the mark lies at least the setting
// steps before s. Then the rule named by of, with its default settings, is asked
// about the report, and its answer holds; of=none always ends the trial.
//
// A pruned trial is never the best of a study, so of=none can throw away the
// winner's value once it stands still: use it where the program cannot stop
// itself and trials that stand still are losers.
//
// Sources: Prechelt: "Early Stopping - But When?", 1998, and the callback of
// Keras, for what an improvement is. Optuna's PatientPruner
// (optuna/pruners/_patient.py) wraps in the same way, but lets min_delta
// forgive what is worse instead of demanding what is better.
func patienceRule() Rule {
	return Rule{
		Name:    "patience",
		Doc:     "Asks another rule only about trials that have not improved for some steps.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "steps", Type: trial.IntSetting, Default: int64(5), Min: new(float64(1)),
				Doc: "Steps without improvement after which a trial may be ended."},
			{Name: "min_delta", Type: trial.FloatSetting, Default: 0.0, Min: new(float64(0)),
				Doc: "An improvement is better by more than this, in units of the metric."},
			warmupSetting(),
			{Name: "of", Type: trial.StringSetting, Default: "median",
				Choices: []string{"none", "median", "percentile", "asha", "hyperband"},
				Doc:     "Rule that has to agree, with its default settings; none asks nobody."},
		},
		New: newPatience,
	}
}

type patience struct {
	watch
	steps, warmup int64
	minDelta      float64
	of            Stopper // nil: none
	marks         map[int64]*mark
}

// mark is a trial's last improvement.
type mark struct {
	value   float64 // NaN: only NaN so far
	step    int64   // of the value; the first step, if it is NaN
	highest int64   // step that was looked at
}

var _ Stopper = (*patience)(nil)

func newPatience(cfg Config) (Stopper, error) {
	s := cfg.Settings
	p := &patience{watch: newWatch(cfg), steps: s.Int("steps"), warmup: s.Int("warmup"),
		minDelta: s.Float("min_delta"), marks: map[int64]*mark{}}
	if name := s.String("of"); name != "none" {
		var err error
		if p.of, err = New(types.Component{Name: name}, cfg); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Observe implements Stopper.
func (p *patience) Observe(e trial.Event) {
	if p.of != nil {
		p.of.Observe(e)
	}
	c, _ := p.observe(e)
	if c == nil {
		return
	}
	switch m := p.marks[e.Trial]; {
	case e.Kind == trial.EventRequeued || e.Kind == trial.EventFinished:
		delete(p.marks, e.Trial)
	case e.Kind != trial.EventReported:
	case m != nil && e.Report.Step > m.highest:
		p.advance(m, e.Report.Step, c.values[e.Report.Step])
	default: // the first, one that came late, or one replaced
		m = nil
		for _, step := range slices.Sorted(maps.Keys(c.values)) {
			if m == nil {
				m = &mark{value: c.values[step], step: step, highest: step}
				continue
			}
			p.advance(m, step, c.values[step])
		}
		p.marks[e.Trial] = m
	}
}

// advance looks at the value of the next step.
func (p *patience) advance(m *mark, step int64, v float64) {
	m.highest = step
	if math.IsNaN(v) {
		return
	}
	if math.IsNaN(m.value) || v < m.value-p.minDelta {
		m.value, m.step = v, step
	}
}

// Decide implements Stopper.
func (p *patience) Decide(r trial.Report) Decision {
	m := p.marks[r.Trial]
	if p.judged(r) == nil || m.highest < p.warmup || m.highest-m.step < p.steps {
		return Decision{}
	}
	reason := fmt.Sprintf("%s has not improved on %s since step %d", p.objective.Metric, p.show(m.value), m.step)
	if math.IsNaN(m.value) {
		reason = fmt.Sprintf("%s is NaN since step %d", p.objective.Metric, m.step)
	}
	if p.of == nil {
		return Decision{Stop: true, Reason: reason}
	}
	d := p.of.Decide(r)
	if d.Stop {
		d.Reason = reason + "; " + d.Reason
	}
	return d
}
