package gp

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// testLayout has numbers, an ordinal, choices, and a parameter that is not always
// there; with lengths trials may have ended early.
func testLayout(t testing.TB, lengths bool) *layout {
	t.Helper()
	s, err := space.New([]space.Parameter{
		{Name: "x", Kind: space.Float, Low: -5.0, High: 5.0},
		{Name: "lr", Kind: space.Float, Low: 1e-5, High: 1.0, Scale: space.Log},
		{Name: "n", Kind: space.Int, Low: int64(1), High: int64(9)},
		{Name: "c", Kind: space.Categorical, Choices: []space.Choice{{Value: "a"}, {Value: "b"}, {Value: "d"}}},
		{
			Name: "m", Kind: space.Float, Low: 0.0, High: 1.0,
			When: space.In{Param: "c", Values: []space.Value{"a", "b"}},
		},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := newLayout(s)
	if lengths {
		l.addLength()
	}
	return l
}

// rowsOf are n random rows; with lengths some of trials that ended early.
func rowsOf(l *layout, n int, r *rand.Rand) [][]float64 {
	var x [][]float64
	for range n {
		row := l.coordinates(l.space.Sample(r))
		if l.lengths() && r.IntN(2) == 0 {
			row[len(row)-1] = r.Float64()
		}
		x = append(x, row)
	}
	return x
}

func near(a, b, relative float64) bool {
	return math.Abs(a-b) <= relative*math.Max(1, math.Max(math.Abs(a), math.Abs(b)))
}

// The gradient of the loss is what finite differences say.
func TestLossGradient(t *testing.T) {
	for _, lengths := range []bool{false, true} {
		r := rand.New(rand.NewPCG(1, 2))
		l := testLayout(t, lengths)
		x := rowsOf(l, 15, r)
		y := make([]float64, len(x))
		for i := range y {
			y[i] = r.NormFloat64()
		}
		f := newFitter(l, x, y, noiseOf("auto"))
		p := make([]float64, len(f.priors))
		for i := range p {
			p[i] = -1 + r.Float64()
		}
		grad, none := make([]float64, len(p)), make([]float64, len(p))
		f.loss(p, grad)
		for i := range p {
			const h = 1e-5
			q := slices.Clone(p)
			q[i] = p[i] + h
			up := f.loss(q, none)
			q[i] = p[i] - h
			if want := (up - f.loss(q, none)) / (2 * h); !near(grad[i], want, 1e-6) {
				t.Errorf("lengths %v, parameter %d: gradient %g, by differences %g", lengths, i, grad[i], want)
			}
		}
	}
}

// The covariance of any rows is positive definite, also where parameters are
// inactive: the distances are Euclidean.
func TestCovarianceIsPositive(t *testing.T) {
	l := testLayout(t, true)
	rapid.Check(t, func(t *rapid.T) {
		x := rowsOf(l, rapid.IntRange(1, 30).Draw(t, "rows"), rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		h := hyper{signal: 1, noise: 1e-9, trend: rapid.Float64Range(0.001, 10).Draw(t, "trend")}
		for range l.dims {
			h.theta = append(h.theta, math.Exp(rapid.Float64Range(-5, 5).Draw(t, "ln theta")))
		}
		if _, ok := newPosterior(l, h, x, make([]float64, len(x))); !ok {
			t.Fatalf("not positive definite with %+v: %v", h, x)
		}
	})
}

// Mean and deviation are those of the textbook formula, pending rows take away
// variance and leave the mean, and the slope is what finite differences say.
func TestPosterior(t *testing.T) {
	for _, lengths := range []bool{false, true} {
		r := rand.New(rand.NewPCG(3, 4))
		l := testLayout(t, lengths)
		const n, pending = 12, 3
		x := rowsOf(l, n+pending, r)
		y := make([]float64, n)
		for i := range y {
			y[i] = r.NormFloat64()
		}
		h := hyper{signal: 1.3, noise: 0.01}
		if lengths {
			h.trend = 0.7
		}
		for range l.dims {
			h.theta = append(h.theta, 0.5+r.Float64())
		}
		g, ok := newPosterior(l, h, x, y)
		alone, ok2 := newPosterior(l, h, x[:n], y)
		if !ok || !ok2 {
			t.Fatal("singular")
		}
		points := make([][]float64, 5)
		for i := range points {
			points[i] = l.coordinates(l.space.Sample(r))
		}
		points[4] = x[n] // a pending one
		mean, sd := g.predict(points)
		before, wider := alone.predict(points)
		for i, p := range points {
			m, v := textbook(h, l, x[:n], y, p)
			if !near(before[i], m, 1e-9) || !near(wider[i], math.Sqrt(v), 1e-9) {
				t.Errorf("point %d: %g, %g, by the book %g, %g", i, before[i], wider[i], m, math.Sqrt(v))
			}
			if !near(mean[i], before[i], 1e-9) || !(sd[i] < wider[i]) {
				t.Errorf("point %d: pending rows change mean and deviation from %g, %g to %g, %g", i, before[i], wider[i], mean[i], sd[i])
			}
		}
		checkSlope(t, g, points[0])
	}
}

// textbook is the posterior at p (Rasmussen and Williams, equations 2.25, 2.26).
func textbook(h hyper, l *layout, x [][]float64, y []float64, p []float64) (mean, variance float64) {
	n := len(x)
	k, c := mat.NewDense(n, n, nil), mat.NewVecDense(n, nil)
	for i := range n {
		for j := range n {
			k.Set(i, j, h.covariance(l.dims, x[i], x[j]))
		}
		k.Set(i, i, k.At(i, i)+h.noise)
		c.SetVec(i, h.covariance(l.dims, x[i], p))
	}
	var inverse mat.Dense
	if err := inverse.Inverse(k); err != nil {
		panic(err)
	}
	var w mat.VecDense
	w.MulVec(&inverse, c)
	return mat.Dot(&w, mat.NewVecDense(n, y)), h.signal - mat.Dot(&w, c)
}

func checkSlope(t *testing.T, g *posterior, x []float64) {
	t.Helper()
	n := len(x)
	dMean, dSD, none := make([]float64, n), make([]float64, n), make([]float64, n)
	g.slope(x, dMean, dSD)
	for j, d := range g.dims {
		if !d.smooth() || math.IsNaN(x[j]) {
			if dMean[j] != 0 || dSD[j] != 0 {
				t.Errorf("dimension %d has a slope: %g, %g", j, dMean[j], dSD[j])
			}
			continue
		}
		const h = 1e-6
		up, down := slices.Clone(x), slices.Clone(x)
		up[j] += h
		down[j] -= h
		m1, s1 := g.slope(up, none, slices.Clone(none))
		m0, s0 := g.slope(down, none, slices.Clone(none))
		if m, s := (m1-m0)/(2*h), (s1-s0)/(2*h); !near(dMean[j], m, 1e-6) || !near(dSD[j], s, 1e-6) {
			t.Errorf("dimension %d: slope %g, %g, by differences %g, %g", j, dMean[j], dSD[j], m, s)
		}
	}
}

// logEI is the logarithm of the integral, and finite far out; its derivatives
// are what finite differences say, on all branches.
func TestLogEI(t *testing.T) {
	for _, z := range []float64{3, 0.5, 0, -0.999, -1.001, -3, -6} {
		const sd, least = 0.7, 2.0
		mean := least - z*sd
		want := quad.Fixed(func(u float64) float64 {
			return (least - mean - sd*u) * math.Exp(-u*u/2) / math.Sqrt(2*math.Pi)
		}, z-12, z, 400, nil, 0)
		if got, _, _ := logEI(mean, sd, least); !near(math.Exp(got)/want, 1, 1e-6) {
			t.Errorf("z %g: EI %g, the integral is %g", z, math.Exp(got), want)
		}
	}
	for _, z := range []float64{2, -0.5, -1.5, -20, -35.9, -36.1, -1e4} {
		const h = 1e-6
		up, _ := logH(z * (1 + h))
		down, _ := logH(z * (1 - h))
		_, slope := logH(z)
		if want := (up - down) / (2 * h * z); !near(slope/want, 1, 1e-4) {
			t.Errorf("z %g: slope %g, by differences %g", z, slope, want)
		}
	}
	a, _ := logH(math.Nextafter(far, 0))
	b, _ := logH(math.Nextafter(far, -100))
	if !near(a, b, 1e-9) {
		t.Errorf("the branches meet at %g and %g", a, b)
	}
	if v, _, _ := logEI(1e6, 1e-6, 0); math.IsInf(v, 0) || math.IsNaN(v) {
		t.Errorf("far out it is %g", v)
	}
}

// Normalised values keep the order, have mean 0 and variance 1, do not depend on
// unit and origin, and those of the better half keep their proportions.
func TestNormalise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-10, 10), rapid.Float64(),
			rapid.SampledFrom([]float64{0, 1, 5e-324, 1e-323, math.MaxFloat64, -math.MaxFloat64})), 1, 40).Draw(t, "y")
		z := normalise(y, wholes(len(y)))
		for i := range y {
			if math.IsNaN(z[i]) || math.IsInf(z[i], 0) {
				t.Fatalf("%g became %g", y[i], z[i])
			}
			for k := range y {
				if y[i] < y[k] && z[i] > z[k] || y[i] == y[k] && z[i] != z[k] {
					t.Fatalf("%g and %g became %g and %g", y[i], y[k], z[i], z[k])
				}
			}
		}
		if mean, sd := stat.MeanStdDev(z, nil); len(y) > 1 && sd != 0 && (!near(mean, 0, 1e-9) || !near(sd, 1, 1e-9)) {
			t.Fatalf("mean %g, deviation %g", mean, sd)
		}
	})
	y := []float64{3, 1, 4, 1.5, 9, 2.6, 5, 35}
	z := normalise(y, wholes(len(y)))
	for i, v := range normalise([]float64{300, 100, 400, 150, 900, 260, 500, 3500}, wholes(8)) {
		if !near(v, z[i], 1e-9) {
			t.Errorf("in another unit %g became %g", z[i], v)
		}
	}
	if a, b := (z[3]-z[1])/(z[5]-z[1]), (y[3]-y[1])/(y[5]-y[1]); !near(a, b, 1e-9) {
		t.Errorf("the better half is bent: %g, was %g", a, b)
	}
	if z[7] > 3 {
		t.Errorf("what went astray is still at %g", z[7])
	}
}

// A fit is renewed with each trial at first, and then ever more seldom.
func TestRefit(t *testing.T) {
	fits, last := 0, 0
	for n := 1; n <= 300; n++ {
		at := refit(n)
		if at < last || at > n || n-at > n/12 || n <= 30 && at != n {
			t.Fatalf("with %d trials the fit is that of %d", n, at)
		}
		if at != last {
			fits, last = fits+1, at
		}
	}
	if fits > 70 {
		t.Errorf("%d fits in 300 trials", fits)
	}
}

func wholes(n int) []bool {
	out := make([]bool, n)
	for i := range out {
		out[i] = true
	}
	return out
}

// Of many rows the best third of the model and the newest others are in it.
func TestChosen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.IntRange(0, 20), 1, 60).Draw(t, "values")
		o := observations{most: rapid.IntRange(3, 40).Draw(t, "most")}
		for _, v := range values {
			o.ranks = append(o.ranks, suggest.Rank{A: float64(v)})
		}
		n := rapid.IntRange(1, len(values)).Draw(t, "n")
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		want := slices.Clone(order)
		if n > o.most {
			slices.SortStableFunc(order, func(a, b int) int { return values[a] - values[b] })
			rest := slices.Sorted(slices.Values(order[o.most/3:]))
			want = slices.Concat(order[:o.most/3], rest[len(rest)-(o.most-o.most/3):])
			slices.Sort(want)
		}
		if got := o.chosen(n); !slices.Equal(got, want) {
			t.Fatalf("of %v: %v, want %v", values[:n], got, want)
		}
	})
}
