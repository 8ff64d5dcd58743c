package grammar

import (
	"slices"
	"strings"

	"github.com/gotuner/tuner/internal/nearest"
	"github.com/gotuner/tuner/suggest/space"
)

// modifier is one :word or :word=value.
type modifier struct{ word, value string }

var (
	bareModifiers  = []string{"log", "revlog", "int", "float", "str", "bool", "ordinal"}
	valueModifiers = []string{"n", "default"}
)

const knownModifiers = "log, revlog, int, float, str, bool, ordinal, n=K and default=V"

// modifiers reads the words behind the colons.
func (a *argument) modifiers(words []string) error {
	for _, text := range words {
		word, value, hasValue := strings.Cut(strings.TrimSpace(text), "=")
		switch {
		case slices.Contains(bareModifiers, word) && hasValue:
			return a.fault("the modifier :%s takes no value", word).WithRemedy("write :%s", word)
		case slices.Contains(valueModifiers, word) && !hasValue:
			return a.fault("the modifier :%s needs a value", word).WithRemedy("write %s", map[string]string{
				"n": ":n=5 for five grid points", "default": ":default=0.1"}[word])
		case !slices.Contains(bareModifiers, word) && !slices.Contains(valueModifiers, word):
			return a.unknownModifier(text)
		case a.has(word):
			return a.fault("the modifier :%s is given twice", word).WithRemedy("leave one out")
		}
		a.mods = append(a.mods, modifier{word, value})
	}
	return nil
}

func (a *argument) unknownModifier(text string) error {
	if anyNumber.MatchString(text) && anyNumber.MatchString(a.spec) {
		return a.fault("%s:%s is no range", a.spec, text).WithRemedy("write %s..%s", a.spec, text)
	}
	if text == "" {
		return a.fault("nothing stands behind a colon").WithRemedy("leave the colon out, or write one of %s", knownModifiers)
	}
	e := a.fault("the modifier :%s is unknown", text)
	if strings.Contains(a.spec, "..") && anyNumber.MatchString(text) {
		return e.WithRemedy("a step is written %s..%s, and :n=%s is a number of points for grid", a.spec, text, text)
	}
	word, value, hasValue := strings.Cut(text, "=")
	if near := nearest.Word(word, slices.Concat(bareModifiers, valueModifiers)); near != "" {
		if hasValue {
			near += "=" + value
		}
		return e.WithRemedy("did you mean :%s? Known are %s", near, knownModifiers)
	}
	return e.WithRemedy("known are %s; a choice that has a colon goes as JSON, as in '%s:=[\"http://a:80\",\"b\"]'", knownModifiers, a.name)
}

func (a *argument) has(word string) bool {
	_, ok := a.value(word)
	return ok
}

func (a *argument) value(word string) (string, bool) {
	for _, m := range a.mods {
		if m.word == word {
			return m.value, true
		}
	}
	return "", false
}

// allow refuses modifiers that do not go with what the spec is.
func (a *argument) allow(what string, words ...string) error {
	for _, m := range a.mods {
		if slices.Contains(words, m.word) {
			continue
		}
		e := a.fault("the modifier :%s does not go with %s", m.word, what)
		switch m.word {
		case "log", "revlog", "n":
			return e.WithRemedy("leave it out, or write a range such as 1e-5..1e-1:log")
		case "bool":
			return e.WithRemedy("write true,false")
		case "str":
			return e.WithRemedy("leave it out, or list the texts, as in a,b:str")
		case "ordinal":
			return e.WithRemedy("leave it out: the values are in order already")
		}
		return e.WithRemedy("leave it out")
	}
	return nil
}

// numberType is the numeric type that the modifiers ask for; "" none.
func (a *argument) numberType() (space.Kind, error) {
	switch {
	case a.has("int") && a.has("float"):
		return "", a.fault(":int and :float exclude each other").WithRemedy("leave one out")
	case a.has("int"):
		return space.Int, nil
	case a.has("float"):
		return space.Float, nil
	}
	return "", nil
}

// withDefault sets the default, typed by the values of p.
func (a *argument) withDefault(p space.Parameter) (space.Parameter, error) {
	text, ok := a.value("default")
	if !ok {
		return p, nil
	}
	checked, err := a.check(p)
	if err != nil {
		return p, err
	}
	if p.Default, err = Value(&checked, text); err != nil {
		return p, a.fault("the default %s cannot be: %s", text, reason(err)).WithRemedy("give a default that is one of the values")
	}
	return p, nil
}
