package space

import (
	"math"
	"reflect"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

// Kind is the kind of a parameter.
type Kind string

// The kinds.
const (
	Float       Kind = "float"
	Int         Kind = "int"
	Bool        Kind = "bool"
	Categorical Kind = "categorical" // unordered choices
	Ordinal     Kind = "ordinal"     // ordered choices
	Constant    Kind = "constant"    // one value
)

// Scale is how a numeric range is laid on [0,1].
type Scale string

// The scales. ReverseLog is fine near the high end: x = high + low - exp(u).
const (
	Linear     Scale = "linear"
	Log        Scale = "log"
	ReverseLog Scale = "reverse-log"
)

// Value is an int64 (kind Int), float64 (kind Float), bool (kind Bool), or,
// for choices and constants, any of these or a string. nil means inactive.
type Value = any

// Point is one assignment: a value for each parameter of one Space, in the
// order of the space, nil where the parameter is inactive.
type Point []Value

// Choice is one value of a categorical, ordinal, bool or constant parameter.
type Choice struct {
	Value Value
	// Text is what a command sees; it is what the user typed ("1.10", "001",
	// "True"), else the canonical text of Value.
	Text string
}

// Prior is a normal distribution truncated to the range, in the parameter's
// own unit; for Log in ln x, for ReverseLog in ln(high + low - x).
type Prior struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// Parameter is one dimension. Both ends of a range are included. The methods
// need a valid parameter and are cheap on those of a Space (Space.Param),
// which nobody may change.
//
//nolint:recvcheck // cmp.Equal looks for Equal on the value
type Parameter struct {
	Name string
	Kind Kind
	// Low, High and Step are float64 for Float and int64 for Int, else nil.
	// A nil Step is continuous for Float and 1 for Int.
	Low, High, Step Value
	// Scale is "" or Linear for the other kinds; New turns "" into Linear for
	// the numeric ones.
	Scale Scale
	// Choices of a Bool are false and true unless given.
	Choices []Choice
	Default Value // nil: none
	Prior   *Prior
	// Grid is the number of grid points. For a continuous parameter 0 is the
	// grid's default; an Int or stepped one has all of its levels then, or so
	// many of them, spread over the scaled range.
	Grid int
	// When is the condition under which the parameter is active; nil always.
	When Condition
	// Dynamic says that a program decides whether the parameter is active, by
	// asking for it while it runs; so a point may lack it. Only an open space has
	// such parameters. They have no condition, and neither conditions nor
	// constraints name them.
	Dynamic bool

	dim *dim // set by New
}

// Equal reports whether the two are the same, field by field.
func (p Parameter) Equal(q Parameter) bool {
	p.dim, q.dim = nil, nil
	return reflect.DeepEqual(p, q)
}

func (p *Parameter) compiled() *dim {
	if p.dim != nil {
		return p.dim
	}
	return newDim(p)
}

// Numeric reports whether the kind is Float or Int.
func (p *Parameter) Numeric() bool { return p.Kind == Float || p.Kind == Int }

// Continuous reports whether it is a Float without step and of more than one
// value.
func (p *Parameter) Continuous() bool { return !p.compiled().discrete }

// Levels is the number of values of a discrete parameter; ok is false for a
// continuous one and for an Int of more than 2^63-1 values.
func (p *Parameter) Levels() (n int64, ok bool) {
	d := p.compiled()
	if !d.discrete || d.span >= math.MaxInt64 {
		return 0, false
	}
	return int64(d.span) + 1, true
}

// At is the k-th value of a discrete parameter, from 0: ascending for numeric
// kinds, else the k-th choice. k is clipped to the levels.
func (p *Parameter) At(k int64) Value {
	d := p.compiled()
	return d.at(min(uint64(max(k, 0)), d.span))
}

// LevelOf is the k for which At(k) is v, or -1 if v is no value of a discrete
// parameter.
func (p *Parameter) LevelOf(v Value) int64 {
	d := p.compiled()
	if !d.discrete {
		return -1
	}
	if k, ok := d.levelOf(v); ok && k <= math.MaxInt64 {
		return int64(k)
	}
	return -1
}

// Transform is the position of v on the scale in which distances mean
// something: x for Linear, ln x for Log, -ln(high + low - x) for ReverseLog
// (which grows with x), and the level of a choice. It is NaN if v is no value
// of the parameter's type.
func (p *Parameter) Transform(v Value) float64 { return p.compiled().transformValue(v) }

// TransformedBounds are Transform of the ends; with withHalfStep those of a
// discrete parameter are moved out by half a step, so that rounding to the
// nearest level gives the end levels their full share. Where that would leave
// the domain of the logarithm, the upper half cell is mirrored instead.
func (p *Parameter) TransformedBounds(withHalfStep bool) (lo, hi float64) {
	d := p.compiled()
	if withHalfStep {
		return d.edgeLo, d.edgeHi
	}
	return d.lo, d.hi
}

// Untransform is the value nearest to the transformed u, rounded to a level
// and clipped to the range. NaN gives the middle.
func (p *Parameter) Untransform(u float64) Value { return p.compiled().untransformValue(u) }

// Middle is the value in the middle of the scaled range, the middle choice of
// an Ordinal, and the first choice of the other kinds.
func (p *Parameter) Middle() Value {
	d := p.compiled()
	if p.Kind == Bool || p.Kind == Categorical {
		return d.at(0)
	}
	return d.decode(0.5)
}

// Check returns an error if v is not one of the parameter's values: another
// type, out of range, off its step, no choice.
func (p *Parameter) Check(v Value) error {
	if e := p.check(v); e != nil {
		return e
	}
	return nil
}

func (p *Parameter) check(v Value) *types.Error {
	d := p.compiled()
	if d.contains(v) {
		return nil
	}
	return p.refused("params."+p.Name, v)
}

// Text is what a command sees of v: the text of a choice, the decimal of an
// int64, the shortest decimal of a float64 that reads back equal, with the
// decimals of the step and the low end if there is a step.
func (p *Parameter) Text(v Value) string { return p.compiled().text(v) }

// ParseText is the inverse of Text: the choice of that text, or the value that
// is written so ("1e-3" for a Float, "true" for a Bool).
func (p *Parameter) ParseText(text string) (Value, error) {
	d := p.compiled()
	for _, c := range p.Choices {
		if c.Text == text {
			return c.Value, nil
		}
	}
	var v Value = text
	if text == "true" || text == "false" {
		v = text == "true"
	} else if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		v = i
	} else if f, err := strconv.ParseFloat(text, 64); err == nil {
		v = f
	}
	if w, ok := d.take(v); ok {
		return w, nil
	}
	return nil, p.refused("params."+p.Name, v)
}
