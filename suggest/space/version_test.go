package space

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	from := mustNew(t, []Parameter{
		scaled(float("lr", 1e-5, 0.1), Log), choices(Categorical, "act", "relu", "tanh"), integer("n", 1, 8),
		step(float("d", 0.0, 0.8), 0.1), {Name: "b", Kind: Bool}, choices(Ordinal, "size", 1, 2),
	}, "lr * n < 1", "n > 1", "n > 1")
	to := mustNew(t, []Parameter{
		scaled(float("lr", 1e-6, 0.1), Log), defaulted(with(step(integer("n", 1, 9), 2), func(p *Parameter) { p.Prior = &Prior{3, 1}; p.Grid = 2 }), 3),
		float("d", 0.0, 0.8), when(Parameter{Name: "b", Kind: Bool}, In{"n", []Value{3}}),
		with(choices(Ordinal, "size", 1, 2, 4), func(p *Parameter) { p.Choices[0].Text = "01" }),
		step(scaled(integer("batch", 16, 512), Log), 16), when(choices(Constant, "k", "x"), In{"b", []Value{true}}),
	}, "n > 1", "lr < 0.5")
	want := []string{
		"lr: low 1e-05 → 1e-06",
		`- act: categorical "relu", "tanh"`,
		"n: high 8 → 9", "n: step none → 2", "n: default none → 3", "n: prior none → mean 3.0 sd 1.0", "n: grid none → 2",
		"d: step 0.1 → none",
		`b: when always → {"param":"n","in":[3]}`,
		"size: choices 1, 2 → 1 written 01, 2, 4",
		"+ batch: int 16 to 512 step 16 log",
		`+ k: constant "x" when {"param":"b","in":[true]}`,
		"- constraint lr * n < 1", "- constraint n > 1", "+ constraint lr < 0.5",
	}
	if d := cmp.Diff(want, from.Diff(to, nil)); d != "" {
		t.Error(d)
	}
	if d := from.Diff(from, nil); d != nil {
		t.Errorf("a space differs from itself: %q", d)
	}
	a, b := integer("a", 1, 2), float("b", 0.0, 1.0)
	if d := mustNew(t, []Parameter{a, b}).Diff(mustNew(t, []Parameter{b, a}), nil); !cmp.Equal(d, []string{"the order of the parameters or constraints differs"}) {
		t.Errorf("%q", d)
	}
	if d := mustNew(t, []Parameter{a}).Diff(mustNew(t, []Parameter{choices(Ordinal, "a", 1, 2)}), nil); !cmp.Equal(d, []string{
		"a: type int → ordinal", "a: low 1 → none", "a: high 2 → none", "a: scale linear → none", "a: choices none → 1, 2",
	}) {
		t.Errorf("%q", d)
	}
}

// TestDiffOfConditions writes them as it is told, and as JSON where that hides what
// differs.
func TestDiffOfConditions(t *testing.T) {
	of := func(v Value) *Space {
		return mustNew(t, []Parameter{choices(Categorical, "o", "1", 1, "b"), when(float("x", 0.0, 1.0), In{"o", []Value{v}})})
	}
	form := func(c Condition, params []Parameter) string {
		return "o is " + params[0].Text(c.(In).Values[0])
	}
	for _, test := range []struct {
		to   *Space
		want []string
	}{
		{of("b"), []string{"x: when o is 1 → o is b"}},
		{of(1), []string{`x: when {"param":"o","in":["1"]} → {"param":"o","in":[1]}`}},
		{of("1"), nil},
		{mustNew(t, []Parameter{choices(Categorical, "o", "1", 1, "b")}), []string{"- x: float 0.0 to 1.0 when o is 1"}},
	} {
		if d := cmp.Diff(test.want, of("1").Diff(test.to, form)); d != "" {
			t.Error(d)
		}
	}
}

func TestTranslate(t *testing.T) {
	from := mustNew(t, []Parameter{
		float("lr", 0.0, 1.0), integer("n", 1, 8), choices(Categorical, "opt", "sgd", "adam"), when(float("m", 0.0, 1.0), In{"opt", []Value{"sgd"}}),
	})
	sgd, adam := Point{0.5, int64(4), "sgd", 0.25}, Point{0.5, int64(4), "adam", nil}
	opt := choices(Categorical, "opt", "sgd", "adam", "lbfgs")
	tests := []struct {
		name        string
		params      []Parameter
		constraints []string
		point, want Point
	}{
		{"the same", []Parameter{from.params[0], from.params[1], from.params[2], from.params[3]}, nil, sgd, sgd},
		{"another order", []Parameter{opt, float("lr", 0.0, 2.0)}, nil, sgd, Point{"sgd", 0.5}},
		{"constant made a range", []Parameter{step(float("lr", 0.0, 2.0), 0.25)}, nil, sgd, Point{0.5}},
		{"narrowed around it", []Parameter{float("lr", 0.4, 0.6)}, nil, sgd, Point{0.5}},
		{"narrowed away", []Parameter{float("lr", 0.6, 1.0)}, nil, sgd, nil},
		{"off the new step", []Parameter{step(float("lr", 0.0, 0.8), 0.2)}, nil, sgd, nil},
		{"another kind", []Parameter{float("n", 1.0, 8.0)}, nil, sgd, nil},
		{"choices for a range", []Parameter{choices(Ordinal, "n", 2, 4)}, nil, sgd, Point{int64(4)}},
		{"choice removed", []Parameter{choices(Categorical, "opt", "adam", "lbfgs")}, nil, sgd, nil},
		{"a new parameter", []Parameter{opt, float("wd", 0.0, 1.0)}, nil, sgd, nil},
		{"a new parameter elsewhere", []Parameter{opt, when(float("wd", 0.0, 1.0), In{"opt", []Value{"lbfgs"}})}, nil, sgd, Point{"sgd", nil}},
		{"inactive there, active here", []Parameter{opt, float("m", 0.0, 1.0)}, nil, adam, nil},
		{"inactive in both", []Parameter{when(float("m", 0.0, 1.0), In{"opt", []Value{"sgd"}}), opt}, nil, adam, Point{nil, "adam"}},
		{"active there, inactive here", []Parameter{when(float("m", 0.0, 1.0), In{"opt", []Value{"adam"}}), opt}, nil, sgd, Point{nil, "sgd"}},
		{"a new constraint holds", []Parameter{float("lr", 0.0, 1.0)}, []string{"lr <= 0.5"}, sgd, Point{0.5}},
		{"a new constraint fails", []Parameter{float("lr", 0.0, 1.0)}, []string{"lr < 0.5"}, sgd, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			to := mustNew(t, test.params, test.constraints...)
			got, ok := to.Translate(from, test.point)
			if ok != (test.want != nil) {
				t.Fatalf("%v, %v", got, ok)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
			if ok {
				if err := to.Validate(got); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
