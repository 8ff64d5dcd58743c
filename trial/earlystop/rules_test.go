package earlystop_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/earlystop/stoptest"
)

func TestThresholdConforms(t *testing.T) {
	stoptest.Run(t, rule(t, "threshold"), stoptest.Options{
		Reference: func(cfg earlystop.Config, events []trial.Event, r trial.Report) earlystop.Decision {
			curves, states := stoptest.Curves(events)
			own := curves[r.Trial]
			if r.Metric != stoptest.Metric || len(own) == 0 || states[r.Trial].Finished() {
				return earlystop.Decision{}
			}
			s := cfg.Settings
			steps := slices.Sorted(maps.Keys(own))
			last := steps[len(steps)-1]
			w, i := s.Int("warmup"), s.Int("interval")
			if last < w || len(steps) > 1 && steps[len(steps)-2] >= (last-w)/i*i+w {
				return earlystop.Decision{}
			}
			v := own[last]
			var what string
			switch {
			case !s.Auto("lower") && v < s.Float("lower"):
				what = fmt.Sprintf("is below %g", s.Float("lower"))
			case !s.Auto("upper") && v > s.Float("upper"):
				what = fmt.Sprintf("is above %g", s.Float("upper"))
			case s.Bool("nan") && (math.IsNaN(v) || math.IsInf(v, 0)):
				what = "is no finite number"
			default:
				return earlystop.Decision{}
			}
			return earlystop.Decision{Stop: true, Reason: fmt.Sprintf("error %.6g at step %d %s", v, last, what)}
		},
		Settings: func(t *rapid.T) map[string]any {
			s := map[string]any{
				"nan":    rapid.Bool().Draw(t, "nan"),
				"warmup": rapid.Int64Range(0, 4).Draw(t, "warmup"), "interval": rapid.Int64Range(1, 4).Draw(t, "interval"),
			}
			if rapid.Bool().Draw(t, "has lower") {
				s["lower"] = rapid.Float64Range(-1, 3).Draw(t, "lower")
			}
			if rapid.Bool().Draw(t, "has upper") {
				s["upper"] = rapid.Float64Range(3, 10).Draw(t, "upper")
			}
			return s
		},
	})
}

func TestThresholdBounds(t *testing.T) {
	_, err := earlystop.New(types.Component{Name: "threshold", Settings: map[string]any{"lower": "2", "upper": "1"}},
		earlystop.Config{Objectives: []types.Objective{{Metric: "error", Goal: types.Minimize}}})
	if want := "threshold.lower: lower 2 is above upper 1; give the smaller one as lower"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// The bounds are of the metric itself, whatever the goal.
	h := historyOf(t, "threshold", types.Maximize, map[string]any{"lower": 0.5, "upper": 1.0})
	h.create(0)
	for _, tt := range []struct {
		v    float64
		want string
	}{{0.5, ""}, {1, ""}, {0.49, "error 0.49 at step 2 is below 0.5"}, {1.5, "error 1.5 at step 3 is above 1"}, {math.NaN(), "error NaN at step 4 is no finite number"}} {
		step := map[float64]int64{0.5: 0, 1: 1, 0.49: 2, 1.5: 3}[tt.v]
		if math.IsNaN(tt.v) {
			step = 4
		}
		if d := h.report(0, step, tt.v); d.Reason != tt.want {
			t.Errorf("%v: got %q, want %q", tt.v, d.Reason, tt.want)
		}
	}
}

func TestPatienceConforms(t *testing.T) {
	for _, of := range []string{"none", "median", "asha"} {
		stoptest.Run(t, rule(t, "patience"), stoptest.Options{
			SparesBest: of == "median",
			Reference:  patienceFromScratch,
			Settings: func(t *rapid.T) map[string]any {
				return map[string]any{
					"of": of, "steps": rapid.Int64Range(1, 4).Draw(t, "steps"),
					"min_delta": rapid.SampledFrom([]float64{0, 0.5, 2}).Draw(t, "min_delta"),
					"warmup":    rapid.Int64Range(0, 4).Draw(t, "warmup"),
				}
			},
		})
	}
}

func patienceFromScratch(cfg earlystop.Config, events []trial.Event, r trial.Report) earlystop.Decision {
	curves, states := stoptest.Curves(events)
	own := curves[r.Trial]
	if r.Metric != stoptest.Metric || len(own) == 0 || states[r.Trial].Finished() {
		return earlystop.Decision{}
	}
	s, sign := cfg.Settings, stoptest.Sign(cfg)
	steps := slices.Sorted(maps.Keys(own))
	mark, value, last := steps[0], math.NaN(), steps[len(steps)-1]
	for _, st := range steps {
		if v := sign * own[st]; !math.IsNaN(v) && (math.IsNaN(value) || v < value-s.Float("min_delta")) {
			mark, value = st, v
		}
	}
	if last < s.Int("warmup") || last-mark < s.Int("steps") {
		return earlystop.Decision{}
	}
	reason := fmt.Sprintf("error has not improved on %.6g since step %d", sign*value, mark)
	if math.IsNaN(value) {
		reason = fmt.Sprintf("error is NaN since step %d", mark)
	}
	var d earlystop.Decision
	of := ruleNamed(cmpOr(s.String("of"), "none"))
	inner := cfg
	inner.Settings, _ = trial.ResolveSettings(of.Name, of.Settings, nil)
	switch of.Name {
	case "none":
		return earlystop.Decision{Stop: true, Reason: reason}
	case "median":
		bar := func(limit, trials string) string { return "the median " + limit + " of " + trials }
		d = quantileFromScratch(50, bar)(inner, events, r)
	case "asha":
		d = halvingFromScratch(ashaLadder)(inner, events, r)
	}
	if d.Stop {
		d.Reason = reason + "; " + d.Reason
	}
	return d
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func TestPatienceOfNone(t *testing.T) {
	h := historyOf(t, "patience", types.Minimize, map[string]any{"of": "none", "steps": 3, "min_delta": 0.1})
	h.create(0)
	for step, v := range []float64{1, 0.8, 0.75, 0.71, math.NaN()} {
		want := ""
		if step == 4 {
			want = "error has not improved on 0.8 since step 1"
		}
		if d := h.report(0, int64(step), v); d.Reason != want {
			t.Errorf("step %d: got %q, want %q", step, d.Reason, want)
		}
	}
}

func TestWilcoxonConforms(t *testing.T) {
	stoptest.Run(t, rule(t, "wilcoxon"), stoptest.Options{
		Reference: wilcoxonFromScratch,
		Settings: func(t *rapid.T) map[string]any {
			return map[string]any{"startup": startup(t), "p": rapid.SampledFrom([]float64{0.1, 0.3, 0.5}).Draw(t, "p"),
				"min_pairs": rapid.Int64Range(2, 4).Draw(t, "min_pairs")}
		},
	})
}

// wilcoxonFromScratch tosses all signs where the p-value is exact.
func wilcoxonFromScratch(cfg earlystop.Config, events []trial.Event, r trial.Report) earlystop.Decision {
	curves, states := stoptest.Curves(events)
	own := curves[r.Trial]
	if r.Metric != stoptest.Metric || len(own) == 0 || states[r.Trial].Finished() || !stoptest.Open(cfg, events) {
		return earlystop.Decision{}
	}
	sign, best, value := stoptest.Sign(cfg), int64(-1), 0.0
	for _, e := range events {
		if e.Kind == trial.EventFinished && e.Finish.State == types.Completed && len(curves[e.Trial]) > 0 {
			if v := sign * e.Finish.Values[0]; best < 0 || v < value {
				best, value = e.Trial, v
			}
		}
	}
	if best < 0 {
		return earlystop.Decision{}
	}
	var diffs []float64
	worse, finite := 0, true
	for step, v := range own {
		if w, ok := curves[best][step]; ok {
			finite = finite && !math.IsNaN(v-w) && !math.IsInf(v, 0) && !math.IsInf(w, 0)
			diffs = append(diffs, sign*(v-w))
			if sign*(v-w) > 0 {
				worse++
			}
		}
	}
	if !finite || int64(len(diffs)) < cfg.Settings.Int("min_pairs") {
		return earlystop.Decision{}
	}
	slices.SortFunc(diffs, func(a, b float64) int {
		switch {
		case math.Abs(a) != math.Abs(b):
			if math.Abs(a) < math.Abs(b) {
				return -1
			}
			return 1
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	mean := 0.0
	for _, d := range diffs {
		mean += d / float64(len(diffs))
	}
	p := tossed(diffs)
	if !(mean > 0) || !(p < cfg.Settings.Float("p")) {
		return earlystop.Decision{}
	}
	return earlystop.Decision{Stop: true, Reason: fmt.Sprintf(
		"error is worse than that of trial %d, the best so far, on %d of %d shared steps (signed-rank test: p = %.3g, below %g)",
		best, worse, len(diffs), p, cfg.Settings.Float("p"))}
}

// tossed is the p-value of the signed-rank test with all 2^n signs, or with the
// normal approximation where there are zeros or ties.
func tossed(diffs []float64) float64 {
	n := len(diffs)
	ranks := make([]float64, n)
	exact, observed, variance := true, 0.0, 0.0
	for i, d := range diffs {
		below, equal := 0, 0
		for _, o := range diffs {
			switch {
			case math.Abs(o) < math.Abs(d):
				below++
			case math.Abs(o) == math.Abs(d):
				equal++
			}
		}
		exact = exact && equal == 1 && d != 0
		ranks[i] = float64(below) + float64(equal+1)/2
		variance += ranks[i] * ranks[i] / 4
		switch {
		case d > 0:
			observed += ranks[i]
		case d == 0:
			observed += ranks[i] / 2
		}
	}
	if !exact {
		return math.Erfc((observed-float64(n*(n+1))/4)/math.Sqrt(variance)/math.Sqrt2) / 2
	}
	count := 0
	for signs := range 1 << n {
		sum := 0.0
		for i := range n {
			if signs&(1<<i) != 0 {
				sum += ranks[i]
			}
		}
		if sum >= observed {
			count++
		}
	}
	return float64(count) / float64(int(1)<<n)
}

// P-values of R's wilcox.test(x, alternative = "greater"), and Wilcoxon's own
// example of 1945 (table II: 8 and 16 plots, 8 pairs with one negative rank).
func TestSignedRank(t *testing.T) {
	for _, tt := range []struct {
		diffs []float64
		want  float64
	}{
		{[]float64{1, 2, 3, 4, 5}, 1.0 / 32},
		{[]float64{-1, 2, 3, 4, 5}, 2.0 / 32},
		{[]float64{1, 2, -3, 4, 5, 6, 7, 8}, 5.0 / 256},
		{[]float64{-1, -2}, 1},
		{[]float64{0, 0, 0}, 0.5},
	} {
		if got := earlystop.SignedRank(tt.diffs); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v: p = %v, want %v", tt.diffs, got, tt.want)
		}
	}
	// Exact and approximate p-values agree where both are good.
	var diffs []float64
	for i := range 50 {
		d := float64(i + 1)
		if i%3 == 0 {
			d = -d
		}
		diffs = append(diffs, d)
	}
	exact := earlystop.SignedRank(diffs)
	approximate := earlystop.SignedRank(append(diffs, 51))
	if ratio := exact / approximate; ratio < 0.8 || ratio > 1.6 {
		t.Errorf("p of 50 differences %v, of 51 %v", exact, approximate)
	}
}

func TestWilcoxonReason(t *testing.T) {
	h := historyOf(t, "wilcoxon", types.Minimize, map[string]any{"startup": 1})
	h.create(0)
	for s := range int64(5) {
		h.report(0, s, float64(10*s))
	}
	h.event(trial.Event{Kind: trial.EventFinished, Trial: 0, Finish: &trial.Finish{State: types.Completed, Values: []float64{20}}})
	h.create(1)
	var got []string
	for s := range int64(5) {
		if d := h.report(1, s, float64(10*s)+1+float64(s)/8); d.Stop {
			got = append(got, fmt.Sprint(s, ": ", d.Reason))
		}
	}
	want := []string{
		"3: error is worse than that of trial 0, the best so far, on 4 of 4 shared steps (signed-rank test: p = 0.0625, below 0.1)",
		"4: error is worse than that of trial 0, the best so far, on 5 of 5 shared steps (signed-rank test: p = 0.0312, below 0.1)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// BenchmarkDecide measures a report and its decision after 10,000 trials of 100
// steps, by rule.
func BenchmarkDecide(b *testing.B) {
	const trials, steps = 10_000, 100
	for _, text := range []string{"median", "percentile", "asha", "hyperband", "asha:mode=promote,max_step=100",
		"pbt:population=1000,max_step=100", "patience", "threshold", "wilcoxon"} {
		b.Run(text, func(b *testing.B) {
			c, err := trial.ParseComponent(text)
			if err != nil {
				b.Fatal(err)
			}
			s, err := earlystop.New(c,
				earlystop.Config{Objectives: []types.Objective{{Metric: "error", Goal: types.Minimize}}})
			if err != nil {
				b.Fatal(err)
			}
			report := func(n, step int64) trial.Report {
				v := float64((n*7919+step*104729)%10007) / 10007
				r := trial.Report{Trial: n, Metric: "error", Step: step, Value: v}
				s.Observe(trial.Event{Kind: trial.EventReported, Trial: n, Report: r})
				return r
			}
			for n := range int64(trials) {
				s.Observe(trial.Event{Kind: trial.EventCreated, Trial: n})
				for step := range int64(steps) {
					report(n, step)
				}
				s.Observe(trial.Event{Kind: trial.EventFinished, Trial: n,
					Finish: &trial.Finish{State: types.Completed, Values: []float64{float64(n)}}})
			}
			n, step := int64(trials), int64(steps)
			for b.Loop() {
				if step == steps { // the next trial
					s.Observe(trial.Event{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: types.Pruned}})
					n, step = n+1, 0
					s.Observe(trial.Event{Kind: trial.EventCreated, Trial: n})
				}
				s.Decide(report(n, step))
				step++
			}
		})
	}
}
