// Package grammar reads and prints parameters as users write them on the command
// line: NAME=SPEC[:MOD]…[@COND]…, as in lr=1e-5..1e-1:log or m=0.0..0.99@opt=sgd.
//
//	SPEC  LO..HI  LO..HI..STEP  LO..HI..xK  A,B,…  VALUE
//	      uniform(lo,hi)  loguniform(lo,hi)  int(lo,hi)  choice(a,b,…)  normal(mu,sigma,lo,hi)
//	MOD   log revlog int float str bool ordinal n=K default=V
//	COND  P=v,v  P!=v  P=lo..hi  P=lo..  P=..hi
//	NAME:=JSON  the canonical form (space.ParseParameter), a list of choices, or a constant
//
// A range has whole numbers if both ends are written as whole numbers, and only
// numbers with digits on both sides of a point are ends. Choices that are numbers
// are numbers, true and false are bools, all others are texts; a command sees each
// as it was typed. Every error says what to write instead.
package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// Parsed is one argument that was read.
type Parsed struct {
	// Parameter is checked by itself. Its When is nil unless it was given as
	// JSON: the conditions behind @ need the other parameters (ParseAll).
	Parameter space.Parameter
	// Warnings are sentences about what is allowed but seldom meant.
	Warnings []string

	arg        string
	conditions []condition
}

// Parse reads one argument.
func Parse(arg string) (Parsed, error) {
	if strings.ContainsRune(arg, 0) {
		return Parsed{}, types.Errorf(types.Invalid, "the parameter %q contains a zero byte", arg)
	}
	name, rest, found := strings.Cut(arg, "=")
	jsonForm := found && strings.HasSuffix(name, ":")
	name = strings.TrimSuffix(name, ":")
	if !found {
		return Parsed{}, types.Errorf(types.Invalid, "%q has no =", arg).WithField("space").
			WithRemedy("write the name, = and the values, such as lr=1e-5..1e-1:log or opt=sgd,adam")
	}
	if err := checkName(name); err != nil {
		return Parsed{}, err
	}
	a := &argument{name: name, spec: rest}
	var parsed Parsed
	var err error
	if jsonForm {
		parsed.Parameter, err = a.json(rest)
	} else {
		parsed, err = a.parse()
	}
	if err != nil {
		return Parsed{}, err
	}
	parsed.arg = arg
	if parsed.Parameter, err = a.check(parsed.Parameter); err != nil {
		return Parsed{}, err
	}
	if !jsonForm {
		parsed.Warnings = append(parsed.Warnings, warnings(&parsed.Parameter)...)
	}
	return parsed, nil
}

// ParseAll reads all arguments of a command line and resolves their conditions.
// Parameters keep their order. The error names every fault: itself if there is
// one, else a line each. Cycles of conditions are left to space.New.
func ParseAll(args []string) (params []space.Parameter, warnings []string, err error) {
	var all []Parsed
	var faults []error
	from := map[string]string{}
	for _, arg := range args {
		p, err := Parse(arg)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		name := p.Parameter.Name
		if first, twice := from[name]; twice {
			faults = append(faults, types.Errorf(types.Invalid, "the parameter %s is given twice: %s and %s", name, first, arg).
				WithField("space."+name).WithRemedy("rename or remove one"))
			continue
		}
		from[name] = arg
		all = append(all, p)
	}
	if len(faults) > 0 {
		return nil, nil, join(faults)
	}
	for _, p := range all {
		params = append(params, p.Parameter)
		warnings = append(warnings, p.Warnings...)
	}
	parents := slices.Clone(params) // without conditions between them
	for i, p := range all {
		when, err := resolve(p.Parameter.Name, p.conditions, parents)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if when != nil {
			params[i].When = when
		}
	}
	if len(faults) > 0 {
		return nil, nil, join(faults)
	}
	return params, warnings, nil
}

// join makes one error of several.
func join(faults []error) error {
	if len(faults) == 1 {
		return faults[0]
	}
	lines := []string{fmt.Sprintf("%d faults", len(faults))}
	for _, err := range faults {
		lines = append(lines, err.Error())
	}
	return &types.Error{Code: types.Invalid, Field: "space", Message: strings.Join(lines, "\n"), Err: errors.Join(faults...)}
}

// reserved are the words that placeholders of a command use for other things
// than parameters; so is everything that begins with "trial.".
var reserved = []string{"args", "study"}

func checkName(name string) error {
	fault := func(format string, args ...any) *types.Error {
		return types.Errorf(types.Invalid, format, args...).WithField("space." + name)
	}
	plain := strings.TrimLeft(name, "-")
	switch {
	case name == "":
		return types.Errorf(types.Invalid, "the parameter has no name").WithField("space").
			WithRemedy("write one before the =, such as lr=1e-5..1e-1:log")
	case plain != name && isName(plain):
		return fault("the name %s begins with a dash", name).WithRemedy("write %s; the command's flag is made from it", plain)
	case strings.Contains(name, ":") && isName(name[:strings.Index(name, ":")]):
		return fault("%q is no name", name).WithRemedy("write = after the name and modifiers at the end, such as lr=1e-5..1e-1:log")
	case !isName(name):
		return fault("%q is no name", name).WithRemedy("use a letter or _ first, then letters, digits, _, - and points")
	case slices.Contains(reserved, name) || strings.HasPrefix(name, "trial."):
		return fault("the name %s is reserved: {%s} in a command stands for something else", name, name).WithRemedy("choose another name")
	}
	return nil
}

// isName reports whether {name} can be a placeholder in a command.
func isName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || !isDigit(c) && c != '.' && c != '-') {
			return false
		}
	}
	return name != ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// argument is one argument while it is read.
type argument struct {
	name string
	spec string // what follows the = at first, then the SPEC alone
	mods []modifier
}

// fault makes an error about the argument.
func (a *argument) fault(format string, args ...any) *types.Error {
	return types.Errorf(types.Invalid, format, args...).WithField("space." + a.name)
}

// parse reads SPEC[:MOD]…[@COND]….
func (a *argument) parse() (Parsed, error) {
	if err := a.shellSigns(); err != nil {
		return Parsed{}, err
	}
	// What is in the parentheses of a function is its own.
	open := 0
	if fn, end := functionAt(a.spec); fn != "" {
		open = end
	}
	tail := a.spec[open:]
	head, conds, hasConds := strings.Cut(tail, "@")
	parts := strings.Split(head, ":")
	a.spec = strings.TrimSpace(a.spec[:open] + parts[0])
	if err := a.modifiers(parts[1:]); err != nil {
		return Parsed{}, err
	}
	var parsed Parsed
	if hasConds {
		for text := range strings.SplitSeq(conds, "@") {
			c, err := a.condition(text)
			if err != nil {
				return Parsed{}, err
			}
			parsed.conditions = append(parsed.conditions, c)
		}
	}
	var err error
	parsed.Parameter, err = a.values()
	return parsed, err
}

// shellSigns refuses what shells take for themselves and what nobody means.
func (a *argument) shellSigns() error {
	i := strings.IndexAny(a.spec, "&<>")
	switch {
	case i < 0 && strings.Contains(a.spec, "…"):
		return a.fault("%s has the sign …", a.spec).WithRemedy("write two points, as in 1..8")
	case i < 0:
		return nil
	}
	sign := a.spec[i : i+1]
	e := a.fault("the sign %s has no meaning in %s", sign, a.spec)
	if sign == "&" {
		return e.WithRemedy("join conditions with a second @, as in m=0.0..0.99@opt=sgd@layers=2..4, or give a choice that has the sign as JSON: '%s'",
			asJSON(a.name, a.spec))
	}
	return e.WithRemedy("write a condition on numbers as a range, as in @layers=2.. or @layers=..4, or give a choice that has the sign as JSON: '%s'",
		asJSON(a.name, a.spec))
}

// asJSON is the JSON form of an argument whose spec is a list of choices.
func asJSON(name, spec string) string {
	b := append([]byte(name), ":=["...)
	for i, s := range strings.Split(spec, ",") {
		if i > 0 {
			b = append(b, ',')
		}
		b = types.AppendString(b, strings.TrimSpace(s))
	}
	return string(append(b, ']'))
}

// values builds the parameter from the spec and the modifiers.
func (a *argument) values() (space.Parameter, error) {
	if a.spec == "" {
		return space.Parameter{}, a.fault("there are no values behind %s=", a.name).
			WithRemedy("write a range such as 0.0..1.0, choices such as a,b, or a text that may be empty as JSON: '%s:=[\"\",\"a\"]'", a.name)
	}
	if fn, end := functionAt(a.spec); fn != "" && end == len(a.spec) {
		return a.function(fn, a.spec[len(fn)+1:end-1])
	}
	if name, _, isCall := strings.Cut(a.spec, "("); isCall && slices.Contains(functions, name) {
		return space.Parameter{}, a.fault("%s begins like the function %s and does not end like it", a.spec, name).
			WithRemedy("write one of %s, and modifiers and conditions behind it", knownFunctions)
	}
	if c := a.spec[0]; c == '[' || c == '{' || c == '(' {
		return space.Parameter{}, a.bracketed()
	}
	if r, ok, err := a.rangeSpec(); ok || err != nil {
		if err != nil {
			return space.Parameter{}, err
		}
		return a.rangeParameter(r)
	}
	if err := a.slip(); err != nil {
		return space.Parameter{}, err
	}
	return a.choices(strings.Split(a.spec, ","))
}

// check lets the space check the parameter by itself and returns its normal form.
func (a *argument) check(p space.Parameter) (space.Parameter, error) {
	when := p.When
	p.When = nil
	s, err := space.New([]space.Parameter{p}, nil)
	if err != nil {
		return p, err
	}
	p = *s.Param(0)
	p.When = when
	return p, nil
}
