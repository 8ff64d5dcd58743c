package grammar

import (
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// condition is one @ part as it was typed: parent, = or !=, and the values.
type condition struct {
	parent string
	not    bool
	text   string
}

const conditionForms = "write @opt=sgd,adam, @opt!=sgd, @layers=2..4, @layers=2.. or @layers=..4"

// condition reads the text behind an @.
func (a *argument) condition(text string) (condition, error) {
	parent, values, found := strings.Cut(strings.TrimSpace(text), "=")
	c := condition{parent: strings.TrimSpace(strings.TrimSuffix(parent, "!")), not: strings.HasSuffix(parent, "!"), text: strings.TrimSpace(values)}
	switch {
	case !found && isName(c.parent):
		return c, a.fault("the condition @%s does not say which value of %s it needs", text, c.parent).
			WithRemedy("write @%s=true for a bool, or the values as in @%s=a,b", c.parent, c.parent)
	case !found || !isName(c.parent):
		return c, a.fault("@%s is no condition", text).
			WithRemedy("%s; a choice that has an @ goes as JSON, as in '%s:=[\"a@b\",\"c\"]'", conditionForms, a.name)
	case c.text == "":
		return c, a.fault("the condition @%s has no values", text).WithRemedy(conditionForms)
	}
	if i := strings.LastIndex(c.text, ":"); i >= 0 {
		word, _, _ := strings.Cut(c.text[i+1:], "=")
		if slices.Contains(bareModifiers, word) || slices.Contains(valueModifiers, word) {
			return c, a.fault("the modifier :%s stands behind the condition @%s", c.text[i+1:], text).
				WithRemedy("put modifiers first, as in %s=%s:%s@%s=%s", a.name, a.spec, c.text[i+1:], c.parent, c.text[:i])
		}
	}
	return c, nil
}

// resolve types the conditions of the parameter name by their parents.
func resolve(name string, conds []condition, params []space.Parameter) (space.Condition, error) {
	var all space.And
	for _, c := range conds {
		i := slices.IndexFunc(params, func(p space.Parameter) bool { return p.Name == c.parent })
		if i < 0 {
			names := make([]string, len(params))
			for k, p := range params {
				names[k] = p.Name
			}
			return nil, types.Errorf(types.Invalid, "the condition names the unknown parameter %s", c.parent).
				WithField("space."+name+".when").WithRemedy("known are %s", strings.Join(names, ", "))
		}
		r, err := c.resolve(name, &params[i])
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	return all, nil
}

func (c condition) resolve(name string, parent *space.Parameter) (space.Condition, error) {
	fault := func(format string, args ...any) *types.Error {
		return types.Errorf(types.Invalid, format, args...).WithField("space." + name + ".when")
	}
	if low, high, isRange := strings.Cut(c.text, ".."); isRange && choiceNamed(parent, c.text) < 0 {
		if c.not {
			return nil, fault("the condition %s!=%s excludes a range", c.parent, c.text).
				WithRemedy("write the range that is meant, as in @%s=..4, or the condition as JSON", c.parent)
		}
		lo, okLow := rangeEnd(parent, low)
		hi, okHigh := rangeEnd(parent, high)
		if !okLow || !okHigh || lo == nil && hi == nil {
			return nil, fault("%s is no range of %s", c.text, c.parent).WithRemedy("write numbers, as in @layers=2..4, @layers=2.. or @layers=..4")
		}
		return space.Range{Param: c.parent, Lo: lo, Hi: hi}, nil
	}
	var values []space.Value
	for text := range strings.SplitSeq(c.text, ",") {
		v, err := Value(parent, strings.TrimSpace(text))
		if err != nil {
			return nil, fault("the condition on %s can never be met: %s", c.parent, reason(err)).
				WithRemedy("%s has %s", c.parent, valuesOf(parent, 200))
		}
		values = append(values, v)
	}
	if c.not {
		return space.NotIn{Param: c.parent, Values: values}, nil
	}
	return space.In{Param: c.parent, Values: values}, nil
}

// rangeEnd types one end of a range; nil for an open one.
func rangeEnd(parent *space.Parameter, text string) (space.Value, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, true
	}
	if !rangeNumber.MatchString(text) {
		return nil, false
	}
	if parent.Kind == space.Float {
		return floatValue(text)
	}
	return number(text)
}

func floatValue(text string) (space.Value, bool) {
	f, ok := float(text)
	return f, ok
}
