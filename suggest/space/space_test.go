package space

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

func mustNew(tb testing.TB, params []Parameter, constraints ...string) *Space {
	tb.Helper()
	s, err := New(params, constraints)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func mustParse(tb testing.TB, text string) *Space {
	tb.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// args makes the wire form of names and values in turn.
func args(of ...any) types.Params {
	var q types.Params
	for i := 0; i < len(of); i += 2 {
		q = append(q, types.Param{Name: of[i].(string), Value: of[i+1]})
	}
	return q
}

func grid(p Parameter, n int) Parameter {
	return with(p, func(p *Parameter) { p.Grid = n })
}

// Every level of a linear scale and every choice has the same share of the cube.
func TestEqualShares(t *testing.T) {
	tests := []struct {
		name  string
		param Parameter
		want  int
	}{
		{"int", integer("p", 1, 8), 8},
		{"stepped int", step(integer("p", -6, 6), 3), 5},
		{"stepped float", step(float("p", 0.0, 0.8), 0.1), 9},
		{"bool", choices(Bool, "p", false, true), 2},
		{"categorical", choices(Categorical, "p", "a", "b", "c"), 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustNew(t, []Parameter{test.param})
			count := map[Value]int{}
			const each = 100
			for i := range each * test.want {
				x := (float64(i) + 0.5) / float64(each*test.want)
				count[s.Decode([]float64{x})[0]]++
			}
			if len(count) != test.want {
				t.Errorf("%d values, want %d: %v", len(count), test.want, count)
			}
			for v, n := range count {
				if n != each {
					t.Errorf("%v has %d of %d", v, n, each)
				}
			}
		})
	}
}

// The share of a level on a logarithmic scale is the logarithm of its cell,
// which reaches half a step beyond the ends.
func TestLogShares(t *testing.T) {
	s := mustNew(t, []Parameter{scaled(integer("p", 1, 8), Log)})
	count := map[Value]int{}
	const n = 100_000
	for i := range n {
		count[s.Decode([]float64{(float64(i) + 0.5) / n})[0]]++
	}
	for v := int64(1); v <= 8; v++ {
		want := math.Log((float64(v)+0.5)/(float64(v)-0.5)) / math.Log(8.5/0.5)
		if got := float64(count[v]) / n; math.Abs(got-want) > 1e-4 {
			t.Errorf("%d has the share %.5f, want %.5f", v, got, want)
		}
	}
}

func TestReverseLogIsFineNearTheHighEnd(t *testing.T) {
	s := mustNew(t, []Parameter{scaled(float("p", 0.001, 1.0), ReverseLog)})
	var got []float64
	for _, x := range []float64{0, 1. / 3, 2. / 3, 1} {
		got = append(got, s.Decode([]float64{x})[0].(float64))
	}
	want := []float64{0.001, 1.001 - 0.1, 1.001 - 0.01, 1.0}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("decoded %v, want %v", got, want)
		}
	}
}

func TestExactEnds(t *testing.T) {
	whole := integer("p", math.MinInt64, math.MaxInt64)
	for _, p := range []Parameter{
		whole, scaled(integer("p", 1, math.MaxInt64), Log), integer("p", math.MaxInt64-1, math.MaxInt64),
		float("p", -math.MaxFloat64, math.MaxFloat64), scaled(float("p", 5e-324, 1.7e308), Log),
		scaled(float("p", 1e-5, 0.1), Log), float("p", 0.1, 0.1), integer("p", 3, 3),
		step(float("p", 1.0, 1.0), 0.5),
	} {
		s := mustNew(t, []Parameter{p})
		q := s.Param(0)
		for _, end := range []struct {
			x    float64
			want Value
		}{{0, q.Low}, {1, q.High}} {
			pt := s.Decode([]float64{end.x})
			if pt[0] != end.want {
				t.Errorf("%s: %v at %v, want %v", s, pt[0], end.x, end.want)
			}
			x := []float64{-1}
			s.Encode(pt, x, nil)
			if got := s.Decode(x); got[0] != end.want {
				t.Errorf("%s: %v is encoded as %v and decoded as %v", s, pt[0], x[0], got[0])
			}
		}
	}
	s := mustNew(t, []Parameter{whole})
	if n, ok := s.Param(0).Levels(); ok {
		t.Errorf("2^64 levels are counted as %d", n)
	}
	if n, finite := s.Size(); finite {
		t.Errorf("2^64 points are counted as %d", n)
	}
	for p := range s.Enumerate(1) {
		if p[0] != int64(math.MinInt64) {
			t.Errorf("the first point is %v", p)
		}
		break
	}
}

func TestText(t *testing.T) {
	tenth := 0.1 // a constant would be multiplied exactly
	tests := []struct {
		param Parameter
		value Value
		want  string
	}{
		{float("p", 0.0, 1.0), 0.3, "0.3"},
		{float("p", 0.0, 1.0), 1.0, "1.0"},
		{float("p", 0.0, 1.0), 1e-16, "1.0e-16"},
		{float("p", 0.0, 1e20), 1e15, "1.0e+15"},
		{float("p", 0.0, 1.0), 0.000012, "0.000012"},
		{step(float("p", 0.0, 0.8), 0.1), tenth * 3, "0.30000000000000004"}, // off the grid: said as it is
		{step(float("p", 0.0, 0.8), 0.1), 0.3, "0.3"},
		{step(float("p", 0.0, 1.0), 0.25), 0.5, "0.50"},
		{step(float("p", 0.05, 1.05), 0.5), 0.55, "0.55"},
		{step(float("p", 0.0, 10.0), 2.0), 4.0, "4.0"},
		{integer("p", 0, 9), int64(7), "7"},
		{choices(Bool, "p", true, false), true, "true"},
		{choices(Ordinal, "p", 1.1, "x"), 1.1, "1.1"},
		{with(choices(Ordinal, "p", 1, 2), func(p *Parameter) { p.Choices[0].Text = "001" }), int64(1), "001"},
		{with(choices(Bool, "p", true, false), func(p *Parameter) { p.Choices[0].Text = "True" }), true, "True"},
		{choices(Constant, "p", "a b"), "a b", "a b"},
		{choices(Constant, "p", "a b"), nil, ""},
	}
	for _, test := range tests {
		s := mustNew(t, []Parameter{test.param})
		if got := s.Text(0, test.value); got != test.want {
			t.Errorf("%s: text of %v is %q, want %q", s, test.value, got, test.want)
		}
	}
}

// Every level is the float64 of the decimal that a person would write.
func TestStepsAreDecimals(t *testing.T) {
	tenth := 0.1
	s := mustNew(t, []Parameter{step(float("p", -0.3, 0.8), 0.1), step(float("q", 0.001, 1.001), 0.002)})
	want := "-0.3 -0.2 -0.1 0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8"
	var got []string
	p := s.Param(0)
	for k := range int64(12) {
		got = append(got, literal(p.At(k)))
	}
	if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
		t.Error(d)
	}
	if v := s.Param(1).At(150); v != 0.301 {
		t.Errorf("level 150 is %v", v)
	}
	if p, err := s.FromParams(types.Params{{Name: "p", Value: tenth * 3}, {Name: "q", Value: 0.301}}); err != nil || p[0] != 0.3 {
		t.Errorf("0.1*3 is read as %v, %v", p, err)
	}
	third := mustNew(t, []Parameter{step(float("p", 0.0, 1.0), 1.0/3)}).Param(0)
	if n, _ := third.Levels(); n != 4 || third.At(3) != 1.0 || third.At(1) != 1.0/3 {
		t.Errorf("thirds: %d levels up to %v", n, third.At(3))
	}
}

const nested = `{"parameters":[
	{"name":"m","type":"float","low":0.0,"high":0.9,"step":0.3,"when":{"param":"opt","in":["sgd"]}},
	{"name":"opt","type":"categorical","choices":["sgd","adam","lbfgs"]},
	{"name":"nesterov","type":"bool","when":{"param":"m","range":[0.3,null]}},
	{"name":"beta","type":"ordinal","choices":[0.9,0.99],"when":{"param":"opt","not_in":["sgd","lbfgs"]}},
	{"name":"odd","type":"int","low":1,"high":3,"when":{"any":[{"param":"opt","in":["lbfgs"]},{"not":{"param":"m","range":[null,0.3]}}]}},
	{"name":"n","type":"int","low":1,"high":2}]}`

func TestConditions(t *testing.T) {
	s := mustParse(t, nested)
	tests := []struct {
		name   string
		params types.Params
		err    string
	}{
		{"sgd without momentum", args("opt", "sgd", "m", 0.0, "n", int64(1)), ""},
		{"sgd with momentum", args("opt", "sgd", "m", 0.9, "nesterov", true, "odd", int64(1), "n", int64(1)), ""},
		{"adam", args("opt", "adam", "beta", 0.9, "n", int64(1)), ""},
		// m is inactive: it decides nothing, although opt alone would do.
		{"lbfgs", args("opt", "lbfgs", "n", int64(1)), ""},
		{"inactive given", args("opt", "adam", "beta", 0.9, "m", 0.3, "n", int64(1)), "params.m: its condition does not hold, but it has the value 0.3; leave it out"},
		{"active missing", args("opt", "adam", "n", int64(1)), "params.beta: the parameter is active and has no value; give one: the choices 0.9, 0.99"},
		{"grandchild of an inactive", args("opt", "adam", "beta", 0.9, "nesterov", true, "n", int64(1)), "params.nesterov: its condition does not hold"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := s.FromParams(test.params)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Validate(p)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
	if !s.Conditional() || !cmp.Equal(s.Parents(4), []int{0, 1}) || s.Parents(1) != nil {
		t.Errorf("parents of odd: %v", s.Parents(4))
	}
}

func TestFromParamsRefuses(t *testing.T) {
	s := mustParse(t, nested)
	tests := []struct {
		params types.Params
		want   string
	}{
		{args("lr", 0.1), `params.lr: the space has no parameter "lr"; it has m, opt, nesterov`},
		{args("n", int64(1), "n", int64(2)), "params.n: it is given twice"},
		{args("n", 1.0), "params.n: it is 1.0, which is no whole number"},
		{args("n", "1"), `params.n: it is "1", which is no whole number`},
		{args("m", 0.31), "params.m: it is 0.31, which is off the step 0.3 from 0.0"},
		{args("m", math.NaN()), "params.m: it is NaN, which is no number"},
		{args("opt", "rms"), `params.opt: it is "rms", which is none of the choices "sgd", "adam", "lbfgs"; give one of them`},
		{args("nesterov", int64(1)), "params.nesterov: it is 1, which is none of the choices false, true"},
		{args("n", int64(9), "m", 1.2), "params: 2 faults\nparams.n: it is 9, which is above the high end 2; n has 1 .. 2\n" +
			"params.m: it is 1.2, which is above the high end 0.9; m has 0.0 .. 0.9 step 0.3"},
	}
	for _, test := range tests {
		_, err := s.FromParams(test.params)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v: error %v, want %q", test.params, err, test.want)
		}
	}
	p, err := s.FromParams(args("m", int64(0), "beta", 0.9))
	if err != nil || p[0] != 0.0 || p[3] != 0.9 || p[5] != nil {
		t.Errorf("%v, %v", p, err)
	}
}

func TestValidateRefuses(t *testing.T) {
	tenth := 0.1
	s := mustNew(t, []Parameter{integer("n", 1, 8), step(float("d", 0.0, 1.0), 0.1)}, "n * d <= 2", "d < 0.9")
	tests := []struct {
		point Point
		want  string
	}{
		{Point{int64(1)}, "params: the point has 1 values, the space 2 parameters"},
		{Point{int64(9), 0.1}, "params.n: it is 9, which is above"},
		{Point{1.0, 0.1}, "params.n: it is 1.0, which is no whole number"},
		{Point{int64(1), int64(1)}, "params.d: it is 1, a whole number, where a float is needed"},
		{Point{int64(1), tenth * 3}, "params.d: it is 0.30000000000000004, which is off the step"},
		{Point{int64(1), []float64{1}}, "params.d: it is [1], which is no number"},
		{Point{nil, 0.1}, "params.n: the parameter is active and has no value; give one: the range 1 to 8"},
		{Point{int64(8), 0.5}, "params: the constraint n * d <= 2 does not hold"},
		{Point{int64(8), 1.0}, "params: 2 faults\nparams: the constraint n * d <= 2 does not hold; choose values that satisfy it\nparams: the constraint d < 0.9"},
	}
	for _, test := range tests {
		err := s.Validate(test.point)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v: error %v, want %q", test.point, err, test.want)
		}
	}
	if err := s.Validate(Point{int64(4), 0.5}); err != nil {
		t.Error(err)
	}
	if err := s.Param(0).Check(int64(8)); err != nil {
		t.Error(err)
	}
	if err := s.Param(0).Check(int64(0)); err == nil || err.Error() != "params.n: it is 0, which is below the low end 1; n has 1 .. 8" {
		t.Errorf("%v", err)
	}
}

// Equal spaces have equal forms, however they were written.
func TestCanonicalForm(t *testing.T) {
	s := mustNew(t, []Parameter{
		with(scaled(defaulted(float("lr", 1e-5, 1), 0.5), Log), func(p *Parameter) { p.Prior = &Prior{-3, 1}; p.Grid = 5 }),
		step(scaled(integer("n", 1, 8), Linear), 1),
		{Name: "b", Kind: Bool},
		with(choices(Ordinal, "v", 1.1, "x"), func(p *Parameter) { p.Choices[0].Text = "1.10"; p.Choices[1].Text = "x" }),
		when(choices(Constant, "c", 1.0), And{In{"b", []Value{true, true}}}),
		when(float("d", 0, 1), And{And{Range{"lr", nil, 1}, Not{NotIn{"n", []Value{3}}}}, Or{In{"v", []Value{"x"}}}}),
	}, " lr  < 0.5 ")
	want := `{"parameters":[` +
		`{"name":"lr","type":"float","low":0.00001,"high":1.0,"scale":"log","default":0.5,"prior":{"mean":-3.0,"sd":1.0},"grid":5},` +
		`{"name":"n","type":"int","low":1,"high":8},` +
		`{"name":"b","type":"bool"},` +
		`{"name":"v","type":"ordinal","choices":[{"value":1.1,"text":"1.10"},"x"]},` +
		`{"name":"c","type":"constant","choices":[1.0],"when":{"param":"b","in":[true]}},` +
		`{"name":"d","type":"float","low":0.0,"high":1.0,"when":{"all":[{"param":"lr","range":[null,1.0]},{"not":{"param":"n","not_in":[3]}},{"param":"v","in":["x"]}]}}],` +
		`"constraints":["lr  < 0.5"]}`
	if d := cmp.Diff(want, s.String()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want, mustParse(t, want).String()); d != "" {
		t.Error(d)
	}
}

// What the caller does with what it gave, or got, must not reach the space.
func TestSpaceOwnsItsParts(t *testing.T) {
	p := choices(Categorical, "a", "x", "y")
	p.When = In{"b", []Value{true}}
	prior := &Prior{0, 1}
	params := []Parameter{p, {Name: "b", Kind: Bool}, with(float("c", 0, 1), func(p *Parameter) { p.Prior = prior })}
	s := mustNew(t, params, "c < 1")
	before := s.String()
	p.Choices[0].Value = "z"
	p.When.(In).Values[0] = false
	prior.SD = 5
	params[1].Name = "q"
	s.Constraints()[0] = "c < 2"
	if after := s.String(); after != before {
		t.Errorf("changed to %s", after)
	}
	if _, ok := s.Default(); ok {
		t.Error("a default without defaults")
	}
}

func TestDefault(t *testing.T) {
	s := mustNew(t, []Parameter{
		defaulted(float("lr", 0.0, 1.0), 0.1), integer("n", 1, 9), choices(Categorical, "opt", "sgd", "adam", "x"),
		choices(Ordinal, "size", "s", "m", "l"), when(float("m", 0.0, 1.0), In{"opt", []Value{"adam"}}),
	})
	p, ok := s.Default()
	if d := cmp.Diff(Point{0.1, int64(5), "sgd", "m", nil}, p); d != "" || !ok {
		t.Errorf("%v: %s", ok, d)
	}
}
