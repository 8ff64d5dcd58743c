package gp

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack/lapack64"
)

// posterior is a Gaussian process given rows. Of the last of them the value is
// not known yet: they take away variance around them and leave the mean as it is,
// as if they would come out as expected (Ginsbourger, Le Riche and Carraro,
// "Kriging Is Well-Suited to Parallelize Optimization", 2010: the kriging
// believer).
type posterior struct {
	hyper
	*layout
	x     [][]float64
	alpha []float64 // of the rows with a value
	chol  blas64.Triangular
	top   []int   // the rows with a value, the best expectation first
	least float64 // the best expectation of a whole trial, also of one that is pending

	k, v, w []float64 // scratch of slope
}

// newPosterior returns the posterior of the values y of the first rows of x;
// ok is false if the covariance is numerically singular.
func newPosterior(l *layout, h hyper, x [][]float64, y []float64) (g *posterior, ok bool) {
	n := len(x)
	m := blas64.Symmetric{Uplo: blas.Lower, N: n, Stride: n, Data: make([]float64, n*n)}
	for i := range n {
		for k := range i {
			m.Data[i*n+k] = h.covariance(l.dims, x[i], x[k])
		}
		m.Data[i*n+i] = h.covariance(l.dims, x[i], x[i]) + h.noise
	}
	chol, ok := lapack64.Potrf(m)
	if !ok {
		return nil, false
	}
	g = &posterior{hyper: h, layout: l, x: x, chol: chol, alpha: append([]float64(nil), y...),
		k: make([]float64, n), v: make([]float64, n), w: make([]float64, n)}
	leading := chol
	leading.N = len(y)
	lapack64.Potrs(leading, blas64.General{Rows: len(y), Cols: 1, Stride: 1, Data: g.alpha})
	g.order(y)
	if pending := x[len(y):]; len(pending) > 0 {
		mean, _ := g.predict(pending)
		g.least = math.Min(g.least, slices.Min(mean))
	}
	return g, true
}

// order finds the best rows, of which one at least is whole (observations.end).
// What is expected at a row is less what its value has of noise: y - noise alpha.
func (g *posterior) order(y []float64) {
	expected := make([]float64, len(y))
	g.least = math.Inf(1)
	for i, v := range y {
		expected[i] = v - g.noise*g.alpha[i]
		g.top = append(g.top, i)
		if !g.lengths() || g.x[i][len(g.x[i])-1] == 1 {
			g.least = math.Min(g.least, expected[i])
		}
	}
	slices.SortStableFunc(g.top, func(a, b int) int { return cmp.Compare(expected[a], expected[b]) })
}

// leastVariance keeps a variance away from zero where rounding took it.
const leastVariance = 1e-12

// predict is the mean and the deviation, without noise, at each of the points.
func (g *posterior) predict(points [][]float64) (mean, sd []float64) {
	n, m := len(g.x), len(points)
	mean, sd = make([]float64, m), make([]float64, m)
	k := blas64.General{Rows: n, Cols: m, Stride: m, Data: make([]float64, n*m)}
	for i, row := range g.x {
		out := k.Data[i*m : (i+1)*m]
		for c, p := range points {
			out[c] = g.covariance(g.dims, row, p)
		}
		if i < len(g.alpha) {
			floats.AddScaled(mean, g.alpha[i], out)
		}
	}
	blas64.Trsm(blas.Left, blas.NoTrans, 1, g.chol, k)
	for i := range n {
		for c, v := range k.Data[i*m : (i+1)*m] {
			sd[c] += v * v
		}
	}
	for c, v := range sd {
		sd[c] = math.Sqrt(math.Max(g.signal-v, leastVariance))
	}
	return mean, sd
}

// slope is the mean and the deviation at x, and their derivatives by its smooth
// coordinates; those of the others are 0.
func (g *posterior) slope(x, dMean, dSD []float64) (mean, sd float64) {
	for i, row := range g.x {
		c, w := matern(g.distance(g.dims, row, x))
		g.k[i], g.v[i], g.w[i] = g.signal*c, g.signal*c, g.signal*w // no trend: x is a whole trial
	}
	mean = floats.Dot(g.alpha, g.k[:len(g.alpha)])
	v := blas64.Vector{N: len(g.v), Inc: 1, Data: g.v}
	blas64.Trsv(blas.NoTrans, g.chol, v)
	sd = math.Sqrt(math.Max(g.signal-floats.Dot(g.v, g.v), leastVariance))
	blas64.Trsv(blas.Trans, g.chol, v)
	clear(dMean)
	clear(dSD)
	for i, row := range g.x {
		// The derivative of the covariance by x_j is -slope theta_j (x_j - row_j).
		a, b := 0.0, g.v[i]*g.w[i]/sd
		if i < len(g.alpha) {
			a = g.alpha[i] * g.w[i]
		}
		for j, d := range g.dims {
			if !d.smooth() || math.IsNaN(x[j]) {
				continue
			}
			t := x[j] - row[j]
			if math.IsNaN(t) { // the row lacks it
				t = x[j] - middle
			}
			dMean[j] -= a * g.theta[j] * t
			dSD[j] += b * g.theta[j] * t
		}
	}
	return mean, sd
}
