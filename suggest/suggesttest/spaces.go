package suggesttest

import (
	"testing"

	"github.com/gotuner/tuner/suggest/space"
)

// NamedSpace is a space to test with.
type NamedSpace struct {
	Name  string
	Space *space.Space
}

func choices(vs ...any) []space.Choice {
	out := make([]space.Choice, len(vs))
	for i, v := range vs {
		out[i] = space.Choice{Value: v}
	}
	return out
}

func float(name string, low, high float64) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Float, Low: low, High: high}
}

func integer(name string, low, high int64) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Int, Low: low, High: high}
}

func scaled(p space.Parameter, s space.Scale) space.Parameter { p.Scale = s; return p }

func stepped(p space.Parameter, step any) space.Parameter { p.Step = step; return p }

func when(p space.Parameter, c space.Condition) space.Parameter { p.When = c; return p }

func choice(name string, vs ...any) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Categorical, Choices: choices(vs...)}
}

func ordinal(name string, vs ...any) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Ordinal, Choices: choices(vs...)}
}

// Space compiles a space that is known to be right.
func Space(t testing.TB, constraints []string, params ...space.Parameter) *space.Space {
	t.Helper()
	s, err := space.New(params, constraints)
	if err != nil {
		t.Fatalf("the space: %v", err)
	}
	return s
}

// Mixed has a parameter of each kind and scale.
func Mixed(t testing.TB) *space.Space {
	t.Helper()
	withPrior := float("prior", 0, 1)
	withPrior.Prior = &space.Prior{Mean: 0.2, SD: 0.1}
	return Space(t, nil,
		float("x", -5, 5),
		scaled(float("lr", 1e-5, 1), space.Log),
		scaled(float("momentum", 0.5, 0.999), space.ReverseLog),
		stepped(float("drop", -10.2, 10.2), 0.1),
		integer("layers", 1, 8),
		scaled(integer("width", 1, 1024), space.Log),
		stepped(integer("odd", -7, 7), int64(2)),
		integer("huge", -1<<62, 1<<62),
		space.Parameter{Name: "flag", Kind: space.Bool},
		choice("mixed", "a", int64(1), 2.5, true, "true"),
		ordinal("batch", int64(16), int64(32), int64(64), int64(128)),
		space.Parameter{Name: "fixed", Kind: space.Constant, Choices: choices("v")},
		withPrior,
	)
}

// Conditional has two levels of conditions and a finite branch.
func Conditional(t testing.TB) *space.Space {
	t.Helper()
	atLeast := func(n int64) space.Condition { return space.Range{Param: "layers", Lo: n} }
	return Space(t, nil,
		choice("opt", "sgd", "adam", "none"),
		when(scaled(float("lr", 1e-4, 1), space.Log), space.NotIn{Param: "opt", Values: []space.Value{"none"}}),
		when(choice("nesterov", "yes", "no"), space.In{Param: "opt", Values: []space.Value{"sgd"}}),
		when(float("momentum", 0, 1), space.In{Param: "nesterov", Values: []space.Value{"yes"}}),
		integer("layers", 1, 3),
		when(integer("units2", 1, 64), atLeast(2)),
		when(integer("units3", 1, 64), atLeast(3)),
	)
}

// Constrained has a feasible volume of 0.1 % and a constraint on integers.
func Constrained(t testing.TB) *space.Space {
	t.Helper()
	return Space(t, []string{"x + y <= 0.0447", "n * m <= 12"},
		float("x", 0, 1), float("y", 0, 1), integer("n", 1, 6), integer("m", 1, 6))
}

// Finite has 3*2*2 + 3*4 = 24 points, fewer by its constraint.
func Finite(t testing.TB) *space.Space {
	t.Helper()
	return Space(t, []string{"n + m <= 5"},
		choice("kind", "a", "b"),
		integer("n", 1, 3),
		when(choice("c", "p", "q"), space.In{Param: "kind", Values: []space.Value{"a"}}),
		when(space.Parameter{Name: "f", Kind: space.Bool}, space.In{Param: "kind", Values: []space.Value{"a"}}),
		when(integer("m", 1, 4), space.In{Param: "kind", Values: []space.Value{"b"}}),
	)
}

// Wide has 200 parameters.
func Wide(t testing.TB) *space.Space {
	t.Helper()
	var params []space.Parameter
	for i := range 50 {
		id := string(rune('a'+i/26)) + string(rune('a'+i%26))
		params = append(params,
			float("f"+id, 0, 1), integer("i"+id, 0, 9), choice("c"+id, "p", "q", "r"),
			scaled(float("l"+id, 1e-6, 1), space.Log))
	}
	return Space(t, nil, params...)
}

// Spaces are all of them and some degenerate ones.
func Spaces(t testing.TB) []NamedSpace {
	t.Helper()
	return []NamedSpace{
		{"mixed", Mixed(t)},
		{"conditional", Conditional(t)},
		{"constrained", Constrained(t)},
		{"finite", Finite(t)},
		{"wide", Wide(t)},
		{"one value each", Space(t, nil, float("x", 2, 2), integer("n", 3, 3), choice("c", "only"))},
		{"constants", Space(t, nil, space.Parameter{Name: "k", Kind: space.Constant, Choices: choices(int64(1))})},
		{"extreme ranges", Space(t, nil,
			float("all", -1.7e308, 1.7e308), float("tiny", 0, 5e-324), float("narrow", 1, 1.0000000000000004),
			scaled(float("decades", 1e-300, 1e300), space.Log), integer("every", -1<<63, 1<<63-1))},
	}
}
