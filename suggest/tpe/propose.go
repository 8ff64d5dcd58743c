package tpe

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/space"
)

const (
	// rounds bounds how often candidates are drawn anew while all of them
	// violate a constraint or were tried before.
	rounds = 32
	// maxNeighbours bounds the points that are tried around the best one.
	maxNeighbours = 64
	// nearestShown is how many trials an explanation names.
	nearestShown = 3
)

// propose chooses the point of one trial:
//
//  1. the best candidate, as the rule says;
//  2. if that violates a constraint or was tried before, the best of the
//     candidates that do not, of up to rounds draws;
//  3. else the best neighbour, one step in one parameter, of the point of 1;
//  4. else a random point.
//
// The candidate of 1 or 2 is then polished.
func (t *TPE) propose(ctx context.Context, ask *suggest.Ask, number int64) (suggest.Proposal, error) {
	if t.obs.scored < t.startup || len(t.obs.dims) == 0 {
		if p := t.start(ask, number); p != nil {
			return suggest.Proposal{Point: p, Arm: random.Name}, nil
		}
		return t.fallback(ctx, ask, number)
	}
	blur := t.blur
	if number%2 != 0 {
		blur = 0
	}
	m := t.obs.blurred(ask.Pending(), blur)
	c := chooser{space: t.ledger.Space(), ask: ask, model: m, free: t.unrestricted()}
	r := suggest.Stream(t.seed, Name, number)
	drawn := m.draw(r, t.candidates)
	x := m.best(drawn)
	best := c.point(x)
	if c.allowed(best) {
		p, x := c.polish(r, best, x, t.polish)
		return t.proposal(&c, p, x), nil
	}
	for range rounds {
		if err := ctx.Err(); err != nil {
			return suggest.Proposal{}, err
		}
		if p, x := c.choose(drawn); p != nil {
			p, x = c.polish(r, p, x, t.polish)
			return t.proposal(&c, p, x), nil
		}
		drawn = m.draw(r, t.candidates)
	}
	var near [][]float64
	for q := range c.space.Neighbours(best) {
		if near = append(near, c.coordinates(q)); len(near) == maxNeighbours {
			break
		}
	}
	if p, x := c.choose(near); p != nil {
		return t.proposal(&c, p, x), nil
	}
	return t.fallback(ctx, ask, number)
}

// chooser turns coordinates into points and picks among them.
type chooser struct {
	space *space.Space
	ask   *suggest.Ask
	model *model
	free  bool // every point is allowed
}

// point is the point at x, its inactive parameters left out.
func (c *chooser) point(x []float64) space.Point {
	p := make(space.Point, c.space.Len())
	for j, d := range c.model.dims {
		p[d.index] = d.value(x[j])
	}
	c.space.Repair(p) // also fills in what has one value only
	return p
}

// coordinates are those of p, in the middle where it is inactive.
func (c *chooser) coordinates(p space.Point) []float64 {
	x := make([]float64, len(c.model.dims))
	for j, d := range c.model.dims {
		v := p[d.index]
		if v == nil {
			v = d.param.Middle()
		}
		x[j] = d.encode(v)
	}
	return x
}

func (c *chooser) allowed(p space.Point) bool { return c.space.Feasible(p) && !c.ask.Taken(p) }

// choose returns the best allowed point, the first of equals; nil if none is.
func (c *chooser) choose(xs [][]float64) (p space.Point, at []float64) {
	top := math.Inf(-1)
	for _, x := range xs {
		q := c.point(x)
		if !c.allowed(q) {
			continue
		}
		if v := c.model.point(q, x); p == nil || v > top {
			p, at, top = q, x, v
		}
	}
	return p, at
}

// proposal is the trial's proposal, with an explanation: the numbers of good and
// bad trials of the model, log l - log g if that is a finite number, and the
// numbers of the good trials nearest to the point.
func (t *TPE) proposal(c *chooser, p space.Point, x []float64) suggest.Proposal {
	b := make([]byte, 0, 96)
	b = strconv.AppendInt(append(b, `{"below":`...), int64(c.model.below), 10)
	b = strconv.AppendInt(append(b, `,"above":`...), int64(c.model.above), 10)
	if s := c.model.point(p, x); !math.IsNaN(s) && !math.IsInf(s, 0) {
		b = strconv.AppendFloat(append(b, `,"score":`...), s, 'g', 4, 64)
	}
	b = append(b, `,"nearest":[`...)
	for i, n := range t.nearest(c, p, x) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return suggest.Proposal{Point: p, Arm: Name, Explain: append(b, "]}"...)}
}

// nearest are the good trials nearest to p by the sum of squared distances;
// another choice and another activity count as the whole range.
func (t *TPE) nearest(c *chooser, p space.Point, x []float64) []int64 {
	type neighbour struct {
		number   int64
		distance float64
	}
	all := make([]neighbour, 0, len(c.model.good))
	for _, s := range c.model.good {
		sum := 0.0
		for j, d := range t.obs.dims {
			y := t.obs.x[j][s]
			switch active := p[d.index] != nil; {
			case active == math.IsNaN(y), active && d.kind == categorical && x[j] != y:
				sum++
			case active && d.kind != categorical:
				sum += (x[j] - y) * (x[j] - y)
			}
		}
		all = append(all, neighbour{t.obs.numbers[s], sum})
	}
	slices.SortFunc(all, func(a, b neighbour) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.number, b.number))
	})
	out := make([]int64, 0, nearestShown)
	for _, n := range all[:min(len(all), nearestShown)] {
		out = append(out, n.number)
	}
	return out
}
