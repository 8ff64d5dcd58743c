package trial

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// Setting describes one setting of an algorithm or a stopper.
type Setting struct {
	Name string
	// Doc is one sentence with the unit.
	Doc string
	// Default has the setting's type: int64, float64, bool or string. A nil
	// Default of an optional number means "chosen by the algorithm", and Type
	// names the type.
	Default any
	Type    SettingType
	// Min and Max bound numbers; both included; nil none.
	Min, Max *float64
	// Choices lists the allowed strings; nil any.
	Choices []string
}

// SettingType is the type of a setting's value.
type SettingType string

// The setting types.
const (
	IntSetting    SettingType = "int"
	FloatSetting  SettingType = "float"
	BoolSetting   SettingType = "bool"
	StringSetting SettingType = "string"
)

// AutoSetting is the text that leaves an optional number to the algorithm.
const AutoSetting = "auto"

// Settings are checked and complete: one value for each Setting of a component.
// The getters panic on a name that the component has not declared or has
// declared with another type: that is a fault of the component, not of its user.
type Settings map[string]any

// Int returns an int setting.
func (s Settings) Int(name string) int64 { return settingOf[int64](s, name) }

// Float returns a float setting.
func (s Settings) Float(name string) float64 { return settingOf[float64](s, name) }

// Bool returns a bool setting.
func (s Settings) Bool(name string) bool { return settingOf[bool](s, name) }

// String returns a string setting.
func (s Settings) String(name string) string { return settingOf[string](s, name) }

// Auto reports whether an optional number is left to the component.
func (s Settings) Auto(name string) bool {
	v, ok := s[name]
	return ok && v == nil
}

func settingOf[T any](s Settings, name string) T {
	v, ok := s[name].(T)
	if !ok {
		panic(fmt.Sprintf("trial: setting %q is %T, which its component did not declare", name, s[name]))
	}
	return v
}

// ResolveSettings checks what a user gave for a component against the settings
// that it knows, and returns the complete settings: the given values in the
// declared types, the defaults elsewhere. Values may come from Go, from JSON
// (where every number may be a float64 or a json.Number) or from a command line
// (where everything is text); null or "auto" leaves a number that has no
// default to the component. The error names every fault, in the order of
// known, and is of code types.Invalid; given is not changed.
func ResolveSettings(component string, known []Setting, given map[string]any) (Settings, error) {
	var faults []error
	out := make(Settings, len(known))
	declared := make(map[string]bool, len(known))
	for _, k := range known {
		declared[k.Name] = true
		v, ok := given[k.Name]
		if !ok {
			out[k.Name] = k.Default
			continue
		}
		w, err := k.convert(v)
		if err != nil {
			faults = append(faults, types.Errorf(types.Invalid, "%v", err).
				WithField(component+"."+k.Name).WithRemedy("it is %s", k.describe()))
			continue
		}
		out[k.Name] = w
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !declared[name] {
			faults = append(faults, types.Errorf(types.Invalid, "%s has no such setting", component).
				WithField(component+"."+name).WithRemedy("%s", describeAll(component, known)))
		}
	}
	switch len(faults) {
	case 0:
		return out, nil
	case 1:
		return nil, faults[0]
	}
	return nil, &types.Error{
		Code: types.Invalid, Field: component,
		Message: fmt.Sprintf("%d settings are wrong: %s", len(faults), joinErrors(faults)), Err: errors.Join(faults...),
	}
}

func joinErrors(errs []error) string {
	parts := make([]string, len(errs))
	for i, err := range errs {
		parts[i] = err.Error()
	}
	return strings.Join(parts, "; and ")
}

// convert turns v into the setting's type and checks it.
func (k *Setting) convert(v any) (any, error) {
	if k.Default == nil && (v == nil || v == AutoSetting) {
		return nil, nil
	}
	switch k.Type {
	case IntSetting:
		return k.toInt(v)
	case FloatSetting:
		return k.toFloat(v)
	case BoolSetting:
		switch v {
		case true, "true":
			return true, nil
		case false, "false":
			return false, nil
		}
		return nil, fmt.Errorf("%s is neither true nor false", showGiven(v))
	case StringSetting:
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%s is no text", showGiven(v))
		}
		if k.Choices != nil && !slices.Contains(k.Choices, s) {
			return nil, fmt.Errorf("%q is no known choice", s)
		}
		return s, nil
	}
	panic(fmt.Sprintf("trial: setting %q has the unknown type %q", k.Name, k.Type))
}

// maxExact bounds the floats that stand for one integer each.
const maxExact = 1 << 53

func (k *Setting) toInt(v any) (any, error) {
	var i int64
	switch n := v.(type) {
	case int64:
		i = n
	case int:
		i = int64(n)
	case float64:
		if n != math.Trunc(n) || math.Abs(n) > maxExact {
			return nil, fmt.Errorf("%s is no whole number", showGiven(v))
		}
		i = int64(n)
	case json.Number:
		return k.toInt(n.String())
	case string:
		p, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			f, ferr := strconv.ParseFloat(n, 64)
			if ferr != nil {
				return nil, fmt.Errorf("%s is no whole number", showGiven(v))
			}
			return k.toInt(f)
		}
		i = p
	default:
		return nil, fmt.Errorf("%s is no whole number", showGiven(v))
	}
	return i, k.inBounds(float64(i))
}

func (k *Setting) toFloat(v any) (any, error) {
	var f float64
	switch n := v.(type) {
	case float64:
		f = n
	case int64:
		f = float64(n)
	case int:
		f = float64(n)
	case json.Number:
		return k.toFloat(n.String())
	case string:
		p, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no number", showGiven(v))
		}
		f = p
	default:
		return nil, fmt.Errorf("%s is no number", showGiven(v))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%s is no finite number", showGiven(v))
	}
	return f, k.inBounds(f)
}

func (k *Setting) inBounds(f float64) error {
	switch {
	case k.Min != nil && f < *k.Min:
		return fmt.Errorf("%s is below the least value %s", showNumber(f), showNumber(*k.Min))
	case k.Max != nil && f > *k.Max:
		return fmt.Errorf("%s is above the greatest value %s", showNumber(f), showNumber(*k.Max))
	}
	return nil
}

func showGiven(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case float64:
		return showNumber(v)
	}
	return fmt.Sprint(v)
}

func showNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Range describes the values that the setting takes, such as "int from 1" or
// "one of a, b".
func (k *Setting) Range() string {
	if k.Type == StringSetting && k.Choices != nil {
		return "one of " + strings.Join(k.Choices, ", ")
	}
	s := string(k.Type)
	if k.Min != nil {
		s += " from " + showNumber(*k.Min)
	}
	if k.Max != nil {
		s += " to " + showNumber(*k.Max)
	}
	return s
}

// DefaultText is the default as a user would type it.
func (k *Setting) DefaultText() string {
	if k.Default == nil {
		return AutoSetting
	}
	return strings.Trim(showGiven(k.Default), `"`)
}

func (k *Setting) describe() string { return k.Range() + ", by default " + k.DefaultText() }

func describeAll(component string, known []Setting) string {
	if len(known) == 0 {
		return component + " has no settings"
	}
	parts := make([]string, len(known))
	for i, k := range known {
		parts[i] = k.Name + "=" + k.DefaultText()
	}
	return "its settings and their defaults are " + strings.Join(parts, ", ")
}

// ParseComponent reads NAME or NAME:KEY=VALUE,KEY=VALUE, as in
// "tpe:startup=5,candidates=64". The values stay text until ResolveSettings
// gives them their types, because only the component knows these.
func ParseComponent(text string) (types.Component, error) {
	name, rest, more := strings.Cut(text, ":")
	fail := func(format string, args ...any) (types.Component, error) { //nolint:unparam // it is what its caller returns
		return types.Component{}, types.Errorf(types.Invalid, format, args...).
			WithRemedy("write it as NAME or NAME:SETTING=VALUE,SETTING=VALUE")
	}
	if name == "" || name != strings.TrimSpace(name) {
		return fail("%q does not begin with a name", text)
	}
	c := types.Component{Name: name}
	if !more {
		return c, nil
	}
	c.Settings = map[string]any{}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok || key == "" || value == "":
			return fail("in %q, %q is not of the form SETTING=VALUE", text, part)
		case c.Settings[key] != nil:
			return fail("in %q, %s is given twice", text, key)
		}
		c.Settings[key] = value
	}
	return c, nil
}

// Bound is a bound of a Setting.
//
//go:fix inline
func Bound(f float64) *float64 { return new(f) }
