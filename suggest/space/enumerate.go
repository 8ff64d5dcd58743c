package space

import (
	"iter"
	"slices"
)

// Enumerate yields all points of a finite space that satisfy the constraints;
// of an infinite one with its continuous parameters at grid points
// (Parameter.Grid, else gridDefault, at least 1 and at most a million).
//
// The order is fixed: the first parameter changes slowest, parents come before
// their children and parameters otherwise in the order of the space. Each
// point is new and belongs to the caller. It is lazy; a constraint that cuts
// off a parameter's value cuts off all that would follow from it.
func (s *Space) Enumerate(gridDefault int) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		e := &enumeration{
			s: s, levels: make([]levels, len(s.params)), checks: make([][]*constraint, len(s.params)),
			point: make(Point, len(s.params)), yield: yield,
		}
		for i := range s.params {
			e.levels[i] = s.gridLevels(i, gridDefault)
		}
		for _, c := range s.constraints {
			last := 0
			for _, i := range c.refs {
				last = max(last, s.rank[i])
			}
			e.checks[last] = append(e.checks[last], c)
		}
		e.from(0)
	}
}

type enumeration struct {
	s      *Space
	levels []levels
	checks [][]*constraint // those whose last parameter has this rank
	point  Point
	yield  func(Point) bool
}

// from enumerates the parameters of rank r and above; false stops it all.
func (e *enumeration) from(r int) bool {
	if r == len(e.s.order) {
		return e.yield(slices.Clone(e.point))
	}
	i := e.s.order[r]
	if !e.s.active(i, e.point) {
		return e.step(r, i, nil)
	}
	l := e.levels[i]
	for k := uint64(0); ; k++ {
		if !e.step(r, i, l.at(k)) {
			return false
		}
		if k == l.span { // a span of 2^64-1 must not wrap around
			break
		}
	}
	e.point[i] = nil
	return true
}

func (e *enumeration) step(r, i int, v Value) bool {
	e.point[i] = v
	for _, c := range e.checks[r] {
		if !c.holds(e.point) {
			return true
		}
	}
	return e.from(r + 1)
}

// Neighbours yields the points that differ from p in one parameter by one
// step, feasible or not: of a numeric parameter the level beside, of a
// continuous one 1 % of the cube to both sides, of an Ordinal the adjacent
// choices, of other kinds each other choice. What becomes inactive is nil, and
// what becomes active takes its start (see Repair). Each point is new.
func (s *Space) Neighbours(p Point) iter.Seq[Point] {
	return func(yield func(Point) bool) {
		for _, i := range s.order {
			if p[i] == nil {
				continue
			}
			for v := range s.params[i].dim.beside(p[i]) {
				q := slices.Clone(p)
				q[i] = v
				s.Repair(q)
				if !yield(q) {
					return
				}
			}
		}
	}
}

// nearby is how far a continuous neighbour lies away in the cube.
const nearby = 0.01

// beside yields the neighbouring values of v.
func (d *dim) beside(v Value) iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if !d.discrete {
			x := d.encode(v)
			for _, to := range []float64{x - nearby, x + nearby} {
				if w := d.decode(to); w != v && !yield(w) {
					return
				}
			}
			return
		}
		at, ok := d.levelOf(v)
		if !ok {
			return
		}
		if d.kind == Bool || d.kind == Categorical {
			for k := range d.span + 1 {
				if k != at && !yield(d.at(k)) {
					return
				}
			}
			return
		}
		if at > 0 && !yield(d.at(at-1)) {
			return
		}
		if at < d.span {
			yield(d.at(at + 1))
		}
	}
}
