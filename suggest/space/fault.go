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
