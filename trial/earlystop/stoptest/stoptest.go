// Package stoptest is the conformance suite of the stoppers.
package stoptest

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// Options say what the suite cannot know by itself.
type Options struct {
	// Reference is the rule computed from scratch: the decision on r, which is
	// the report of the last of events. Required.
	Reference func(cfg earlystop.Config, events []trial.Event, r trial.Report) earlystop.Decision
	// Settings draws settings to test with; nil tests the defaults only.
	Settings func(t *rapid.T) map[string]any
	// SparesBest says that the rule never stops a trial whose value is at least
	// as good as that of every other trial at the same step.
	SparesBest bool
}

// Metric is the objective's metric in the streams of this suite.
const Metric = "error"

// Run checks rule on random streams of events, with both goals:
//
//   - the incremental decisions equal those of the reference;
//   - they do not depend on earlier calls of Decide, nor on a restart;
//   - a stop has a reason, a trial that is unknown or finished is never stopped;
//   - with SparesBest, the best trial at a step is never stopped.
func Run(t *testing.T, rule earlystop.Rule, o Options) {
	t.Helper()
	if o.Reference == nil {
		t.Fatal("stoptest: Options.Reference is missing")
	}
	for _, goal := range []types.Goal{types.Minimize, types.Maximize} {
		t.Run(string(goal), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { check(t, rule, goal, o) })
		})
	}
}

func check(t *rapid.T, rule earlystop.Rule, goal types.Goal, o Options) {
	var given map[string]any
	if o.Settings != nil {
		given = o.Settings(t)
	}
	settings, err := trial.ResolveSettings(rule.Name, rule.Settings, given)
	if err != nil {
		t.Fatalf("settings %v: %v", given, err)
	}
	cfg := earlystop.Config{
		Objectives: []types.Objective{{Metric: Metric, Goal: goal}},
		Settings:   settings, Seed: rapid.Int64().Draw(t, "seed"),
	}
	build := func() earlystop.Stopper {
		s, err := rule.New(cfg)
		if err != nil {
			t.Fatalf("building %s: %v", rule.Name, err)
		}
		return s
	}
	events := Events(t)
	incremental := build()
	restart := rapid.IntRange(0, len(events)).Draw(t, "restart")
	for i, e := range events {
		if i == restart {
			incremental = build()
			for _, old := range events[:i] {
				incremental.Observe(old)
			}
		}
		incremental.Observe(e)
		if e.Kind != trial.EventReported {
			continue
		}
		got := incremental.Decide(e.Report)
		want := o.Reference(cfg, events[:i+1], e.Report)
		if got != want {
			t.Fatalf("event %d, %s: incremental %+v, from scratch %+v", i, describe(e), got, want)
		}
		if again := incremental.Decide(e.Report); again != got {
			t.Fatalf("event %d: deciding again gave %+v after %+v", i, again, got)
		}
		if got.Stop != (got.Reason != "") {
			t.Fatalf("event %d: a stop and a reason belong together: %+v", i, got)
		}
		if got.Stop && !open(events[:i+1], e.Trial) {
			t.Fatalf("event %d: trial %d is not running but was stopped: %s", i, e.Trial, got.Reason)
		}
		if got.Stop && o.SparesBest && bestAtStep(events[:i+1], e.Report, goal) {
			t.Fatalf("event %d: trial %d is the best at its step but was stopped: %s", i, e.Trial, got.Reason)
		}
	}
	stranger := trial.Report{Trial: math.MaxInt64, Metric: Metric, Step: 1, Value: 1}
	if d := incremental.Decide(stranger); d.Stop {
		t.Fatalf("a trial that was never created was stopped: %s", d.Reason)
	}
}

// values are few, so that ties are frequent.
var values = []float64{
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, 0.5, 1e308, -1e308,
	math.NaN(), math.Inf(1), math.Inf(-1),
}

// Events draws the stream of a study with up to eight running trials: reports
// of the objective and of another metric at steps that come late, twice and out
// of order, lost attempts, all final states, and reports after the end.
func Events(t *rapid.T) []trial.Event {
	var (
		events  []trial.Event
		running []int64
		steps   = map[int64]int64{}
		next    int64
	)
	add := func(e trial.Event) {
		e.Seq = int64(len(events))
		e.Report.Seq, e.Report.Trial = e.Seq, e.Trial
		events = append(events, e)
	}
	value := rapid.SampledFrom(values)
	percent := rapid.IntRange(0, 99)
	for range rapid.IntRange(0, 300).Draw(t, "events") {
		p := percent.Draw(t, "what")
		switch {
		case len(running) == 0 || p < 10 && len(running) < 8:
			add(trial.Event{Kind: trial.EventCreated, Trial: next})
			add(trial.Event{Kind: trial.EventStarted, Trial: next})
			running = append(running, next)
			next++
		case p < 80:
			n := rapid.SampledFrom(running).Draw(t, "trial")
			r := trial.Report{Attempt: 1, Metric: Metric, Step: steps[n], Value: value.Draw(t, "value")}
			switch q := percent.Draw(t, "step"); {
			case q < 70:
				steps[n]++
			case q < 80:
				steps[n] += 3 // the next report skips steps
			default:
				r.Step = rapid.Int64Range(0, 12).Draw(t, "odd step")
			}
			if percent.Draw(t, "metric") < 10 {
				r.Metric = "other"
			}
			if next > 1 && percent.Draw(t, "late") < 3 {
				n = rapid.Int64Range(0, next-1).Draw(t, "any trial")
			}
			add(trial.Event{Kind: trial.EventReported, Trial: n, Report: r})
		case p < 84:
			n := rapid.SampledFrom(running).Draw(t, "trial")
			steps[n] = 0
			add(trial.Event{Kind: trial.EventRequeued, Trial: n})
			add(trial.Event{Kind: trial.EventStarted, Trial: n})
		default:
			i := rapid.IntRange(0, len(running)-1).Draw(t, "trial")
			state := rapid.SampledFrom([]types.State{
				types.Completed, types.Completed, types.Completed, types.Completed,
				types.Pruned, types.Failed, types.Infeasible, types.Cancelled,
			}).Draw(t, "state")
			fin := &trial.Finish{State: state}
			switch state {
			case types.Completed:
				fin.Values = []float64{rapid.Float64Range(0, 9).Draw(t, "final value")}
			case types.Pruned:
				fin.Values = []float64{value.Draw(t, "last value")}
			case types.Queued, types.Running, types.Paused, types.Failed, types.Infeasible, types.Cancelled:
			}
			add(trial.Event{Kind: trial.EventFinished, Trial: running[i], Finish: fin})
			running = append(running[:i], running[i+1:]...)
		}
	}
	return events
}

// Curves returns what counts of the objective's reports: for each trial its
// values by step, a repeated step replaced, those of lost attempts and those
// after the end left out. It is what a reference rule starts from.
func Curves(events []trial.Event) (curves map[int64]map[int64]float64, states map[int64]types.State) {
	curves, states = map[int64]map[int64]float64{}, map[int64]types.State{}
	for _, e := range events {
		switch e.Kind {
		case trial.EventCreated:
			curves[e.Trial], states[e.Trial] = map[int64]float64{}, types.Queued
		case trial.EventStarted:
			states[e.Trial] = types.Running
		case trial.EventRequeued:
			states[e.Trial] = types.Queued
			curves[e.Trial] = map[int64]float64{}
		case trial.EventReported:
			if !states[e.Trial].Finished() && e.Report.Metric == Metric {
				curves[e.Trial][e.Report.Step] = e.Report.Value
			}
		case trial.EventFinished:
			states[e.Trial] = e.Finish.State
		case trial.EventDrawn, trial.EventPaused, trial.EventSpace, trial.EventStudy:
		}
	}
	return curves, states
}

// Open reports whether the setting startup of cfg lets a rule end trials after
// events: by default once as many trials have completed, with reports, as ever
// ran at once, and at least five.
func Open(cfg earlystop.Config, events []trial.Event) bool {
	curves, states := Curves(events)
	var completed int64
	for n, s := range states {
		if s == types.Completed && len(curves[n]) > 0 {
			completed++
		}
	}
	if !cfg.Settings.Auto("startup") {
		return completed >= cfg.Settings.Int("startup")
	}
	busy, most := map[int64]bool{}, 5
	for _, e := range events {
		switch e.Kind {
		case trial.EventStarted:
			busy[e.Trial] = true
			most = max(most, len(busy))
		case trial.EventRequeued, trial.EventFinished:
			delete(busy, e.Trial)
		case trial.EventCreated, trial.EventDrawn, trial.EventReported, trial.EventPaused, trial.EventSpace, trial.EventStudy:
		}
	}
	return completed >= int64(most)
}

// Sign is 1 for a goal whose smaller values are better, else -1.
func Sign(cfg earlystop.Config) float64 {
	if cfg.Objectives[0].Goal == types.Maximize {
		return -1
	}
	return 1
}

func open(events []trial.Event, number int64) bool {
	_, states := Curves(events)
	s, ok := states[number]
	return ok && !s.Finished()
}

// bestAtStep reports whether r is a number and no other trial has a better
// value at its step.
func bestAtStep(events []trial.Event, r trial.Report, goal types.Goal) bool {
	curves, _ := Curves(events)
	own := curves[r.Trial]
	high := int64(math.MinInt64)
	for s := range own {
		high = max(high, s)
	}
	v, ok := own[high]
	if !ok || math.IsNaN(v) {
		return false
	}
	for n, c := range curves {
		w, ok := c[high]
		if n == r.Trial || !ok {
			continue
		}
		if goal == types.Minimize && w < v || goal == types.Maximize && w > v {
			return false
		}
	}
	return true
}

func describe(e trial.Event) string {
	return fmt.Sprintf("trial %d reports %s=%v at step %d", e.Trial, e.Report.Metric, e.Report.Value, e.Report.Step)
}
