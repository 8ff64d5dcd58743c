package space

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Perturb is v moved up or down by the share by, 0 < by < 1, and kept within the
// range and on the levels; v unless it is a value of the parameter:
//
//   - a number is multiplied by 1+by or 1-by; on the scale ReverseLog that is its
//     distance from the end;
//   - where that would not do, at 0 and in a linear range that has numbers of
//     both signs, it moves by by/2 of the range;
//   - a number with levels moves by at least one of them, an Ordinal by one;
//   - a Bool, a Categorical and a Constant have no neighbours and stay.
//
// At an end of the range v stays if it would have to move out.
func (p *Parameter) Perturb(v Value, by float64, up bool) Value {
	d := p.compiled()
	if !d.contains(v) {
		return v
	}
	switch p.Kind {
	case Bool, Categorical, Constant:
		return v
	case Ordinal:
		k, _ := d.levelOf(v)
		return d.at(d.beyond(k, up))
	case Float, Int:
	}
	x, ok := v.(float64)
	if i, isInt := v.(int64); isInt {
		x, ok = float64(i), true
	}
	if !ok {
		return v
	}
	y := d.moved(x, by, up)
	if !d.discrete {
		return math.Min(math.Max(y, d.low), d.high) + 0
	}
	from, _ := d.levelOf(v)
	if to := d.nearest(y); to != from {
		return d.at(to)
	}
	return d.at(d.beyond(from, up == (d.scale != ReverseLog)))
}

// moved is x moved by the share by; it may lie out of the range.
func (d *dim) moved(x, by float64, up bool) float64 {
	if !up {
		by = -by
	}
	if d.scale == ReverseLog {
		return d.high - ((d.low+(d.high-x))*(1+by) - d.low)
	}
	if x == 0 || d.low < 0 && d.high > 0 {
		return x + by/2*d.high - by/2*d.low
	}
	return x * (1 + by)
}

// beyond is the level after k, or before it; k at the end.
func (d *dim) beyond(k uint64, up bool) uint64 {
	switch {
	case up && k < d.span:
		return k + 1
	case !up && k > 0:
		return k - 1
	}
	return k
}

// Exploring says how Explore changes a point.
type Exploring struct {
	// Perturb is the share by which values move, as in Parameter.Perturb.
	Perturb float64
	// Resample is the probability with which a value is drawn anew instead.
	Resample float64
}

// exploreTries bounds how often Explore draws.
const exploreTries = 100

// Explore is a feasible point near p, which is feasible: each active value is
// moved up or down with the same probability, or drawn anew. What becomes active
// is drawn. If a hundred draws violate the constraints it is p. It depends on r
// only, and p is not changed.
//
// Source: M. Jaderberg and others, "Population Based Training of Neural
// Networks", arXiv:1711.09846 (2017), section 4.1: perturb and resample.
func (s *Space) Explore(r *rand.Rand, p Point, how Exploring) Point {
	for range exploreTries {
		q := make(Point, len(p))
		for _, i := range s.order {
			switch par := &s.params[i]; {
			case !s.active(i, q):
			case p[i] == nil && par.Dynamic: // the program asks for it or not
			case p[i] == nil || r.Float64() < how.Resample:
				q[i] = par.Sample(r)
			default:
				q[i] = par.Perturb(p[i], how.Perturb, r.IntN(2) == 1)
			}
		}
		if s.Feasible(q) {
			return q
		}
	}
	return slices.Clone(p)
}
