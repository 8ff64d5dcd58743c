package space

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 42)) }

// kolmogorov is the largest distance between the distribution of the sorted
// draws and f.
func kolmogorov(draws []float64, f func(float64) float64) float64 {
	slices.Sort(draws)
	worst, n := 0.0, float64(len(draws))
	for i, x := range draws {
		worst = max(worst, math.Abs(f(x)-float64(i)/n), math.Abs(f(x)-float64(i+1)/n))
	}
	return worst
}

// upper is the mass of the standard normal above z.
func upper(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

func TestPriorIsTruncatedNormal(t *testing.T) {
	const n = 20_000
	tests := []struct{ mean, sd, low, high float64 }{
		{0.5, 0.1, 0, 1}, {0, 1, -8, 8}, {0, 1, 0, 1}, {0, 1, 0, 20}, {0, 1, -0.5, 0.1}, {0, 1, 3, 30},
		{0, 1, 12, 12.01}, {0, 1, 12, 40}, {100, 2, 0, 60}, {-1, 0.5, 0, 3}, {0.5, 1e6, 0, 1}, {0.5, math.MaxFloat64, 0, 1},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			s := mustNew(t, []Parameter{with(float("x", test.low, test.high), func(p *Parameter) { p.Prior = &Prior{test.mean, test.sd} })})
			r := source(1)
			draws := make([]float64, n)
			for i := range draws {
				draws[i] = s.Sample(r)[0].(float64)
			}
			a, b, sign := (test.low-test.mean)/test.sd, (test.high-test.mean)/test.sd, 1.0
			if b < 0 { // computed in the upper tail, where no digits are lost
				a, b, sign = -b, -a, -1
			}
			cdf := func(x float64) float64 {
				if test.sd > 1e5 {
					return (x - test.low) / (test.high - test.low)
				}
				f := (upper(a) - upper(sign*(x-test.mean)/test.sd)) / (upper(a) - upper(b))
				if sign < 0 {
					return 1 - f
				}
				return f
			}
			// 1.63/sqrt(n) is passed by 99 % of right samples; the seed is fixed.
			if d := kolmogorov(draws, cdf); d > 1.63/math.Sqrt(n) {
				t.Errorf("the distribution is off by %v", d)
			}
		})
	}
}

func TestPriorFarOut(t *testing.T) {
	for _, prior := range []Prior{{1e300, 1e-300}, {-1e300, 1e-300}, {5, 1e-320}, {-5, 1e-320}} {
		s := mustNew(t, []Parameter{with(float("x", 0.0, 1.0), func(p *Parameter) { p.Prior = &prior })})
		want := 0.0
		if prior.Mean > 0 {
			want = 1
		}
		if got := s.Sample(source(1))[0]; got != want {
			t.Errorf("%v gives %v", prior, got)
		}
	}
}

func TestPriorOfOtherScales(t *testing.T) {
	mean := func(p Parameter, of func(float64) float64) float64 {
		s := mustNew(t, []Parameter{p})
		r, sum := source(2), 0.0
		const n = 5000
		for range n {
			x, _ := asFloat(s.Sample(r)[0])
			sum += of(x)
		}
		return sum / n
	}
	near := func(m, sd float64) func(*Parameter) { return func(p *Parameter) { p.Prior = &Prior{m, sd} } }
	if m := mean(with(scaled(float("x", 1e-6, 1.0), Log), near(-7, 0.5)), math.Log); math.Abs(m+7) > 0.05 {
		t.Errorf("log: the mean of ln x is %v", m)
	}
	back := func(x float64) float64 { return math.Log(1 + 1e-6 - x) }
	if m := mean(with(scaled(float("x", 1e-6, 1.0), ReverseLog), near(-7, 0.5)), back); math.Abs(m+7) > 0.05 {
		t.Errorf("reverse-log: the mean of ln(1-x) is %v", m)
	}
	if m := mean(with(integer("x", 0, 100), near(70, 3)), func(x float64) float64 { return x }); math.Abs(m-70) > 0.3 {
		t.Errorf("int: the mean is %v", m)
	}
}

func TestSampleIsUniform(t *testing.T) {
	s := mustNew(t, []Parameter{
		integer("n", 1, 8), choices(Categorical, "c", "a", "b", "c"), step(float("d", 0.0, 0.8), 0.1), scaled(float("lr", 1e-4, 1.0), Log),
	})
	const n = 40_000
	count := map[string]int{}
	r := source(3)
	for range n {
		p := s.Sample(r)
		decade := math.Floor(math.Log10(p[3].(float64)))
		for i, v := range []Value{p[0], p[1], p[2], decade} {
			count[fmt.Sprint(i, " ", v)]++
		}
	}
	if len(count) != 8+3+9+4 {
		t.Errorf("%d values", len(count))
	}
	for v, got := range count {
		want := float64(n) / []float64{8, 3, 9, 4}[v[0]-'0']
		if math.Abs(float64(got)-want) > 5*math.Sqrt(want) {
			t.Errorf("%s came %d times, expected %.0f", v, got, want)
		}
	}
}

func TestSampleFeasible(t *testing.T) {
	unit := func(names ...string) (params []Parameter) {
		for _, n := range names {
			params = append(params, float(n, 0.0, 1.0))
		}
		return params
	}
	tests := []struct {
		name        string
		params      []Parameter
		constraints []string
		seeds       uint64
	}{
		{"none", unit("a"), nil, 5},
		{"half", unit("a", "b"), []string{"a <= b"}, 20},
		{"one in a thousand", unit("a", "b", "c"), []string{"a < 0.1 and b < 0.1", "c > 0.9"}, 50},
		{"one in a million", unit("a", "b", "c"), []string{"a < 0.01", "b > 0.99", "c < 0.01"}, 20},
		{"one in 10^12", unit("a", "b"), []string{"a < 1e-6 and b < 1e-6"}, 20},
		{"a thin stripe", unit("a", "b"), []string{"abs(a - b) < 1e-6", "a + b > 1"}, 20},
		{"a sum of integers", []Parameter{integer("a", 0, 100_000), integer("b", 0, 100_000)}, []string{"a + b == 123456"}, 20},
		{"a choice among many", append(unit("a"), choices(Ordinal, "c", 1, 2, 4, 8, 16, 32)), []string{"a * c > 31.99"}, 20},
		{"conditional", append(unit("a"), choices(Categorical, "opt", "x", "y"), when(integer("k", 1, 1_000_000), In{"opt", []Value{"y"}})),
			[]string{`opt == "y"`, "k == 777777"}, 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustNew(t, test.params, test.constraints...)
			if testing.Short() {
				test.seeds = 2
			}
			for seed := range test.seeds {
				p, err := s.SampleFeasible(source(seed))
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if err := s.Validate(p); err != nil {
					t.Fatalf("seed %d: %v: %v", seed, p, err)
				}
				if q, _ := s.SampleFeasible(source(seed)); s.Key(q) != s.Key(p) {
					t.Fatalf("seed %d: first %v, then %v", seed, p, q)
				}
			}
		})
	}
}

func TestSampleFeasibleGivesUp(t *testing.T) {
	s := mustNew(t, []Parameter{float("a", 0.0, 1.0), integer("n", 1, 10)}, "a < 0.9", "a * n > 10", "n > 5")
	_, err := s.SampleFeasible(source(1))
	if err == nil || types.CodeOf(err) != types.Invalid {
		t.Fatalf("error %v", err)
	}
	text := err.Error()
	if !strings.HasPrefix(text, "space.constraints: no point that satisfies the constraints was found in 10000 draws and 20 repairs: a * n > 10 (failed in 100 %); n > 5 (failed in ") {
		t.Errorf("%v", err)
	}
	if !strings.HasSuffix(text, "loosen or remove a constraint, or widen the ranges") {
		t.Errorf("%v", err)
	}
}
