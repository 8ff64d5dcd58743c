package gp

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
)

// normalise returns the values as the model takes them: smaller is better, mean
// 0 and variance 1. The worse half, from the median on, is drawn together, so that
// a few trials that went far astray do not flatten the rest. whole says which are
// of trials that ran to their end.
//
// If all are, it is replaced by normal scores of its ranks, with the spread that
// the better half has (Song and others, "The Vizier Gaussian Process Bandit
// Algorithm", arXiv:2408.11527, half-rank warping). Ranks among values of all
// lengths would say little but the length. So if not, median and spread are those
// of the whole ones, and a distance d beyond the median becomes
// spread ln(1 + d/spread), which leaves small differences as they are.
func normalise(y []float64, whole []bool) []float64 {
	var of []float64
	for i, v := range y {
		if whole[i] {
			of = append(of, v)
		}
	}
	short := len(of) < len(y)
	if len(of) < 3 {
		of = y
	}
	b := newBetter(of)
	sorted := slices.Sorted(slices.Values(y))
	out := make([]float64, len(y))
	for i, v := range y {
		switch d := b.distance(v); {
		case !(d > 0): // the better half
			out[i] = d
		case short:
			out[i] = b.spread * math.Log1p(d/b.spread)
		default:
			rank, _ := slices.BinarySearch(sorted, v) // ties share that of the first
			out[i] = b.spread * mathext.NormalQuantile((float64(rank)+0.5)/float64(len(y)))
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

// better is the better half of values.
type better struct {
	median, scale float64
	spread        float64 // root mean square distance from the median, in units of scale
}

func newBetter(y []float64) better {
	sorted := slices.Sorted(slices.Values(y))
	b := better{median: sorted[(len(y)-1)/2], spread: 1}
	// Halves, as a difference may overflow; in units of the best, as a square may.
	if b.scale = b.median/2 - sorted[0]/2; b.scale == 0 {
		b.scale = math.Max(math.Abs(b.median/2), math.SmallestNonzeroFloat64)
		return b
	}
	sum, n := 0.0, 0
	for _, v := range sorted {
		if v < b.median {
			sum += b.distance(v) * b.distance(v)
			n++
		}
	}
	if s := math.Sqrt(sum / float64(n)); s > 0 {
		b.spread = s
	}
	return b
}

// distance is how far v lies beyond the median, negative if it is better.
func (b better) distance(v float64) float64 {
	if v == b.median {
		return 0
	}
	return (v/2 - b.median/2) / b.scale
}
