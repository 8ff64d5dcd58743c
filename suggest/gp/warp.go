package gp

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// normalise returns the values as the model takes them: smaller is better, mean
// 0 and variance 1. The worse half, from the median on, is replaced by normal
// scores of its ranks, with the spread that the better half has, so that a few
// trials that went far astray do not flatten the rest (Song and others, "The
// Vizier Gaussian Process Bandit Algorithm", arXiv:2408.11527, half-rank warping).
func normalise(y []float64) []float64 {
	n := len(y)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(y[a], y[b]) })
	median := y[order[(n-1)/2]]
	spread, better := 0.0, 0
	// Halves, as a difference may overflow; in units of the best, as a square may.
	scale := median/2 - y[order[0]]/2
	below := func(i int) float64 { return (y[i]/2 - median/2) / scale }
	for _, i := range order {
		if y[i] < median {
			spread += below(i) * below(i)
			better++
		}
	}
	out := make([]float64, n)
	sd := 1.0
	if better > 0 {
		sd = math.Sqrt(spread / float64(better))
	}
	for r, i := range order {
		switch {
		case y[i] < median:
			out[i] = below(i)
		case y[i] > median:
			// Ties share the score of the first of them.
			for r > 0 && y[order[r-1]] == y[i] {
				r--
			}
			out[i] = sd * mathext.NormalQuantile((float64(r)+0.5)/float64(n))
		}
	}
	mean, dev := stat.MeanStdDev(out, nil)
	if !(dev > 0) {
		dev = 1
	}
	for i := range out {
		out[i] = (out[i] - mean) / dev
	}
	return out
}
