package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ranks gives the least value rank 1; equal values share the mean of their
// ranks. NaN ranks last, together with other NaN.
func Ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	worse := func(a, b float64) int {
		switch aNaN, bNaN := math.IsNaN(a), math.IsNaN(b); {
		case aNaN && bNaN:
			return 0
		case aNaN || a > b:
			return 1
		case bNaN || a < b:
			return -1
		}
		return 0
	}
	slices.SortStableFunc(order, func(i, j int) int { return worse(values[i], values[j]) })
	ranks := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && worse(values[order[from]], values[order[to]]) == 0 {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = float64(from+1+to) / 2
		}
		from = to
	}
	return ranks
}

// tieSum is the sum of t³-t over the groups of t equal ranks.
func tieSum(ranks []float64) float64 {
	var sum float64
	for _, t := range tieGroups(ranks) {
		sum += t*t*t - t
	}
	return sum
}

// tieGroups are the sizes of the groups of equal ranks.
func tieGroups(ranks []float64) []float64 {
	sorted := slices.Sorted(slices.Values(ranks))
	var sizes []float64
	for from := 0; from < len(sorted); {
		to := from + 1
		for to < len(sorted) && sorted[to] == sorted[from] {
			to++
		}
		sizes = append(sizes, float64(to-from))
		from = to
	}
	return sizes
}

// arrangements is the number of orders of these ranks, in which equal ones are
// not told apart.
func arrangements(ranks []float64) float64 {
	n := math.Gamma(float64(len(ranks) + 1))
	for _, t := range tieGroups(ranks) {
		n /= math.Gamma(t + 1)
	}
	return n
}

// Friedman is the result of the test whether the treatments of a table differ at
// all.
type Friedman struct {
	// MeanRanks are those of the treatments, 1 is best.
	MeanRanks []float64
	// Blocks is the number of blocks.
	Blocks int
	// TieFactor is 1 without ties and smaller with them.
	TieFactor float64
	// Chi2 is Friedman's statistic, divided by TieFactor.
	Chi2 float64
	// F is that of Iman and Davenport (Demšar's F_F) and P its upper tail with
	// k-1 and (k-1)(N-1) degrees of freedom. P is 1 where all values of each block
	// are equal. Where all blocks have the same order, F is infinite and P the
	// exact probability of that.
	F, P float64
}

// TestFriedman ranks the treatments in each block, where less is better:
// blocks[i][j] is the value of treatment j in block i. It needs two blocks and
// two treatments, else P is NaN.
func TestFriedman(blocks [][]float64) Friedman {
	out := Friedman{Blocks: len(blocks), TieFactor: 1, Chi2: math.NaN(), F: math.NaN(), P: math.NaN()}
	if len(blocks) == 0 {
		return out
	}
	n, k := float64(len(blocks)), float64(len(blocks[0]))
	out.MeanRanks = make([]float64, len(blocks[0]))
	var ties float64
	for _, block := range blocks {
		ranks := Ranks(block)
		ties += tieSum(ranks)
		for j, r := range ranks {
			out.MeanRanks[j] += r / n
		}
	}
	if n < 2 || k < 2 {
		return out
	}
	out.TieFactor = 1 - ties/(n*k*(k*k-1))
	if out.TieFactor <= 0 {
		out.TieFactor, out.Chi2, out.F, out.P = 0, 0, 0, 1
		return out
	}
	var squares float64
	for _, r := range out.MeanRanks {
		squares += r * r
	}
	out.Chi2 = 12 * n / (k * (k + 1)) * (squares - k*(k+1)*(k+1)/4) / out.TieFactor
	// The largest possible value, n(k-1), is the same order in all blocks.
	if rest := n*(k-1) - out.Chi2; rest > 1e-9*n*k {
		out.F = (n - 1) * out.Chi2 / rest
		out.P = distuv.F{D1: k - 1, D2: (k - 1) * (n - 1)}.Survival(out.F)
	} else {
		out.F, out.P = math.Inf(1), math.Pow(arrangements(Ranks(blocks[0])), 1-n)
	}
	return out
}

// CriticalDifference is that of Nemenyi: two of k treatments whose mean ranks
// over n blocks differ by as much or more differ at level alpha (Demšar's CD).
func CriticalDifference(k, n int, alpha float64) float64 {
	return studentizedRange(k, 1-alpha) / math.Sqrt2 * math.Sqrt(float64(k*(k+1))/float64(6*n))
}

// studentizedRange is the p-quantile of the range of k standard normal
// variables: the studentised range with infinitely many degrees of freedom.
func studentizedRange(k int, p float64) float64 {
	low, high := 0.0, 20.0
	for range 60 {
		if mid := (low + high) / 2; rangeBelow(k, mid) < p {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// rangeBelow is the probability that the range of k standard normal variables is
// not above q: k ∫ φ(z) (Φ(z) - Φ(z-q))^(k-1) dz where z is the greatest of them,
// by Simpson's rule.
func rangeBelow(k int, q float64) float64 {
	const from, to, steps = -9.0, 9.0, 900
	h := (to - from) / steps
	var sum float64
	for i := range steps + 1 {
		z := from + float64(i)*h
		weight := 2.0
		switch {
		case i == 0 || i == steps:
			weight = 1
		case i%2 == 1:
			weight = 4
		}
		inside := distuv.UnitNormal.CDF(z) - distuv.UnitNormal.CDF(z-q)
		sum += weight * distuv.UnitNormal.Prob(z) * math.Pow(inside, float64(k-1))
	}
	return float64(k) * sum * h / 3
}

// Cliques are the largest sets of treatments no two of which differ by the
// critical difference or more, as first and last position in the order of
// ascending mean ranks; sets of one are left out.
func Cliques(meanRanks []float64, difference float64) [][2]int {
	sorted := slices.Sorted(slices.Values(meanRanks))
	var out [][2]int
	reached := 0
	for from := range sorted {
		to := from
		for to+1 < len(sorted) && sorted[to+1]-sorted[from] < difference {
			to++
		}
		if to > from && (len(out) == 0 || to > reached) {
			out = append(out, [2]int{from, to})
			reached = to
		}
	}
	return out
}
