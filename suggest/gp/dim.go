package gp

import (
	"math"

	"github.com/gotuner/tuner/suggest/space"
)

// The absence of a number lies at this squared distance from its middle, and
// farther from its other values, as by Pythagoras.
const (
	absent = 0.5
	middle = 0.5
)

// few is the number of levels up to which all of them are tried one by one.
const few = 16

// dim is a modelled parameter. Its coordinate is the position in the unit cube
// of a number or an ordinal, and the index of an unordered choice; NaN where the
// parameter is inactive.
type dim struct {
	param  *space.Parameter
	index  int // in the space
	choice bool
	levels int64 // 0 if continuous, or more than can be counted
	// length says that it is no parameter but how long a trial ran: 1 is to the
	// end. All proposals are there.
	length bool
}

// newDims are the dimensions of a space; parameters of one value have none.
func newDims(s *space.Space) []*dim {
	var out []*dim
	for i := range s.Len() {
		p := s.Param(i)
		n, finite := p.Levels()
		if finite && n == 1 {
			continue
		}
		d := &dim{param: p, index: i, choice: p.Kind == space.Categorical || p.Kind == space.Bool}
		if finite {
			d.levels = n
		}
		out = append(out, d)
	}
	return out
}

// smooth says that the dimension is moved along the slope.
func (d *dim) smooth() bool { return !d.choice && !d.length && (d.levels == 0 || d.levels > few) }

// squared is the squared distance of two coordinates: that of positions, and
// 0 or 1 between choices (Hamming). An inactive number counts as the middle of
// its range and, from an active one, absent more; an inactive choice as a choice
// of its own. So it is a distance of points in a Euclidean space, which the
// kernel needs.
func (d *dim) squared(a, b float64) float64 {
	off, out := math.IsNaN(a), math.IsNaN(b)
	switch {
	case off && out:
		return 0
	case d.choice && (off || out || a != b):
		return 1
	case d.choice:
		return 0
	case off:
		return (middle-b)*(middle-b) + absent
	case out:
		return (a-middle)*(a-middle) + absent
	}
	return (a - b) * (a - b)
}

// layout turns points of a space into coordinates and back.
type layout struct {
	space *space.Space
	dims  []*dim    // the length of a trial, if it matters, is the last
	cube  []float64 // scratch
}

func newLayout(s *space.Space) *layout {
	return &layout{space: s, dims: newDims(s), cube: make([]float64, s.Len())}
}

// addLength makes the length of a trial a dimension.
func (l *layout) addLength() { l.dims = append(l.dims, &dim{length: true}) }

// lengths reports whether the length of a trial is a dimension.
func (l *layout) lengths() bool { return len(l.dims) > 0 && l.dims[len(l.dims)-1].length }

// params is the number of dimensions that are parameters.
func (l *layout) params() int {
	if l.lengths() {
		return len(l.dims) - 1
	}
	return len(l.dims)
}

// coordinates are those of p, for a whole trial.
func (l *layout) coordinates(p space.Point) []float64 {
	l.space.Encode(p, l.cube, nil)
	x := make([]float64, len(l.dims))
	for j, d := range l.dims {
		if d.length {
			x[j] = 1
			break
		}
		switch v := p[d.index]; {
		case v == nil:
			x[j] = math.NaN()
		case d.choice:
			x[j] = float64(d.param.LevelOf(v))
		default:
			x[j] = l.cube[d.index]
		}
	}
	return x
}

// point is the point at x, numbers rounded to their levels, what is inactive left
// out; what becomes active takes its coordinate, or the middle where that is NaN.
func (l *layout) point(x []float64) space.Point {
	for i := range l.cube {
		l.cube[i] = 0.5
	}
	for j, d := range l.dims {
		if d.length {
			break
		}
		l.cube[d.index] = x[j]
		if d.choice {
			l.cube[d.index] = (x[j] + 0.5) / float64(d.levels)
		}
	}
	return l.space.Decode(l.cube)
}
