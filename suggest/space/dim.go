package space

import (
	"math"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

// dim is a compiled parameter: what the codec needs, computed once.
type dim struct {
	kind     Kind
	scale    Scale
	discrete bool
	span     uint64 // number of levels less one, if discrete

	low, high float64 // numeric kinds: the ends
	intLow    int64
	intStep   uint64
	step      float64 // Float; 0 is continuous
	dec       decimals

	lo, hi         float64 // transformed ends
	edgeLo, edgeHi float64 // the same, moved out by half a step if discrete

	choices []Choice
	index   map[Value]uint64 // nil for few choices
	keys    []string         // canonical form of each choice
}

// fewChoices is the number up to which a scan is faster than a map.
const fewChoices = 8

// newDim compiles a valid parameter.
func newDim(p *Parameter) *dim {
	d := &dim{kind: p.Kind, scale: p.Scale}
	switch p.Kind {
	case Int:
		d.compileInt(p)
	case Float:
		d.compileFloat(p)
	case Bool, Categorical, Ordinal, Constant:
		d.compileChoices(p)
	}
	return d
}

func (d *dim) compileInt(p *Parameter) {
	low, _ := p.Low.(int64)
	high, _ := p.High.(int64)
	d.discrete = true
	d.intLow, d.intStep = low, 1
	if s, ok := p.Step.(int64); ok {
		d.intStep = uint64(s)
	}
	// The difference of two int64 always fits a uint64.
	d.span = (uint64(high) - uint64(low)) / d.intStep
	d.setEnds(float64(low), float64(high), float64(d.intStep)/2)
}

func (d *dim) compileFloat(p *Parameter) {
	low, _ := p.Low.(float64)
	high, _ := p.High.(float64)
	half := 0.0
	if s, ok := p.Step.(float64); ok && low < high {
		d.discrete = true
		d.step = s
		d.dec = newDecimals(low, high, d.step)
		d.span = uint64(math.Round((high - low) / d.step))
		half = d.step / 2
	} else if low == high {
		d.discrete = true
	}
	d.setEnds(low, high, half)
}

func (d *dim) setEnds(low, high, half float64) {
	d.low, d.high = low, high
	d.lo, d.hi = low, high
	d.edgeLo, d.edgeHi = low-half, high+half
	if d.scale != Log && d.scale != ReverseLog {
		return
	}
	if d.edgeLo <= 0 {
		d.edgeLo = low * (low / (low + half))
	}
	d.lo, d.hi = math.Log(low), math.Log(high)
	d.edgeLo, d.edgeHi = math.Log(d.edgeLo), math.Log(d.edgeHi)
	if d.scale == ReverseLog {
		d.lo, d.hi = -d.hi, -d.lo
		d.edgeLo, d.edgeHi = -d.edgeHi, -d.edgeLo
	}
}

func (d *dim) compileChoices(p *Parameter) {
	d.discrete = true
	d.choices = p.Choices
	d.span = uint64(len(p.Choices) - 1)
	if len(p.Choices) > fewChoices {
		d.index = make(map[Value]uint64, len(p.Choices))
	}
	d.keys = make([]string, len(p.Choices))
	for k, c := range p.Choices {
		if d.index != nil {
			d.index[c.Value] = uint64(k)
		}
		d.keys[k] = string(appendValue(nil, c.Value))
	}
	d.hi = float64(d.span)
	d.edgeLo, d.edgeHi = -0.5, d.hi+0.5
}

// at is the k-th value, k <= span.
func (d *dim) at(k uint64) Value {
	switch {
	case d.choices != nil:
		return d.choices[k].Value
	case d.kind == Int:
		return int64(uint64(d.intLow) + k*d.intStep)
	}
	return d.floatAt(k)
}

func (d *dim) floatAt(k uint64) float64 {
	switch {
	case k == 0:
		return d.low
	case k >= d.span:
		return d.high
	case d.dec.ok:
		return d.dec.at(k)
	}
	return d.low + float64(k)*d.step
}

// levelOf is the level whose value is exactly v.
func (d *dim) levelOf(v Value) (uint64, bool) {
	switch {
	case d.choices != nil:
		return d.choiceOf(v)
	case d.kind == Int:
		i, ok := v.(int64)
		if !ok || i < d.intLow {
			return 0, false
		}
		off := uint64(i) - uint64(d.intLow)
		return off / d.intStep, off%d.intStep == 0 && off/d.intStep <= d.span
	}
	f, ok := v.(float64)
	if !ok || !(f >= d.low && f <= d.high) {
		return 0, false
	}
	k := d.nearest(f)
	return k, d.floatAt(k) == f
}

func (d *dim) choiceOf(v Value) (uint64, bool) {
	if !isValue(v) { // and so comparable
		return 0, false
	}
	if d.index != nil {
		k, ok := d.index[v]
		return k, ok
	}
	for k := range d.choices {
		if d.choices[k].Value == v {
			return uint64(k), true
		}
	}
	return 0, false
}

// contains reports whether v is one of the values.
func (d *dim) contains(v Value) bool {
	if d.discrete {
		_, ok := d.levelOf(v)
		return ok
	}
	f, ok := v.(float64)
	return ok && f >= d.low && f <= d.high
}

// nearest is the level of a numeric parameter nearest to f.
func (d *dim) nearest(f float64) uint64 {
	step := d.step
	if d.kind == Int {
		step = float64(d.intStep)
	}
	return clipLevel(math.Round((f-d.low)/step), d.span)
}

// clipLevel turns a float into a level; NaN is level 0.
func clipLevel(t float64, span uint64) uint64 {
	switch {
	case t >= float64(span):
		return span
	case t > 0:
		return uint64(t)
	}
	return 0
}

// transform maps a numeric value of the range to the scale; untransform is its
// inverse. The brackets keep high + low from overflowing and from losing digits
// near the high end, where ReverseLog is fine. At the low end their rounding must
// not lead out of the range.
func (d *dim) transform(x float64) float64 {
	switch d.scale {
	case Log:
		return math.Log(x)
	case ReverseLog:
		return -math.Log(min(d.low+(d.high-x), d.high))
	case Linear:
	}
	return x
}

func (d *dim) untransform(u float64) float64 {
	switch d.scale {
	case Log:
		return math.Exp(u)
	case ReverseLog:
		return d.high - (math.Exp(-u) - d.low)
	case Linear:
	}
	return u
}

func (d *dim) transformValue(v Value) float64 {
	if d.choices != nil {
		if k, ok := d.choiceOf(v); ok {
			return float64(k)
		}
		return math.NaN()
	}
	switch v := v.(type) {
	case float64:
		if d.kind == Float {
			return d.transform(v)
		}
	case int64:
		if d.kind == Int {
			return d.transform(float64(v))
		}
	}
	return math.NaN()
}

func (d *dim) untransformValue(u float64) Value {
	if math.IsNaN(u) {
		return d.decode(0.5)
	}
	if d.choices != nil {
		return d.at(clipLevel(math.Round(u), d.span))
	}
	f := d.untransform(u)
	if d.discrete {
		return d.at(d.nearest(f))
	}
	return math.Min(math.Max(f, d.low), d.high) + 0
}

// decode is the value at x of [0,1].
func (d *dim) decode(x float64) Value {
	if math.IsNaN(x) {
		x = 0.5
	}
	linear := d.scale != Log && d.scale != ReverseLog
	switch {
	case x <= 0:
		return d.end(false)
	case x >= 1: // exactly, whatever the logarithm is rounded to
		return d.end(true)
	case d.discrete && (linear || d.span == 0):
		return d.at(clipLevel(math.Floor(x*(float64(d.span)+1)), d.span))
	}
	return d.untransformValue(lerp(d.edgeLo, d.edgeHi, x))
}

// end is the last value, or the first.
func (d *dim) end(last bool) Value {
	switch {
	case d.discrete && last:
		return d.at(d.span)
	case d.discrete:
		return d.at(0)
	case last:
		return d.high
	}
	return d.low
}

// encode is the position of v in [0,1]: of a cell its middle. What is no value
// is put at the nearest end, or at 0.5.
func (d *dim) encode(v Value) float64 {
	linear := d.scale != Log && d.scale != ReverseLog
	if d.discrete && (linear || d.span == 0) {
		k, _ := d.levelOf(v)
		return (float64(min(k, d.span)) + 0.5) / (float64(d.span) + 1)
	}
	u := d.transformValue(v)
	if math.IsNaN(u) {
		return 0.5
	}
	lo, hi := d.edgeLo, d.edgeHi
	x := (u - lo) / (hi - lo)
	if math.IsInf(hi-lo, 0) {
		x = (u/2 - lo/2) / (hi/2 - lo/2)
	}
	return math.Min(math.Max(x, 0), 1)
}

func lerp(a, b, t float64) float64 { return a*(1-t) + b*t }

func (d *dim) text(v Value) string {
	if d.choices != nil {
		if k, ok := d.choiceOf(v); ok {
			return d.choices[k].Text
		}
	}
	if f, ok := v.(float64); ok && d.dec.ok {
		return d.dec.text(f)
	}
	return canonicalText(v)
}

// appendKey appends the canonical form of v; nil is "-".
func (d *dim) appendKey(b []byte, v Value) []byte {
	if d.keys != nil {
		if k, ok := d.choiceOf(v); ok {
			return append(b, d.keys[k]...)
		}
	}
	return appendValue(b, v)
}

// appendValue appends the JSON form of v, or "-" for nil.
func appendValue(b []byte, v Value) []byte {
	if v == nil {
		return append(b, '-')
	}
	c, err := types.AppendValue(b, v)
	if err != nil {
		// Not a value of any point; keep it visible and distinct.
		return strconv.AppendQuote(append(b, '?'), canonicalText(v))
	}
	return c
}
