package earlystop

import (
	"fmt"
	"math"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// halving is asynchronous successive halving, the common part of asha (one
// bracket) and hyperband (several). Each trial belongs to one bracket. A
// bracket has rungs, which are growing steps. A trial's result at a rung is the
// value of the report with which its highest step first reached the rung; a
// step may reach several rungs at once, and gives its value to each. A second
// report of that very step replaces the result; a report of any other lower
// step that comes late does not touch it. Results of attempts that were lost
// are taken back, those of trials that ended remain, however they ended.
//
// A trial is judged by the report that gives it a result at a rung, and by no
// other. It is ended if
//
//   - startup trials have completed (see watch.open);
//   - the rung has at least minResults results, the trial's own included;
//   - the number of strictly better results there is at least max(1, n/eta),
//     rounded down, of n results.
//
// So the best result of a rung, or one equal to it, is never a reason to end
// its trial. NaN is a result, worse than all numbers.
//
// If the length of a trial is not known, the rule only collects until trials
// may be ended; the highest step of the trials that have completed by then is
// taken for it, for good.
//
// Cost: a result at a rung takes a binary search and an insertion into a sorted
// slice (at 10,000 results a copy of 40 kB in the mean, about a microsecond);
// a decision takes two binary searches.
type halving struct {
	watch
	eta, minResults int64
	// layout makes the brackets for trials of maxStep steps.
	layout func(maxStep int64) *brackets

	// made is nil until the length of a trial is known; early are the events
	// until then and longest is the highest step of the completed trials.
	made    *brackets
	early   []trial.Event
	longest int64
	maxStep int64 // the setting; 0 is to be learnt
	promote bool
	// What CheckIdle needs: the first rung of asha, if it was given, and whether
	// hyperband has a single rung, the end, in all its brackets.
	first int64
	alone bool

	climbers map[int64]*climber
}

// brackets are the rungs of each bracket, and which one a trial belongs to.
type brackets struct {
	rungs  [][]*rung
	assign func(number int64) int
}

// climber is an unfinished trial on its way up the rungs of its bracket.
type climber struct {
	number  int64
	rungs   []*rung
	highest int64
	results []result // one for each rung that was reached

	// With promotion: its target is rung level, beyond the last of them the end;
	// it waits there; kept and keptHighest are its results and highest step at
	// the last pause, to which a lost attempt takes it back.
	level       int
	waits       bool
	kept        []result
	keptHighest int64
}

// result is what a trial had at a rung, and at which step it had it.
type result struct {
	step  int64
	value float64
}

// newHalving returns the rule name with the settings eta, min_results, max_step,
// startup and mode of cfg.
func newHalving(cfg Config, name string, layout func(maxStep int64) *brackets) (Stopper, error) {
	h := &halving{watch: newWatch(cfg), eta: cfg.Settings.Int("eta"), layout: layout, climbers: map[int64]*climber{}}
	h.minResults = h.eta
	if !cfg.Settings.Auto("min_results") {
		h.minResults = cfg.Settings.Int("min_results")
	}
	if !cfg.Settings.Auto("max_step") {
		h.maxStep = cfg.Settings.Int("max_step")
		h.made = layout(h.maxStep)
	}
	if _, has := cfg.Settings["min_step"]; has && !cfg.Settings.Auto("min_step") {
		h.first = cfg.Settings.Int("min_step")
	}
	if _, has := cfg.Settings["max_rungs"]; has {
		h.alone = cfg.Settings.Int("max_rungs") == 1
	}
	if cfg.Settings.String("mode") == modeStop {
		return &stopping{h}, nil
	}
	if h.maxStep == 0 {
		return nil, types.Errorf(types.Invalid, "promotion needs the length of a trial").WithField(name + ".max_step").
			WithRemedy("add max_step=N: how many epochs, or whatever your program reports by, a whole trial has")
	}
	h.promote = true
	return &promoting{h}, nil
}

// The modes of asha and hyperband.
const (
	modeStop    = "stop"
	modePromote = "promote"
)

// halvingSettings are those of asha and hyperband.
func halvingSettings() []trial.Setting {
	return []trial.Setting{
		{Name: "eta", Type: trial.IntSetting, Default: int64(3), Min: new(float64(2)), Max: new(float64(100)),
			Doc: "One in eta trials goes on from each rung, to one of eta times as many steps."},
		{Name: "max_step", Type: trial.IntSetting, Min: new(float64(1)),
			Doc: "Highest step of a trial that runs to its end; auto learns it from the first that complete, and ends none before."},
		{Name: "min_results", Type: trial.IntSetting, Min: new(float64(1)),
			Doc: "Results that a rung must have before a trial is ended there; auto is eta."},
		startupSetting(),
		{Name: "mode", Type: trial.StringSetting, Default: modeStop, Choices: []string{modeStop, modePromote},
			Doc: "stop ends trials for good; promote pauses each at its rungs and lets the best go on, from its checkpoint."},
	}
}

// Observe implements Stopper.
func (h *halving) Observe(e trial.Event) {
	c, completed := h.observe(e)
	if h.made != nil {
		h.climb(e)
		return
	}
	switch e.Kind {
	case trial.EventCreated, trial.EventRequeued, trial.EventFinished:
		h.early = append(h.early, trial.Event{Kind: e.Kind, Trial: e.Trial})
	case trial.EventReported:
		if c != nil {
			h.early = append(h.early, trial.Event{Kind: e.Kind, Trial: e.Trial, Report: e.Report})
		}
	case trial.EventDrawn, trial.EventStarted, trial.EventPaused, trial.EventSpace, trial.EventStudy:
	}
	if completed {
		h.longest = max(h.longest, c.highest)
	}
	if h.completed > 0 && h.open() {
		h.made = h.layout(h.longest)
		for _, e := range h.early {
			h.climb(e)
		}
		h.early = nil
	}
}

// climb keeps the results at the rungs.
func (h *halving) climb(e trial.Event) {
	t := h.climbers[e.Trial]
	switch e.Kind {
	case trial.EventCreated:
		h.climbers[e.Trial] = &climber{number: e.Trial, rungs: h.made.rungs[h.made.assign(e.Trial)],
			highest: math.MinInt64, keptHighest: math.MinInt64}
	case trial.EventPaused:
		if t != nil && h.promote {
			t.pause()
		}
	case trial.EventReported:
		if t != nil && e.Report.Metric == h.objective.Metric {
			t.report(e.Report.Step, h.signed(e.Report.Value))
		}
	case trial.EventRequeued:
		if t != nil {
			for i, r := range t.results {
				t.rungs[i].remove(r.value)
			}
			for i, r := range t.kept {
				t.rungs[i].add(r.value)
			}
			t.results, t.highest = slices.Clone(t.kept), t.keptHighest
		}
	case trial.EventStarted:
		if t != nil && t.waits {
			t.goOn()
		}
	case trial.EventFinished:
		if t != nil && t.waits {
			t.rungs[t.level].leave(t)
		}
		delete(h.climbers, e.Trial)
	case trial.EventDrawn, trial.EventSpace, trial.EventStudy:
	}
}

func (t *climber) report(step int64, v float64) {
	if step <= t.highest {
		for i := range t.results {
			if r := &t.results[i]; r.step == step {
				t.rungs[i].remove(r.value)
				r.value = v
				t.rungs[i].add(v)
			}
		}
		return
	}
	t.highest = step
	for _, g := range t.rungs[len(t.results):] {
		if g.step > step {
			return
		}
		g.add(v)
		t.results = append(t.results, result{step, v})
	}
}

// stopping is halving that ends trials.
type stopping struct{ *halving }

var _ Budgeter = (*stopping)(nil)

// Budget implements Budgeter: all trials may run to the end.
func (h *stopping) Budget(int64) (step int64, whole bool) { return h.maxStep, h.maxStep > 0 }

// Decide implements Stopper.
func (h *stopping) Decide(r trial.Report) Decision {
	t := h.climbers[r.Trial]
	if t == nil || r.Metric != h.objective.Metric || !h.open() {
		return Decision{}
	}
	for i, own := range t.results {
		if own.step != r.Step {
			continue
		}
		g := t.rungs[i]
		better, n := g.better(own.value), g.len()
		pass := max(1, n/h.eta)
		if n < h.minResults || better < pass {
			continue
		}
		at := ""
		if own.step != g.step {
			at = fmt.Sprintf(" of step %d", g.step)
		}
		return Decision{Stop: true, Reason: fmt.Sprintf(
			"%s %s at step %d is number %d of %d at the rung%s, from which the best %s on",
			h.objective.Metric, h.show(own.value), own.step, better+1, n, at, goOn(pass))}
	}
	return Decision{}
}

func goOn(n int64) string {
	if n == 1 {
		return "one goes"
	}
	return fmt.Sprintf("%d go", n)
}

// rung is the multiset of the results at one step, signed so that smaller is
// better.
type rung struct {
	step    int64
	results []float64 // sorted, without NaN
	nans    int64

	waiting  []*climber // that wait here, best first, then by number
	promoted int64      // how many went on from here
}

func (g *rung) len() int64 { return int64(len(g.results)) + g.nans }

func (g *rung) add(v float64) {
	if math.IsNaN(v) {
		g.nans++
		return
	}
	i, _ := slices.BinarySearch(g.results, v)
	g.results = slices.Insert(g.results, i, v)
}

// remove takes back a value that was added.
func (g *rung) remove(v float64) {
	if math.IsNaN(v) {
		g.nans--
		return
	}
	i, _ := slices.BinarySearch(g.results, v)
	g.results = slices.Delete(g.results, i, i+1)
}

// better is the number of results that are strictly better than v.
func (g *rung) better(v float64) int64 {
	if math.IsNaN(v) {
		return int64(len(g.results))
	}
	i, _ := slices.BinarySearch(g.results, v)
	return int64(i)
}
