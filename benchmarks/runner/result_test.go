package runner

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCheckpoints(t *testing.T) {
	hundred := []int{1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100}
	for _, tt := range []struct {
		budget int
		want   []int
	}{
		{0, nil},
		{1, []int{1}},
		{6, []int{1, 2, 3, 5, 6}},
		{100, hundred},
		{200, append(slices.Clip(hundred), 120, 150, 200)},
		{1300, append(slices.Clip(hundred), 120, 150, 200, 250, 300, 400, 500, 600, 700, 800, 900, 1000, 1200, 1300)},
	} {
		if d := cmp.Diff(tt.want, Checkpoints(tt.budget)); d != "" {
			t.Errorf("%d: %s", tt.budget, d)
		}
	}
	if n := len(Checkpoints(100_000)); n != 17+3*12 {
		t.Errorf("100,000 trials have %d checkpoints", n)
	}
}

func TestRowsReadBack(t *testing.T) {
	nan := math.NaN()
	want := Result{
		Contender: "tpe:a=1,b=2", Version: "4.5.0", Settings: `{"x": "y, z"}`, Harness: Version,
		Problem: "branin", Group: "classic", Instance: 3, Seed: -7, Budget: 5, Workers: 4,
		Status: Done, Note: "a, \"b\"; c", Optimum: 0.1 + 0.2, Median: math.Inf(1), Exact: true,
		Checkpoints: []int{1, 2, 3, 5}, Best: []float64{nan, math.Inf(1), 1.0 / 3, 1.0 / 3}, Recommended: []float64{nan, nan, 5e-324, -0.25},
		AskP50: 1e-6, AskP95: 2.5e-3, AskP99: 0.25, AskMean: 3, CPU: 0, Wall: 12, Allocs: nan,
	}
	other := Result{Contender: "x", Problem: "y", Status: Failed, Note: "broke"}
	t0 := resultColumns()
	content := append(append(t0.header(), t0.row(&want)...), t0.row(&other)...)
	rows, whole, err := t0.parse("f", content, (*Result).check)
	if err != nil || whole != len(content) {
		t.Fatal(whole, err)
	}
	if d := cmp.Diff([]Result{want, other}, rows, cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{
		strings.Replace(string(content), ",done,", ",dane,", 1),
		strings.Replace(string(content), "1;2;3;5", "1;2;3", 1),
		strings.Replace(string(content), "0.25\n", "\n", 1) + "x\n",
		strings.Replace(string(content), "branin,classic,3", "branin,classic,three", 1),
	} {
		if _, _, err := t0.parse("f", []byte(bad), (*Result).check); err == nil || !strings.Contains(err.Error(), "f, line ") {
			t.Errorf("a bad row was read: %v", err)
		}
	}
}

func TestNormalized(t *testing.T) {
	r := Result{Optimum: 2, Median: 12}
	for _, tt := range []struct{ value, want float64 }{
		{2, 1e-3}, {1, 1e-3}, {2.001, 1e-3}, {3, 0.1}, {12, 1}, {32, 3}, {math.NaN(), 1},
	} {
		if got := r.Normalized(tt.value); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v: %v, want %v", tt.value, got, tt.want)
		}
	}
	for _, r := range []Result{{Optimum: 2, Median: 2}, {Optimum: 2, Median: math.NaN()}} {
		if a, b := r.Normalized(2), r.Normalized(5); a != 1e-3 || b != 1 {
			t.Errorf("without a scale: %v, %v", a, b)
		}
	}
}

func TestSummarize(t *testing.T) {
	one := func(contender, group string, values ...float64) (out []Result) {
		for _, v := range values {
			out = append(out, Result{Contender: contender, Group: group, Status: Done, Median: 1, Recommended: []float64{9, v}})
		}
		return out
	}
	results := append(one("b", "y", 0.5), one("a", "x", 0.1, 0.001)...)
	results = append(results, one("a", "y", 1)...)
	results = append(results, Result{Contender: "b", Group: "x", Status: Unsupported})
	want := []Cell{
		{"a", "x", 0.01, 2, 0}, {"a", "y", 1, 1, 0}, {"a", AllGroups, math.Pow(1e-4, 1.0/3), 3, 0},
		{"b", "x", math.NaN(), 0, 1}, {"b", "y", 0.5, 1, 0}, {"b", AllGroups, 0.5, 1, 1},
	}
	if d := cmp.Diff(want, Summarize(results), cmpopts.EquateApprox(1e-12, 0), cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
}

func TestFileName(t *testing.T) {
	for name, want := range map[string]string{
		"tpe": "tpe.csv", "tpe:above_cap=0,x=1.5": "tpe_above_cap=0_x=1.5.csv", "../a b\\c": ".._a_b_c.csv",
	} {
		if got := FileName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
