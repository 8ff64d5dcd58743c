package tpe

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// The example of Optuna's rule: the domain [0, 10] and four observations.
func TestBandwidths(t *testing.T) {
	tests := []struct {
		name string
		x    []float64
		want []float64
	}{
		{"four", []float64{1, 3, 4, 8}, []float64{2, 2, 4, 4}},
		{"one: both ends count", []float64{3}, []float64{7}},
		{"one at the end", []float64{0}, []float64{10}},
		{"two: inner gap only, then the floor 10/4", []float64{4, 5}, []float64{2.5, 2.5}},
		{"equal ones get the floor 10/5", []float64{6, 6, 6}, []float64{2, 2, 2}},
		{"a gap beside equal ones", []float64{0, 9, 9}, []float64{9, 9, 2}},
	}
	for _, tt := range tests {
		got := make([]float64, len(tt.x))
		bandwidths(got, tt.x, len(tt.x), 0, 10)
		if d := cmp.Diff(tt.want, got, cmpopts.EquateApprox(1e-15, 0)); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	// From 98 observations on the floor is a hundredth of the domain.
	for _, m := range []int{97, 98, 1000} {
		x, sd := make([]float64, m), make([]float64, m)
		bandwidths(sd, x, m, 0, 10)
		near(t, "floor", sd[m/2], 10/math.Min(100, float64(m+2)), 1e-15)
	}
}

func TestWeights(t *testing.T) {
	ones := weights(nil, 25, 2)
	for i, w := range ones {
		if want := 1.0 + float64(i/25); w != want {
			t.Errorf("of 25, weight %d is %g, want %g", i, w, want)
		}
	}
	if w := weights(nil, 0, 1); len(w) != 1 || w[0] != 1 {
		t.Errorf("of none: %v", w)
	}
	near(t, "the first of 26", weights(nil, 26, 1)[0], 1.0/26, 1e-15)
	w := weights(nil, 30, 1) // linspace(1/30, 1, 5), then 25 ones
	for i, want := range []float64{1.0 / 30, 1.0/30 + 29.0/120, 1.0/30 + 29.0/60, 1.0/30 + 29.0/40, 1, 1} {
		near(t, "of 30", w[i], want, 1e-15)
	}
	if len(w) != 31 {
		t.Errorf("%d weights", len(w))
	}
}

func mustSpace(t testing.TB, params ...space.Parameter) *space.Space {
	t.Helper()
	s, err := space.New(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rangeOf(name string, low, high space.Value, scale space.Scale) space.Parameter {
	kind := space.Float
	if _, ok := low.(int64); ok {
		kind = space.Int
	}
	return space.Parameter{Name: name, Kind: kind, Low: low, High: high, Scale: scale}
}

func letters(name string, vs ...string) space.Parameter {
	p := space.Parameter{Name: name, Kind: space.Categorical}
	for _, v := range vs {
		p.Choices = append(p.Choices, space.Choice{Value: v})
	}
	return p
}

// mixtures are the densities of the points, once as good and once as bad
// trials; they are the same.
func mixtures(t testing.TB, s *space.Space, points ...space.Point) (*observations, []*mixture) {
	t.Helper()
	of := func(gamma float64) (*observations, *model) {
		o := newObservations(s, &settings{gamma: gamma, gammaMax: 1000, priorWeight: 1, multivariate: true})
		for i, p := range points {
			if err := s.Validate(p); err != nil {
				t.Fatal(err)
			}
			o.add(int64(i), p, suggest.Rank{A: float64(i)})
		}
		return o, o.model(nil)
	}
	o, a := of(1)
	_, b := of(0)
	if len(a.groups) != 1 || a.below != len(points) || b.above != len(points) {
		t.Fatalf("groups %d, below %d, above %d", len(a.groups), a.below, b.above)
	}
	return o, []*mixture{&a.groups[0].good, &b.groups[0].bad}
}

// The densities below were computed from the rule with mpmath 1.3.0 at 40
// digits.
func TestDensity(t *testing.T) {
	number := rangeOf("x", 0.0, 10.0, "")
	tests := []struct {
		name   string
		params []space.Parameter
		points []space.Point
		width  float64 // of the continuous dimension, whose coordinate is in [0,1]
		at     []space.Point
		want   []float64
	}{
		{
			"continuous", []space.Parameter{number}, []space.Point{{3.0}, {8.0}, {1.0}, {4.0}}, 10,
			[]space.Point{{0.0}, {2.5}, {5.0}, {9.75}, {10.0}},
			[]float64{
				-2.2745398943644753, -1.960506125512164, -2.2822130997893163,
				-2.8998219183750967, -2.9342768487431828,
			},
		},
		{
			"integers", []space.Parameter{rangeOf("n", int64(1), int64(4), "")},
			[]space.Point{{int64(2)}, {int64(1)}, {int64(2)}}, 1,
			[]space.Point{{int64(1)}, {int64(2)}, {int64(3)}, {int64(4)}},
			[]float64{-1.1237950332609777, -0.97835799987024919, -1.5495142662713046, -2.4455650907156008},
		},
		{
			"integers in the logarithm", []space.Parameter{rangeOf("n", int64(1), int64(8), space.Log)},
			[]space.Point{{int64(2)}}, 1,
			[]space.Point{{int64(1)}, {int64(2)}, {int64(8)}},
			[]float64{-0.96967541046377934, -1.6197644903496663, -3.3031794292244364},
		},
		{
			"joint with choices", []space.Parameter{number, letters("c", "a", "b", "c")},
			[]space.Point{{1.0, "a"}, {3.0, "b"}}, 10,
			[]space.Point{{2.0, "a"}, {2.0, "c"}, {9.0, "b"}},
			[]float64{-2.6550050421425328, -3.4163960485847419, -4.3410598234437627},
		},
		{
			"nothing observed", []space.Parameter{letters("c", "a", "b", "c", "d")}, nil, 1,
			[]space.Point{{"a"}, {"d"}}, []float64{-math.Log(4), -math.Log(4)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSpace(t, tt.params...)
			o, both := mixtures(t, s, tt.points...)
			for side, m := range both {
				var acc scratch
				for i, p := range tt.at {
					x := make([]float64, len(o.dims))
					for j, d := range o.dims {
						x[j] = d.encode(p[d.index])
					}
					got := m.logDensity(x, &acc) - math.Log(tt.width)
					if math.Abs(got-tt.want[i]) > 1e-12 {
						t.Errorf("side %d at %v: got %.17g, want %.17g", side, p, got, tt.want[i])
					}
				}
			}
		})
	}
}

// Draws follow the density: the frequency of each cell is compared with its
// mass, in standard deviations of the count.
func TestDraws(t *testing.T) {
	const draws = 40_000
	ordinal := letters("o", "s", "m", "l", "xl")
	ordinal.Kind = space.Ordinal
	stepped := rangeOf("f", -1.0, 1.0, "")
	stepped.Step = 0.25
	prior := rangeOf("p", int64(0), int64(20), "")
	prior.Prior = &space.Prior{Mean: 15, SD: 2}
	tests := []struct {
		name   string
		param  space.Parameter
		points []space.Point
	}{
		{"int", rangeOf("n", int64(1), int64(9), ""), []space.Point{{int64(1)}, {int64(7)}, {int64(7)}}},
		{"log int", rangeOf("n", int64(1), int64(16), space.Log), []space.Point{{int64(1)}, {int64(8)}}},
		{"reverse-log int", rangeOf("n", int64(1), int64(16), space.ReverseLog), []space.Point{{int64(15)}, {int64(8)}}},
		{"steps", stepped, []space.Point{{-1.0}, {0.25}, {1.0}}},
		{"ordinal", ordinal, []space.Point{{"m"}, {"xl"}}},
		{"choice", letters("c", "a", "b", "c", "d", "e"), []space.Point{{"a"}, {"c"}, {"e"}, {"e"}}},
		{"prior", prior, []space.Point{{int64(3)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustSpace(t, tt.param)
			o, both := mixtures(t, s, tt.points...)
			m, d := both[0], o.dims[0]
			counts := make([]int, d.levels)
			r := rand.New(rand.NewPCG(1, 1))
			x := make([]float64, 1)
			for range draws {
				m.draw(r, x)
				counts[d.param.LevelOf(d.value(x[0]))]++
			}
			total, acc := 0.0, scratch{}
			for k, n := range counts {
				x[0] = d.encode(d.param.At(int64(k)))
				mass := math.Exp(m.logDensity(x, &acc))
				total += mass
				sd := math.Sqrt(draws * mass * (1 - mass))
				if dev := (float64(n) - draws*mass) / sd; math.Abs(dev) > 4.5 {
					t.Errorf("%v: %d of %d, expected %.1f (%.1f deviations)",
						d.param.At(int64(k)), n, draws, draws*mass, dev)
				}
			}
			near(t, "total mass", total, 1, 1e-12)
		})
	}
}

// Of a continuous dimension the distribution function is compared.
func TestContinuousDraws(t *testing.T) {
	const draws, cells = 40_000, 50
	s := mustSpace(t, rangeOf("x", 1e-4, 1.0, space.Log))
	o, both := mixtures(t, s, space.Point{1e-4}, space.Point{0.3}, space.Point{0.35})
	m := both[0]
	counts := make([]int, cells)
	r := rand.New(rand.NewPCG(2, 1))
	x, acc := make([]float64, 1), scratch{}
	for range draws {
		m.draw(r, x)
		counts[min(int(x[0]*cells), cells-1)]++
	}
	for k, n := range counts {
		mass := 0.0
		const fine = 20 // midpoints of the cell
		for i := range fine {
			x[0] = (float64(k) + (float64(i)+0.5)/fine) / cells
			mass += math.Exp(m.logDensity(x, &acc)) / fine / cells
		}
		if dev := (float64(n) - draws*mass) / math.Sqrt(draws*mass); math.Abs(dev) > 4.5 {
			t.Errorf("cell %d: %d, expected %.1f", k, n, draws*mass)
		}
	}
	if d := o.dims[0]; d.kind != continuous {
		t.Errorf("a float is %v", d.kind)
	}
}

// Cells tile the domain, whatever the scale.
func TestCells(t *testing.T) {
	step := rangeOf("f", 0.1, 0.9, space.Log)
	step.Step = 0.2
	params := []space.Parameter{
		rangeOf("a", int64(-3), int64(12), ""), rangeOf("b", int64(1), int64(100), space.Log),
		rangeOf("c", int64(1), int64(100), space.ReverseLog), step,
	}
	for _, p := range params {
		d := newDim(mustSpace(t, p), 0)
		last := d.low
		for k := range d.levels {
			x := d.encode(d.param.At(k))
			a, b := d.cell(x)
			if math.Abs(a-last) > 1e-12 || !(a < x && x < b) {
				t.Errorf("%s level %d at %g: cell [%g, %g] after %g", p.Name, k, x, a, b, last)
			}
			if d.snap(a+1e-9) != x || d.snap(b-1e-9) != x {
				t.Errorf("%s level %d: the cell [%g, %g] does not round to %g", p.Name, k, a, b, x)
			}
			last = b
		}
		near(t, "end", last, d.high, 1e-12)
	}
}
