package tpe

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// What goes beyond Optuna 5; doc.go has the reasons and the measurements.

const (
	// latinStream names the randomness of start-up trials.
	latinStream = Name + "/start"
	// polishFirst and polishLast are the deviations of the first and of the last
	// step of the local search, as shares of the domain.
	polishFirst, polishLast = 0.1, 0.01
	// fewLevels is the number of levels up to which neither a blur nor a move makes
	// sense: the cells are wider than both.
	fewLevels = 6
	// manyKernels is the number of kernels of bad trials up to which there are all
	// the steps of a local search; beyond, as many as cost the same.
	manyKernels = 256
	// blurKernels is the number of kernels up to which they are blurred: where so
	// many overlap, none can be left out, and a proposal would take too long.
	blurKernels = 512
	// leastGain is the least weight of a good trial, relative to the mean.
	leastGain = 1e-9
)

// start is the point of a start-up trial: one of a Latin hypercube of startup
// points. It is nil if the point is not allowed, and for trials after those of
// the hypercube.
func (t *TPE) start(ask *suggest.Ask, number int64) space.Point {
	if !t.latin || number >= int64(t.startup) {
		return nil
	}
	p := suggest.Latin(t.ledger.Space(), t.seed, latinStream, number, t.startup)
	if p == nil || ask.Taken(p) {
		return nil
	}
	return p
}

// goodWeights appends the weights of the kernels of the good trials in b.order
// and of the prior kernel. By gain they are proportional to the improvement over
// the best trial that is not good, and 1 on average (Watanabe, arXiv 2304.11127,
// weighting "EI"); where that cannot be told they are the rule's.
func (b *builder) goodWeights(w []float64) []float64 {
	o := b.o
	w = weights(w, len(b.order), o.c.priorWeight)
	if !o.c.byGain || len(b.order) < 2 {
		return w
	}
	edge := o.ranks[o.good[len(o.good)-1]]
	if len(o.rest) > 0 && o.ranks[o.rest[0]].Class == suggest.RankCompleted {
		edge = o.ranks[o.rest[0]]
	}
	gain := func(s int32) float64 {
		if r := o.ranks[s]; r.Class == suggest.RankCompleted && edge.Class == suggest.RankCompleted {
			return math.Max(edge.A-r.A, 0)
		}
		return 0
	}
	sum := 0.0
	for _, s := range b.order {
		sum += gain(s)
	}
	if mean := sum / float64(len(b.order)); mean > 0 && !math.IsInf(mean, 0) {
		for k, s := range b.order {
			w[k] = math.Max(gain(s)/mean, leastGain)
		}
	}
	return w
}

// unrestricted reports whether every point is allowed, so that none needs to be
// looked at: there are no constraints, and points are not counted.
func (t *TPE) unrestricted() bool {
	if len(t.ledger.Space().Constraints()) > 0 {
		return false
	}
	return t.repeats || slices.ContainsFunc(t.obs.dims, func(d *dim) bool {
		return d.param.Continuous() && d.param.When == nil
	})
}

// polish improves the allowed point p at x by steps random moves, which grow
// smaller; a move is in one number or in all of a group, and is kept if the
// score is greater and the point allowed. Choices and numbers of few levels stay:
// to take the best of them each time would leave the others untried. Where all
// moves are allowed they still may lead to the ends of all ranges once more: then
// the point stays as it was.
func (c *chooser) polish(r *rand.Rand, p space.Point, x []float64, steps int) (space.Point, []float64) {
	if steps == 0 {
		return p, x
	}
	from := x
	x = slices.Clone(x)
	m, moved := c.model, false
	for _, g := range m.groups {
		if !m.movable(g, p) {
			continue
		}
		m.trial = append(m.trial[:0], x...)
		y, top := m.trial, m.score(g, x)
		n := steps * manyKernels / max(manyKernels, len(g.bad.weight))
		for i := range n {
			m.move(r, g, x, y, i, n)
			v, ok := m.exceeds(g, y, top)
			if !ok || !c.free && !c.allowed(c.point(y)) {
				continue
			}
			top, moved = v, true
			for _, j := range g.dims {
				x[j] = y[j]
			}
		}
	}
	if moved {
		if q := c.point(x); !c.free || c.ask == nil || !c.ask.Taken(q) {
			return q, x
		}
	}
	return p, from
}

// movable reports whether the group is active in p and has a number to move.
func (m *model) movable(g *group, p space.Point) bool {
	number := false
	for _, j := range g.dims {
		if p[m.dims[j].index] == nil {
			return false
		}
		number = number || m.dims[j].fine()
	}
	return number
}

// fine reports whether the dimension is a number with more than a few levels.
func (d *dim) fine() bool {
	return d.kind == continuous || d.kind == discrete && d.levels > fewLevels
}

// move makes y, in the dimensions of g, the i-th move from x.
func (m *model) move(r *rand.Rand, g *group, x, y []float64, i, steps int) {
	sd := polishFirst * math.Pow(polishLast/polishFirst, float64(i)/float64(steps))
	one := -1
	if i%2 == 0 {
		one = g.dims[r.IntN(len(g.dims))]
	}
	for _, j := range g.dims {
		y[j] = x[j]
		if d := m.dims[j]; d.fine() && (one < 0 || j == one) {
			y[j] = d.snap(clamp(x[j]+sd*r.NormFloat64(), d.low, d.high))
		}
	}
}

// exceeds is the score of the group at x if it is greater than top; a bound
// spares most of the work if it is not.
func (m *model) exceeds(g *group, x []float64, top float64) (score float64, ok bool) {
	own := m.scratch.of(g, x)
	l := g.good.logDensity(own, &m.scratch)
	bad, ok := g.bad.logDensityBelow(own, &m.scratch, l-top+slack)
	return l - bad, ok && l-bad > top
}
