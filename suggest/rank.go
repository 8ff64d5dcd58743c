package suggest

import (
	"cmp"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Rank orders finished trials of one objective from good to bad, as Optuna 5's
// TPE does: by Class, then by A, then by B; smaller is better. The zero value is
// a completed trial of value 0.
type Rank struct {
	Class RankClass
	A, B  float64
}

// RankClass is the first key of a Rank.
type RankClass uint8

// The classes, from good to bad.
const (
	RankCompleted  RankClass = iota // A: the value, negated if it is maximised
	RankPruned                      // A: -step, B: the value there
	RankViolating                   // A: the sum of the violations
	RankInfeasible                  // no usable result
	RankFailed
)

// RankOf is the rank of a finished trial; ok is false if it has none, such as
// one that was cancelled.
func RankOf(f *trial.Finish, goal types.Goal) (r Rank, ok bool) {
	if f == nil {
		return Rank{}, false
	}
	value := math.NaN()
	if len(f.Values) > 0 {
		value = f.Values[0]
	}
	if goal == types.Maximize {
		value = -value
	}
	switch f.State {
	case types.Completed:
		if math.IsNaN(value) {
			return Rank{Class: RankInfeasible}, true
		}
		r = Rank{Class: RankCompleted, A: value}
	case types.Pruned:
		if math.IsNaN(value) {
			value = math.Inf(1)
		}
		r = Rank{Class: RankPruned, A: -float64(f.Step), B: value}
	case types.Infeasible:
		return Rank{Class: RankInfeasible}, true
	case types.Failed:
		return Rank{Class: RankFailed}, true
	case types.Cancelled, types.Queued, types.Running, types.Paused:
		return Rank{}, false
	}
	if v := violation(f.Violations); v > 0 {
		return Rank{Class: RankViolating, A: v}, true
	}
	return r, true
}

// violation is the sum of the positive violations; an unknown one is infinite.
func violation(vs []float64) float64 {
	sum := 0.0
	for _, v := range vs {
		switch {
		case math.IsNaN(v):
			return math.Inf(1)
		case v > 0:
			sum += v
		}
	}
	return sum
}

// Compare is negative if r is better than q, positive if it is worse.
func (r Rank) Compare(q Rank) int {
	return cmp.Or(cmp.Compare(r.Class, q.Class), cmp.Compare(r.A, q.A), cmp.Compare(r.B, q.B))
}
