package cmaes

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/floats"

	"github.com/gotuner/tuner/suggest"
)

// bowl is a rotated quadratic function around (0.3, 0.4, 0.5, …), with archive
// points of a turned, stretched distribution around another place.
func bowl(n, points int, diagonal bool) (g *gaussian, archive []observation, best []float64) {
	r := rand.New(rand.NewPCG(1, 2))
	best = make([]float64, n)
	mean := make([]float64, n)
	root := make([]float64, n*n)
	for i := range n {
		best[i], mean[i] = 0.3+0.1*float64(i), 0.5
		for j := range n {
			if i == j || !diagonal {
				root[i*n+j] = r.NormFloat64()
			}
		}
	}
	g = newGaussian(mean, 0.1, ones(n), false)
	if !diagonal {
		addOuter(g.c, 0.5, best)
		for i := range n {
			for j := range i {
				g.c[j*n+i] = g.c[i*n+j]
			}
		}
		g.decompose()
	}
	y, d := make([]float64, n), make([]float64, n)
	for range points {
		g.sample(r, y)
		v := make([]float64, n)
		for i := range v {
			v[i] = g.mean[i] + g.sigma*y[i]
		}
		floats.SubTo(d, v, best)
		sum := 1e3
		for i := range n {
			s := floats.Dot(root[i*n:(i+1)*n], d)
			sum += s * s
		}
		archive = append(archive, observation{v, sum})
	}
	return g, archive, best
}

// A model finds the minimum of a quadratic function from a few more points than
// it has terms; the one without mixed terms that of a separable function, from
// far fewer.
func TestModelOfQuadratic(t *testing.T) {
	for _, tt := range []struct {
		n, points      int
		diagonal, full bool
	}{{4, 17, false, true}, {4, 40, false, true}, {6, 15, true, false}, {1, 4, true, true}} {
		g, archive, best := bowl(tt.n, tt.points, tt.diagonal)
		m := fit(g, archive)
		if m == nil {
			t.Fatalf("%+v: no model", tt)
		}
		if m.full != tt.full {
			t.Fatalf("%+v: the model is full: %t", tt, m.full)
		}
		m.reach = math.Inf(1)
		near(t, "minimum", m.minimum(), best, 1e-6)
	}
}

// There is no model of too few points, nor of a plateau.
func TestNoModel(t *testing.T) {
	g, archive, _ := bowl(4, 9, true)
	if fit(g, archive) != nil {
		t.Error("a model of 9 terms was made of 9 points")
	}
	_, archive, _ = bowl(4, 40, true)
	for i := range archive {
		archive[i].value = 7
	}
	if fit(g, archive) != nil {
		t.Error("a model was made of equal values")
	}
}

// The step stays in its ball and is the best of it, whatever the curvature.
func TestWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	value := func(values, slope, s []float64) float64 {
		sum := 0.0
		for i := range s {
			sum += slope[i]*s[i] + values[i]*s[i]*s[i]/2
		}
		return sum
	}
	slope := []float64{1, -2, 0.5}
	for _, values := range [][]float64{{1, 2, 3}, {-2, 0, 1}, {-3, -2, -1}, {0, 0, 0}, {1e-20, 1, 1e6}} {
		for _, radius := range []float64{0.1, 1, 10} {
			s := within(values, slope, radius)
			if norm := floats.Norm(s, 2); norm > radius*(1+1e-9) {
				t.Errorf("%v: the step has length %g > %g", values, norm, radius)
			}
			got := value(values, slope, s)
			x := make([]float64, 3)
			for range 2000 {
				for i := range x {
					x[i] = r.NormFloat64()
				}
				floats.Scale(radius*math.Cbrt(r.Float64())/floats.Norm(x, 2), x)
				if v := value(values, slope, x); v < got-1e-9*math.Abs(got) {
					t.Fatalf("%v, radius %g: %g at %v, %g at the step %v", values, radius, v, x, got, s)
				}
			}
		}
	}
}

// The pause grows while proposals are not among the best, and equal ones count as
// better.
func TestPause(t *testing.T) {
	pool := func(own float64, others ...float64) (out []result) {
		out = append(out, result{0, &sample{origin: modelled}, suggest.Rank{A: own}})
		for i, v := range others {
			out = append(out, result{int64(i + 1), &sample{}, suggest.Rank{A: v}})
		}
		return out
	}
	var s surrogate
	s.restart()
	for i, want := range []struct {
		pool     []result
		interval int
		minima   int
	}{
		{pool(1, 2, 3, 4), 1, 1}, {pool(3, 2, 4, 4), 1, 2}, {pool(3, 2, 3, 4), 2, 0},
		{pool(0, 0, 0, 0), 4, 0}, {pool(9, 2, 3, 4), 4, 0}, {pool(1, 2, 3, 4), 1, 1},
	} {
		if s.judge(want.pool); s.interval != want.interval || s.pause != want.interval-1 || len(s.minima) != want.minima {
			t.Errorf("%d: interval %d, pause %d, %d minima", i, s.interval, s.pause, len(s.minima))
		}
	}
}
