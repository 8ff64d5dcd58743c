package qmc

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

func unit(name string) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Float, Low: 0.0, High: 1.0}
}

func build(t testing.TB, s *space.Space) suggest.Suggester {
	t.Helper()
	sg, err := suggest.New(suggest.Registry{Algorithm(engine)}, types.Component{Name: Name},
		suggest.Config{Space: s, Seed: 1, Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	return sg
}

func ask(t testing.TB, sg suggest.Suggester, numbers ...int64) []suggest.Proposal {
	t.Helper()
	p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: numbers})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Choices, integers and a conditional branch get exactly their share.
func TestSharesAreExact(t *testing.T) {
	s := suggesttest.Space(t, nil,
		space.Parameter{Name: "fixed", Kind: space.Constant, Choices: []space.Choice{{Value: "v"}}},
		space.Parameter{Name: "c", Kind: space.Categorical, Choices: []space.Choice{{Value: "a"}, {Value: "b"}}},
		space.Parameter{Name: "n", Kind: space.Int, Low: int64(1), High: int64(8)},
		space.Parameter{Name: "x", Kind: space.Float, Low: 0.0, High: 1.0,
			When: space.In{Param: "c", Values: []space.Value{"b"}}})
	sg := build(t, s)
	cells, quarters := map[[2]any]int{}, map[int]int{}
	for n := range int64(64) {
		p := ask(t, sg, n)[0].Point
		cells[[2]any{p[1], p[2]}]++
		if x, ok := p[3].(float64); ok {
			quarters[int(4*x)]++
		}
	}
	if len(cells) != 16 {
		t.Errorf("cells: %v", cells)
	}
	for cell, n := range cells {
		if n != 4 {
			t.Errorf("%v came %d times", cell, n)
		}
	}
	if d := cmp.Diff(map[int]int{0: 8, 1: 8, 2: 8, 3: 8}, quarters); d != "" {
		t.Errorf("x where it is active: %s", d)
	}
}

// Trial n has point n, whatever the others have, and the explanation says so.
func TestNumberIsIndex(t *testing.T) {
	s := suggesttest.Space(t, nil, unit("x"), unit("y"))
	one := ask(t, build(t, s), 5, 9)
	if d := cmp.Diff(one[1:], ask(t, build(t, s), 9)); d != "" {
		t.Error(d)
	}
	if got, want := string(one[1].Explain), `{"index":9,"scrambling":0}`; got != want {
		t.Errorf("explained by %s, not %s", got, want)
	}
}

// What a constraint cuts off comes from later scramblings, as evenly; only where
// next to nothing is feasible the points are random.
func TestConstraint(t *testing.T) {
	sg := build(t, suggesttest.Space(t, []string{"x + y <= 1"}, unit("x"), unit("y")))
	again := 0
	for n := range int64(512) {
		p := ask(t, sg, n)[0]
		if p.Arm != Name {
			t.Fatalf("trial %d has the arm %s", n, p.Arm)
		}
		if string(p.Explain) != fmt.Sprintf(`{"index":%d,"scrambling":0}`, n) {
			again++
		}
	}
	if again < 240 || again > 272 { // the net halves the square but for its diagonal
		t.Errorf("%d of 512 points were cut off", again)
	}
	p := ask(t, build(t, suggesttest.Space(t, []string{"x < 0.00001"}, unit("x"))), 3)[0]
	if p.Arm != randomArm || p.Explain != nil {
		t.Errorf("the arm of a rare point is %s, explained by %s", p.Arm, p.Explain)
	}
}

// A finite space is used up without repeats, its first points by the sequence.
func TestFinite(t *testing.T) {
	s := suggesttest.Space(t, nil,
		space.Parameter{Name: "n", Kind: space.Int, Low: int64(1), High: int64(16)},
		space.Parameter{Name: "m", Kind: space.Int, Low: int64(1), High: int64(16)})
	l := suggesttest.Simulate(t.Context(), build(t, s), suggesttest.Study{Space: s, Trials: 1000})
	suggesttest.CheckLog(t, l)
	suggesttest.CheckNoRepeats(t, l)
	if n := len(l.Points()); n != 256 {
		t.Fatalf("%d of 256 points", n)
	}
	for i, a := range l.Asks[:256] {
		if want := fmt.Sprintf(`{"index":%d,"scrambling":0}`, i); string(a.Proposals[0].Explain) != want {
			t.Fatalf("trial %d: %s", i, a.Proposals[0].Explain)
		}
	}
}

// The share of points below v is the prior's: the i-th of 1,024 sorted points
// lies in the i-th 1,024th of the prior's mass, half a point from its middle at
// most; far out in a tail the quantile is an approximation.
func TestPrior(t *testing.T) {
	tests := []struct {
		name string
		p    space.Parameter
		cdf  func(v float64) float64 // not normalised
		// distance is the greatest allowed, in points.
		distance float64
	}{
		{"inside", prior(unit("x"), 0.3, 0.1), normalAt(0.3, 0.1), 0.51},
		{"wide", prior(unit("x"), -2, 50), normalAt(-2, 50), 0.51},
		{"far below", prior(unit("x"), -5, 0.1), func(v float64) float64 { return tailShare(-5, 0.1, 0, v) }, 1},
		{"far above", prior(unit("x"), 6, 0.1), func(v float64) float64 { return -tailShare(-5, 0.1, 0, 1-v) }, 1},
		{"logarithmic", prior(space.Parameter{Name: "x", Kind: space.Float, Low: 1e-4, High: 1.0, Scale: space.Log}, -3, 1),
			func(v float64) float64 { return normalAt(-3, 1)(math.Log(v)) }, 0.51},
		{"reverse logarithmic", prior(space.Parameter{Name: "x", Kind: space.Float, Low: 0.5, High: 0.999, Scale: space.ReverseLog}, -0.3, 0.1),
			func(v float64) float64 { return -normalAt(-0.3, 0.1)(math.Log(0.5 + (0.999 - v))) }, 0.51},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := suggesttest.Space(t, nil, tt.p)
			low, high := s.Param(0).Low.(float64), s.Param(0).High.(float64)
			sg := build(t, s)
			const n = 1024
			shares := make([]float64, n)
			for i := range shares {
				v := ask(t, sg, int64(i))[0].Point[0].(float64)
				shares[i] = (tt.cdf(v) - tt.cdf(low)) / (tt.cdf(high) - tt.cdf(low))
			}
			slices.Sort(shares)
			distance := 0.0
			for i, share := range shares {
				distance = max(distance, math.Abs(share-(float64(i)+0.5)/n))
			}
			if distance > tt.distance/n {
				t.Errorf("the distribution functions differ by %.3g points", distance*n)
			}
		})
	}
}

func prior(p space.Parameter, mean, sd float64) space.Parameter {
	p.Prior = &space.Prior{Mean: mean, SD: sd}
	return p
}

func normalAt(mean, sd float64) func(float64) float64 {
	return func(v float64) float64 { return 0.5 * math.Erfc((mean-v)/sd/math.Sqrt2) }
}

// tailShare is the mass of [from, v] far above the mean by the midpoint rule, in
// units of the density at from.
func tailShare(mean, sd, from, v float64) float64 {
	const n = 1000
	v = min(v, from+sd) // the rest is exp(-50) of it
	sum, z0 := 0.0, (from-mean)/sd
	for i := range n {
		z := z0 + (v-from)/sd*(float64(i)+0.5)/n
		sum += math.Exp((z0-z)*(z0+z)/2) * (v - from) / n
	}
	return sum
}

// The ends of what position has to bear.
func TestPositionExtremes(t *testing.T) {
	for _, mean := range []float64{-1e300, -1e9, -4, 0.5, 4, 1e9, 1e300} {
		for _, sd := range []float64{1e-300, 1e-9, 0.01, 1, 1e9, 1e300} {
			s := suggesttest.Space(t, nil, prior(unit("x"), mean, sd))
			last := 0.0
			for _, u := range []float64{0, 0x1p-53, 1e-9, 0.25, 0.5, 0.75, 1 - 0x1p-53} {
				x := position(s.Param(0), u)
				if !(x >= last-1e-15 && x <= 1) {
					t.Errorf("mean %g, sd %g: position(%g) is %g after %g", mean, sd, u, x, last)
				}
				last = x
			}
		}
	}
}

func BenchmarkSuggest(b *testing.B) {
	for _, setup := range []string{"floats", "integers", "priors"} {
		b.Run(setup, func(b *testing.B) {
			var params []space.Parameter
			for i := range 10 {
				p := unit(fmt.Sprint("x", i))
				switch setup {
				case "integers":
					p = space.Parameter{Name: p.Name, Kind: space.Int, Low: int64(1), High: int64(1000)}
				case "priors":
					p = prior(p, 0.5, 0.2)
				}
				params = append(params, p)
			}
			sg := build(b, suggesttest.Space(b, nil, params...))
			ask(b, sg, 1<<17) // the vectors are there
			b.ReportAllocs()
			n := int64(0)
			for b.Loop() {
				ask(b, sg, n%(1<<17))
				n++
			}
		})
	}
}
