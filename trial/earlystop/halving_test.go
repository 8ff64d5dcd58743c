package earlystop_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/earlystop/stoptest"
)

// ladder is the rungs of a trial's bracket, and the bracket.
type ladder func(cfg earlystop.Config, maxStep, number int64) (bracket int, rungs []int64)

func ashaLadder(cfg earlystop.Config, maxStep, _ int64) (int, []int64) {
	first := max(1, maxStep/4)
	if cfg.Settings.String("mode") == "promote" {
		first = max(1, maxStep/15)
	}
	if !cfg.Settings.Auto("min_step") {
		first = cfg.Settings.Int("min_step")
	}
	var rungs []int64
	for s := first; s < maxStep; s *= cfg.Settings.Int("eta") {
		rungs = append(rungs, s)
	}
	return 0, rungs
}

// hyperbandLadder gives trials to brackets with fractions.
func hyperbandLadder(cfg earlystop.Config, maxStep, number int64) (int, []int64) {
	eta := cfg.Settings.Int("eta")
	power := func(n int64) int64 {
		p := int64(1)
		for range n {
			p *= eta
		}
		return p
	}
	most := int64(1)
	for most < cfg.Settings.Int("max_rungs") && power(most) <= maxStep {
		most++
	}
	var sizes, given []int64
	for n := most; n > (most-1)/2; n-- {
		sizes, given = append(sizes, n), append(given, 0)
	}
	bracket := 0
	for range number + 1 {
		bracket = 0
		for b := range sizes {
			ratio := func(b int) *big.Rat { // (given+1) / (eta^(n-1)/n)
				return big.NewRat((given[b]+1)*sizes[b], power(sizes[b]-1))
			}
			if ratio(b).Cmp(ratio(bracket)) < 0 {
				bracket = b
			}
		}
		given[bracket]++
	}
	var rungs []int64
	for n := sizes[bracket] - 1; n > 0; n-- {
		rungs = append(rungs, maxStep/power(n))
	}
	return bracket, rungs
}

// standing is a trial's result at a rung and those of all trials there.
type standing struct {
	rung, step int64
	own        float64
	all        []float64
}

// standings are those of the rungs that the report r gave its trial a result
// at, signed so that smaller is better; nil if nothing may be decided.
func standings(cfg earlystop.Config, events []trial.Event, r trial.Report, lad ladder) []standing {
	curves, states := stoptest.Curves(events)
	if r.Metric != stoptest.Metric || !stoptest.Open(cfg, events) || states[r.Trial].Finished() {
		return nil
	}
	var maxStep int64
	if cfg.Settings.Auto("max_step") {
		completed := 0
		for i, e := range events { // the first moment at which trials may be ended
			if e.Kind == trial.EventFinished && e.Finish.State == types.Completed && len(curves[e.Trial]) > 0 {
				completed++
				for s := range curves[e.Trial] {
					maxStep = max(maxStep, s)
				}
			}
			if completed > 0 && stoptest.Open(cfg, events[:i+1]) {
				break
			}
		}
		if completed == 0 {
			return nil
		}
	} else {
		maxStep = cfg.Settings.Int("max_step")
	}
	bracket, rungs := lad(cfg, maxStep, r.Trial)
	var out []standing
	for _, rung := range rungs {
		steps, values := at(events, rung)
		step, ok := steps[r.Trial]
		if !ok || step != r.Step {
			continue
		}
		st := standing{rung: rung, step: step, own: stoptest.Sign(cfg) * values[r.Trial]}
		for n, v := range values {
			if b, _ := lad(cfg, maxStep, n); b == bracket {
				st.all = append(st.all, stoptest.Sign(cfg)*v)
			}
		}
		out = append(out, st)
	}
	return out
}

// at says at which step each trial reached a rung, and its value there.
func at(events []trial.Event, rung int64) (steps map[int64]int64, values map[int64]float64) {
	steps, values = map[int64]int64{}, map[int64]float64{}
	over := map[int64]bool{}
	for _, e := range events {
		switch e.Kind {
		case trial.EventRequeued:
			delete(steps, e.Trial)
			delete(values, e.Trial)
		case trial.EventFinished:
			over[e.Trial] = true
		case trial.EventReported:
			r := e.Report
			if over[e.Trial] || r.Metric != stoptest.Metric {
				continue
			}
			if s, reached := steps[e.Trial]; !reached && r.Step >= rung || reached && s == r.Step {
				steps[e.Trial], values[e.Trial] = r.Step, r.Value
			}
		case trial.EventCreated, trial.EventDrawn, trial.EventStarted, trial.EventPaused, trial.EventSpace, trial.EventStudy:
		}
	}
	return steps, values
}

// better counts the values that are better than v; NaN is worse than all.
func better(v float64, all []float64) (n int) {
	for _, o := range all {
		if o < v || math.IsNaN(v) && !math.IsNaN(o) {
			n++
		}
	}
	return n
}

// halvingFromScratch is successive halving written down plainly.
func halvingFromScratch(lad ladder) func(earlystop.Config, []trial.Event, trial.Report) earlystop.Decision {
	return func(cfg earlystop.Config, events []trial.Event, r trial.Report) earlystop.Decision {
		eta := int(cfg.Settings.Int("eta"))
		least := eta
		if !cfg.Settings.Auto("min_results") {
			least = int(cfg.Settings.Int("min_results"))
		}
		for _, st := range standings(cfg, events, r, lad) {
			n, b, pass := len(st.all), better(st.own, st.all), max(1, len(st.all)/eta)
			if n < least || b < pass {
				continue
			}
			rung, on := "", fmt.Sprintf("%d go", pass)
			if st.step != st.rung {
				rung = fmt.Sprintf(" of step %d", st.rung)
			}
			if pass == 1 {
				on = "one goes"
			}
			return earlystop.Decision{Stop: true, Reason: fmt.Sprintf(
				"error %.6g at step %d is number %d of %d at the rung%s, from which the best %s on",
				stoptest.Sign(cfg)*st.own, st.step, b+1, n, rung, on)}
		}
		return earlystop.Decision{}
	}
}

func halvingSettings(t *rapid.T) map[string]any {
	optional := func(name string, least, most int64) any {
		if v := rapid.Int64Range(least-1, most).Draw(t, name); v >= least {
			return v
		}
		return trial.AutoSetting
	}
	return map[string]any{
		"eta": rapid.Int64Range(2, 4).Draw(t, "eta"), "max_step": optional("max_step", 1, 20),
		"min_results": optional("min_results", 1, 4), "startup": startup(t),
	}
}

func TestASHAConforms(t *testing.T) {
	stoptest.Run(t, rule(t, "asha"), stoptest.Options{
		Reference: halvingFromScratch(ashaLadder),
		Settings: func(t *rapid.T) map[string]any {
			s := halvingSettings(t)
			if rapid.Bool().Draw(t, "min_step given") {
				s["min_step"] = rapid.Int64Range(1, 4).Draw(t, "min_step")
			}
			return s
		},
	})
}

func TestHyperbandConforms(t *testing.T) {
	stoptest.Run(t, rule(t, "hyperband"), stoptest.Options{
		Reference: halvingFromScratch(hyperbandLadder),
		Settings: func(t *rapid.T) map[string]any {
			s := halvingSettings(t)
			s["max_rungs"] = rapid.Int64Range(1, 5).Draw(t, "max_rungs")
			return s
		},
	})
}

// A trial that is ended was beaten strictly at a rung that its report reached.
func TestHalvingSparesTheBestOfARung(t *testing.T) {
	for name, lad := range map[string]ladder{"asha": ashaLadder, "hyperband": hyperbandLadder} {
		t.Run(name, func(t *testing.T) {
			stops := 0
			rapid.Check(t, func(t *rapid.T) {
				settings, err := trial.ResolveSettings(name, ruleNamed(name).Settings, halvingSettings(t))
				if err != nil {
					t.Fatal(err)
				}
				cfg := earlystop.Config{Settings: settings,
					Objectives: []types.Objective{{Metric: stoptest.Metric, Goal: types.Minimize}}}
				s, err := ruleNamed(name).New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				events := stoptest.Events(t)
				for i, e := range events {
					s.Observe(e)
					if e.Kind != trial.EventReported || !s.Decide(e.Report).Stop {
						continue
					}
					stops++
					beaten := slices.ContainsFunc(standings(cfg, events[:i+1], e.Report, lad),
						func(st standing) bool { return better(st.own, st.all) > 0 })
					if !beaten {
						t.Fatalf("event %d: trial %d is the best of its rung, but was ended", i, e.Trial)
					}
				}
			})
			if stops == 0 {
				t.Error("nothing was ever ended")
			}
		})
	}
}

func ruleNamed(name string) earlystop.Rule {
	r, err := earlystop.Rules().Lookup(name)
	if err != nil {
		panic(err)
	}
	return r
}

// decisions reports value after value at one step, each by a new trial, and
// returns the numbers of those that go on.
func (h *history) decisions(from, step int64, values ...float64) (on []int64) {
	for i, v := range values {
		n := from + int64(i)
		h.create(n)
		if d := h.report(n, step, v); d.Stop {
			h.finish(n, types.Pruned)
			continue
		}
		on = append(on, n)
	}
	return on
}

// The search of Determined's own test of its stopping ASHA: rungs at 100, 300
// and 900 steps, ten trials, each worse than all before it. All but the first
// end at the first rung (master/pkg/searcher/asha_stopping_test.go, 0.38).
func TestASHADecidesAsDetermined(t *testing.T) {
	h := historyOf(t, "asha", types.Minimize, map[string]any{
		"min_step": 100, "max_step": 900, "min_results": 1, "startup": 0})
	on := h.decisions(0, 100, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	if !slices.Equal(on, []int64{0}) {
		t.Errorf("%v go on, want 0 only", on)
	}
	if d := h.report(0, 300, 11); d.Stop {
		t.Error("the only result at the second rung was ended: ", d.Reason)
	}
	// Its table of single decisions: the second result at a rung goes on if it is
	// better than the first, and ends if it is worse.
	h = historyOf(t, "asha", types.Minimize, map[string]any{"min_step": 1, "max_step": 9, "min_results": 1, "startup": 0})
	if on := h.decisions(0, 1, 0.5, 0.4); !slices.Equal(on, []int64{0, 1}) {
		t.Errorf("after 0.5 and 0.4 %v go on", on)
	}
	h = historyOf(t, "asha", types.Minimize, map[string]any{"min_step": 1, "max_step": 9, "min_results": 1, "startup": 0})
	if on := h.decisions(0, 1, 0.5, 0.6); !slices.Equal(on, []int64{0}) {
		t.Errorf("after 0.5 and 0.6 %v go on", on)
	}
}

// The search of Determined's test of adaptive ASHA in standard mode: two rungs
// at most, trials of 9 units that get 0.1 to 0.5; those of the bracket with a
// rung at 3 end there but for the first, those of the other one do not
// (master/pkg/searcher/adaptive_asha_test.go). There the brackets get trials en
// bloc: three with two rungs, two with one.
func TestHyperbandDecidesAsDetermined(t *testing.T) {
	h := historyOf(t, "hyperband", types.Minimize, map[string]any{"max_rungs": 2, "max_step": 9, "min_results": 1, "startup": 0})
	// By number the brackets are 2, 1, 2, 2, 1 rungs.
	if on := h.decisions(0, 3, 0.1, 0.4, 0.2, 0.3, 0.5); !slices.Equal(on, []int64{0, 1, 4}) {
		t.Errorf("%v go on, want 0, 1 and 4", on)
	}
}

// The example of the ASHA paper (figure 1: bracket s = 0 of r = 1, R = 9, eta = 3)
// with nine trials that arrive from the worst to the best, from the best to the
// worst, and mixed. Of the stopping variant the decisions follow by hand: of the
// n results so far, at most max(1, n/3) may be better.
func TestASHAByHand(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   []int64
	}{
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, []int64{0, 1}},                      // min_results lets the second go on
		{[]float64{9, 8, 7, 6, 5, 4, 3, 2, 1}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8}}, // each the best so far
		{[]float64{5, 1, 9, 3, 2, 7, 4, 6, 8}, []int64{0, 1}},
		{[]float64{5, 6, 4, 7, 8, 3, 9, 5, 4}, []int64{0, 1, 2, 5, 8}},
		{[]float64{2, 2, 2, 2, 2, 2, 2, 2, 2}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8}}, // equals of the best
		{[]float64{math.NaN(), math.NaN(), 3, math.NaN(), 2}, []int64{0, 1, 2, 4}}, // NaN is worse than all
	} {
		h := historyOf(t, "asha", types.Minimize, map[string]any{"min_step": 1, "max_step": 9, "startup": 0})
		if on := h.decisions(0, 1, tt.values...); !slices.Equal(on, tt.want) {
			t.Errorf("%v: %v go on, want %v", tt.values, on, tt.want)
		}
	}
}

// What reasons say, a step that skips rungs, a report that comes late, one that
// replaces, and a lost attempt.
func TestASHAReports(t *testing.T) {
	h := historyOf(t, "asha", types.Maximize, map[string]any{"min_step": 1, "max_step": 27, "startup": 0})
	h.decisions(0, 1, 0.9, 0.8, 0.7)
	h.report(0, 3, 0.9)
	h.report(1, 3, 0.8)
	h.create(3)
	if d := h.report(3, 4, 0.85); d.Reason != "error 0.85 at step 4 is number 2 of 4 at the rung of step 1, from which the best one goes on" {
		t.Error(d)
	}
	if d := h.report(3, 4, 0.95); d.Stop {
		t.Error("the replaced value is the best: ", d)
	}
	if d := h.report(3, 2, 0.1); d.Stop {
		t.Error("a late step is no result: ", d)
	}
	h.event(trial.Event{Kind: trial.EventRequeued, Trial: 3})
	h.create(4)
	if d := h.report(4, 1, 0.1); d.Reason != "error 0.1 at step 1 is number 4 of 4 at the rung, from which the best one goes on" {
		t.Error("the lost attempt counts: ", d)
	}
}

// Without max_step the length of a trial is learnt, and nothing is ended before.
func TestASHALearnsTheLength(t *testing.T) {
	h := historyOf(t, "asha", types.Minimize, nil)
	for n := range int64(5) {
		h.create(n)
		for s := range int64(46) {
			if d := h.report(n, s, float64(n)); d.Stop {
				t.Fatalf("trial %d was ended before five had completed: %s", n, d.Reason)
			}
		}
		h.finish(n, types.Completed)
	}
	h.create(5)
	for s := range int64(11) {
		if d := h.report(5, s, 9); d.Stop {
			t.Fatalf("ended at step %d, before the first rung at 45/4: %s", s, d.Reason)
		}
	}
	want := "error 9 at step 11 is number 6 of 6 at the rung, from which the best 2 go on"
	if d := h.report(5, 11, 9); d.Reason != want {
		t.Errorf("got %q, want %q", d.Reason, want)
	}
}

// Eight workers need eight finishers.
func TestStartupFollowsTheWorkers(t *testing.T) {
	for _, name := range []string{"median", "asha"} {
		h := historyOf(t, name, types.Minimize, nil)
		for n := range int64(8) {
			h.create(n)
			h.event(trial.Event{Kind: trial.EventStarted, Trial: n})
		}
		for n := range int64(8) {
			for s := range int64(5) {
				h.report(n, s, float64(n))
			}
			h.create(10 + n)
			d := h.report(10+n, 1, 99)
			if d.Stop {
				t.Errorf("%s: ended after %d of 8 finishers: %s", name, n, d.Reason)
			}
			h.finish(10+n, types.Cancelled)
			h.finish(n, types.Completed)
		}
		h.create(20)
		if d := h.report(20, 1, 99); !d.Stop {
			t.Errorf("%s: not ended after 8 finishers", name)
		}
	}
}

// Rungs and shares of brackets as Determined has them: its numbers of trials for
// 20 trials in brackets of 3, 2 and 1 rungs are 12, 5 and 3, and the rungs of
// four in 10 units with divisor 2 are 1, 2, 5 and 10.
func TestHyperbandBrackets(t *testing.T) {
	got := earlystop.Brackets(81, 3, 5)
	if want := "[[1 3 9 27] [3 9 27] [9 27]]"; fmt.Sprint(got) != want {
		t.Errorf("brackets of 81 steps: %v, want %s", got, want)
	}
	if got, want := fmt.Sprint(earlystop.Brackets(10, 2, 10)), "[[1 2 5] [2 5] [5]]"; got != want {
		t.Errorf("brackets of 10 steps: %s, want %s", got, want)
	}
	// 3^5 is 243: with logarithms in floating point the sixth rung gets lost.
	if got := len(earlystop.Brackets(243, 3, 10)[0]); got != 5 {
		t.Errorf("%d rungs below 243 steps, want 5", got)
	}
	for _, tt := range []struct {
		eta    int64
		sizes  []int64
		trials int64
		want   []int64
	}{
		{3, []int64{3, 2, 1}, 20, []int64{12, 5, 3}},
		{3, []int64{4, 3}, 50, []int64{35, 15}},
		{4, []int64{3, 2}, 50, []int64{37, 13}},
		{4, []int64{4, 3, 2}, 100, []int64{70, 22, 8}},
	} {
		counts := make([]int64, len(tt.sizes))
		for _, g := range earlystop.Shares(tt.eta, tt.sizes, tt.trials) {
			counts[g]++
		}
		for i := range counts {
			if d := counts[i] - tt.want[i]; d < -1 || d > 1 {
				t.Errorf("%d trials in %v: %v, Determined %v", tt.trials, tt.sizes, counts, tt.want)
				break
			}
		}
	}
	if got := strings.Trim(fmt.Sprint(earlystop.Shares(3, []int64{2, 1}, 10)), "[]"); got != "0 1 0 0 1 0 1 0 0 1" {
		t.Errorf("brackets by number: %s", got)
	}
}
