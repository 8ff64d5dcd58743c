package tpe

import (
	"math"
	"slices"
)

const (
	// reach is the distance below the greatest kernel, in nats, from which a
	// kernel is left out: it is less than 3e-20 of the sum, so that nothing is
	// lost to rounding.
	reach = 45
	// cappedReach is the same where the kernels stand for more trials: each of
	// those left out is less than 3e-9 of the sum.
	cappedReach = 20
	// slack is what bounds are loosened by, so that rounding does not cut what
	// is within reach.
	slack = 1e-3
	// prune is the number of kernels from which bounds pay.
	prune = 64
	// block is how many kernels are summed at a time where bounds are used.
	block = 48
	// patience is for how many dimensions kernels are summed without a look at
	// the bounds after these have cut less than an eighth.
	patience = 2
)

// logDensity is the log density of the mixture at x.
func (m *mixture) logDensity(x []float64, s *scratch) float64 {
	v, _ := m.logDensityBelow(x, s, math.Inf(1))
	return v
}

// logDensityBelow is the log density at x if it is less than limit. If it is
// not, ok may be false and most of the work spared.
func (m *mixture) logDensityBelow(x []float64, s *scratch, limit float64) (v float64, ok bool) {
	for j := range m.kernels {
		m.kernels[j].prepare(x[j])
	}
	if len(m.logWeight) < prune {
		s.acc = append(s.acc[:0], m.logWeight...)
		for j := range m.kernels {
			m.kernels[j].add(x[j], s.acc, 0)
		}
		return logSumExp(s.acc, m.reach), true
	}
	return m.pruned(x, s, limit)
}

// add adds the log densities at x of the kernels from first on to acc.
func (q *kernels) add(x float64, acc []float64, first int) {
	if q.dim.kind == continuous {
		shapes := q.shapes[first:][:len(acc)]
		for k := range acc {
			h := &shapes[k]
			z := (x - h.mean) * h.inverse
			acc[k] += h.bias - 0.5*z*z
		}
		return
	}
	for k, h := range q.shape[first:][:len(acc)] {
		acc[k] += q.tabulated(int(h))
	}
}

// pruned is logDensityBelow dimension by dimension over the kernels that can
// still come within reach of the greatest: of which the prior kernel is a lower
// bound, and so are the one that was the greatest at the point before, which is
// often near, and those already summed; of a kernel an upper one is what it has
// so far and the greatest of all kernels in each dimension to come. Without
// rounding it computes the same as without the bounds, in the same order.
//
// It goes block by block from the newest trials, which mostly are the nearest,
// to the oldest, and stops as soon as one kernel alone is at the limit.
func (m *mixture) pruned(x []float64, s *scratch, limit float64) (v float64, ok bool) {
	n := len(m.logWeight)
	s.bound = slices.Grow(s.bound[:0], len(x))[:len(x)]
	least, near, coming := m.logWeight[n-1], m.logWeight[m.pilot], 0.0
	for j := len(x) - 1; j >= 0; j-- {
		q := &m.kernels[j]
		s.bound[j] = coming
		coming += q.ceiling()
		least += q.at(x[j], n-1)
		near += q.at(x[j], int(m.pilot))
	}
	top := max(least, near)
	if top-slack >= limit {
		return 0, false
	}
	s.acc = slices.Grow(s.acc[:0], n)[:n]
	s.left = slices.Grow(s.left[:0], n/block+1)[:0]
	for high := n; high > 0; high -= block {
		low := max(high-block, 0)
		at, greatest, w := m.block(x, s, low, high, top-m.reach-slack)
		if s.left = append(s.left, int32(w)); w == 0 {
			continue
		}
		if greatest >= top {
			top, m.pilot = greatest, at
		}
		if top-slack >= limit {
			return 0, false
		}
	}
	acc := s.acc[:0]
	for i, w := range slices.Backward(s.left) { // ascending again
		low := max(n-(i+1)*block, 0)
		acc = append(acc, s.acc[low:low+int(w)]...)
	}
	return logSumExp(acc, m.reach), true
}

// block computes the log densities at x of the kernels from low to high that are
// not below cut, of which w are at the front of acc[low:]; at is the one with the
// greatest.
func (m *mixture) block(x []float64, s *scratch, low, high int, cut float64) (at int32, greatest float64, w int) {
	acc, alive := s.acc[low:high], s.alive[:high-low]
	copy(acc, m.logWeight[low:high])
	for k := range alive {
		alive[k] = int32(low + k)
	}
	lazy := 0
	for j := range m.kernels {
		q := &m.kernels[j]
		if lazy > 0 && j < len(m.kernels)-1 {
			lazy--
			if len(acc) == high-low {
				q.add(x[j], acc, low)
			} else {
				q.addAlive(x[j], acc, alive)
			}
			continue
		}
		w := q.sieve(x[j], acc, alive, cut-s.bound[j])
		if 8*w > 7*len(acc) {
			lazy = patience
		}
		acc, alive = acc[:w], alive[:w]
	}
	greatest = math.Inf(-1)
	for i, v := range acc {
		if v > greatest {
			greatest, at = v, alive[i]
		}
	}
	return at, greatest, len(acc)
}

// atLeast is a lower bound of the log density at x: the part of the prior kernel,
// or of the one that was the greatest at the last point.
func (m *mixture) atLeast(x []float64) float64 {
	k := len(m.logWeight) - 1
	prior, near := m.logWeight[k], m.logWeight[m.pilot]
	for j := range m.kernels {
		q := &m.kernels[j]
		q.prepare(x[j])
		prior += q.at(x[j], k)
		near += q.at(x[j], int(m.pilot))
	}
	return max(prior, near)
}

// sieve adds the log densities at x of the kernels that are alive to acc, and
// keeps those that are not below cut.
func (q *kernels) sieve(x float64, acc []float64, alive []int32, cut float64) int {
	w := 0
	acc = acc[:len(alive)]
	if q.dim.kind == continuous {
		for i, k := range alive {
			h := &q.shapes[k]
			z := (x - h.mean) * h.inverse
			a := acc[i] + (h.bias - 0.5*z*z)
			acc[w], alive[w] = a, k
			if a >= cut {
				w++
			}
		}
		return w
	}
	for i, k := range alive {
		a := acc[i] + q.tabulated(int(q.shape[k]))
		acc[w], alive[w] = a, k
		if a >= cut {
			w++
		}
	}
	return w
}

// addAlive is add for the kernels that are alive.
func (q *kernels) addAlive(x float64, acc []float64, alive []int32) {
	acc = acc[:len(alive)]
	if q.dim.kind == continuous {
		for i, k := range alive {
			h := &q.shapes[k]
			z := (x - h.mean) * h.inverse
			acc[i] += h.bias - 0.5*z*z
		}
		return
	}
	for i, k := range alive {
		acc[i] += q.tabulated(int(q.shape[k]))
	}
}

// ceiling is an upper bound of the log densities of all kernels.
func (q *kernels) ceiling() float64 {
	if q.dim.kind == continuous {
		return q.top
	}
	return 0 // masses
}

// at is the log density of kernel k at x, for which q is prepared.
func (q *kernels) at(x float64, k int) float64 {
	if q.dim.kind == continuous {
		h := &q.shapes[k]
		z := (x - h.mean) * h.inverse
		return h.bias - 0.5*z*z
	}
	return q.tabulated(int(q.shape[k]))
}

// tables hold the log masses of values, by shape: few different values occur
// among the candidates, and most shapes of a model were in the one before, so
// that masses are kept from model to model.
type tables struct {
	shapes  []shape // for which the masses are, but for categorical dimensions
	narrow  float64
	byValue []table
	current int
	oldest  int // is overwritten next

	from []int32   // by shape: where it was before; -1 nowhere
	mass []float64 // memory for the next row
}

type table struct {
	value float64
	a, b  float64   // its cell
	mass  []float64 // by shape; NaN not computed
}

// maxTables is how many values are remembered.
const maxTables = 32

// follow makes the tables those of shapes, whose masses are computed with limit
// narrow. Shapes are in the order of their means, but for the last, the prior's.
func (t *tables) follow(shapes []shape, narrow float64) {
	if t.narrow != narrow {
		t.narrow, t.shapes, t.byValue, t.oldest = narrow, t.shapes[:0], t.byValue[:0], 0
	}
	if slices.Equal(t.shapes, shapes) {
		return
	}
	t.from = slices.Grow(t.from[:0], len(shapes))[:len(shapes)]
	i, last := 0, len(shapes)-1
	for k := range shapes[:last] {
		s := &shapes[k]
		for i < len(t.shapes)-1 && t.shapes[i].mean < s.mean {
			i++
		}
		t.from[k] = -1
		for j := i; j < len(t.shapes)-1 && t.shapes[j].mean == s.mean; j++ {
			if t.shapes[j].inverse == s.inverse {
				t.from[k] = int32(j)
				break
			}
		}
	}
	t.from[last] = -1
	if old := len(t.shapes) - 1; old >= 0 && t.shapes[old] == shapes[last] {
		t.from[last] = int32(old)
	}
	for k := range t.byValue {
		e := &t.byValue[k]
		row := slices.Grow(t.mass[:0], len(shapes))[:len(shapes)]
		for h, at := range t.from {
			if row[h] = math.NaN(); at >= 0 {
				row[h] = e.mass[at]
			}
		}
		e.mass, t.mass = row, e.mass
	}
	t.shapes = append(t.shapes[:0], shapes...)
}

// prepare makes the table of the value x the current one.
func (q *kernels) prepare(x float64) {
	d, t := q.dim, q.tables
	switch d.kind {
	case continuous:
		return
	case categorical:
		if len(t.byValue) == 0 {
			t.byValue = append(t.byValue, table{})
		}
		mass := slices.Grow(t.byValue[0].mass[:0], int(d.levels)+1)[:d.levels+1]
		for c := range mass {
			mass[c] = q.miss
		}
		mass[int(x)], mass[d.levels] = q.hit, q.uniform
		t.current, t.byValue[0].mass = 0, mass
		return
	case discrete:
	}
	for i := range t.byValue {
		if t.byValue[i].value == x {
			t.current = i
			return
		}
	}
	n := len(t.byValue)
	switch {
	case n >= maxTables:
		n = t.oldest
		t.oldest = (n + 1) % maxTables
	case n < cap(t.byValue):
		t.byValue = t.byValue[:n+1] // with the memory that it had
	default:
		t.byValue = append(t.byValue, table{})
	}
	e := &t.byValue[n]
	e.value = x
	e.a, e.b = d.cell(x)
	e.mass = slices.Grow(e.mass[:0], len(q.shapes))[:len(q.shapes)]
	for i := range e.mass {
		e.mass[i] = math.NaN()
	}
	t.current = n
}

// tabulated is the log mass of the current value in a shape.
func (q *kernels) tabulated(h int) float64 {
	e := &q.tables.byValue[q.tables.current]
	if v := e.mass[h]; v == v {
		return v
	}
	s := &q.shapes[h]
	v := logCellMass((e.a-s.mean)*s.inverse, (e.b-s.mean)*s.inverse, q.tables.narrow) + s.bias
	e.mass[h] = v
	return v
}
