package earlystop_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/earlystop/stoptest"
)

// result is a value and the step that it comes from.
type result struct {
	step  int64
	value float64
}

// climb is what a reference knows of an unfinished or finished trial.
type climb struct {
	level   int // how often it was promoted
	waits   bool
	highest int64
	results map[int64]result // by rung
	kept    map[int64]result // at the last pause
	keptTo  int64
}

// promoteFromScratch is algorithm 2 of the ASHA paper on all events, for one
// bracket: who goes on now.
func promoteFromScratch(events []trial.Event, rungs []int64, eta, least int, last bool) int64 {
	trials := map[int64]*climb{}
	var order []int64
	for _, e := range events {
		t := trials[e.Trial]
		switch e.Kind {
		case trial.EventCreated:
			trials[e.Trial] = &climb{highest: -1, keptTo: -1, results: map[int64]result{}, kept: map[int64]result{}}
			order = append(order, e.Trial)
		case trial.EventStarted:
			if t.waits {
				t.waits = false
				t.level++
			}
		case trial.EventReported:
			for _, g := range rungs {
				if r, ok := t.results[g]; t.highest < g && g <= e.Report.Step || ok && r.step == e.Report.Step {
					t.results[g] = result{e.Report.Step, e.Report.Value}
				}
			}
			t.highest = max(t.highest, e.Report.Step)
		case trial.EventPaused:
			t.waits, t.keptTo, t.kept = true, t.highest, maps.Clone(t.results)
		case trial.EventRequeued:
			t.highest, t.results = t.keptTo, maps.Clone(t.kept)
		case trial.EventFinished:
			t.waits = false
		case trial.EventDrawn, trial.EventSpace, trial.EventStudy:
		}
	}
	for _, lastly := range []bool{false, last} {
		for k := range slices.Backward(rungs) {
			all, promoted := []float64{}, 0
			best, value := int64(-1), 0.0
			for _, n := range order {
				t := trials[n]
				r, ok := t.results[rungs[k]]
				if ok {
					all = append(all, r.value)
				}
				if t.level > k {
					promoted++
				}
				if v := r.value; t.waits && t.level == k && (best < 0 || v < value || math.IsNaN(value) && !math.IsNaN(v)) {
					best, value = n, v
				}
			}
			if best < 0 {
				continue
			}
			if len(all) >= least && better(value, all) < len(all)/eta || lastly && promoted == 0 && !math.IsNaN(value) {
				return best
			}
		}
	}
	return -1
}

// Random searches with promotion: pauses at and beyond the budget, lost
// attempts, failures, restarts in the middle.
func TestPromoteFromScratch(t *testing.T) {
	promotions := 0
	rapid.Check(t, func(t *rapid.T) {
		settings, err := trial.ResolveSettings("asha", ruleNamed("asha").Settings, map[string]any{
			"mode": "promote", "max_step": 20, "min_step": 1,
			"eta": rapid.Int64Range(2, 3).Draw(t, "eta"), "min_results": rapid.Int64Range(1, 4).Draw(t, "min_results"),
		})
		if err != nil {
			t.Fatal(err)
		}
		eta := settings.Int("eta")
		var rungs []int64
		for g := int64(1); g < 20; g *= eta {
			rungs = append(rungs, g)
		}
		build := func() earlystop.Promoter {
			s, err := ruleNamed("asha").New(earlystop.Config{Settings: settings,
				Objectives: []types.Objective{{Metric: stoptest.Metric, Goal: types.Minimize}}})
			if err != nil {
				t.Fatal(err)
			}
			return s.(earlystop.Promoter)
		}
		p := build()
		var events []trial.Event
		emit := func(e trial.Event) {
			e.Seq = int64(len(events))
			events = append(events, e)
			p.Observe(e)
		}
		at := map[int64]int64{}
		var running, next int64 = -1, 0
		percent := rapid.IntRange(0, 99)
		value := rapid.SampledFrom([]float64{0, 1, 2, 3, 4, 5, 6, 7, math.NaN(), math.Inf(1)})
		for range rapid.IntRange(0, 120).Draw(t, "events") {
			last := percent.Draw(t, "last") < 20
			got, want := p.Promote(last), promoteFromScratch(events, rungs, int(eta), int(settings.Int("min_results")), last)
			if got != want {
				t.Fatalf("after %d events, last %v: promotes %d, from scratch %d", len(events), last, got, want)
			}
			switch q := percent.Draw(t, "what"); {
			case q < 3:
				p = build()
				for _, e := range events {
					p.Observe(e)
				}
			case running < 0 && got >= 0:
				promotions++
				running = got
				emit(trial.Event{Kind: trial.EventStarted, Trial: running})
			case running < 0:
				running = next
				next++
				emit(trial.Event{Kind: trial.EventCreated, Trial: running})
				emit(trial.Event{Kind: trial.EventStarted, Trial: running})
			case q < 8:
				emit(trial.Event{Kind: trial.EventRequeued, Trial: running})
				emit(trial.Event{Kind: trial.EventStarted, Trial: running})
			case q < 11:
				emit(trial.Event{Kind: trial.EventFinished, Trial: running, Finish: &trial.Finish{State: types.Failed}})
				running = -1
			default:
				budget, whole := p.Budget(running)
				at[running] = max(at[running], budget+int64(percent.Draw(t, "beyond"))/80)
				r := trial.Report{Trial: running, Metric: stoptest.Metric, Step: at[running], Value: value.Draw(t, "value")}
				emit(trial.Event{Kind: trial.EventReported, Trial: running, Report: r})
				if d := p.Decide(r); d.Stop != (r.Step > budget && !whole) || d.Pause != d.Stop {
					t.Fatalf("step %d of %d: %+v", r.Step, budget, d)
				}
				if whole {
					emit(trial.Event{Kind: trial.EventFinished, Trial: running,
						Finish: &trial.Finish{State: types.Completed, Values: []float64{1}}})
				} else {
					emit(trial.Event{Kind: trial.EventPaused, Trial: running})
				}
				running = -1
			}
		}
	})
	if promotions == 0 {
		t.Error("nobody was ever promoted")
	}
}
