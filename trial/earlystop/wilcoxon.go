package earlystop

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gotuner/tuner/trial"
)

// wilcoxonRule is for trials that report one value for each of several
// instances: folds of a cross-validation, data sets, seeds, problems. The step
// is the instance's number, the same in all trials; the order is free. It
// compares a trial with the best one, instance by instance, so that instances
// of different difficulty do not hide the difference.
//
// Let the best trial be the completed one with the best final value, the first
// to reach it among equals, and d the differences own - best at the instances
// that both have, signed so that positive is worse. The trial is ended if
//
//   - startup trials have completed (see watch.open) and there are at least
//     min_pairs differences, all of them finite;
//   - the p-value of Wilcoxon's signed-rank test against "not worse" is below p:
//     the one-sided test with the sum of the ranks of the positive differences,
//     where a difference of zero gives half of its rank;
//   - the mean of the differences is positive.
//
// The p-value is exact for up to 50 differences without zeros and ties, else
// from the normal approximation with the correction of the variance for ties
// and no correction for continuity. Testing after each instance is testing
// often: p is a setting of how careful the rule is, no error rate.
//
// Sources: Wilcoxon: "Individual Comparisons by Ranking Methods", Biometrics
// Bulletin 1 (1945); Optuna's WilcoxonPruner (optuna/pruners/_wilcoxon.py) for
// the rule, with the deviations that means are over the shared instances only,
// and that one completed trial is not enough to end others.
//
// Cost: O(k log k) a decision with k instances.
func wilcoxonRule() Rule {
	return Rule{
		Name: "wilcoxon",
		Doc: "For steps that are folds or instances: ends a trial that is significantly worse than the best " +
			"one on those that both have done.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "p", Type: trial.FloatSetting, Default: 0.1, Min: new(float64(0)), Max: new(float64(1)),
				Doc: "Level of the test below which a trial is ended; less ends fewer trials."},
			{Name: "min_pairs", Type: trial.IntSetting, Default: int64(2), Min: new(float64(2)),
				Doc: "Instances that both trials must have done."},
			startupSetting(),
		},
		New: newWilcoxon,
	}
}

type wilcoxon struct {
	watch
	p        float64
	minPairs int

	best       *curve // nil: none yet
	bestTrial  int64
	bestResult float64

	tails map[int][]float64
}

var _ Stopper = (*wilcoxon)(nil)

func newWilcoxon(cfg Config) (Stopper, error) {
	return &wilcoxon{watch: newWatch(cfg), p: cfg.Settings.Float("p"), minPairs: int(cfg.Settings.Int("min_pairs")),
		tails: map[int][]float64{}}, nil
}

// Observe implements Stopper.
func (w *wilcoxon) Observe(e trial.Event) {
	c, completed := w.observe(e)
	if !completed || len(e.Finish.Values) == 0 {
		return
	}
	if v := w.signed(e.Finish.Values[0]); w.best == nil || v < w.bestResult {
		w.best, w.bestTrial, w.bestResult = c, e.Trial, v
	}
}

// Decide implements Stopper.
func (w *wilcoxon) Decide(r trial.Report) Decision {
	c := w.judged(r)
	if c == nil || w.best == nil || !w.open() {
		return Decision{}
	}
	diffs := make([]float64, 0, len(c.values))
	for step, own := range c.values {
		other, ok := w.best.values[step]
		if !ok {
			continue
		}
		d := own - other
		if math.IsNaN(d) || math.IsInf(own, 0) || math.IsInf(other, 0) {
			return Decision{}
		}
		diffs = append(diffs, d)
	}
	if len(diffs) < w.minPairs {
		return Decision{}
	}
	// One order for one multiset, so that sums do not depend on the map's.
	slices.SortFunc(diffs, func(a, b float64) int {
		return cmp.Or(cmp.Compare(math.Abs(a), math.Abs(b)), cmp.Compare(a, b))
	})
	n, mean, worse := float64(len(diffs)), 0.0, 0
	for _, d := range diffs {
		mean += d / n
		if d > 0 {
			worse++
		}
	}
	p := w.signedRank(diffs)
	if !(mean > 0) || !(p < w.p) {
		return Decision{}
	}
	return Decision{Stop: true, Reason: fmt.Sprintf(
		"%s is worse than that of trial %d, the best so far, on %d of %d shared steps (signed-rank test: p = %.3g, below %g)",
		w.objective.Metric, w.bestTrial, worse, len(diffs), p, w.p)}
}

// mostExact is the most differences for which the p-value is exact: 2^50 signs
// can be counted in a float64.
const mostExact = 50

// signedRank is the one-sided p-value of diffs, which are sorted by size,
// against the hypothesis that positive ones do not prevail.
func (w *wilcoxon) signedRank(diffs []float64) float64 {
	n := len(diffs)
	positive, ties := 0.0, 0.0 // sum of ranks; sum of t^3 - t over groups of t equals
	for i := 0; i < n; {
		j := i + 1
		for j < n && math.Abs(diffs[j]) == math.Abs(diffs[i]) {
			j++
		}
		rank, t := float64(i+1+j)/2, float64(j-i)
		ties += t*t*t - t
		for _, d := range diffs[i:j] {
			switch {
			case d > 0:
				positive += rank
			case d == 0:
				positive += rank / 2
			}
		}
		i = j
	}
	if n <= mostExact && ties == 0 && diffs[0] != 0 {
		return w.tail(n)[int(positive)]
	}
	m := float64(n)
	deviation := math.Sqrt(m*(m+1)*(2*m+1)/24 - ties/48)
	z := (positive - m*(m+1)/4) / deviation
	return math.Erfc(z/math.Sqrt2) / 2
}

// tail is P(T >= t) for t = 0 … n(n+1)/2, where T is the sum of the ranks of
// 1 … n whose sign is positive when each sign is tossed.
func (w *wilcoxon) tail(n int) []float64 {
	if t := w.tails[n]; t != nil {
		return t
	}
	ways := make([]float64, n*(n+1)/2+1)
	ways[0] = 1
	for rank := 1; rank <= n; rank++ {
		for sum := rank * (rank + 1) / 2; sum >= rank; sum-- {
			ways[sum] += ways[sum-rank]
		}
	}
	all := math.Ldexp(1, n)
	total := 0.0
	for sum := len(ways) - 1; sum >= 0; sum-- {
		total += ways[sum]
		ways[sum] = total / all
	}
	w.tails[n] = ways
	return ways
}
