package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMeansWeighStrataEqually(t *testing.T) {
	s := Strata{{{1, 10}, {3, 30}}, {{8, 0}}, nil}
	if diff := cmp.Diff([]float64{5, 10}, Means(s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Means(Strata{nil}); got != nil {
		t.Errorf("no rows: %v", got)
	}
}

func TestIntervalOfFewRows(t *testing.T) {
	b := Bootstrap{Resamples: 100, Level: 0.95, Seed: 1}
	if low, high := b.Interval(Strata{nil}); low != nil || high != nil {
		t.Errorf("no rows: %v %v", low, high)
	}
	low, high := b.Interval(Strata{{{1}}, {{2}}})
	if !math.IsNaN(low[0]) || !math.IsNaN(high[0]) {
		t.Errorf("one row each says nothing of the spread: %v %v", low, high)
	}
	low, high = b.Interval(Strata{{{1}, {3}}, {{2}}})
	if low[0] != 1.5 || high[0] != 2.5 {
		t.Errorf("two rows: %v to %v, want 1.5 to 2.5", low, high)
	}
}

// The interval covers the true mean about as often as it says. Strata differ in
// mean and spread, and the measurements are skewed (log-normal).
func TestIntervalCovers(t *testing.T) {
	const runs, strata, rows = 400, 6, 20
	r := rand.New(rand.NewPCG(7, 7))
	covered := 0
	for run := range runs {
		var truth float64
		s := make(Strata, strata)
		for i := range s {
			spread := 0.2 + 0.1*float64(i)
			truth += (float64(i) + math.Exp(spread*spread/2)) / strata
			for range rows {
				s[i] = append(s[i], []float64{float64(i) + math.Exp(spread*r.NormFloat64())})
			}
		}
		low, high := Bootstrap{Resamples: 300, Level: 0.9, Seed: uint64(run)}.Interval(s)
		if low[0] <= truth && truth <= high[0] {
			covered++
		}
	}
	// 0.9 ± three standard errors of 0.015, and a little below because percentile
	// intervals of 20 rows are narrow by √(19/20).
	if share := float64(covered) / runs; share < 0.83 || share > 0.945 {
		t.Errorf("intervals at 90 %% cover in %.1f %% of runs", 100*share)
	}
}

func TestIntervalIsReproducible(t *testing.T) {
	s := Strata{{{1, 2}, {3, 5}, {4, 4}}, {{0, 1}, {9, 3}}}
	b := Bootstrap{Resamples: 200, Level: 0.95, Seed: 3}
	low, high := b.Interval(s)
	lowAgain, highAgain := b.Interval(s)
	if diff := cmp.Diff([][]float64{low, high}, [][]float64{lowAgain, highAgain}); diff != "" {
		t.Error(diff)
	}
}
