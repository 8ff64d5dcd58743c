package grammar

import (
	"slices"
	"strings"

	"github.com/gotuner/tuner/suggest/space"
)

// choices builds a list of choices, or a constant.
func (a *argument) choices(texts []string) (space.Parameter, error) {
	p := space.Parameter{Name: a.name}
	if err := a.allow("choices", "int", "float", "str", "bool", "ordinal", "default"); err != nil {
		return p, err
	}
	typ, err := a.choiceType()
	if err != nil {
		return p, err
	}
	for _, text := range texts {
		c, err := a.choice(strings.TrimSpace(text), typ)
		if err != nil {
			return p, err
		}
		p.Choices = append(p.Choices, c)
	}
	floatsIfAny(p.Choices)
	if err := a.different(p.Choices); err != nil {
		return p, err
	}
	p.Kind = kindOf(p.Choices)
	if a.has("ordinal") {
		if p.Kind != space.Categorical {
			return p, a.fault("the modifier :ordinal does not go with %s", map[space.Kind]string{
				space.Constant: "a single value", space.Bool: "true and false"}[p.Kind]).WithRemedy("leave it out")
		}
		p.Kind = space.Ordinal
	}
	return a.withDefault(p)
}

// kindOf is the kind of unordered choices.
func kindOf(choices []space.Choice) space.Kind {
	isBool := func(c space.Choice) bool { _, ok := c.Value.(bool); return ok }
	switch {
	case len(choices) == 1:
		return space.Constant
	case len(choices) == 2 && isBool(choices[0]) && isBool(choices[1]):
		return space.Bool
	}
	return space.Categorical
}

func (a *argument) choiceType() (string, error) {
	typ := ""
	for _, word := range []string{"int", "float", "str", "bool"} {
		if a.has(word) && typ != "" {
			return "", a.fault(":%s and :%s exclude each other", typ, word).WithRemedy("leave one out")
		} else if a.has(word) {
			typ = word
		}
	}
	return typ, nil
}

// choice types one choice. Its text stays as typed.
func (a *argument) choice(text, typ string) (space.Choice, error) {
	c := space.Choice{Text: text}
	isNumber := anyNumber.MatchString(text)
	ok := true
	switch {
	case text == "":
		return c, a.fault("%s has an empty choice", a.spec).
			WithRemedy("remove a comma, or give an empty text as JSON: '%s'", asJSON(a.name, a.spec))
	case text[0] == '~':
		return c, a.fault("the choice %s begins with a ~ that the shell has not expanded", text).
			WithRemedy("write $HOME%s", text[1:])
	case typ == "str":
		c.Value = text
	case typ == "int":
		if ok = isNumber; ok {
			c.Value, ok = whole(text)
		}
	case typ == "float":
		if ok = isNumber; ok {
			c.Value, ok = float(text)
		}
	case typ == "bool":
		c.Value, ok = boolOf(text)
	case isNumber:
		if c.Value, ok = number(text); !ok {
			return c, a.fault("the choice %s is a number that does not fit 64 bits", text).WithRemedy("add :str to take the choices as texts")
		}
	case text == "true" || text == "false":
		c.Value = text == "true"
	default:
		c.Value = text
	}
	if !ok {
		return c, a.fault("the choice %s is no %s", text, map[string]string{
			"int": "whole number", "float": "number", "bool": "bool (true, false, yes, no, on, off, 1, 0)"}[typ]).
			WithRemedy("leave :%s out", typ)
	}
	return c, nil
}

func boolOf(text string) (v, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

// floatsIfAny makes floats of all choices if they are numbers and one of them is
// a float: 1,2.5 are two floats.
func floatsIfAny(choices []space.Choice) {
	floats := 0
	for _, c := range choices {
		switch c.Value.(type) {
		case float64:
			floats++
		case int64:
		default:
			return
		}
	}
	if floats == 0 {
		return
	}
	for i, c := range choices {
		if n, isInt := c.Value.(int64); isInt {
			choices[i].Value = float64(n)
		}
	}
}

// different refuses choices that compare equal, by their texts.
func (a *argument) different(choices []space.Choice) error {
	for i, c := range choices {
		k := slices.IndexFunc(choices[:i], func(d space.Choice) bool { return d.Value == c.Value })
		switch {
		case k < 0:
		case choices[k].Text == c.Text:
			return a.fault("the choice %s is there twice", c.Text).WithRemedy("leave one out")
		default:
			return a.fault("the choices %s and %s are the same value", choices[k].Text, c.Text).
				WithRemedy("leave one out, or add :str to take the choices as texts")
		}
	}
	return nil
}
