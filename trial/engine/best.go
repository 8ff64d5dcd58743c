package engine

import (
	"slices"

	"github.com/gotuner/tuner/api/types"
)

// bestSet is the set of completed trials that no other dominates: one for one
// objective (the earliest of equals), the Pareto front for several.
type bestSet struct {
	numbers []int64
	values  [][]float64
}

// add offers a completed trial and reports whether it improved the set.
func (b *bestSet) add(objs []types.Objective, number int64, v []float64) bool {
	for _, w := range b.values {
		if dominates(objs, w, v) || slices.Equal(w, v) {
			return false
		}
	}
	k := 0
	for i, w := range b.values {
		if !dominates(objs, v, w) {
			b.numbers[k], b.values[k] = b.numbers[i], w
			k++
		}
	}
	b.numbers, b.values = append(b.numbers[:k], number), append(b.values[:k], v)
	return true
}

// dominates reports whether v is at least as good as w in every objective and
// better in one.
func dominates(objs []types.Objective, v, w []float64) bool {
	better := false
	for i, o := range objs {
		a, b := v[i], w[i]
		if o.Goal == types.Maximize {
			a, b = -a, -b
		}
		if a > b {
			return false
		}
		better = better || a < b
	}
	return better
}

// reaches reports whether a trial of the set is at least as good as target.
func (b *bestSet) reaches(o types.Objective, target float64) bool {
	for _, v := range b.values {
		if (o.Goal == types.Maximize && v[0] >= target) || (o.Goal != types.Maximize && v[0] <= target) {
			return true
		}
	}
	return false
}
