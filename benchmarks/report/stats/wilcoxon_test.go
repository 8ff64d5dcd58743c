package stats

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSignedRankAgainstKnownValues(t *testing.T) {
	for _, c := range []struct {
		name        string
		differences []float64
		want        SignedRank
	}{
		// Darwin's heights of cross- and self-fertilised maize, in eighths of an
		// inch (Fisher, The design of experiments, 17), as in the manual of
		// scipy.stats.wilcoxon: 24 and 0.041259765625.
		{"maize", []float64{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75}, SignedRank{15, 24, 96, 0.041259765625}},
		// scipy 1.17.1: wilcoxon(method='exact').
		{"seven", []float64{1.1, -0.3, 2.4, 0.7, -1.9, 3.2, 0.5}, SignedRank{7, 6, 22, 0.21875}},
		// With ties and zeros: scipy 1.17.1, PermutationMethod over all signs.
		{"ties", []float64{1, 1, -1, 2, 2, 3, -2, 0, 4, 5, 3, 0}, SignedRank{10, 7, 48, 0.0390625}},
		// By hand: all of n signs equal have 2/2^n.
		{"all one way", []float64{-1, -2, -3, -4, -5}, SignedRank{5, 15, 0, 2.0 / 32}},
		{"one", []float64{3}, SignedRank{1, 0, 1, 1}},
		{"nothing differs", []float64{0, 0, 0}, SignedRank{0, 0, 0, 1}},
		{"balanced", []float64{1, -1, 2, -2}, SignedRank{4, 5, 5, 1}},
	} {
		got := TestSignedRank(c.differences)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The differences are (37 i mod 101) - 42 for i from 1 to 60, each fifth rounded
// to tens; scipy 1.17.1: wilcoxon(method='approx', correction=True) gives the
// statistic 597.5 and p 0.030265301542624013.
func TestSignedRankOfManyIsNormal(t *testing.T) {
	var differences []float64
	for i := 1; i <= 60; i++ {
		d := i*37%101 - 42
		if i%5 == 0 {
			d = roundToTens(d)
		}
		differences = append(differences, float64(d))
	}
	got := TestSignedRank(differences)
	if got.N != 59 || got.Minus != 597.5 {
		t.Errorf("%+v, want 59 differences and 597.5 of the negative ones", got)
	}
	near(t, "p", got.P, 0.030265301542624013, 1e-12)
}

// roundToTens rounds halves to even tens, as numpy does.
func roundToTens(d int) int {
	low := (d - (d%10+10)%10)
	switch rest := d - low; {
	case rest > 5, rest == 5 && low/10%2 != 0:
		return low + 10
	}
	return low
}

// Both methods agree where one hands over to the other.
func TestSignedRankExactAndNormalAgree(t *testing.T) {
	var ranks []float64
	for i := range exactUpTo {
		ranks = append(ranks, float64(i+1))
	}
	for _, least := range []float64{400, 434, 500, 600} {
		near(t, "normal approximation of p", normalTail(ranks, least), exactTail(ranks, least), 0.003)
	}
}

func TestHolm(t *testing.T) {
	for _, c := range []struct{ p, want []float64 }{
		{nil, []float64{}},
		{[]float64{0.03}, []float64{0.03}},
		// By hand: 0.01·4, 0.02·3, max(0.06, 0.03·2), max(0.06, 0.04·1).
		{[]float64{0.04, 0.01, 0.03, 0.02}, []float64{0.06, 0.04, 0.06, 0.06}},
		{[]float64{0.9, 0.5, 0.001}, []float64{1, 1, 0.003}},
	} {
		if diff := cmp.Diff(c.want, Holm(c.p), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.p, diff)
		}
	}
}
