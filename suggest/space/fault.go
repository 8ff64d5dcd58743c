package space

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// fault makes one error of code Invalid.
func fault(field, format string, args ...any) *types.Error {
	return types.Errorf(types.Invalid, format, args...).WithField(field)
}

// faults collects what is wrong, so that a user sees all of it at once.
type faults []*types.Error

func (f *faults) add(e *types.Error) { *f = append(*f, e) }

// err is nil without faults, the fault itself if there is one, else an error
// with one fault a line whose causes are the faults.
func (f *faults) err(field string) error {
	switch len(*f) {
	case 0:
		return nil
	case 1:
		return (*f)[0]
	}
	const most = 50
	lines := []string{fmt.Sprintf("%d faults", len(*f))}
	all := make([]error, len(*f))
	for i, e := range *f {
		all[i] = e
		switch {
		case i < most:
			lines = append(lines, e.Error())
		case i == most:
			lines = append(lines, fmt.Sprintf("and %d more", len(*f)-most))
		}
	}
	return &types.Error{
		Code: types.Invalid, Field: field,
		Message: strings.Join(lines, "\n"), Err: errors.Join(all...),
	}
}

// list joins names for a message, the first few of many.
func list(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

func literals(vs []Value) string {
	names := make([]string, len(vs))
	for i, v := range vs {
		names[i] = literal(v)
	}
	return list(names)
}

// choiceList lists the values of a parameter's choices.
func choiceList(p *Parameter) string {
	vs := make([]Value, len(p.Choices))
	for i, c := range p.Choices {
		vs[i] = c.Value
	}
	return literals(vs)
}

// refused is the error for v, which is no value of p, and says which are.
func (p *Parameter) refused(field string, v Value) *types.Error {
	return fault(field, "%s", p.refuse(v)).WithRemedy("%s", p.wanted())
}

// wanted says which values p takes, behind a sentence of refuse.
func (p *Parameter) wanted() string {
	if !p.Numeric() {
		return "give one of them"
	}
	text := p.Name + " has " + literal(p.Low) + " .. " + literal(p.High)
	if p.Step != nil {
		text += " step " + literal(p.Step)
	}
	return text
}

// refuse says why v is no value of p.
func (p *Parameter) refuse(v Value) string {
	d := p.compiled()
	if d.choices != nil {
		return "it is " + literal(v) + ", which is none of the choices " + choiceList(p)
	}
	_, isInt := v.(int64)
	_, isFloat := v.(float64)
	switch {
	case p.Kind == Int && !isInt:
		return "it is " + literal(v) + ", which is no whole number"
	case p.Kind == Float && !isFloat && !isInt, isFloat && !isValue(v):
		return "it is " + literal(v) + ", which is no number"
	}
	if c, _ := compareNumbers(v, p.Low); c < 0 {
		return "it is " + literal(v) + ", which is below the low end " + literal(p.Low)
	}
	if c, _ := compareNumbers(v, p.High); c > 0 {
		return "it is " + literal(v) + ", which is above the high end " + literal(p.High)
	}
	if p.Kind == Float && isInt {
		return "it is " + literal(v) + ", a whole number, where a float is needed"
	}
	return "it is " + literal(v) + ", which is off the step " + literal(p.Step) + " from " + literal(p.Low)
}
