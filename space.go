package tuner

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

// Space is a search space under construction: parameters are declared with
// Range, Choice, Ordinal, Bool and Constant, each of which returns a typed
// handle, and relations with Constrain. The zero value is an empty space. A
// Space is not safe for concurrent use while it is built; it must not change
// once a study was made of it.
type Space struct {
	params      []*parameter
	constraints []string
	open        bool
}

// parameter is one entry of the canonical JSON form (docs/guide/space.md).
type parameter struct {
	name, kind      string
	low, high, step any
	scale           string
	choices         []any
	initial         any // default
	mean, sd        *float64
	grid            int
	when            *Condition
}

// Number is the type of a range.
type Number interface{ int | int64 | float64 }

// Value is the type of a choice.
type Value interface {
	int | int64 | float64 | string | bool
}

// Param is the handle of a parameter whose values have type T. It is safe for
// concurrent use.
type Param[T Value] struct{ name string }

// Option changes a parameter.
type Option func(*parameter)

// Log searches a range on a logarithmic scale; its low end must be positive.
func Log() Option { return func(p *parameter) { p.scale = "log" } }

// ReverseLog searches finely near the high end, such as for a momentum.
func ReverseLog() Option { return func(p *parameter) { p.scale = "reverse-log" } }

// Step allows only low, low+step, low+2·step ….
func Step[T Number](step T) Option { return func(p *parameter) { p.step = wire(step) } }

// Default is a value that is tried first.
func Default[T Value](v T) Option { return func(p *parameter) { p.initial = wire(v) } }

// Prior says where good values are expected: a normal distribution, truncated
// to the range, in the logarithm for logarithmic scales.
func Prior(mean, sd float64) Option { return func(p *parameter) { p.mean, p.sd = &mean, &sd } }

// GridPoints is the number of points of a continuous parameter on a grid.
func GridPoints(n int) Option { return func(p *parameter) { p.grid = n } }

// When makes the parameter active only where the condition holds.
func When(c Condition) Option { return func(p *parameter) { p.when = &c } }

// Range declares a parameter between low and high, both included.
func Range[T Number](s *Space, name string, low, high T, opts ...Option) Param[T] {
	kind := "int"
	if _, ok := any(low).(float64); ok {
		kind = "float"
	}
	s.add(&parameter{name: name, kind: kind, low: wire(low), high: wire(high)}, opts)
	return Param[T]{name}
}

// Choice declares a parameter that is one of several unordered values.
func Choice[T Value](s *Space, name string, choices ...T) Param[T] {
	return choose(s, name, "categorical", choices, nil)
}

// Ordinal declares a parameter that is one of several values in their order.
func Ordinal[T Value](s *Space, name string, choices []T, opts ...Option) Param[T] {
	return choose(s, name, "ordinal", choices, opts)
}

// ChoiceOf is Choice with options.
func ChoiceOf[T Value](s *Space, name string, choices []T, opts ...Option) Param[T] {
	return choose(s, name, "categorical", choices, opts)
}

// Bool declares a parameter that is true or false.
func Bool(s *Space, name string, opts ...Option) Param[bool] {
	s.add(&parameter{name: name, kind: "bool"}, opts)
	return Param[bool]{name}
}

func choose[T Value](s *Space, name, kind string, choices []T, opts []Option) Param[T] {
	p := &parameter{name: name, kind: kind}
	for _, c := range choices {
		p.choices = append(p.choices, wire(c))
	}
	s.add(p, opts)
	return Param[T]{name}
}

func (s *Space) add(p *parameter, opts []Option) {
	for _, o := range opts {
		o(p)
	}
	s.params = append(s.params, p)
}

// Constrain adds a relation that every point satisfies, such as
// "lr * layers <= 0.5" (docs/guide/space.md has the grammar).
func (s *Space) Constrain(expression string) { s.constraints = append(s.constraints, expression) }

// wire turns an int into the int64 of the wire form.
func wire[T Value](v T) any {
	if i, ok := any(v).(int); ok {
		return int64(i)
	}
	return v
}

// MarshalJSON is the canonical JSON form. A float that is not finite is an
// error; everything else is checked when a study is made.
func (s *Space) MarshalJSON() ([]byte, error) {
	b := []byte(`{"parameters":[`)
	for i, p := range s.params {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = p.append(b); err != nil {
			return nil, types.Errorf(types.Invalid, "%w", err).WithField("space." + p.name)
		}
	}
	b = append(b, ']')
	if len(s.constraints) > 0 {
		c, err := json.Marshal(s.constraints)
		if err != nil {
			return nil, err
		}
		b = append(append(b, `,"constraints":`...), c...)
	}
	if s.open {
		b = append(b, `,"open":true`...)
	}
	return append(b, '}'), nil
}

func (p *parameter) append(b []byte) (_ []byte, err error) {
	b = types.AppendString(append(b, `{"name":`...), p.name)
	b = types.AppendString(append(b, `,"type":`...), p.kind)
	for _, f := range []struct {
		name string
		v    any
	}{{"low", p.low}, {"high", p.high}, {"step", p.step}, {"default", p.initial}} {
		if f.v == nil {
			continue
		}
		if b, err = types.AppendValue(append(b, `,"`+f.name+`":`...), f.v); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if p.scale != "" {
		b = types.AppendString(append(b, `,"scale":`...), p.scale)
	}
	if p.choices != nil {
		b = append(b, `,"choices":`...)
		if b, err = appendList(b, p.choices); err != nil {
			return nil, fmt.Errorf("choices: %w", err)
		}
	}
	if p.mean != nil {
		b = types.AppendFloat(append(b, `,"prior":{"mean":`...), *p.mean)
		b = append(types.AppendFloat(append(b, `,"sd":`...), *p.sd), '}')
	}
	if p.grid != 0 {
		b = strconv.AppendInt(append(b, `,"grid":`...), int64(p.grid), 10)
	}
	if p.when != nil {
		if b, err = p.when.append(append(b, `,"when":`...)); err != nil {
			return nil, fmt.Errorf("when: %w", err)
		}
	}
	return append(b, '}'), nil
}

func appendList(b []byte, vs []any) (_ []byte, err error) {
	b = append(b, '[')
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		if v == nil {
			b = append(b, "null"...)
		} else if b, err = types.AppendValue(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// Condition says when a parameter is active. A condition on a parameter that is
// itself inactive does not hold.
type Condition struct {
	param  string
	op     string // "in", "not_in", "range", "all", "any", "not"
	values []any
	parts  []Condition
}

// Is holds where the parameter has one of the values.
func (p Param[T]) Is(values ...T) Condition { return p.cond("in", values) }

// IsNot holds where the parameter has none of the values.
func (p Param[T]) IsNot(values ...T) Condition { return p.cond("not_in", values) }

// Between holds where low <= value <= high.
func (p Param[T]) Between(low, high T) Condition { return p.cond("range", []T{low, high}) }

// AtLeast holds where value >= low.
func (p Param[T]) AtLeast(low T) Condition {
	return Condition{param: p.name, op: "range", values: []any{wire(low), nil}}
}

// AtMost holds where value <= high.
func (p Param[T]) AtMost(high T) Condition {
	return Condition{param: p.name, op: "range", values: []any{nil, wire(high)}}
}

func (p Param[T]) cond(op string, values []T) Condition {
	c := Condition{param: p.name, op: op}
	for _, v := range values {
		c.values = append(c.values, wire(v))
	}
	return c
}

// All holds where all parts hold, Any where one does, Not where the part does
// not.
func All(parts ...Condition) Condition { return Condition{op: "all", parts: parts} }

// Any holds where one of the parts holds.
func Any(parts ...Condition) Condition { return Condition{op: "any", parts: parts} }

// Not holds where the part does not.
func Not(part Condition) Condition { return Condition{op: "not", parts: []Condition{part}} }

func (c *Condition) append(b []byte) (_ []byte, err error) {
	if c.param != "" {
		b = types.AppendString(append(b, `{"param":`...), c.param)
		if b, err = appendList(append(b, `,"`+c.op+`":`...), c.values); err != nil {
			return nil, err
		}
		return append(b, '}'), nil
	}
	b = append(b, `{"`+c.op+`":`...)
	if c.op == "not" {
		if b, err = c.parts[0].append(b); err != nil {
			return nil, err
		}
		return append(b, '}'), nil
	}
	b = append(b, '[')
	for i := range c.parts {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = c.parts[i].append(b); err != nil {
			return nil, err
		}
	}
	return append(b, "]}"...), nil
}

// Of returns the parameter's value in the trial. It panics if the parameter is
// inactive there or does not belong to the trial's space; use Lookup for
// parameters with a condition.
func (p Param[T]) Of(t *Trial) T {
	v, ok := p.Lookup(t)
	if !ok {
		panic(fmt.Sprintf("tuner: the parameter %q is inactive in trial %d, or belongs to another space", p.name, t.Number()))
	}
	return v
}

// Lookup returns the parameter's value in the trial, and whether it is active.
func (p Param[T]) Lookup(t *Trial) (T, bool) {
	var zero T
	v, ok := t.value(p.name)
	if !ok {
		return zero, false
	}
	if i, isInt := v.(int64); isInt {
		if _, wantInt := any(zero).(int); wantInt {
			v = int(i)
		}
	}
	out, ok := v.(T)
	return out, ok
}

// Name is the parameter's name.
func (p Param[T]) Name() string { return p.name }
