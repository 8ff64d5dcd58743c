package earlystop_test

import (
	"fmt"
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

func rule(t testing.TB, name string) earlystop.Rule {
	t.Helper()
	r, err := earlystop.Rules().Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNoneConforms(t *testing.T) {
	stoptest.Run(t, rule(t, "none"), stoptest.Options{
		SparesBest: true,
		Reference: func(earlystop.Config, []trial.Event, trial.Report) earlystop.Decision {
			return earlystop.Decision{}
		},
	})
}

func TestMedianConforms(t *testing.T) {
	bar := func(limit, trials string) string { return "the median " + limit + " of " + trials }
	stoptest.Run(t, rule(t, "median"), stoptest.Options{
		SparesBest: true, Reference: quantileFromScratch(50, bar), Settings: quantileSettings,
	})
}

func TestPercentileConforms(t *testing.T) {
	for _, percent := range []float64{0, 12.5, 25, 90, 100} {
		bar := func(limit, trials string) string {
			return fmt.Sprintf("%s, which the best %g %% of %s reach,", limit, percent, trials)
		}
		stoptest.Run(t, rule(t, "percentile"), stoptest.Options{
			SparesBest: true, Reference: quantileFromScratch(percent, bar),
			Settings: func(t *rapid.T) map[string]any {
				s := quantileSettings(t)
				s["percentile"] = percent
				return s
			},
		})
	}
}

// quantileFromScratch is the rule of Optuna's PercentilePruner written down plainly.
func quantileFromScratch(percent float64, bar func(limit, trials string) string) func(earlystop.Config, []trial.Event, trial.Report) earlystop.Decision {
	return func(cfg earlystop.Config, events []trial.Event, r trial.Report) earlystop.Decision {
		curves, states := stoptest.Curves(events)
		own := curves[r.Trial]
		if r.Metric != stoptest.Metric || len(own) == 0 || states[r.Trial].Finished() || !stoptest.Open(cfg, events) {
			return earlystop.Decision{}
		}
		sign, s := stoptest.Sign(cfg), cfg.Settings
		steps := slices.Sorted(maps.Keys(own))
		last := steps[len(steps)-1]
		var others []float64
		longest := int64(0)
		for n, c := range curves {
			if states[n] == types.Completed {
				longest = max(longest, slices.Max(append(slices.Collect(maps.Keys(c)), 0)))
			}
			if v, ok := c[last]; ok && states[n] == types.Completed && !math.IsNaN(v) {
				others = append(others, sign*v)
			}
		}
		w, i := s.Int("warmup"), s.Int("interval")
		if last < w || last >= longest || len(steps) > 1 && steps[len(steps)-2] >= (last-w)/i*i+w ||
			int64(len(others)) < s.Int("min_trials") || len(others) == 0 {
			return earlystop.Decision{}
		}
		slices.Sort(others)
		n := len(others)
		h := percent / 100 * float64(n-1)
		limit := others[int(h)]
		if f := h - math.Floor(h); f > 0 && others[int(h)+1] != limit {
			limit = limit*(1-f) + others[int(h)+1]*f
		}
		best, at := math.NaN(), int64(-1)
		for _, st := range steps {
			if v := sign * own[st]; !math.IsNaN(v) && (math.IsNaN(best) || v <= best) {
				best, at = v, st
			}
		}
		show := func(v float64) string { return fmt.Sprintf("%.6g", sign*v) }
		of := fmt.Sprintf("%d trials", n)
		if n == 1 {
			of = "1 trial"
		}
		text := bar(show(limit), of)
		switch {
		case math.IsNaN(best):
			return earlystop.Decision{Stop: true, Reason: fmt.Sprintf(
				"error is NaN in every report up to step %d; there is %s", last, text)}
		case best > limit && at == last:
			return earlystop.Decision{Stop: true, Reason: fmt.Sprintf("error %s at step %d is worse than %s", show(best), last, text)}
		case best > limit:
			return earlystop.Decision{Stop: true, Reason: fmt.Sprintf(
				"error %s, its best up to step %d, is worse than %s at that step", show(best), last, text)}
		}
		return earlystop.Decision{}
	}
}

func quantileSettings(t *rapid.T) map[string]any {
	return map[string]any{
		"startup":    startup(t),
		"warmup":     rapid.Int64Range(0, 4).Draw(t, "warmup"),
		"interval":   rapid.Int64Range(1, 4).Draw(t, "interval"),
		"min_trials": rapid.Int64Range(1, 3).Draw(t, "min_trials"),
	}
}

// startup draws a number of finishers, or leaves it to the rule.
func startup(t *rapid.T) any {
	if n := rapid.Int64Range(-1, 4).Draw(t, "startup"); n >= 0 {
		return n
	}
	return trial.AutoSetting
}

// history feeds a stopper and keeps the sequence numbers.
type history struct {
	t       *testing.T
	stopper earlystop.Stopper
	seq     int64
}

func newHistory(t *testing.T, goal types.Goal, settings map[string]any) *history {
	return historyOf(t, "median", goal, settings)
}

func historyOf(t *testing.T, name string, goal types.Goal, settings map[string]any) *history {
	t.Helper()
	s, err := earlystop.New(types.Component{Name: name, Settings: settings},
		earlystop.Config{Objectives: []types.Objective{{Metric: "error", Goal: goal}}})
	if err != nil {
		t.Fatal(err)
	}
	return &history{t: t, stopper: s}
}

func (h *history) event(e trial.Event) {
	e.Seq = h.seq
	h.seq++
	h.stopper.Observe(e)
}

func (h *history) create(n int64) { h.event(trial.Event{Kind: trial.EventCreated, Trial: n}) }

func (h *history) report(n, step int64, v float64) earlystop.Decision {
	r := trial.Report{Trial: n, Metric: "error", Step: step, Value: v}
	h.event(trial.Event{Kind: trial.EventReported, Trial: n, Report: r})
	return h.stopper.Decide(r)
}

func (h *history) finish(n int64, s types.State) {
	h.event(trial.Event{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: s}})
}

// complete makes trials 0 … len(values)-1, whose value is the same at all steps.
func (h *history) complete(steps int64, values ...float64) {
	for i, v := range values {
		n := int64(i)
		h.create(n)
		for s := range steps {
			h.report(n, s, v)
		}
		h.finish(n, types.Completed)
	}
}

func TestMedianTable(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name     string
		goal     types.Goal
		settings map[string]any
		others   []float64 // completed trials
		steps    []int64   // of the trial
		values   []float64
		want     []string // reasons; "" no stop
	}{
		{
			name: "worse than the median", others: []float64{1, 2, 3, 4, 5},
			steps: []int64{0, 1}, values: []float64{3, 9},
			want: []string{"", ""}, // its best so far is the median itself
		},
		{
			name: "reason at the step", others: []float64{0.1, 0.2, 0.31, 0.4, 0.5},
			steps: []int64{3}, values: []float64{0.42},
			want: []string{"error 0.42 at step 3 is worse than the median 0.31 of 5 trials"},
		},
		{
			name: "reason of an earlier best", others: []float64{1, 2, 3, 4, 5},
			steps: []int64{1, 2}, values: []float64{4, 6},
			want: []string{
				"error 4 at step 1 is worse than the median 3 of 5 trials",
				"error 4, its best up to step 2, is worse than the median 3 of 5 trials at that step",
			},
		},
		{
			name: "even number of trials", others: []float64{1, 2, 3, 4, 5, 6},
			steps: []int64{0, 1}, values: []float64{3.5, 3.6},
			want: []string{"", ""},
		},
		{
			name: "start-up", others: []float64{1, 2, 3, 4},
			steps: []int64{0}, values: []float64{100}, want: []string{""},
		},
		{
			name: "step that no other has reached", others: []float64{1, 2, 3, 4, 5},
			steps: []int64{10}, values: []float64{100}, want: []string{""},
		},
		{
			name: "maximise", goal: types.Maximize, others: []float64{1, 2, 3, 4, 5},
			steps: []int64{0, 1}, values: []float64{2, 3},
			want: []string{"error 2 at step 0 is worse than the median 3 of 5 trials", ""},
		},
		{
			name: "warm-up", settings: map[string]any{"warmup": int64(2)}, others: []float64{1, 2, 3, 4, 5},
			steps: []int64{0, 1, 2}, values: []float64{9, 9, 9},
			want: []string{"", "", "error 9 at step 2 is worse than the median 3 of 5 trials"},
		},
		{
			name:     "interval counted from the warm-up",
			settings: map[string]any{"warmup": int64(1), "interval": int64(2)}, others: []float64{1, 2, 3, 4, 5},
			steps: []int64{0, 1, 2, 3, 4}, values: []float64{9, 8, 7, 6, 5},
			want: []string{
				"", "error 8 at step 1 is worse than the median 3 of 5 trials", "",
				"error 6 at step 3 is worse than the median 3 of 5 trials", "",
			},
		},
		{
			name: "too few values at the step", settings: map[string]any{"min_trials": int64(6)},
			others: []float64{1, 2, 3, 4, 5},
			steps:  []int64{0}, values: []float64{9}, want: []string{""},
		},
		{
			name: "NaN only", others: []float64{1, 2, 3, 4, 5},
			steps: []int64{0, 1}, values: []float64{nan, 1},
			want: []string{
				"error is NaN in every report up to step 0; there is the median 3 of 5 trials", "",
			},
		},
		{
			name: "NaN of others does not count", others: []float64{nan, nan, nan, nan, 5},
			steps: []int64{0, 1}, values: []float64{6, 5},
			want: []string{"error 6 at step 0 is worse than the median 5 of 1 trial", ""},
		},
		{
			name: "infinities of both signs leave no median",
			others: []float64{
				math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1), math.Inf(-1),
			},
			steps: []int64{0}, values: []float64{9}, want: []string{""},
		},
		{
			name: "late report: judged at the highest step", others: []float64{1, 2, 3, 4, 5},
			steps: []int64{3, 1}, values: []float64{2, 9}, want: []string{"", ""},
		},
		{
			name: "second report replaces", others: []float64{1, 2, 3, 4, 5},
			steps: []int64{0, 0}, values: []float64{1, 9},
			want: []string{"", "error 9 at step 0 is worse than the median 3 of 5 trials"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			goal := tt.goal
			if goal == "" {
				goal = types.Minimize
			}
			h := newHistory(t, goal, tt.settings)
			h.complete(5, tt.others...)
			h.create(100)
			for i, step := range tt.steps {
				got := h.report(100, step, tt.values[i])
				if got.Reason != tt.want[i] || got.Stop != (tt.want[i] != "") {
					t.Errorf("report %d: got %+v, want %q", i, got, tt.want[i])
				}
			}
		})
	}
}

func TestMedianForgetsLostAttempts(t *testing.T) {
	h := newHistory(t, types.Minimize, nil)
	h.complete(3, 1, 2, 3, 4, 5)
	h.create(100)
	if d := h.report(100, 2, 1); d.Stop {
		t.Fatalf("the best trial was stopped: %s", d.Reason)
	}
	h.event(trial.Event{Kind: trial.EventRequeued, Trial: 100})
	want := "error 9 at step 0 is worse than the median 3 of 5 trials"
	if d := h.report(100, 0, 9); d.Reason != want {
		t.Errorf("after the attempt was lost: got %q, want %q", d.Reason, want)
	}
}

func TestMedianCountsCompletedTrialsOnly(t *testing.T) {
	h := newHistory(t, types.Minimize, nil)
	h.complete(2, 1, 2, 3, 4)
	for i, s := range []types.State{types.Pruned, types.Failed, types.Infeasible, types.Cancelled} {
		n := int64(10 + i)
		h.create(n)
		h.report(n, 0, 0)
		h.finish(n, s)
	}
	h.create(100)
	if d := h.report(100, 0, 9); d.Stop {
		t.Errorf("stopped with four completed trials: %s", d.Reason)
	}
}

func TestNewErrors(t *testing.T) {
	one := []types.Objective{{Metric: "error", Goal: types.Minimize}}
	tests := []struct {
		name       string
		component  types.Component
		objectives []types.Objective
		want       string
	}{
		{
			"unknown", types.Component{Name: "medain"}, one,
			`stopper: there is no stopper "medain"; use one of none, median, percentile, asha, hyperband, pbt, patience, threshold, wilcoxon`,
		},
		{
			"unknown setting", types.Component{Name: "median", Settings: map[string]any{"warm": "1"}}, one,
			"median.warm: median has no such setting; its settings and their defaults are " +
				"startup=auto, warmup=0, interval=1, min_trials=1",
		},
		{
			"none has none", types.Component{Settings: map[string]any{"warm": "1"}}, one,
			"none.warm: none has no such setting; none has no settings",
		},
		{
			"bad value", types.Component{Name: "median", Settings: map[string]any{"interval": "0"}}, one,
			"median.interval: 0 is below the least value 1; it is int from 1, by default 1",
		},
		{
			"no objective", types.Component{Name: "median"}, nil,
			"objectives: there is no objective; name a metric to minimise or maximise",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := earlystop.New(tt.component, earlystop.Config{Objectives: tt.objectives})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if c := types.CodeOf(err); c != types.Invalid {
				t.Errorf("code %q", c)
			}
		})
	}
}
