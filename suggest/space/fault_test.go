package space

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

func float(name string, low, high Value) Parameter {
	return Parameter{Name: name, Kind: Float, Low: low, High: high}
}

func integer(name string, low, high Value) Parameter {
	return Parameter{Name: name, Kind: Int, Low: low, High: high}
}

func choices(kind Kind, name string, values ...Value) Parameter {
	p := Parameter{Name: name, Kind: kind, Choices: []Choice{}}
	for _, v := range values {
		p.Choices = append(p.Choices, Choice{Value: v})
	}
	return p
}

func with(p Parameter, change func(*Parameter)) Parameter {
	change(&p)
	return p
}

func step(p Parameter, s Value) Parameter {
	return with(p, func(p *Parameter) { p.Step = s })
}

func scaled(p Parameter, s Scale) Parameter {
	return with(p, func(p *Parameter) { p.Scale = s })
}

func when(p Parameter, c Condition) Parameter {
	return with(p, func(p *Parameter) { p.When = c })
}

func defaulted(p Parameter, v Value) Parameter {
	return with(p, func(p *Parameter) { p.Default = v })
}

func TestNewRefuses(t *testing.T) {
	opt := choices(Categorical, "opt", "sgd", "adam")
	on := func(c Condition) []Parameter {
		return []Parameter{opt, integer("n", 1, 8), when(float("m", 0.0, 1.0), c)}
	}
	tests := []struct {
		name    string
		params  []Parameter
		field   string
		message string
	}{
		{"low above high", []Parameter{float("lr", 1.0, 0.1)}, "space.lr.low", "the low end 1.0 is above the high end 0.1"},
		{"int low above high", []Parameter{integer("n", 5, 1)}, "space.n.low", "5 is above the high end 1"},
		{"log from zero", []Parameter{scaled(float("lr", 0.0, 0.1), Log)}, "space.lr.low", "the scale log needs a low end above 0, not 0.0"},
		{"log from below zero", []Parameter{scaled(integer("n", -1, 10), Log)}, "space.n.low", "above 0, not -1"},
		{"reverse-log from zero", []Parameter{scaled(float("m", 0.0, 1.0), ReverseLog)}, "space.m.low", "the scale reverse-log needs"},
		{"unknown scale", []Parameter{scaled(float("lr", 0.1, 1.0), "logarithmic")}, "space.lr.scale", `unknown scale "logarithmic"; write linear, log or reverse-log`},
		{"zero step", []Parameter{step(float("d", 0.0, 1.0), 0.0)}, "space.d.step", "the step is 0.0"},
		{"negative step", []Parameter{step(integer("n", 0, 9), -3)}, "space.n.step", "the step is -3"},
		{"step beyond the range", []Parameter{step(float("d", 0.0, 1.0), 1.5)}, "space.d.step", "the step 1.5 is beyond the range 0.0 to 1.0"},
		{"int step beyond the range", []Parameter{step(integer("n", 0, 9), 10)}, "space.n.step", "the step 10 is beyond the range 0 to 9"},
		{"high off the step", []Parameter{step(float("d", 0.0, 1.0), 0.3)}, "space.d.high", "the last value is 0.9; write 0.9 as the high end"},
		{"int high off the step", []Parameter{step(integer("n", 1, 10), 4)}, "space.n.high", "the last value is 9; write 9"},
		{"whole int64 off the step", []Parameter{step(integer("n", math.MinInt64, math.MaxInt64), 2)}, "space.n.high", "the last value is 9223372036854775806"},
		{"step too small", []Parameter{step(float("d", 0.0, 1.0), 1e-17)}, "space.d.step", "too small for the range"},
		{"step lost in rounding", []Parameter{step(float("d", 1e17, 1e17+1600), 1.0)}, "space.d.step", "lost in the rounding"},
		{"NaN", []Parameter{float("x", math.NaN(), 1.0)}, "space.x.low", "NaN is no number"},
		{"infinite", []Parameter{float("x", 0.0, math.Inf(1))}, "space.x.high", "+Inf is no number"},
		{"no low", []Parameter{float("x", nil, 1.0)}, "space.x.low", "a parameter of type float needs it"},
		{"text as low", []Parameter{float("x", "0", 1.0)}, "space.x.low", `"0" is a text; it must be a number`},
		{"float end of an int", []Parameter{integer("n", 1.5, int64(3))}, "space.n.low", "1.5 is no whole number, and the type is int; use type float"},
		{"whole float end of an int", []Parameter{integer("n", 1.0, int64(3))}, "space.n.low", "1.0 is no whole number, and the type is int; write 1"},
		{"int that is no float", []Parameter{float("x", int64(math.MaxInt64), 1e300)}, "space.x.low", "9223372036854775807 is no exact float"},
		{"range with choices", []Parameter{with(float("x", 0.0, 1.0), func(p *Parameter) { p.Choices = opt.Choices })}, "space.x.choices", "has a range, not choices"},
		{"prior without spread", []Parameter{with(float("x", 0.0, 1.0), func(p *Parameter) { p.Prior = &Prior{Mean: 0.5} })}, "space.x.prior.sd", "0 is no standard deviation"},
		{"prior of NaN", []Parameter{with(float("x", 0.0, 1.0), func(p *Parameter) { p.Prior = &Prior{Mean: math.NaN(), SD: 1} })}, "space.x.prior.mean", "NaN is no mean"},
		{"negative grid", []Parameter{with(float("x", 0.0, 1.0), func(p *Parameter) { p.Grid = -1 })}, "space.x.grid", "-1 grid points"},
		{"empty name", []Parameter{float("", 0.0, 1.0)}, "space.parameters[0].name", "the parameter has no name"},
		{"name with a newline", []Parameter{float("a\nb", 0.0, 1.0)}, "space.a\nb.name", "cannot be printed"},
		{"name with a space", []Parameter{float(" a", 0.0, 1.0)}, "space. a.name", "begins or ends with a space"},
		{"long name", []Parameter{float(strings.Repeat("a", 201), 0.0, 1.0)}, "", "201 bytes"},
		{"name given twice", []Parameter{float("a", 0.0, 1.0), integer("a", 0, 1)}, "space.a.name", `"a" is given to two parameters`},
		{"unknown kind", []Parameter{{Name: "a", Kind: "double"}}, "space.a.type", `unknown type "double"; write float, int`},
		{"no choices", []Parameter{choices(Categorical, "a")}, "space.a.choices", "there are no choices"},
		{"choice twice", []Parameter{choices(Categorical, "a", "x", "x")}, "space.a.choices", `"x" is there twice`},
		{"choices that compare equal", []Parameter{choices(Ordinal, "a", 1, 1.0)}, "space.a.choices", "1 and 1.0 compare equal"},
		{"zeros compare equal", []Parameter{choices(Ordinal, "a", 0.0, math.Copysign(0, -1))}, "space.a.choices", "0.0 is there twice"},
		{"choice of a list", []Parameter{choices(Categorical, "a", []int{1})}, "space.a.choices", "is no value"},
		{"choice of NaN", []Parameter{choices(Categorical, "a", math.NaN())}, "space.a.choices", "NaN is no value"},
		{"choice of no UTF-8", []Parameter{choices(Categorical, "a", "\xff")}, "space.a.choices", "no program can be given"},
		{"two constants", []Parameter{choices(Constant, "a", 1, 2)}, "space.a.choices", "a constant has one value, not 2"},
		{"bool of numbers", []Parameter{choices(Bool, "a", 0, 1)}, "space.a.choices", "0 is no bool"},
		{"bool of one", []Parameter{choices(Bool, "a", true)}, "space.a.choices", "a bool has the choices false and true, not 1"},
		{"scale of choices", []Parameter{scaled(opt, Log)}, "space.opt.scale", "only the types float and int have it"},
		{"grid of choices", []Parameter{with(opt, func(p *Parameter) { p.Grid = 3 })}, "space.opt.grid", "only the types float and int"},
		{"default out of range", []Parameter{defaulted(float("lr", 0.1, 1.0), 2.0)}, "space.lr.default", "2.0, which is above the high end 1.0"},
		{"default below", []Parameter{defaulted(integer("n", 1, 8), 0)}, "space.n.default", "0, which is below the low end 1"},
		{"default off the step", []Parameter{defaulted(step(float("d", 0.0, 1.0), 0.1), 0.25)}, "space.d.default", "0.25, which is off the step 0.1 from 0.0"},
		{"float default of an int", []Parameter{defaulted(integer("n", 1, 8), 2.5)}, "space.n.default", "2.5, which is no whole number"},
		{"text default of a float", []Parameter{defaulted(float("x", 0.0, 1.0), "a")}, "space.x.default", `"a", which is no number`},
		{"default that is no choice", []Parameter{defaulted(opt, "rmsprop")}, "space.opt.default", `"rmsprop", which is none of the choices "sgd", "adam"`},

		{"condition on an unknown parameter", on(In{"optimizer", []Value{"sgd"}}), "space.m.when", `unknown parameter "optimizer"; known are opt, n, m`},
		{"condition on itself", on(In{"m", []Value{0.5}}), "space.m.when", "the condition of m names m itself; name another parameter"},
		{"value that is no choice", on(In{"opt", []Value{"sdg"}}), "space.m.when", `can never be met by "sdg": it is "sdg", which is none of the choices`},
		{"value of another type", on(NotIn{"n", []Value{"3"}}), "space.m.when", `can never be met by "3"`},
		{"value out of range", on(In{"n", []Value{9}}), "space.m.when", "above the high end 8"},
		{"no values", on(In{"n", nil}), "space.m.when", "has no values"},
		{"range without ends", on(Range{"n", nil, nil}), "space.m.when", "has no end"},
		{"range upside down", on(Range{"n", 5, 3}), "space.m.when", "begins at 5, above its end 3"},
		{"range that is never met", on(Range{"n", 9, nil}), "space.m.when", "no value of n lies in it; n has the range 1 to 8"},
		{"range between two levels", on(Range{"n", 2.25, 2.75}), "space.m.when", "no value of n lies in it"},
		{"range of texts", on(Range{"opt", 1, nil}), "space.m.when", `its choice "sgd" is no number`},
		{"range with a text", on(Range{"n", "a", nil}), "space.m.when", `the end "a", which is no number`},
		{"empty all", on(And{}), "space.m.when", "a list of conditions is empty"},
		{"empty any", on(Or{}), "space.m.when", "a list of conditions is empty"},
		{"nil in not", on(Not{}), "space.m.when", "a condition is empty"},
		{"pointer", on(&In{"opt", []Value{"sgd"}}), "space.m.when", "is no condition"},
		{"cycle", []Parameter{
			float("z", 0.0, 1.0),
			when(float("a", 0.0, 1.0), Range{"b", 0.5, nil}),
			when(float("b", 0.0, 1.0), Range{"c", 0.5, nil}),
			when(float("c", 0.0, 1.0), And{Range{"a", 0.5, nil}, Range{"z", nil, 0.5}}),
		}, "space.a.when", "the conditions form a cycle: a needs b needs c needs a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.params, nil)
			checkFault(t, err, test.field, test.message)
		})
	}
}

// checkFault wants one fault of code Invalid. An empty field is not compared.
func checkFault(t *testing.T, err error, field, message string) {
	t.Helper()
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		t.Fatalf("error %v, want a fault with %q", err, message)
	}
	if e.Code != types.Invalid || field != "" && e.Field != field || !strings.Contains(e.Error(), message) {
		t.Errorf("code %s, field %s, error:\n%v\nwant field %s and %q", e.Code, e.Field, e, field, message)
	}
	if strings.Contains(e.Error(), "%!") || strings.Count(e.Error(), "\n") > strings.Count(field, "\n") {
		t.Errorf("not one clear sentence:\n%v", e)
	}
}

func TestConstraintRefused(t *testing.T) {
	params := []Parameter{
		float("lr", 0.0, 1.0), integer("n", 1, 8), float("weight-decay", 0.0, 1.0), choices(Bool, "bn", false, true),
		choices(Categorical, "opt", "sgd", "adam"), choices(Ordinal, "mix", "auto", 1, 2.5), float("model.lr", 0.0, 1.0),
	}
	tests := []struct{ text, message string }{
		{"", "the constraint is empty; write one"},
		{"lr <", "in lr <: something is missing at its end; a constraint knows"},
		{"lr = 1", "in lr = 1: one = does not compare at column 4; write =="},
		{"lr <= 1 )", "unexpected token"},
		{"lr * n", "lr * n is a number, neither true nor false; compare it"},
		{"opt", "opt is a text, neither true"},
		{"mix", "mix is of no single type, neither"},
		{"1 < 2", "1 < 2 names no parameter; known are lr, n, $env[\"weight-decay\"], bn"},
		{"momentum < 1", `the name momentum is unknown at column 1; known are lr, n, $env["weight-decay"], bn, opt, mix, $env["model.lr"]; names that are no identifiers are written $env["weight-decay"]`},
		{"lr < weight-decay", "the name weight is unknown"},
		{`$env["weight_decay"] < 1`, "the name weight_decay is unknown"},
		{"$env < 1", "the name $env is unknown"},
		{"lr[0] < 1", "an index [...] after a value is no part of constraints"},
		{"lr?.x < 1", "is no part of constraints"},
		{"model.wd < 1", "the name model.wd is unknown"},
		{"lr == \"a\"", "== compares a number with a text"},
		{"lr and n > 1", "the operator and needs conditions; one side is a number"},
		{"not lr < 1", "not is applied to something that is a number at column 1; put what it shall negate in brackets"},
		{"-opt == \"sgd\"", "the sign - stands before something that is a text"},
		{"opt + \"x\" == \"sgdx\"", "the operator + needs numbers; one side is a text"},
		{"opt < \"sgd\"", "< needs numbers on both sides"},
		{"bn < true", "< needs numbers on both sides"},
		{"opt == \"sdg\"", `"sdg" is no choice of opt at column 5; its choices are "sgd", "adam"`},
		{"\"sdg\" != opt", `"sdg" is no choice of opt`},
		{"opt in [\"sgd\", \"rms\"]", `"rms" is no choice of opt`},
		{"mix == 3", "3 is no choice of mix"},
		{"n in 1..3", "in needs a list at column 3; write it as in x in [1, 2]"},
		{"n in []", "the list of in is empty"},
		{"[n] == [1]", "a list outside of in is no part of constraints"},
		{"opt matches \"s.*\"", "the operator matches is no part of constraints"},
		{"opt contains \"s\"", "the operator contains is no part"},
		{"(opt ?? \"sgd\") == \"sgd\"", "the operator ?? is no part"},
		{"let x = lr; x < 1", "let x is no part"},
		{"lr < 1; n < 2", "the operator ; is no part"},
		{"nil == lr", "nil is no part"},
		{"{a: lr}.a < 1", "is no part"},
		{"all([lr], # < 1)", "the function all is no part"},
		{"map([lr], #)[0] < 1", "is no part"},
		{"len(opt) < 4", "the function len is no part of constraints at column 1; a constraint knows"},
		{"now() < lr", "the function now is no part"},
		{"sin(lr) < 1", "the function sin is no part"},
		{"lr.abs() < 1", "is no part"},
		{"b\"x\" == opt", "a text of bytes is no part"},
		{"lr > n // 2", "in lr > n // 2: // is no part of constraints at column 8; write floor(x / y)"},
		{"lr > n /* 2 */", "/* is no part of constraints at column 8"},
		{"\"\u00e9\\\"\" != opt or lr | abs() < 1", "| is no part of constraints at column 20"},
		{"lr < 1 or opt == \"\xff\"", "is no valid UTF-8"},
		{"abs() < lr", "the function abs is given 0 values at column 1; write abs(x)"},
		{"abs(lr, n) < 1", "the function abs is given 2 values"},
		{"max(opt) < 1", "the function max needs numbers; one is a text"},
		{"(lr ? 1 : 2) < n", "what stands before ? is a number"},
		{"(bn ? 1 : \"a\") == n", "the branches of ? : are a number and a text"},
		{"lr < 99999999999999999999", "invalid integer literal"},
		{strings.Repeat("n+", 499) + "n < 100", "the constraint has 1005 bytes; 1000 is the most"},
		{strings.Repeat("n+", 300) + "n < 100", "it has more than 300 operators"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			_, err := New(params, []string{test.text})
			checkFault(t, err, "space.constraints[0]", test.message)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	param := func(s string) string { return `{"parameters":[` + s + `]}` }
	tests := []struct{ json, field, message string }{
		{``, "space", "the space is missing"},
		{`[]`, "space", "it is [], not a JSON object"},
		{`{"parameters":[]} x`, "space", "something follows the closing brace"},
		{`{"parameters":[}`, "space", "it is no valid JSON"},
		{`{}`, "space.parameters", "the list of parameters is missing"},
		{`{"parameters":{}}`, "space.parameters", "it is {}, not a JSON list"},
		{`{"parameters":null}`, "space.parameters", "it is null, not a JSON list"},
		{`{"parameters":[],"params":[]}`, "space.params", `the field "params" is unknown; known are parameters, constraints`},
		{`{"parameters":[],"constraints":[1]}`, "space.constraints[0]", "it is 1, not a text in quotes"},
		{param(`{"name":"x","type":"float","low":0.0,"hi":1.0}`), "space.x.hi", "the field \"hi\" is unknown; known are name, type, low, high"},
		{param(`{"name":"x","name":"y","type":"float","low":0.0,"high":1.0}`), "space.y.name", "given twice"},
		{param(`{"name":"x","low":0.0,"high":1.0}`), "space.x.type", "the type is missing"},
		{param(`{"name":"x","type":"int","low":0,"high":1.5}`), "space.x.high", "1.5 is no whole number"},
		{param(`{"name":"x","type":"int","low":0,"high":99999999999999999999}`), "space.x.high", "does not fit a 64-bit integer"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1e999}`), "space.x.high", "does not fit a 64-bit float"},
		{param(`{"name":"x","type":"float","low":null,"high":1.0}`), "space.x.low", "it is null, not a number"},
		{param(`{"name":"x","type":"categorical","choices":[[1]]}`), "space.x.choices[0]", "it is [1], not a number"},
		{param(`{"name":"x","type":"categorical","choices":[{"text":"1"}]}`), "space.x.choices[0].value", "the value is missing"},
		{param(`{"name":"x","type":"categorical","choices":[{"value":1,"txt":"1"}]}`), "space.x.choices[0].txt", "unknown; known are value, text"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"prior":{"mean":0.5}}`), "space.x.prior.sd", "it is missing"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"prior":{"mean":"a","sd":1}}`), "space.x.prior.mean", `it is "a", not a number`},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"grid":0}`), "space.x.grid", "it is 0, not a number of grid points"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{}}`), "space.x.when", "{} is no condition; write one of"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{"param":"y"}}`), "space.x.when", "is no condition"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{"param":"y","in":[1],"range":[1,2]}}`), "space.x.when", "is no condition"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{"param":"y","all":[]}}`), "space.x.when", "is no condition"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{"param":"y","range":[1]}}`), "space.x.when.range", "a range has two ends, not 1"},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{"param":"y","eq":[1]}}`), "", `the field "eq" is unknown; known are param, in`},
		{param(`{"name":"x","type":"float","low":0.0,"high":1.0,"when":` + strings.Repeat(`{"not":`, 60) + `{}` + strings.Repeat(`}`, 60) + `}`), "", "nested more than 50 deep"},
	}
	for _, test := range tests {
		t.Run(test.json, func(t *testing.T) {
			_, err := Parse([]byte(test.json))
			checkFault(t, err, test.field, test.message)
		})
	}
}

func TestAllFaultsAreGiven(t *testing.T) {
	_, err := New([]Parameter{
		float("a", 1.0, 0.0), step(integer("b", 0, 10), 3), choices(Categorical, "c"), float("d", 0.0, 1.0),
	}, []string{"a < 1", "e > 0", "d <= 0.5"})
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	want := `4 faults
space.a.low: the low end 1.0 is above the high end 0.0; swap them
space.b.high: the high end 10 is not on the step 3 from 0; the last value is 9; write 9 as the high end, or change the step
space.c.choices: there are no choices; give at least one
space.constraints[1]: in e > 0: the name e is unknown at column 1; known are a, b, c, d; names that are no identifiers are written $env["weight-decay"]`
	if e.Message != want {
		t.Errorf("message:\n%s\nwant:\n%s", e.Message, want)
	}
	if types.CodeOf(err) != types.Invalid {
		t.Errorf("code %s", types.CodeOf(err))
	}
	var fields []string
	for _, one := range e.Unwrap().(interface{ Unwrap() []error }).Unwrap() {
		f, _ := errors.AsType[*types.Error](one)
		fields = append(fields, f.Field)
	}
	if got := strings.Join(fields, " "); got != "space.a.low space.b.high space.c.choices space.constraints[1]" {
		t.Errorf("the causes have the fields %s", got)
	}
}
