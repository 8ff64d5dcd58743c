package report

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/benchmarks/report/stats"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// result is a run with optimum 0 and median 1, so that values are normalised
// regrets, at the checkpoints 1, 2 and so on.
func result(contender, problem string, seed int64, values ...float64) runner.Result {
	r := runner.Result{
		Contender: contender, Version: "1", Harness: runner.Version, Problem: problem, Group: "classic",
		Seed: seed, Budget: len(values), Workers: 1, Status: runner.Done, Median: 1, Best: values, Recommended: values,
	}
	for i := range values {
		r.Checkpoints = append(r.Checkpoints, i+1)
	}
	return r
}

func collected(t *testing.T, cfg Config, results ...runner.Result) *data {
	t.Helper()
	d, err := collect(results, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var approx = cmpopts.EquateApprox(1e-12, 0)

func TestRegretIsFlooredAndDivergedRunsAreWorst(t *testing.T) {
	nan := math.NaN()
	d := collected(t, Config{},
		result("a", "p", 1, nan, nan, 0.5),
		result("a", "p", 2, 3, 0.2, 0),
		result("b", "p", 1, 2, 0.1, -5),
		result("b", "q", 1, nan, nan, nan),
	)
	p := d.problems[0]
	var got [][]float64
	for _, r := range []*run{p.runs[0][1], p.runs[0][2], p.runs[1][1], d.problems[1].runs[1][1]} {
		var regrets []float64
		for _, l := range r.logs {
			regrets = append(regrets, math.Exp(l))
		}
		got = append(got, regrets)
	}
	want := [][]float64{
		{3, 1, 0.5},                  // the worst of the problem, then no better than the median
		{3, 0.2, runner.RegretFloor}, //
		{2, 0.1, runner.RegretFloor}, // below an optimum that is not exact
		{1, 1, 1},                    // nothing to compare with
	}
	if diff := cmp.Diff(want, got, approx); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMeasure(t *testing.T) {
	r := result("a", "p", 1, 0.5, 0.25)
	r.Recommended = []float64{0.5, 0.75}
	for m, want := range map[Measure]float64{Recommended: 0.75, BestSeen: 0.25} {
		d := collected(t, Config{Measure: m}, r)
		if got, _ := d.problems[0].runs[0][1].at(2); math.Abs(math.Exp(got)-want) > 1e-12 {
			t.Errorf("measure %d gives %v, want %v", m, math.Exp(got), want)
		}
		if got, _ := d.problems[0].typical(0, 2, m); got != want {
			t.Errorf("measure %d: the median is %v, want %v", m, got, want)
		}
	}
}

// Only what both have is compared; the longest of a contender's runs counts.
func TestPairs(t *testing.T) {
	d := collected(t, Config{},
		result("a", "p", 1, 0.5, 0.4), result("a", "p", 1, 0.9), result("a", "p", 2, 0.3), result("a", "p", 3, 0.2, 0.2), result("a", "q", 1, 0.1, 0.1),
		result("b", "p", 1, 0.25, 0.1), result("b", "p", 2, 0.6, 0.6), result("b", "p", 4, 0.1, 0.1),
	)
	at1, at2 := paired(d.problems, 0, 1, 1), paired(d.problems, 0, 1, 2)
	if diff := cmp.Diff(stats.Strata{{{math.Log(2)}, {math.Log(0.5)}}, nil}, at1, approx); diff != "" {
		t.Errorf("after one trial (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(stats.Strata{{{math.Log(4)}}, nil}, at2, approx); diff != "" {
		t.Errorf("after two (-want +got):\n%s", diff)
	}
	if problems, rows := sizes(own(d.problems, 0, 1, 2)); problems != 2 || rows != 3 {
		t.Errorf("a has %d runs on %d problems with two trials, want 3 on 2", rows, problems)
	}
	e := estimateOf(at1, stats.Bootstrap{Resamples: 100, Level: 0.95})
	if math.Abs(e.value-1) > 1e-12 || e.pairs != 2 || e.problems != 1 || !(e.low < 1 && e.high > 1) {
		t.Errorf("the ratio is %+v", e)
	}
}

func TestOtherVersionsOfAContender(t *testing.T) {
	old, new1, new2 := result("a", "p", 1, 1), result("a", "p", 1, 1), result("a", "p", 1, 1)
	old.Version, new1.Version, new2.Version = "1.9", "1.10", "1.10"
	new2.Settings = "x=1"
	failed := result("a", "p", 1)
	failed.Version, failed.Status, failed.Note = "1.11", runner.Failed, "broken"
	d := collected(t, Config{}, old, new1, new2, failed, result("b", "p", 1, 1))
	var labels []string
	for _, c := range d.contenders {
		labels = append(labels, c.label)
	}
	if diff := cmp.Diff([]string{"a@1.9", "a@1.10", "a@1.10#2", "b"}, labels); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(d.notes) != 1 || d.notes[0].contender != "a@1.11" {
		t.Errorf("notes are %+v", d.notes)
	}
}

func TestRankOfCommonProblems(t *testing.T) {
	d := collected(t, Config{},
		result("a", "p", 1, 0.1), result("b", "p", 1, 0.2), result("c", "p", 1, 0.3),
		result("a", "q", 1, 0.4), result("b", "q", 1, 0.2), result("c", "q", 1, 0.3),
		result("a", "r", 1, 0.1), result("a", "r", 2, 0.9), result("b", "r", 1, 0.2), // seed 2 has a alone, c nothing
		result("d", "p", 1, 0.1), // on one of three problems: not ranked
	)
	k := d.rank(d.problems, 1)
	if !slices.Equal(k.contenders, []int{0, 1, 2}) || k.Blocks != 2 {
		t.Fatalf("%v are ranked over %d blocks", k.contenders, k.Blocks)
	}
	if diff := cmp.Diff([]float64{2, 1.5, 2.5}, k.MeanRanks, approx); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Five seeds that all favour one contender have p = 2/32, six 2/64: with one
// problem the latter is significant, with two it is not (Holm).
func TestDuels(t *testing.T) {
	rows := func(n int, sign float64) (out [][]float64) {
		for i := range n {
			out = append(out, []float64{sign * float64(i+1)})
		}
		return out
	}
	for _, c := range []struct {
		name        string
		differences stats.Strata
		want        duel
	}{
		{"five seeds", stats.Strata{rows(5, -1)}, duel{ties: 1, powerless: 1}},
		{"six seeds", stats.Strata{rows(6, -1), nil}, duel{wins: 1}},
		{"two problems", stats.Strata{rows(6, -1), rows(6, -1)}, duel{ties: 2, powerless: 2}},
		{"both ways", stats.Strata{rows(8, -1), rows(8, 1), {{1}, {-1}, {2}, {-2}, {3}, {-3}, {4}, {-4}}}, duel{wins: 1, ties: 1, losses: 1}},
		{"nothing in common", stats.Strata{nil}, duel{}},
	} {
		if got := duelOf(c.differences); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestBalance(t *testing.T) {
	got := balanceOf(stats.Strata{{{-1}, {0.5}}, {{1}, {-1}}, {{2}}, nil})
	if want := (balance{better: 1, equal: 1, worse: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
