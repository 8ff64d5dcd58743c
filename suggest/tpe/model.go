package tpe

import (
	"cmp"
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
	groups       []*group
	below, above int
	good         []int32 // slots of the good trials, best first

	candidates [][]float64
	trial      []float64 // the point of a move
	prospects  []prospect
	scratch    scratch
}

// nBelow is the number of good trials among n.
func (c *settings) nBelow(n int) int {
	return int(min(math.Ceil(c.gamma*float64(n)), float64(c.gammaMax), float64(n)))
}

// model builds the model. The pending trials are among the bad; they stand in o
// as rows behind the finished ones while it works. The model is valid until the
// next one is built, because they share their memory.
func (o *observations) model(pending []suggest.Pending) *model { return o.blurred(pending, 0) }

// blurred is the model in which the bad trials have at least this bandwidth, as
// a share of the domain.
func (o *observations) blurred(pending []suggest.Pending, blur float64) *model {
	o.flush()
	n := len(o.ranks)
	if o.c.liar {
		for _, q := range pending {
			o.appendRow(q.Number, q.Point)
		}
	}
	total := len(o.numbers)
	defer o.truncate(n)

	b := &o.build
	b.o, b.blur = o, blur
	b.kernel = slices.Grow(b.kernel[:0], total)[:total]
	b.liars = b.liars[:0]
	for s := n; s < total; s++ {
		b.liars = append(b.liars, int32(s))
	}
	for _, g := range o.groups {
		b.good(g)
		b.bad(g)
	}
	m := &b.result
	m.dims, m.groups, m.good = o.dims, o.groups, o.good
	m.below, m.above = len(o.good), total-len(o.good)
	return m
}

// builder makes the densities of a model; it keeps the memory for the next one.
type builder struct {
	o      *observations
	blur   float64
	liars  []int32 // slots of pending trials
	kernel []int32 // by slot: its kernel in the mixture under work
	result model

	own     []int32 // the liars of a group
	order   []int32 // the slots of the mixture under work, ascending by number
	entries []entry // the liars in one dimension
	line    []*entry
	x, sd   []float64
}

func (b *builder) good(g *group) {
	b.own = b.own[:0]
	b.order = append(b.order[:0], g.lower.order...)
	g.good.reach, g.good.narrow = reach, narrow
	g.good.reset(b.goodWeights(g.good.weight[:0]))
	b.kernels(g, &g.lower, &g.good, true)
}

func (b *builder) bad(g *group) {
	o := b.o
	b.own = b.own[:0]
	for _, s := range b.liars {
		if o.active(g.dims, s) {
			b.own = append(b.own, s)
		}
	}
	b.order = append(b.order[:0], g.upper.order...)
	for _, s := range b.own {
		b.order = o.insertNumber(b.order, s)
	}
	w := g.bad.weight[:0]
	if g.pick.whole() {
		g.bad.reach, g.bad.narrow = reach, narrow
		w = weights(w, len(b.order), o.c.priorWeight)
	} else {
		g.bad.reach, g.bad.narrow = cappedReach, cappedNarrow
		w = b.sampledWeights(w, g)
	}
	g.bad.reset(w)
	b.kernels(g, &g.upper, &g.bad, false)
}

// sampledWeights are the weights where not all bad trials have a kernel. The
// newest and the pending ones have what they would have if the others did, too;
// the sample shares what the others would have in sum.
func (b *builder) sampledWeights(w []float64, g *group) []float64 {
	o, c := b.o, &g.pick
	r := ramp{c.members + len(b.own)}
	next := r.m - len(c.newest) - len(b.own) // of the newest and the pending ones
	old, stand := r.sum(next), 0.0
	for _, s := range b.order {
		b.kernel[s] = 0
	}
	for _, e := range c.taken() {
		b.kernel[e.slot] = 1
		stand += c.stands(o, e.slot)
	}
	for _, s := range b.order {
		if b.kernel[s] == 1 {
			w = append(w, old*c.stands(o, s)/stand)
			continue
		}
		w = append(w, r.at(next))
		next++
	}
	return append(w, o.c.priorWeight)
}

// kernels builds the kernels of the trials in b.order, which are those of d and
// the liars in b.own.
func (b *builder) kernels(g *group, d *side, m *mixture, good bool) {
	for k, s := range b.order {
		b.kernel[s] = int32(k)
	}
	count := len(b.order)
	if !good {
		count = g.pick.members + len(b.own)
	}
	for i, j := range g.dims {
		q := &m.kernels[i]
		if q.dim = b.o.dims[j]; q.dim.kind == categorical {
			q.choices(b.o.x[j], b.order, count)
			continue
		}
		b.merge(j, d.sorted[i])
		prior, blur := q.dim.broad, b.blur
		if good {
			prior, blur = q.dim.own, 0
		}
		b.numeric(q, count, prior, blur, m.narrow)
	}
}

// merge makes the line: the entries and those of the liars in the order of
// dimension j.
func (b *builder) merge(j int, sorted []entry) {
	o := b.o
	b.entries, b.line = b.entries[:0], b.line[:0]
	for _, s := range b.own {
		b.entries = append(b.entries, entry{x: o.x[j][s], slot: s})
	}
	slices.SortFunc(b.entries, func(p, q entry) int { return o.compareEntries(&p, &q) })
	from := 0
	for i := range b.entries {
		to := from + o.position(sorted[from:], &b.entries[i])
		for ; from < to; from++ {
			b.line = append(b.line, &sorted[from])
		}
		b.line = append(b.line, &b.entries[i])
	}
	for ; from < len(sorted); from++ {
		b.line = append(b.line, &sorted[from])
	}
}

// numeric builds the kernels of the line in a numeric dimension with this prior
// kernel and least bandwidth; count is the number of trials that they stand for.
func (b *builder) numeric(q *kernels, count int, prior normal, blur, narrow float64) {
	d, n := q.dim, len(b.line)
	b.x, b.sd = slices.Grow(b.x[:0], n)[:n], slices.Grow(b.sd[:0], n)[:n]
	for i, e := range b.line {
		b.x[i] = e.x
	}
	bandwidths(b.sd, b.x, count, d.low, d.high)
	as := sharp
	if blur > 0 && d.fine() && n <= blurKernels {
		as = blurry
		for i := range b.sd {
			b.sd[i] = max(b.sd[i], blur*(d.high-d.low))
		}
	}
	for i, e := range b.line {
		if e.as[as].sd != b.sd[i] {
			e.as[as] = d.compute(e.x, b.sd[i])
		}
	}
	last := d.compute(prior.mean, prior.sd)
	if d.kind == continuous {
		q.shapes, q.top = slices.Grow(q.shapes[:0], n+1)[:n+1], last.bias
		for _, e := range b.line {
			q.shapes[b.kernel[e.slot]] = e.as[as].shape(e.x)
			q.top = max(q.top, e.as[as].bias)
		}
		q.shapes[n] = last.shape(prior.mean)
		return
	}
	q.shapes, q.shape = q.shapes[:0], slices.Grow(q.shape[:0], n+1)[:n+1]
	for i, e := range b.line {
		// Equal observations are neighbours here and mostly have equal deviations.
		if i == 0 || e.x != b.x[i-1] || b.sd[i] != b.sd[i-1] {
			q.shapes = append(q.shapes, e.as[as].shape(e.x))
		}
		q.shape[b.kernel[e.slot]] = int32(len(q.shapes) - 1)
	}
	q.shapes = append(q.shapes, last.shape(prior.mean))
	q.shape[n] = int32(len(q.shapes) - 1)
	q.tables = &q.both[as]
	q.tables.follow(q.shapes, narrow)
}

// compute makes the kernel at x.
func (d *dim) compute(x, sd float64) computed {
	bias := -d.logMass(x, sd)
	if d.kind == continuous {
		bias = bias - math.Log(sd) - logSqrt2Pi
	}
	return computed{sd, bias}
}

// scratch is the memory in which densities are computed.
type scratch struct {
	own, acc []float64
	alive    [block]int32
	bound    []float64
	left     []int32 // by block, the newest first: how many kernels are left
}

// of is the group's part of x.
func (s *scratch) of(g *group, x []float64) []float64 {
	s.own = s.own[:0]
	for _, j := range g.dims {
		s.own = append(s.own, x[j])
	}
	return s.own
}

// group is log l - log g of a group at x.
func (m *model) score(g *group, x []float64) float64 {
	own := m.scratch.of(g, x)
	return g.good.logDensity(own, &m.scratch) - g.bad.logDensity(own, &m.scratch)
}

// point is the sum over the groups that are active in p, whose coordinates are x.
func (m *model) point(p space.Point, x []float64) float64 {
	sum := 0.0
	for _, g := range m.groups {
		inactive := func(j int) bool { return p[m.dims[j].index] == nil }
		if !slices.ContainsFunc(g.dims, inactive) {
			sum += m.score(g, x)
		}
	}
	return sum
}

// draw makes n candidates: the coordinates of all dimensions, drawn from the
// densities of the good trials, group by group. They are valid until the next
// draw.
func (m *model) draw(r *rand.Rand, n int) [][]float64 {
	for len(m.candidates) < n {
		m.candidates = append(m.candidates, make([]float64, len(m.dims)))
	}
	out := m.candidates[:n]
	for _, g := range m.groups {
		own := m.scratch.of(g, out[0])
		for i := range out {
			g.good.draw(r, own)
			for at, j := range g.dims {
				out[i][j] = own[at]
			}
		}
	}
	return out
}

// best puts together the best candidate of each group, the first of equals.
//
// g is at least any of its kernels, so log l minus one of them is an upper bound
// of the score: the candidates are looked at from the greatest bound on, and those
// whose bound is below the best score are left out. It finds the same candidate
// as without bounds.
func (m *model) best(candidates [][]float64) []float64 {
	x := make([]float64, len(m.dims))
	for _, g := range m.groups {
		s := m.prospects[:0]
		for i, c := range candidates {
			own := m.scratch.of(g, c)
			l := g.good.logDensity(own, &m.scratch)
			s = append(s, prospect{i, l, l - g.bad.atLeast(own)})
		}
		m.prospects = s
		slices.SortFunc(s, func(p, q prospect) int {
			return cmp.Or(cmp.Compare(q.bound, p.bound), cmp.Compare(p.index, q.index))
		})
		top, at := math.Inf(-1), 0
		for _, p := range s {
			if p.bound+slack < top {
				break
			}
			own := m.scratch.of(g, candidates[p.index])
			bad, ok := g.bad.logDensityBelow(own, &m.scratch, p.good-top+slack)
			if !ok {
				continue
			}
			if v := p.good - bad; v > top || v == top && p.index < at {
				top, at = v, p.index
			}
		}
		for _, j := range g.dims {
			x[j] = candidates[at][j]
		}
	}
	return x
}

// prospect is a candidate with log l and the bound of its score.
type prospect struct {
	index       int
	good, bound float64
}
