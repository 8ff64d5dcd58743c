package cmaes_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

type objective = func(*space.Space, space.Point) float64

func name(prefix string, i int) string { return prefix + string(rune('a'+i)) }

// cube is [-5,5]^d.
func cube(t testing.TB, d int, constraints ...string) *space.Space {
	t.Helper()
	var params []space.Parameter
	for i := range d {
		params = append(params, space.Parameter{Name: name("x", i), Kind: space.Float, Low: -5.0, High: 5.0})
	}
	return suggesttest.Space(t, constraints, params...)
}

func coordinates(p space.Point) []float64 {
	x := make([]float64, len(p))
	for i, v := range p {
		x[i] = v.(float64)
	}
	return x
}

// on makes an objective of a function of the distances to (1.3, 1.3, …).
func on(f func([]float64) float64) objective {
	return func(_ *space.Space, p space.Point) float64 {
		x := coordinates(p)
		for i := range x {
			x[i] -= 1.3
		}
		return f(x)
	}
}

func sphere(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	return sum
}

func ellipsoid(x []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += math.Pow(1e6, float64(i)/float64(len(x)-1)) * v * v
	}
	return sum
}

func rosenbrock(x []float64) float64 {
	sum := 0.0
	for i := range len(x) - 1 {
		a, b := x[i]+1, x[i+1]+1
		sum += 100*(b-a*a)*(b-a*a) + (a-1)*(a-1)
	}
	return sum
}

func rastrigin(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v*v + 10*(1-math.Cos(2*math.Pi*v))
	}
	return sum
}

// rotated turns the coordinates by a fixed random rotation: Gram and Schmidt's
// of normal vectors.
func rotated(f func([]float64) float64) func([]float64) float64 {
	var basis [][]float64
	r := rand.New(rand.NewPCG(1, 2))
	return func(x []float64) float64 {
		for len(basis) < len(x) {
			v := make([]float64, len(x))
			for i := range v {
				v[i] = r.NormFloat64()
			}
			for _, b := range basis {
				s := dot(v, b)
				for i := range v {
					v[i] -= s * b[i]
				}
			}
			norm := math.Sqrt(dot(v, v))
			for i := range v {
				v[i] /= norm
			}
			basis = append(basis, v)
		}
		y := make([]float64, len(x))
		for i := range y {
			y[i] = dot(basis[i], x)
		}
		return f(y)
	}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// reach runs a study until the objective is at most target, or for at most n
// trials; it returns the number of the trials that took and the best value.
func reach(t testing.TB, sg suggest.Suggester, study suggesttest.Study, target float64) (trials int, best float64) {
	t.Helper()
	best, seen := math.Inf(1), 0
	value := study.Value
	study.Value = func(s *space.Space, p space.Point) float64 {
		v := value(s, p)
		if seen++; best > target && v <= target {
			trials = seen
		}
		best = min(best, v)
		return v
	}
	suggesttest.CheckLog(t, suggesttest.Simulate(t.Context(), sg, study))
	if best > target {
		trials = math.MaxInt
	}
	return trials, best
}
