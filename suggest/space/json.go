package space

import (
	"slices"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

// AppendJSON appends the canonical JSON form; Parse reads it back, and equal
// spaces have equal forms. Fields with their default value are left out.
func (s *Space) AppendJSON(b []byte) []byte {
	b = append(b, `{"parameters":[`...)
	for i := range s.params {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.params[i].appendJSON(b)
	}
	b = append(b, ']')
	for i, c := range s.constraints {
		if i == 0 {
			b = append(b, `,"constraints":[`...)
		} else {
			b = append(b, ',')
		}
		b = types.AppendString(b, c.text)
	}
	if len(s.constraints) > 0 {
		b = append(b, ']')
	}
	if s.open {
		b = append(b, `,"open":true`...)
	}
	return append(b, '}')
}

// MarshalJSON implements json.Marshaler.
func (s *Space) MarshalJSON() ([]byte, error) { return s.AppendJSON(nil), nil }

// String is the canonical JSON form.
func (s *Space) String() string { return string(s.AppendJSON(nil)) }

func (p *Parameter) appendJSON(b []byte) []byte {
	b = append(b, `{"name":`...)
	b = types.AppendString(b, p.Name)
	b = append(b, `,"type":"`...)
	b = append(b, p.Kind...)
	b = append(b, '"')
	for _, f := range []struct {
		name  string
		value Value
	}{{"low", p.Low}, {"high", p.High}, {"step", p.Step}} {
		if f.value != nil {
			b = append(b, `,"`+f.name+`":`...)
			b = appendValue(b, f.value)
		}
	}
	if p.Scale != "" && p.Scale != Linear {
		b = append(b, `,"scale":"`+string(p.Scale)+`"`...)
	}
	if !p.Numeric() && !p.plainBool() {
		b = append(b, `,"choices":[`...)
		for i, c := range p.Choices {
			if i > 0 {
				b = append(b, ',')
			}
			b = c.appendJSON(b)
		}
		b = append(b, ']')
	}
	if p.Default != nil {
		b = append(b, `,"default":`...)
		b = appendValue(b, p.Default)
	}
	if p.Prior != nil {
		b = append(b, `,"prior":{"mean":`...)
		b = types.AppendFloat(b, p.Prior.Mean)
		b = append(b, `,"sd":`...)
		b = types.AppendFloat(b, p.Prior.SD)
		b = append(b, '}')
	}
	if p.Grid != 0 {
		b = append(b, `,"grid":`...)
		b = strconv.AppendInt(b, int64(p.Grid), 10)
	}
	if p.When != nil {
		b = append(b, `,"when":`...)
		b = appendCondition(b, p.When)
	}
	if p.Dynamic {
		b = append(b, `,"dynamic":true`...)
	}
	return append(b, '}')
}

// plainBool reports whether the choices are those that a Bool has by itself.
func (p *Parameter) plainBool() bool {
	return p.Kind == Bool && slices.Equal(p.Choices, boolChoices())
}

func boolChoices() []Choice { return []Choice{{false, "false"}, {true, "true"}} }

func (c Choice) appendJSON(b []byte) []byte {
	if c.Text == canonicalText(c.Value) {
		return appendValue(b, c.Value)
	}
	b = append(b, `{"value":`...)
	b = appendValue(b, c.Value)
	b = append(b, `,"text":`...)
	b = types.AppendString(b, c.Text)
	return append(b, '}')
}

// AppendCondition appends the canonical JSON form of a condition of a Space.
func appendCondition(b []byte, c Condition) []byte {
	switch c := c.(type) {
	case In:
		return appendAtom(b, c.Param, "in", c.Values)
	case NotIn:
		return appendAtom(b, c.Param, "not_in", c.Values)
	case Range:
		return appendAtom(b, c.Param, "range", []Value{c.Lo, c.Hi})
	case And:
		return appendOperands(b, "all", c)
	case Or:
		return appendOperands(b, "any", c)
	case Not:
		b = append(b, `{"not":`...)
		b = appendCondition(b, c.Of)
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendAtom(b []byte, param, op string, values []Value) []byte {
	b = append(b, `{"param":`...)
	b = types.AppendString(b, param)
	b = append(b, `,"`+op+`":[`...)
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if v == nil {
			b = append(b, "null"...)
		} else {
			b = appendValue(b, v)
		}
	}
	return append(b, "]}"...)
}

func appendOperands(b []byte, op string, of []Condition) []byte {
	b = append(b, `{"`+op+`":[`...)
	for i, c := range of {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendCondition(b, c)
	}
	return append(b, "]}"...)
}
