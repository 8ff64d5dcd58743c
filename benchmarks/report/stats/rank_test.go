package stats

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// near checks to a tolerance that the number of digits of the source allows.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %v, want %v ± %v", what, got, want, tolerance)
	}
}

func TestRanks(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct{ values, want []float64 }{
		{nil, []float64{}},
		{[]float64{7}, []float64{1}},
		{[]float64{3, 1, 2}, []float64{3, 1, 2}},
		{[]float64{2, 1, 2, 0}, []float64{3.5, 2, 3.5, 1}},
		{[]float64{5, 5, 5}, []float64{2, 2, 2}},
		{[]float64{nan, math.Inf(1), nan, -1}, []float64{3.5, 2, 3.5, 1}},
	} {
		if diff := cmp.Diff(c.want, Ranks(c.values)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.values, diff)
		}
	}
}

// demsar are the ranks of table 6 in Demšar 2006: C4.5 with and without tuning of
// m and cf on 14 data sets.
var demsar = [][]float64{
	{4, 3, 2, 1}, {1, 2, 3, 4}, {4, 1, 2, 3}, {4, 1, 3, 2}, {4, 2, 3, 1}, {1, 2.5, 4, 2.5}, {3, 2, 4, 1},
	{2.5, 2.5, 4, 1}, {4, 3, 2, 1}, {2.5, 2.5, 2.5, 2.5}, {4, 2.5, 1, 2.5}, {3, 2, 4, 1}, {4, 1, 2, 3}, {3, 1, 4, 2},
}

func TestFriedmanOfDemsar(t *testing.T) {
	got := TestFriedman(demsar)
	for j, want := range []float64{3.143, 2.000, 2.893, 1.964} {
		near(t, "mean rank", got.MeanRanks[j], want, 0.0005)
	}
	// Demšar does not correct for ties and gives 9.28.
	near(t, "chi² without correction", got.Chi2*got.TieFactor, 9.28, 0.005)
	// Three pairs (2³-2 each) and one four (4³-4): 1 - 78/(14·4·15).
	near(t, "tie factor", got.TieFactor, 1-78.0/840, 1e-12)
	// scipy 1.17.1: friedmanchisquare, and f.sf of (N-1)χ²/(N(k-1)-χ²).
	near(t, "chi²", got.Chi2, 10.228346456692925, 1e-9)
	near(t, "F", got.F, 4.1851301115241695, 1e-9)
	near(t, "p", got.P, 0.011620659515310975, 1e-9)
}

func TestFriedmanExtremes(t *testing.T) {
	same := TestFriedman([][]float64{{1, 1, 1}, {2, 2, 2}})
	if same.P != 1 || same.Chi2 != 0 {
		t.Errorf("all equal: %+v", same)
	}
	order := TestFriedman([][]float64{{1, 2, 3}, {4, 5, 6}, {0, 7, 8}})
	if !math.IsInf(order.F, 1) || !slices.Equal(order.MeanRanks, []float64{1, 2, 3}) {
		t.Errorf("same order in all blocks: %+v", order)
	}
	// The second and the third block have one of 3! orders each; with two of three
	// values equal it is one of 3.
	near(t, "p of the same order", order.P, 1.0/36, 1e-12)
	ties := TestFriedman([][]float64{{1, 2, 2}, {4, 5, 5}, {0, 7, 7}})
	near(t, "p of the same order with ties", ties.P, 1.0/9, 1e-12)
	near(t, "greatest chi² N(k-1)", order.Chi2, 6, 1e-9)
	for _, few := range [][][]float64{nil, {{1, 2}}, {{1}, {2}}} {
		if got := TestFriedman(few); !math.IsNaN(got.P) {
			t.Errorf("%v: %+v", few, got)
		}
	}
	if got := TestFriedman([][]float64{{math.NaN(), 1}, {math.NaN(), 2}}); got.MeanRanks[0] != 2 {
		t.Errorf("NaN is worst: %+v", got)
	}
}

// Demšar's table 5(a): q is the studentised range divided by √2, so that CD is
// q √(k(k+1)/6N).
func TestCriticalDifference(t *testing.T) {
	for alpha, q := range map[float64][]float64{
		0.05: {1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164},
		0.10: {1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920},
	} {
		for i, want := range q {
			k := i + 2
			got := CriticalDifference(k, 100, alpha) / math.Sqrt(float64(k*(k+1))/600)
			near(t, "q", got, want, 0.0011)
		}
	}
	near(t, "CD of Demšar's example", CriticalDifference(4, 14, 0.05), 1.25, 0.005)
	near(t, "CD of Demšar's example", CriticalDifference(4, 14, 0.10), 1.12, 0.005)
}

func TestCliques(t *testing.T) {
	for _, c := range []struct {
		ranks []float64
		cd    float64
		want  [][2]int
	}{
		{[]float64{3.143, 2.000, 2.893, 1.964}, 1.25, [][2]int{{0, 3}}}, // 1.964 to 3.143 differ by 1.179
		{[]float64{3.143, 2.000, 2.893, 1.964}, 1.12, [][2]int{{0, 2}, {2, 3}}},
		{[]float64{1, 2, 3, 4}, 1.5, [][2]int{{0, 1}, {1, 2}, {2, 3}}},
		{[]float64{1, 1.2, 4, 4.1, 5}, 1, [][2]int{{0, 1}, {2, 3}, {3, 4}}},
		{[]float64{1, 2, 3}, 1, nil},
		{nil, 1, nil},
	} {
		got := Cliques(c.ranks, c.cd)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v within %v (-want +got):\n%s", c.ranks, c.cd, diff)
		}
	}
}
