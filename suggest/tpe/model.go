package tpe

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// model is what one proposal is chosen by: for each group a density of the good
// trials and one of the bad.
type model struct {
	dims         []*dim
	groups       []group
	below, above int
	good         []int32 // slots of the good trials, best first
}

// group is a set of dimensions that are modelled together.
type group struct {
	dims      []int // positions in model.dims
	good, bad mixture
}

// nBelow is the number of good trials among n.
func (c *settings) nBelow(n int) int {
	return int(min(math.Ceil(c.gamma*float64(n)), float64(c.gammaMax), float64(n)))
}

// newModel builds the model. The pending trials are among the bad; they stand
// in o as rows behind the finished ones while it works.
func (c *settings) newModel(o *observations, pending []suggest.Pending) *model {
	o.flush()
	n := len(o.ranks)
	if c.liar {
		for _, q := range pending {
			o.appendRow(q.Number, q.Point)
		}
	}
	total := len(o.numbers)
	defer o.truncate(n)

	m := &model{dims: o.dims, below: c.nBelow(o.scored)}
	m.above = total - m.below
	m.good = slices.Clone(o.byRank[:m.below])
	isGood := make([]bool, total)
	for _, s := range m.good {
		isGood[s] = true
	}
	liars := make([]int32, 0, total-n)
	for s := n; s < total; s++ {
		liars = append(liars, int32(s))
	}
	order := o.byNumber
	if len(liars) > 0 {
		order = merge(slices.Clone(o.byNumber), liars, o.compareNumbers)
	}
	b := builder{c: c, o: o, liars: liars, order: order, isGood: isGood, kernel: make([]int32, total)}
	for _, dims := range o.groups(c.multivariate) {
		m.groups = append(m.groups, b.group(dims))
	}
	return m
}

// builder holds what the groups of one model share.
type builder struct {
	c      *settings
	o      *observations
	liars  []int32 // slots of pending trials
	order  []int32 // all slots by number
	isGood []bool
	kernel []int32 // by slot: its kernel in its mixture; -1 not in this group
	sorted sortedKernels
	choice []float64
}

func (b *builder) group(dims []int) group {
	counts := [2]int32{} // bad, good
	for _, s := range b.order {
		b.kernel[s] = -1
		if slices.ContainsFunc(dims, func(j int) bool { return math.IsNaN(b.o.x[j][s]) }) {
			continue
		}
		side := &counts[0]
		if b.isGood[s] {
			side = &counts[1]
		}
		b.kernel[s] = *side
		*side++
	}
	g := group{
		dims: dims,
		good: newMixture(int(counts[1]), b.c.priorWeight, len(dims)),
		bad:  newMixture(int(counts[0]), b.c.priorWeight, len(dims)),
	}
	for i, j := range dims {
		g.good.kernels[i] = b.side(j, true, int(counts[1]))
		g.bad.kernels[i] = b.side(j, false, int(counts[0]))
	}
	return g
}

// side builds the m kernels of one side in dimension j.
func (b *builder) side(j int, good bool, m int) kernels {
	d, x := b.o.dims[j], b.o.x[j]
	in := func(s int32) bool { return b.kernel[s] >= 0 && b.isGood[s] == good }
	if d.kind == categorical {
		b.choice = b.choice[:0]
		for _, s := range b.order {
			if in(s) {
				b.choice = append(b.choice, x[s])
			}
		}
		return d.choices(b.choice)
	}
	b.sorted.reset()
	less := b.o.comparePositions(j)
	liars := slices.DeleteFunc(slices.Clone(b.liars), func(s int32) bool { return !in(s) })
	slices.SortFunc(liars, less)
	for _, s := range b.o.byX[j] {
		if !in(s) {
			continue
		}
		for len(liars) > 0 && less(liars[0], s) < 0 {
			b.sorted.add(x[liars[0]], b.kernel[liars[0]], liars[0])
			liars = liars[1:]
		}
		b.sorted.add(x[s], b.kernel[s], s)
	}
	for _, s := range liars {
		b.sorted.add(x[s], b.kernel[s], s)
	}
	if good { // the caches belong to the bad ones, of which there are many
		return d.numeric(&b.sorted, d.own, &massCache{})
	}
	return d.numeric(&b.sorted, d.broad, &b.o.caches[j])
}

// scorer evaluates coordinates of all dimensions; it holds scratch space.
type scorer struct {
	m        *model
	own, acc []float64
}

func (m *model) scorer() *scorer {
	longest := 0
	for k := range m.groups {
		longest = max(longest, len(m.groups[k].good.logWeight), len(m.groups[k].bad.logWeight))
	}
	return &scorer{m: m, own: make([]float64, len(m.dims)), acc: make([]float64, longest)}
}

// group is log l - log g of group k at x.
func (s *scorer) group(k int, x []float64) float64 {
	g := &s.m.groups[k]
	own := s.own[:len(g.dims)]
	for at, j := range g.dims {
		own[at] = x[j]
	}
	return g.good.logDensity(own, s.acc) - g.bad.logDensity(own, s.acc)
}

// point is the sum over the groups that are active in p, whose coordinates are x.
func (s *scorer) point(p space.Point, x []float64) float64 {
	sum := 0.0
	for k := range s.m.groups {
		inactive := func(j int) bool { return p[s.m.dims[j].index] == nil }
		if !slices.ContainsFunc(s.m.groups[k].dims, inactive) {
			sum += s.group(k, x)
		}
	}
	return sum
}

// draw makes n candidates: the coordinates of all dimensions, drawn from the
// densities of the good trials, group by group.
func (m *model) draw(r *rand.Rand, n int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, len(m.dims))
	}
	own := make([]float64, len(m.dims))
	for k := range m.groups {
		g := &m.groups[k]
		for i := range out {
			g.good.draw(r, own[:len(g.dims)])
			for at, j := range g.dims {
				out[i][j] = own[at]
			}
		}
	}
	return out
}

// best puts together the best candidate of each group, the first of equals.
func (m *model) best(s *scorer, candidates [][]float64) []float64 {
	x := make([]float64, len(m.dims))
	for k := range m.groups {
		top, at := math.Inf(-1), 0
		for i, c := range candidates {
			if v := s.group(k, c); v > top {
				top, at = v, i
			}
		}
		for _, j := range m.groups[k].dims {
			x[j] = candidates[at][j]
		}
	}
	return x
}
