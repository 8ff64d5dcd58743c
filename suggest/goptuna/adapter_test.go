package goptuna

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	gopt "github.com/c-bata/goptuna"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

// Every value survives the way to goptuna's numbers and back, and every number,
// however odd, is a value.
func TestDomains(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range suggesttest.Spaces(t) {
		for _, d := range newDomains(n.Space) {
			values := []space.Value{}
			if n, finite := d.param.Levels(); finite {
				values = append(values, d.param.At(0), d.param.At(n-1))
			}
			for range 200 {
				values = append(values, d.param.Sample(r))
			}
			for _, v := range values {
				x := d.internal(v)
				if !(x >= d.low && x <= d.high) {
					t.Errorf("%s, %s: %v is %v, outside of [%g, %g]", n.Name, d.param.Name, v, x, d.low, d.high)
				}
				if w := d.value(x); w != v && (d.form != formUnit || !near(d, v, w)) {
					t.Errorf("%s, %s: %v is %v, which is %v", n.Name, d.param.Name, v, x, w)
				}
			}
			for _, x := range []float64{
				math.NaN(), math.Inf(-1), math.Inf(1), -1.5, 0, 0.5, 1e18, -math.MaxFloat64,
				math.Nextafter(d.low, -1), math.Nextafter(d.high, math.Inf(1)), math.Copysign(0, -1),
			} {
				if err := d.param.Check(d.value(x)); err != nil {
					t.Errorf("%s, %s: %g is %v", n.Name, d.param.Name, x, err)
				}
			}
			sampler := gopt.NewRandomSampler()
			for range 100 {
				if x, err := d.sample(sampler, r); err != nil || !(x >= d.low && x <= d.high) {
					t.Errorf("%s, %s: goptuna draws %v, %v", n.Name, d.param.Name, x, err)
				}
			}
		}
	}
}

// near allows for what the unit interval loses of a huge or logarithmic range.
func near(d *domain, v, w space.Value) bool {
	lo, hi := d.scaled()
	return math.Abs(d.param.Transform(v)/2-d.param.Transform(w)/2) <= 1e-14*(hi/2-lo/2) // halves do not overflow
}

// Which distribution goptuna sees.
func TestDistributions(t *testing.T) {
	log := func(p space.Parameter, s space.Scale) space.Parameter { p.Scale = s; return p }
	step := func(p space.Parameter, by any) space.Parameter { p.Step = by; return p }
	unit := gopt.UniformDistribution{Low: 0, High: 1}
	tests := []struct {
		p    space.Parameter
		want any
	}{
		{float("x", -1, 3), gopt.UniformDistribution{Low: -1, High: 3}},
		{log(float("x", 0.1, 3), space.Log), gopt.LogUniformDistribution{Low: 0.1, High: 3}},
		{log(float("x", 0.1, 3), space.ReverseLog), unit},
		{step(float("x", 0, 1), 0.25), gopt.DiscreteUniformDistribution{Low: 0, High: 1, Q: 0.25}},
		{float("x", -1.7e308, 1.7e308), unit},
		{float("x", 0, 5e-324), unit},
		{integer("n", -2, 5), gopt.IntUniformDistribution{Low: -2, High: 5}},
		{step(integer("n", -2, 6), int64(4)), gopt.StepIntUniformDistribution{Low: -2, High: 6, Step: 4}},
		{log(integer("n", 1, 64), space.Log), unit},
		{integer("n", math.MinInt64, math.MaxInt64), unit},
	}
	for _, tt := range tests {
		if d := newDomains(suggesttest.Space(t, nil, tt.p))[0]; d.distribution != tt.want {
			t.Errorf("%+v is %#v, want %#v", tt.p, d.distribution, tt.want)
		}
	}
}

// What goptuna cannot do is done at random, and the arm says so.
func TestFallback(t *testing.T) {
	s := suggesttest.Space(t, []string{"x > 0.5"}, float("x", 0, 1))
	low := func(*rand.Rand) (space.Point, string, error) { return space.Point{0.25}, "odd", nil }
	broken := func(*rand.Rand) (space.Point, string, error) { return nil, "", errors.New("no luck") }
	panics := func(*rand.Rand) (space.Point, string, error) { panic("no luck") }
	invalid := func(*rand.Rand) (space.Point, string, error) { return space.Point{7.0}, "odd", nil }
	for name, d := range map[string]draw{"infeasible": low, "error": broken, "panic": panics, "invalid": invalid} {
		a := build(t, RandomAlgorithm(), s, 1).(*Random)
		p, err := a.suggest(t.Context(), suggest.Request{Numbers: []int64{0, 1}}, d)
		if err != nil || len(p) != 2 {
			t.Fatalf("%s: %v, %v", name, p, err)
		}
		for _, q := range p {
			if q.Arm != randomArm || s.Validate(q.Point) != nil {
				t.Errorf("%s: %v by %s", name, q.Point, q.Arm)
			}
			if explained := strings.Contains(string(q.Explain), "no luck"); explained != (name == "error" || name == "panic") {
				t.Errorf("%s is explained by %s", name, q.Explain)
			}
		}
	}
}
