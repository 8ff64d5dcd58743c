package grammar

import (
	"errors"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// Value reads text as a value of p: a choice by its text as typed, or else by
// its value (1.0 for the choice 1, yes for true); a number in the type of the
// range. The error says why text is no value of p.
func Value(p *space.Parameter, text string) (space.Value, error) {
	fault := func(format string, args ...any) error {
		return types.Errorf(types.Invalid, format, args...).WithField("params."+p.Name).
			WithRemedy("%s has %s", p.Name, valuesOf(p, 200))
	}
	if !p.Numeric() {
		if i := choiceNamed(p, text); i >= 0 {
			return p.Choices[i].Value, nil
		}
		if i := choiceWorth(p, text); i >= 0 {
			return p.Choices[i].Value, nil
		}
		return nil, fault("%s is none of the choices", quoteIfEmpty(text))
	}
	text = strings.TrimSpace(text)
	if !anyNumber.MatchString(text) {
		return nil, fault("%s is no number", quoteIfEmpty(text))
	}
	var v space.Value
	if p.Kind == space.Int {
		i, ok := whole(text)
		if !ok {
			return nil, fault("%s is no whole number of 64 bits", text)
		}
		v = i
	} else {
		f, ok := float(text)
		if !ok {
			return nil, fault("%s does not fit a 64-bit float", text)
		}
		v = f
	}
	if err := p.Check(v); err != nil {
		return v, fault("%s", reason(err))
	}
	return v, nil
}

func quoteIfEmpty(text string) string {
	if text == "" {
		return `""`
	}
	return text
}

// choiceNamed is the choice with that text; -1 none.
func choiceNamed(p *space.Parameter, text string) int {
	return slices.IndexFunc(p.Choices, func(c space.Choice) bool { return c.Text == text })
}

// choiceWorth is the choice whose value text can be read as; -1 none.
func choiceWorth(p *space.Parameter, text string) int {
	return slices.IndexFunc(p.Choices, func(c space.Choice) bool {
		switch v := c.Value.(type) {
		case int64:
			i, ok := int64(0), anyNumber.MatchString(text)
			if ok {
				i, ok = whole(text)
			}
			return ok && i == v
		case float64:
			f, ok := 0.0, anyNumber.MatchString(text)
			if ok {
				f, ok = float(text)
			}
			return ok && f == v
		case bool:
			b, ok := boolOf(text)
			return ok && b == v
		case string:
			return v == text
		}
		return false
	})
}

// reason is the message of err without field and remedy.
func reason(err error) string {
	if e, ok := errors.AsType[*types.Error](err); ok {
		return e.Message
	}
	return err.Error()
}

// Assignment is one name=text of a point that a user gave.
type Assignment struct{ Name, Text string }

// ParseAssignments reads name=text,name=text, as behind --try. Texts cannot have
// a comma there; a point with such a text is given as a JSON object (Point).
func ParseAssignments(arg string) ([]Assignment, error) {
	var out []Assignment
	for part := range strings.SplitSeq(arg, ",") {
		name, text, found := strings.Cut(part, "=")
		name, text = strings.TrimSpace(name), strings.TrimSpace(text)
		switch {
		case !found || name == "":
			return nil, types.Errorf(types.Invalid, "%q in %q is no assignment", part, arg).
				WithRemedy(`write lr=1e-3,hidden=64, or a JSON object such as '{"lr": 0.001, "hidden": 64}'`)
		case slices.ContainsFunc(out, func(a Assignment) bool { return a.Name == name }):
			return nil, types.Errorf(types.Invalid, "%s is given twice in %q", name, arg).WithField("params." + name).WithRemedy("leave one out")
		}
		out = append(out, Assignment{name, text})
	}
	return out, nil
}

// Point reads name=text,… or a JSON object as values of parameters of s, in the
// order of the space. It checks each value and fills in nothing: parameters may
// be missing.
func Point(s *space.Space, arg string) (types.Params, error) {
	if trimmed := strings.TrimSpace(arg); strings.HasPrefix(trimmed, "{") {
		var params types.Params
		if err := params.UnmarshalJSON([]byte(trimmed)); err != nil {
			return nil, types.Errorf(types.Invalid, "%s is no point: %w", trimmed, err).WithRemedy(`write '{"lr": 0.001, "hidden": 64}'`)
		}
		p, err := s.FromParams(params)
		if err != nil {
			return nil, err
		}
		return s.Params(p), nil
	}
	given, err := ParseAssignments(arg)
	if err != nil {
		return nil, err
	}
	point := make(space.Point, s.Len())
	var faults []error
	for _, a := range given {
		i := s.Index(a.Name)
		if i < 0 {
			names := make([]string, s.Len())
			for k := range names {
				names[k] = s.Param(k).Name
			}
			faults = append(faults, types.Errorf(types.Invalid, "the space has no parameter %s", a.Name).
				WithField("params."+a.Name).WithRemedy("it has %s", strings.Join(names, ", ")))
			continue
		}
		if point[i], err = Value(s.Param(i), a.Text); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, join(faults)
	}
	return s.Params(point), nil
}
