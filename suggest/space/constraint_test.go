package space

import (
	"math"
	"strings"
	"sync"
	"testing"
)

func constraintSpace(tb testing.TB, constraints ...string) *Space {
	tb.Helper()
	return mustNew(tb, []Parameter{
		float("lr", -10.0, 10.0), integer("n", math.MinInt64, math.MaxInt64), float("weight-decay", 0.0, 1.0),
		{Name: "bn", Kind: Bool}, choices(Categorical, "opt", "sgd", "adam"), choices(Ordinal, "mix", "auto", 1, 2.5, false),
		when(float("m", 0.0, 1.0), In{"opt", []Value{"sgd"}}), float("model.lr", 0.0, 1.0), integer("max", 0, 9), float("in", 0.0, 1.0),
	}, constraints...)
}

func TestConstraints(t *testing.T) {
	const big = int64(1) << 62
	at := func(lr float64, n int64, mix Value) Point {
		return Point{lr, n, 0.25, true, "adam", mix, nil, 0.5, int64(3), 0.75}
	}
	tests := []struct {
		text  string
		point Point
		want  bool
	}{
		{"lr <= 0.5", at(0.5, 0, "auto"), true},
		{"lr < 0.5", at(0.5, 0, "auto"), false},
		{"lr * n <= 0.5", at(0.1, 5, "auto"), true},
		{"lr * n <= 0.5", at(0.1, 6, "auto"), false},
		{"0 < lr < 1", at(0.5, 0, "auto"), true},
		{"0 < lr < 1", at(1, 0, "auto"), false},
		{"lr == 1", at(1, 0, "auto"), true},
		{"lr != 1", at(1, 0, "auto"), false},
		{`$env["weight-decay"] == 0.25 and model.lr == 0.5`, at(0, 0, "auto"), true},
		{`$env["in"] > 0.7 and max == 3 and max(max, n) == 8`, at(0, 8, "auto"), true},
		{"bn", at(0, 0, "auto"), true},
		{"not bn", at(0, 0, "auto"), false},
		{"!bn || !(n > 1) && lr > 0", at(1, 1, "auto"), true},
		{"bn == false", at(0, 0, "auto"), false},
		{`opt == "adam"`, at(0, 0, "auto"), true},
		{`opt in ["sgd"] or n in [1, 2.0, 3]`, at(0, 2, "auto"), true},
		{`opt not in ["sgd"]`, at(0, 0, "auto"), true},
		{"(bn ? lr : n) == 7", at(7, 0, "auto"), true},
		{"bn ? lr > 1 : n > 1", at(0, 7, "auto"), false},
		{"if bn { lr > 1 } else { n > 1 }", at(2, 0, "auto"), true},

		// A constraint that names an inactive parameter holds.
		{"m < 0", at(0, 0, "auto"), true},
		{"lr > 100 and m < 0", at(0, 0, "auto"), true},

		// Choices of several types.
		{"mix == 1", at(0, 0, int64(1)), true},
		{"mix == 1", at(0, 0, "auto"), false},
		{"mix != 1", at(0, 0, "auto"), true},
		{`mix == "auto" or mix == false`, at(0, 0, false), true},
		{"mix == n", at(0, 1, int64(1)), true},

		// Integers are exact, also against floats, and become floats instead of
		// wrapping around.
		{"n == 9007199254740993", at(0, 9007199254740993, "auto"), true},
		{"n == 9007199254740992.0", at(0, 9007199254740993, "auto"), false},
		{"n > 9007199254740992.0", at(0, 9007199254740993, "auto"), true},
		{"n + n > n", at(0, big, "auto"), true},
		{"n * n > n", at(0, big, "auto"), true},
		{"n - 4096 < n", at(0, math.MinInt64, "auto"), true},
		{"-n > 0", at(0, math.MinInt64, "auto"), true},
		{"abs(n) > 0", at(0, math.MinInt64, "auto"), true},
		{"n * -1 > 0", at(0, math.MinInt64, "auto"), true},
		{"n % -1 == 0", at(0, math.MinInt64, "auto"), true},
		{"n % 3 == 2 and lr % 2 == 1.5", at(3.5, 8, "auto"), true},
		{"n / 2 == 3.5", at(0, 7, "auto"), true},
		{"n ** 2 == 49 and n ^ 2 == 49", at(0, 7, "auto"), true},

		{"abs(lr) == 2 and abs(-n) == 3", at(-2, 3, "auto"), true},
		{"min(lr, n, 5) == -2 and max(lr, n) == 3", at(-2, 3, "auto"), true},
		{"floor(lr) == -3 and ceil(lr) == -2 and round(lr) == -3", at(-2.5, 3, "auto"), true},
		{"floor(n) == n and round(n) == n", at(0, 9007199254740993, "auto"), true},
		{"log(exp(lr)) == lr and sqrt(n) == 3", at(1, 9, "auto"), true},
		{"lr < 1e-3", at(0.0009, 0, "auto"), true},

		// What has no value does not hold, whatever stands around it.
		{"1 / lr > 0", at(0, 0, "auto"), false},
		{"not (1 / lr > 0)", at(0, 0, "auto"), false},
		{"n % 0 == 0", at(0, 0, "auto"), false},
		{"lr % lr == 0 or bn", at(0, 0, "auto"), false},
		{"sqrt(lr) != 1", at(-1, 0, "auto"), false},
		{"not (log(lr) < 1)", at(-1, 0, "auto"), false},
		{"max(sqrt(lr), n) > 0", at(-1, 5, "auto"), false},
		{"min(n, sqrt(lr)) > 0", at(-1, 5, "auto"), false},
		{"sqrt(lr) in [1, 2]", at(-1, 0, "auto"), false},
		{"(1 / lr > 0 ? 1 : 2) == 2", at(0, 0, "auto"), false},
		{"lr != 0 and 1 / lr > 0.1", at(5, 0, "auto"), true},
		{"lr == 0 or 1 / lr > 0.1", at(0, 0, "auto"), true},
		{"exp(lr * 1000) > 1", at(10, 0, "auto"), true},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			s := constraintSpace(t, test.text)
			if got := s.Feasible(test.point); got != test.want {
				t.Errorf("at %v it is %v", test.point, got)
			}
			if err := s.Validate(test.point); (err == nil) != test.want {
				t.Errorf("at %v Validate gives %v", test.point, err)
			}
			if g := s.constraints[0].gap(test.point); (g == 0) != test.want || !(g >= 0 && g <= 1) {
				t.Errorf("at %v the gap is %v", test.point, g)
			}
		})
	}
}

// What would be a comment or a pipe outside of quotes is text within them.
func TestTextsOfConstraints(t *testing.T) {
	const url, quoted, ticks = "http://a|b", `a"//`, "`/*"
	params := []Parameter{choices(Categorical, "c", url, quoted, ticks, "\u00e9")}
	for text, want := range map[string]string{
		`"http://a|b" == c`: url, `c == 'http://a|b'`: url, "c == `http://a|b`": url,
		`"a\"//" == c || c == "a\u0022//"`: quoted, "c == ```/*`": ticks, `c == "\u00e9"`: "\u00e9", `c == "é"`: "\u00e9",
	} {
		s := mustNew(t, params, text)
		for _, c := range params[0].Choices {
			if s.Feasible(Point{c.Value}) != (c.Value == want) {
				t.Errorf("%s: wrong for %v", text, c.Value)
			}
		}
	}
}

// The gap must shrink on the way to where the constraint holds: the local
// repair follows it.
func TestGapShrinks(t *testing.T) {
	s := constraintSpace(t, "lr >= 8 and n == 5", "lr > 8 or lr * 2 > 18", "lr in [8.0, 9.0]", "bn ? lr > 9 : lr < 1")
	for _, c := range s.constraints {
		last := math.Inf(1)
		for _, lr := range []float64{1, 2, 4, 7} {
			g := c.gap(Point{lr, int64(5), 0.25, true, "adam", "auto", nil, 0.5, int64(3), 0.75})
			if !(g < last && g > 0) {
				t.Errorf("%s: the gap is %v at %v, %v before", c.text, g, lr, last)
			}
			last = g
		}
	}
}

func TestConstraintsAreConcurrent(t *testing.T) {
	s := constraintSpace(t, "lr * n + max(lr, n) <= 100", `opt == "sgd" or n in [1, 2, 3]`)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 500 {
				p := Point{float64(g), int64(i), 0.25, true, "adam", "auto", nil, 0.5, int64(3), 0.75}
				want := float64(g*i+max(g, i)) <= 100 && i >= 1 && i <= 3
				if s.Feasible(p) != want {
					t.Errorf("%v is wrong", p)
				}
				_, _ = s.Size()
			}
		})
	}
	wg.Wait()
}

func FuzzConstraint(f *testing.F) {
	for _, seed := range []string{
		"lr <= 0.5", "lr * n <= 1", `$env["weight-decay"] < 1`, "not (bn and n > 1)", `opt in ["sgd", "adam"]`, "(bn ? 1 : 2) < n",
		"all([1], # < lr)", "let x = 1; x < lr", "1/lr > 0", "n ** n % n == n", "a?.b", "{a: 1}.a < lr", "lr[1:2]", "-(-n) == -n", "b\"x\" == opt",
		"(((", "1..n", "lr | abs() < 1", "model.lr > 0", "lr\x00 < 1", "`a` == opt", "if bn {lr > 1} else {n > 1}", "::abs(lr) < 1", "# < 1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := New(constraintSpace(t).params, []string{text})
		if err != nil {
			if strings.Contains(err.Error(), "%!") && !strings.Contains(text, "%") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := Parse(s.AppendJSON(nil))
		if err != nil || again.String() != s.String() {
			t.Fatalf("%s is read back as %s, %v", s, again, err)
		}
		for _, x := range []float64{0, 0.25, 0.5, 0.75, 1} {
			p := s.Decode([]float64{x, x, x, x, x, x, x, x, x, x})
			if s.Feasible(p) != again.Feasible(p) || s.Feasible(p) != (s.constraints[0].gap(p) == 0) {
				t.Errorf("%q: not the same answer twice at %v", text, p)
			}
		}
	})
}
