package cmaes

import (
	"math"

	"github.com/gotuner/tuner/suggest/space"
)

// maxCells bounds discrete coordinates; more levels than this are treated as
// continuous, because cells so narrow have no digits left.
const maxCells = 1 << 40

// minPriorSD and maxPriorSD bound the deviation of a user's prior, in ranges.
const (
	minPriorSD = 1e-6
	maxPriorSD = 1
)

// layout says which parameter of the space is which coordinate. Parameters of
// one value have none.
type layout struct {
	space   *space.Space
	numbers []number
	choices []choice
	x       []float64 // scratch, by parameter
	active  []bool    // scratch, by parameter
}

// number is a numeric coordinate: the unit cube of package space, continued
// beyond its ends.
type number struct {
	param       *space.Parameter
	index       int   // of the parameter
	levels      int64 // 0 continuous
	first, last float64
}

// choice is a coordinate without an order, of k choices.
type choice struct {
	param *space.Parameter
	index int
	k     int
}

func newLayout(s *space.Space) *layout {
	l := &layout{space: s, x: make([]float64, s.Len()), active: make([]bool, s.Len())}
	for i := range s.Len() {
		p := s.Param(i)
		n, finite := p.Levels()
		switch {
		case finite && n == 1:
		case p.Kind == space.Categorical || p.Kind == space.Bool:
			l.choices = append(l.choices, choice{p, i, int(n)})
		default:
			c := number{param: p, index: i}
			if finite && n <= maxCells {
				c.levels = n
			}
			c.first, c.last = p.TransformedBounds(!p.Continuous())
			l.numbers = append(l.numbers, c)
		}
	}
	return l
}

// decode is the point at u, with the choices c.
func (l *layout) decode(u []float64, c []int) space.Point {
	for i := range l.x {
		l.x[i] = 0.5
	}
	for j := range l.numbers {
		d := &l.numbers[j]
		if l.x[d.index] = u[j]; d.levels == 0 {
			l.x[d.index] = fold(u[j])
		}
	}
	for j, d := range l.choices {
		l.x[d.index] = (float64(c[j]) + 0.5) / float64(d.k)
	}
	return l.space.Decode(l.x)
}

// encode puts p's coordinates into u and c: that of an inactive parameter is
// NaN or -1.
func (l *layout) encode(p space.Point, u []float64, c []int) {
	l.space.Encode(p, l.x, l.active)
	for j := range l.numbers {
		if u[j] = math.NaN(); l.active[l.numbers[j].index] {
			u[j] = l.x[l.numbers[j].index]
		}
	}
	for j, d := range l.choices {
		if c[j] = -1; l.active[d.index] {
			c[j] = int(d.param.LevelOf(p[d.index]))
		}
	}
}

// settle is the coordinates of the point that decode gives at u.
func (l *layout) settle(u []float64) []float64 {
	v := make([]float64, len(u))
	for i := range u {
		if d := &l.numbers[i]; d.levels == 0 {
			v[i] = fold(u[i])
		} else {
			_, lower, upper := d.cell(u[i])
			v[i] = (lower + upper) / 2
		}
	}
	return v
}

// strip is the width, beyond each end of a continuous parameter, of the strip
// that belongs to the end itself.
const strip = 0.1

// fold lays the line on [0,1]: a strip beyond each end is the end, and further
// out the line is reflected in the strip's middle, so that it runs to and fro.
func fold(u float64) float64 {
	if u >= 0 && u <= 1 {
		return u
	}
	const half = 1 + strip
	u = math.Abs(math.Mod(u+strip/2, 2*half))
	if u > half {
		u = 2*half - u
	}
	return min(max(u-strip/2, 0), 1)
}

// start is the mean and the deviation of the parameter's prior; ok is false if
// it has none.
func (d *number) start() (mean, sd float64, ok bool) {
	q := d.param.Prior
	if q == nil {
		return 0, 0, false
	}
	mean = q.Mean
	if d.param.Scale == space.ReverseLog {
		mean = -mean // the prior is in ln(high + low - x), the scale its negative
	}
	mean = min(max(d.unit(mean), 0), 1)
	sd = q.SD / 2 / (d.last/2 - d.first/2)
	return mean, min(max(sd, minPriorSD), maxPriorSD), true
}

// unit maps a position on the parameter's scale to the coordinate.
func (d *number) unit(t float64) float64 {
	if w := d.last - d.first; !math.IsInf(w, 0) {
		return (t - d.first) / w
	}
	return (t/2 - d.first/2) / (d.last/2 - d.first/2)
}

// cell is the level of a discrete coordinate at u and the thresholds between it
// and its neighbours; at the ends there is none on the outer side.
func (d *number) cell(u float64) (level int64, lower, upper float64) {
	u = min(max(u, 0), 1)
	if d.logarithmic() {
		level = d.param.LevelOf(d.param.Untransform(d.first*(1-u) + d.last*u))
	} else {
		level = min(int64(u*float64(d.levels)), d.levels-1)
	}
	return level, d.threshold(level), d.threshold(level + 1)
}

// threshold is the coordinate between the levels k-1 and k.
func (d *number) threshold(k int64) float64 {
	if !d.logarithmic() {
		return float64(k) / float64(d.levels)
	}
	if k <= 0 || k >= d.levels {
		return float64(min(max(k, 0), 1))
	}
	middle := value(d.param.At(k-1))/2 + value(d.param.At(k))/2
	if d.param.Scale == space.ReverseLog {
		return d.unit(-math.Log(value(d.param.Low) + (value(d.param.High) - middle)))
	}
	return d.unit(math.Log(middle))
}

func (d *number) logarithmic() bool {
	return d.param.Scale == space.Log || d.param.Scale == space.ReverseLog
}

func value(v space.Value) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}
