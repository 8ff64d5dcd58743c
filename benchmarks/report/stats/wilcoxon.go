package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactUpTo is the number of differences up to which the distribution of the
// signed-rank statistic is counted out.
const exactUpTo = 50

// SignedRank is the result of Wilcoxon's test whether paired differences are
// symmetric around zero.
type SignedRank struct {
	// N is the number of differences that are not zero: the others are left out,
	// as Wilcoxon did.
	N int
	// Minus and Plus are the sums of the ranks of the negative and the positive
	// differences.
	Minus, Plus float64
	// P is two-sided; 1 where N is 0.
	P float64
}

// TestSignedRank tests differences, of which none may be NaN. Up to 50 that are
// not zero, P is exact given the ties among them: all signs are equally
// probable. Beyond, it is the normal approximation with the correction for ties
// and that of one half for continuity.
func TestSignedRank(differences []float64) SignedRank {
	var sizes []float64
	var negative []bool
	for _, d := range differences {
		if d != 0 {
			sizes = append(sizes, math.Abs(d))
			negative = append(negative, d < 0)
		}
	}
	out := SignedRank{N: len(sizes), P: 1}
	ranks := Ranks(sizes)
	for i, r := range ranks {
		if negative[i] {
			out.Minus += r
		} else {
			out.Plus += r
		}
	}
	switch least := min(out.Minus, out.Plus); {
	case out.N == 0:
	case out.N <= exactUpTo:
		out.P = exactTail(ranks, least)
	default:
		out.P = normalTail(ranks, least)
	}
	return out
}

// exactTail is twice the share of the 2^n choices of signs in which the sum of
// the positive ranks is at most least. Ranks are multiples of one half, so that
// their doubles count the choices by sum.
func exactTail(ranks []float64, least float64) float64 {
	total := 0
	for _, r := range ranks {
		total += int(math.Round(2 * r))
	}
	ways := make([]float64, total+1)
	ways[0] = 1
	for _, r := range ranks {
		r := int(math.Round(2 * r))
		for sum := total; sum >= r; sum-- {
			ways[sum] += ways[sum-r]
		}
	}
	var below float64
	for _, w := range ways[:int(math.Round(2*least))+1] {
		below += w
	}
	return min(1, 2*below/math.Exp2(float64(len(ranks))))
}

func normalTail(ranks []float64, least float64) float64 {
	n := float64(len(ranks))
	mean := n * (n + 1) / 4
	variance := n*(n+1)*(2*n+1)/24 - tieSum(ranks)/48
	z := min(0, least-mean+0.5) / math.Sqrt(variance)
	return min(1, 2*distuv.UnitNormal.CDF(z))
}

// Holm adjusts the p-values of a family of tests, so that those not above alpha
// can be rejected with a probability of at most alpha that any of them is true.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(p))
	least := 0.0
	for done, i := range order {
		least = max(least, min(1, p[i]*float64(len(p)-done)))
		adjusted[i] = least
	}
	return adjusted
}
