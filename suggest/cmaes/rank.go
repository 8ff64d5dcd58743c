package cmaes

import (
	"cmp"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// rank orders trials from good to bad: first by class, then by a, then by b.
type rank struct {
	class class
	a, b  float64
}

type class uint8

const (
	completed  class = iota // a: value
	pruned                  // a: -step, b: value there
	violating               // a: sum of the violations
	infeasible              // no usable result
	failed
)

// rankOf is the rank of a finished trial; ok is false if it does not count.
// Values are turned so that smaller is better.
func rankOf(f *trial.Finish, goal types.Goal) (r rank, ok bool) {
	if f == nil {
		return rank{}, false
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
			return rank{class: infeasible}, true
		}
		r = rank{class: completed, a: value}
	case types.Pruned:
		if math.IsNaN(value) {
			value = math.Inf(1)
		}
		r = rank{class: pruned, a: -float64(f.Step), b: value}
	case types.Infeasible:
		return rank{class: infeasible}, true
	case types.Failed:
		return rank{class: failed}, true
	case types.Cancelled, types.Queued, types.Running, types.Paused:
		return rank{}, false
	}
	if v := violation(f.Violations); v > 0 {
		return rank{class: violating, a: v}, true
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

func (r rank) compare(q rank) int {
	return cmp.Or(cmp.Compare(r.class, q.class), cmp.Compare(r.a, q.a), cmp.Compare(r.b, q.b))
}
