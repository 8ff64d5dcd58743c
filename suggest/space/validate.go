package space

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxNameLength = 200
	maxGrid       = 1_000_000
)

// normalize returns p in its canonical form, which shares nothing with p, and
// adds what is wrong with it to f. It leaves When to the compiler of
// conditions, which needs all parameters.
func normalize(p Parameter, field string, f *faults) Parameter {
	p.dim = nil
	before := len(*f)
	checkName(p.Name, field, f)
	p.Low, p.High, p.Step, p.Default = normal(p.Low), normal(p.High), normal(p.Step), normal(p.Default)
	switch p.Kind {
	case Float, Int:
		normalizeNumeric(&p, field, f)
	case Bool, Categorical, Ordinal, Constant:
		normalizeChoices(&p, field, f)
	default:
		f.add(fault(field+".type", "unknown type %q", string(p.Kind)).
			WithRemedy("write float, int, bool, categorical, ordinal or constant"))
	}
	if len(*f) == before {
		checkDefault(&p, field, f)
	}
	return p
}

func checkName(name, field string, f *faults) {
	field += ".name"
	switch {
	case name == "":
		f.add(fault(field, "the parameter has no name"))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		f.add(fault(field, "the name %q has characters that cannot be printed", name))
	case strings.TrimSpace(name) != name:
		f.add(fault(field, "the name %q begins or ends with a space", name))
	case len(name) > maxNameLength:
		f.add(fault(field, "the name has %d bytes; %d is the most", len(name), maxNameLength))
	}
}

func normalizeNumeric(p *Parameter, field string, f *faults) {
	if len(p.Choices) > 0 {
		f.add(fault(field+".choices", "a parameter of type %s has a range, not choices", p.Kind).
			WithRemedy("make it categorical or ordinal, or leave the choices out"))
	}
	p.Choices = nil
	switch p.Scale {
	case "":
		p.Scale = Linear
	case Linear, Log, ReverseLog:
	default:
		f.add(fault(field+".scale", "unknown scale %q", string(p.Scale)).WithRemedy("write linear, log or reverse-log"))
	}
	checkPrior(p, field, f)
	if p.Grid < 0 || p.Grid > maxGrid {
		f.add(fault(field+".grid", "%d grid points are asked for", p.Grid).WithRemedy("give between 1 and %d", maxGrid))
	}
	if !checkBounds(p, field, f) {
		return
	}
	if p.Kind == Int {
		checkIntStep(p, field, f)
	} else {
		checkFloatStep(p, field, f)
	}
}

func checkPrior(p *Parameter, field string, f *faults) {
	if p.Prior == nil {
		return
	}
	prior := Prior{Mean: p.Prior.Mean + 0, SD: p.Prior.SD} // no negative zero
	p.Prior = &prior
	if math.IsNaN(prior.Mean) || math.IsInf(prior.Mean, 0) {
		f.add(fault(field+".prior.mean", "%v is no mean", prior.Mean))
	}
	if !(prior.SD > 0) || math.IsInf(prior.SD, 0) {
		f.add(fault(field+".prior.sd", "%v is no standard deviation", prior.SD).WithRemedy("give a number above 0"))
	}
}

// checkBounds checks types and order of low, high and step; it reports whether
// they can be calculated with.
func checkBounds(p *Parameter, field string, f *faults) bool {
	before := len(*f)
	checkNumber(p, field+".low", &p.Low, f)
	checkNumber(p, field+".high", &p.High, f)
	if p.Step != nil {
		checkNumber(p, field+".step", &p.Step, f)
	}
	if len(*f) > before {
		return false
	}
	if c, _ := compareNumbers(p.Low, p.High); c > 0 {
		f.add(fault(field+".low", "the low end %s is above the high end %s", literal(p.Low), literal(p.High)).
			WithRemedy("swap them"))
	}
	if low, _ := compareNumbers(p.Low, int64(0)); low <= 0 && (p.Scale == Log || p.Scale == ReverseLog) {
		f.add(fault(field+".low", "the scale %s needs a low end above 0, not %s", p.Scale, literal(p.Low)).
			WithRemedy("raise low, or use the linear scale"))
	}
	if p.Step != nil {
		if c, _ := compareNumbers(p.Step, int64(0)); c <= 0 {
			f.add(fault(field+".step", "the step is %s", literal(p.Step)).WithRemedy("give a step above 0"))
		}
	}
	return len(*f) == before
}

func checkNumber(p *Parameter, field string, v *Value, f *faults) {
	switch x := (*v).(type) {
	case nil:
		f.add(fault(field, "a parameter of type %s needs it", p.Kind))
		return
	case int64:
		if p.Kind == Int {
			return
		}
		if y, exact := asFloat(x); exact {
			*v = y
			return
		}
		f.add(fault(field, "%d is no exact float", x))
		return
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			f.add(fault(field, "%v is no number to calculate with", x))
			return
		}
		if p.Kind == Float {
			return
		}
		remedy := "use type float"
		if x == math.Trunc(x) && math.Abs(x) < 1<<53 {
			remedy = fmt.Sprintf("write %d", int64(x))
		}
		f.add(fault(field, "%s is no whole number, and the type is int", literal(x)).WithRemedy("%s", remedy))
		return
	}
	want := "a number"
	if p.Kind == Int {
		want = "a whole number"
	}
	f.add(fault(field, "%s is %s; it must be %s", literal(*v), typeName(*v), want))
}

func checkIntStep(p *Parameter, field string, f *faults) {
	if p.Step == nil {
		return
	}
	low, _ := p.Low.(int64)
	high, _ := p.High.(int64)
	step, _ := p.Step.(int64)
	width := uint64(high) - uint64(low)
	switch {
	case step == 1:
		p.Step = nil
	case width == 0:
	case uint64(step) > width:
		tooWide(p, field, f)
	case width%uint64(step) != 0:
		offStep(p, field, int64(uint64(low)+width/uint64(step)*uint64(step)), f)
	}
}

// maxSteps is the number of steps up to which low + k*step is exact enough.
const maxSteps = 1 << 53

func checkFloatStep(p *Parameter, field string, f *faults) {
	if p.Step == nil {
		return
	}
	low, _ := p.Low.(float64)
	high, _ := p.High.(float64)
	step, _ := p.Step.(float64)
	if low == high {
		return
	}
	n, exact := floatSteps(low, high, step)
	switch {
	case n.Sign() == 0:
		tooWide(p, field, f)
	case !n.IsInt64() || n.Int64() > maxSteps || math.IsInf(high-low, 0):
		f.add(fault(field+".step", "the step %s is too small for the range %s to %s", literal(step), literal(low), literal(high)).
			WithRemedy("give a larger step, or none"))
	case low+step == low || high-step == high:
		f.add(fault(field+".step", "the step %s is lost in the rounding of floats of the size of %s", literal(step), literal(high)).
			WithRemedy("give a larger step, or none"))
	case !exact:
		offStep(p, field, gridValue(low, step, n.Int64()), f)
	}
}

// gridValue is low + k*step as the user would write it.
func gridValue(low, step float64, k int64) float64 {
	if d := newDecimals(low, low+float64(k)*step, step); d.ok {
		return d.at(uint64(k))
	}
	return low + float64(k)*step
}

func tooWide(p *Parameter, field string, f *faults) {
	f.add(fault(field+".step", "the step %s is beyond the range %s to %s", literal(p.Step), literal(p.Low), literal(p.High)).
		WithRemedy("give a smaller step"))
}

func offStep(p *Parameter, field string, last Value, f *faults) {
	f.add(fault(field+".high", "the high end %s is not on the step %s from %s; the last value is %s",
		literal(p.High), literal(p.Step), literal(p.Low), literal(last)).
		WithRemedy("write %s as the high end, or change the step", literal(last)))
}

func normalizeChoices(p *Parameter, field string, f *faults) {
	for _, part := range []struct {
		name string
		set  bool
	}{
		{"low", p.Low != nil}, {"high", p.High != nil}, {"step", p.Step != nil},
		{"scale", p.Scale != "" && p.Scale != Linear}, {"prior", p.Prior != nil}, {"grid", p.Grid != 0},
	} {
		if part.set {
			f.add(fault(field+"."+part.name, "only the types float and int have it, and this is %s", p.Kind).
				WithRemedy("leave it out"))
		}
	}
	p.Scale = ""
	choices := p.Choices
	if p.Kind == Bool && choices == nil {
		choices = []Choice{{Value: false}, {Value: true}}
	}
	p.Choices = make([]Choice, len(choices))
	before := len(*f)
	for i, c := range choices {
		p.Choices[i] = normalizeChoice(c, field, f)
	}
	if len(*f) == before {
		checkChoices(p, field, f)
	}
}

func normalizeChoice(c Choice, field string, f *faults) Choice {
	field += ".choices"
	c.Value = normal(c.Value)
	s, isText := c.Value.(string)
	switch {
	case !isValue(c.Value):
		f.add(fault(field, "%s is no value", literal(c.Value)).WithRemedy("use finite numbers, texts, true or false"))
		return c
	case isText && (!utf8.ValidString(s) || strings.ContainsRune(s, 0)):
		f.add(fault(field, "the text %q has bytes that no program can be given", s))
	case !utf8.ValidString(c.Text) || strings.ContainsRune(c.Text, 0):
		f.add(fault(field, "the text %q has bytes that no program can be given", c.Text))
	}
	if c.Text == "" {
		c.Text = canonicalText(c.Value)
	}
	return c
}

func checkChoices(p *Parameter, field string, f *faults) {
	field += ".choices"
	n := len(p.Choices)
	switch {
	case n == 0:
		f.add(fault(field, "there are no choices").WithRemedy("give at least one"))
		return
	case p.Kind == Constant && n != 1:
		f.add(fault(field, "a constant has one value, not %d", n).WithRemedy("make it categorical"))
		return
	case p.Kind == Bool && n != 2:
		f.add(fault(field, "a bool has the choices false and true, not %d", n).WithRemedy("leave them out, or make it constant"))
		return
	}
	seen := make(map[Value]Value, n)
	for _, c := range p.Choices {
		if _, ok := c.Value.(bool); p.Kind == Bool && !ok {
			f.add(fault(field, "%s is no bool", literal(c.Value)).WithRemedy("make it categorical"))
			return
		}
		key := c.Value
		if x, exact := asFloat(key); exact {
			key = x // 1 and 1.0 have the same key
		}
		if other, twice := seen[key]; twice {
			equalChoices(field, other, c.Value, f)
		}
		seen[key] = c.Value
	}
}

func equalChoices(field string, a, b Value, f *faults) {
	if a == b {
		f.add(fault(field, "%s is there twice", literal(a)).WithRemedy("leave one out"))
		return
	}
	f.add(fault(field, "%s and %s compare equal", literal(a), literal(b)).
		WithRemedy("leave one out, or make them texts"))
}

// checkDefault takes the default over in the parameter's type.
func checkDefault(p *Parameter, field string, f *faults) {
	if p.Default == nil {
		return
	}
	d := newDim(p)
	if v, ok := d.take(p.Default); ok {
		p.Default = v
		return
	}
	f.add(p.refused(field+".default", p.Default))
}

// take turns v into the value of the parameter that it equals: an int64 into a
// float64, 1.0 into the choice 1, and a float within a billionth of a step of
// a level into that level (0.30000000000000004 into 0.3).
func (d *dim) take(v Value) (Value, bool) {
	v = normal(v)
	if !isValue(v) {
		return nil, false
	}
	if d.choices != nil {
		if k, ok := d.choiceOf(v); ok {
			return d.at(k), true
		}
		for _, c := range d.choices {
			if sameValue(c.Value, v) {
				return c.Value, true
			}
		}
		return nil, false
	}
	if d.kind == Float {
		f, ok := asFloat(v)
		if !ok {
			return nil, false
		}
		v = f
		if d.step > 0 {
			near := d.floatAt(d.nearest(f))
			if math.Abs(near-f) <= 1e-9*d.step {
				v = near
			}
		}
	}
	return v, d.contains(v)
}
