package space

import (
	"math"
	"slices"
	"strconv"
)

// levels are the values that a parameter takes in an enumeration: all of a
// discrete one, or the grid points in list. There are span+1 of them.
type levels struct {
	dim  *dim
	span uint64
	list []Value // nil: those of dim
}

func (l levels) at(k uint64) Value {
	if l.list != nil {
		return l.list[k]
	}
	return l.dim.at(k)
}

// gridLevels are the levels of parameter i in an enumeration in which a
// continuous parameter without a Grid of its own has gridDefault points.
func (s *Space) gridLevels(i, gridDefault int) levels {
	p, d := &s.params[i], s.params[i].dim
	n := p.Grid
	if n == 0 && !d.discrete {
		n = min(max(gridDefault, 1), maxGrid)
	}
	if n == 0 || d.discrete && d.span < uint64(n) {
		return levels{dim: d, span: d.span}
	}
	list := d.gridPoints(n)
	return levels{dim: d, span: uint64(len(list) - 1), list: list}
}

// gridPoints spreads n points evenly over the scaled range, both ends
// included; one point is in the middle. Levels that coincide are given once.
func (d *dim) gridPoints(n int) []Value {
	if n == 1 {
		middle := d.decode(0.5)
		if f, ok := middle.(float64); ok && !d.discrete {
			middle = math.Min(math.Max(tidyFloat(f), d.low), d.high)
		}
		return []Value{middle}
	}
	out := make([]Value, n)
	for j := range out {
		switch j {
		case 0:
			out[j] = d.end(false)
		case n - 1:
			out[j] = d.end(true)
		default:
			out[j] = d.untransformValue(lerp(d.lo, d.hi, float64(j)/float64(n-1)))
		}
	}
	if !d.discrete {
		out = tidy(out)
	}
	return slices.Compact(out)
}

// tidy rounds the inner points to 12 digits, so that a logarithmic grid reads
// 0.0001 and not 0.00010000000000000009, unless the range is so narrow that
// this would move one of them past another.
func tidy(points []Value) []Value {
	out := slices.Clone(points)
	for j := 1; j < len(out)-1; j++ {
		if f, ok := points[j].(float64); ok {
			out[j] = tidyFloat(f)
		}
	}
	for j := 1; j < len(out); j++ {
		if c, _ := compareNumbers(out[j], out[j-1]); c <= 0 {
			return points
		}
	}
	return out
}

// tidyFloat rounds to 12 digits, unless that would overflow.
func tidyFloat(f float64) float64 {
	g, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 12, 64), 64)
	if err != nil {
		return f
	}
	return g + 0
}

// segment is a run of levels between which no condition can tell.
type segment struct {
	value Value // one of them
	count uint64
}

// segments splits the levels at the cuts; each choice is one of its own. The
// counts are saturated at countLimit.
func (l levels) segments(cuts []Value) []segment {
	if l.dim.choices != nil {
		out := make([]segment, l.span+1)
		for k := range out {
			out[k] = segment{l.at(uint64(k)), 1}
		}
		return out
	}
	starts := []uint64{0}
	for _, v := range cuts {
		for _, past := range []bool{false, true} {
			if k, ok := l.first(v, past); ok {
				starts = append(starts, k)
			}
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	out := make([]segment, len(starts))
	for j, k := range starts {
		last := l.span
		if j+1 < len(starts) {
			last = starts[j+1] - 1
		}
		out[j] = segment{l.at(k), min(last-k, countLimit-1) + 1}
	}
	return out
}

// first is the first level whose value is >= v, or > v if past; ok is false if
// there is none.
func (l levels) first(v Value, past bool) (k uint64, ok bool) {
	holds := func(k uint64) bool {
		c, _ := compareNumbers(l.at(k), v)
		return c > 0 || c == 0 && !past
	}
	if !holds(l.span) {
		return 0, false
	}
	lo, hi := uint64(0), l.span // hi holds
	for lo < hi {
		mid := lo + (hi-lo)/2
		if holds(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, true
}

// countLimit is the largest count; beyond it Size and GridSize say so.
const countLimit = 1 << 62

func satMul(a, b uint64) uint64 {
	if a != 0 && b > countLimit/a {
		return math.MaxUint64
	}
	return a * b
}

func satAdd(a, b uint64) uint64 {
	if a > countLimit || b > countLimit {
		return math.MaxUint64
	}
	return a + b
}
