package tpe

import (
	"math"

	"github.com/gotuner/tuner/suggest/space"
)

// dimKind says how a parameter is modelled.
type dimKind uint8

const (
	continuous dimKind = iota
	discrete
	categorical
)

// maxCells bounds discrete dimensions; more levels than this are modelled as
// continuous, because cells so narrow have no digits left.
const maxCells = 1 << 40

// minPriorSD keeps the deviation of a user's prior away from zero, in units of
// the domain.
const minPriorSD = 1e-9

// dim is a modelled parameter. Numeric coordinates are the parameter's position
// on its own scale (its logarithm for logarithmic ones), shifted and stretched
// so that the domain, with its half steps, is [low, high] = [0, 1]; the rule is
// invariant to that, and no range is too wide or too narrow for it.
// Categorical coordinates are the index of the choice.
type dim struct {
	kind   dimKind
	param  *space.Parameter
	index  int   // of the parameter in the space
	levels int64 // of discrete and categorical ones

	low, high float64
	// broad is the prior kernel of the rule: the middle and the range. own is
	// the user's prior, or else the same.
	broad, own normal

	first, last float64 // ends of the domain on the parameter's scale
}

// newDim returns the dimension of parameter i, or nil if it has one value only.
func newDim(s *space.Space, i int) *dim {
	p := s.Param(i)
	n, finite := p.Levels()
	d := &dim{kind: continuous, param: p, index: i, levels: n, low: 0, high: 1, broad: normal{0.5, 1}, own: normal{0.5, 1}}
	switch {
	case finite && n == 1:
		return nil
	case p.Kind == space.Categorical || p.Kind == space.Bool:
		d.kind = categorical
		return d
	case finite && n <= maxCells:
		d.kind = discrete
	}
	d.first, d.last = p.TransformedBounds(!p.Continuous())
	if q := p.Prior; q != nil {
		mean := q.Mean
		if p.Scale == space.ReverseLog {
			mean = -mean // the coordinate grows with the value, the prior's logarithm falls
		}
		d.own = normal{d.unit(mean), math.Max(d.unitWidth(q.SD), minPriorSD)}
	}
	return d
}

// unit maps a position on the parameter's scale to the coordinate.
func (d *dim) unit(t float64) float64 {
	if w := d.last - d.first; !math.IsInf(w, 0) {
		return (t - d.first) / w
	}
	return (t/2 - d.first/2) / (d.last/2 - d.first/2)
}

func (d *dim) unitWidth(w float64) float64 { return w / 2 / (d.last/2 - d.first/2) }

// encode is the coordinate of a value of the parameter.
func (d *dim) encode(v space.Value) float64 {
	if d.kind == categorical {
		return float64(d.param.LevelOf(v))
	}
	return clamp(d.unit(d.param.Transform(v)), d.low, d.high)
}

// value is the parameter's value at a coordinate.
func (d *dim) value(x float64) space.Value {
	if d.kind == categorical {
		return d.param.At(int64(x))
	}
	return d.param.Untransform(d.first*(1-x) + d.last*x)
}

// snap is the coordinate of the value nearest to x.
func (d *dim) snap(x float64) float64 {
	if d.kind == continuous {
		return x
	}
	return d.encode(d.value(x))
}

// cell is the interval of coordinates that round to the discrete value at x.
func (d *dim) cell(x float64) (a, b float64) {
	v := d.value(x)
	level := d.param.LevelOf(v)
	a, b = d.low, d.high
	if level > 0 {
		a = d.unit(d.between(d.param.At(level-1), v))
	}
	if level < d.levels-1 {
		b = d.unit(d.between(v, d.param.At(level+1)))
	}
	return a, b
}

// between is the position, on the parameter's scale, of the boundary of two
// neighbouring values: half way in their own unit.
func (d *dim) between(v, w space.Value) float64 {
	if !d.param.Numeric() { // ordinals are their index
		return 0.5 * (d.param.Transform(v) + d.param.Transform(w))
	}
	mid := numberOf(v)/2 + numberOf(w)/2
	switch d.param.Scale {
	case space.Log:
		return math.Log(mid)
	case space.ReverseLog:
		return -math.Log(numberOf(d.param.Low) + (numberOf(d.param.High) - mid))
	case space.Linear:
	}
	return mid
}

func numberOf(v space.Value) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}
