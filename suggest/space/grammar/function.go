package grammar

import (
	"regexp"
	"strings"

	"github.com/gotuner/tuner/suggest/space"
)

var functionStart = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*\(`)

var functions = []string{"uniform", "loguniform", "int", "choice", "normal"}

const knownFunctions = "uniform(lo,hi), loguniform(lo,hi), int(lo,hi), choice(a,b,…) and normal(mu,sigma,lo,hi)"

// functionAt returns the name of the function at the start of spec and where its
// closing parenthesis ends; "" if there is none.
func functionAt(spec string) (name string, end int) {
	open := len(functionStart.FindString(spec))
	if open == 0 {
		return "", 0
	}
	depth := 1
	for i := open; i < len(spec); i++ {
		switch spec[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return spec[:open-1], i + 1
			}
		}
	}
	return "", 0
}

// function builds the parameter of name(list).
func (a *argument) function(name, list string) (space.Parameter, error) {
	args := strings.Split(list, ",")
	for i := range args {
		args[i] = strings.TrimSpace(args[i])
	}
	p := space.Parameter{Name: a.name, Kind: space.Float}
	need := func(n int, form string, mods ...string) error {
		if len(args) != n {
			return a.fault("%s has %d values in its parentheses", a.spec, len(args)).WithRemedy("write %s", form)
		}
		return a.allow("the function "+name, mods...)
	}
	var err error
	switch name {
	case "choice":
		return a.choices(args)
	case "uniform":
		err = need(2, "uniform(0.0,1.0)", "n", "default")
	case "loguniform":
		p.Scale = space.Log
		err = need(2, "loguniform(1e-5,1e-1)", "n", "default")
	case "int":
		p.Kind = space.Int
		err = need(2, "int(1,8)", "log", "revlog", "n", "default")
	case "normal":
		err = need(4, "normal(mu,sigma,lo,hi), as in normal(0.5,0.1,0,1)", "int", "n", "default")
		if a.has("int") {
			p.Kind = space.Int
		}
	default:
		return p, a.fault("the function %s is unknown", name).
			WithRemedy("known are %s; a text that looks like a function goes as JSON: '%s'", knownFunctions, asJSON(a.name, a.spec))
	}
	if err != nil {
		return p, err
	}
	for _, text := range args {
		if !anyNumber.MatchString(text) {
			return p, a.fault("%s in %s is no number", text, a.spec).WithRemedy("write numbers, as in uniform(0.0,1.0)")
		}
	}
	return a.distribution(p, args)
}

// distribution fills in the numbers: the two ends last, and a prior before them.
func (a *argument) distribution(p space.Parameter, args []string) (space.Parameter, error) {
	n := len(args)
	var err error
	if p.Low, err = a.bound(args[n-2], p.Kind); err != nil {
		return p, err
	}
	if p.High, err = a.bound(args[n-1], p.Kind); err != nil {
		return p, err
	}
	if n == 4 {
		var prior [2]float64
		for i := range prior {
			v, err := a.bound(args[i], space.Float)
			if err != nil {
				return p, err
			}
			prior[i] = v.(float64)
		}
		p.Prior = &space.Prior{Mean: prior[0], SD: prior[1]}
	}
	scale := p.Scale
	if p, err = a.numeric(p); scale != "" {
		p.Scale = scale
	}
	return p, err
}
