package cmaes

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Settings of the quadratic models. The first is that of Hansen 2019; the others
// were chosen on BBOB.
const (
	// bestWeight is the weight of the best trial of a fit; the worst has 1.
	bestWeight = 20
	// perTerm is how many trials a fit takes for each of the model's terms: the
	// nearest ones among the latest, which are twice as many.
	perTerm = 3
	// enough trials for each term let the model begin.
	enough = 1.1
	// maxTerms bounds the cost of a fit: in more than 24 coordinates there are no
	// mixed terms, in more than 162 there is no model.
	maxTerms = 325
	// farthest is the greatest value that a trial counts with, in units in which
	// the best one is 0 and the median is 1: a diverged one must not bend all.
	farthest = 100
)

// observation is a completed trial as the models see it.
type observation struct {
	v     []float64
	value float64
}

// quadratic is the function a + b·z + z·H·z/2 of z = to·(x - mean), of which H is
// diagonal unless full.
type quadratic struct {
	n        int
	full     bool
	mean     []float64
	to, from []float64 // n×n by row, inverse of each other
	coef     []float64 // in the order of features
	reach    float64   // greatest length of z among the trials of the fit
}

// terms is the number of a model's coefficients.
func terms(n int, full bool) int {
	if full {
		return (n + 1) * (n + 2) / 2
	}
	return 2*n + 1
}

// features puts what the coefficients at z are multiplied with into dst.
func features(dst, z []float64, full bool) []float64 {
	dst = append(append(dst[:0], 1), z...)
	for i, v := range z {
		dst = append(dst, v*v/2)
		if full {
			for _, w := range z[:i] {
				dst = append(dst, v*w)
			}
		}
	}
	return dst
}

// fit returns the model around g: a full one if there are trials enough for it,
// else one without mixed terms; nil if there is none. Both are least squares with
// weights that fall from the best to the worst trial.
func fit(g *gaussian, archive []observation) *quadratic {
	allows := func(full bool) bool {
		p := terms(g.n, full)
		return p <= maxTerms && float64(len(archive)) >= enough*float64(p)
	}
	full := allows(true)
	if !full && !allows(false) {
		return nil
	}
	m := newQuadratic(g, full)
	rows := m.nearest(archive)
	x, y, ok := m.regression(rows)
	if !ok {
		return nil
	}
	if m.coef, ok = leastSquares(x, y); !ok {
		return nil
	}
	return m
}

// newQuadratic returns a model without coefficients: a full one in coordinates in
// which g is standard, one without mixed terms along the axes.
func newQuadratic(g *gaussian, full bool) *quadratic {
	n := g.n
	m := &quadratic{n: n, full: full, mean: slices.Clone(g.mean), to: make([]float64, n*n), from: make([]float64, n*n)}
	for i := range n {
		if !full {
			d := g.deviation(i)
			m.from[i*n+i], m.to[i*n+i] = d, 1/d
			continue
		}
		for j := range n {
			m.from[i*n+j] = g.sigma * g.bd[i*n+j]
			m.to[j*n+i] = g.b[i*n+j] / g.d[j] / g.sigma
		}
	}
	return m
}

// row is a trial of a fit.
type row struct {
	z             []float64
	value, length float64
}

// nearest returns the trials of the fit, best first, and keeps how far they lie.
func (m *quadratic) nearest(archive []observation) []row {
	most := perTerm * terms(m.n, m.full)
	latest := archive[max(0, len(archive)-2*most):]
	rows := make([]row, len(latest))
	for i, o := range latest {
		z := m.local(o.v)
		rows[i] = row{z, o.value, floats.Norm(z, 2)}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.length, b.length) })
	rows = rows[:min(len(rows), most)]
	m.reach = rows[len(rows)-1].length
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.value, b.value) })
	return rows
}

// regression is the weighted least squares problem of the rows; ok is false if
// the better half of them has the same value.
func (m *quadratic) regression(rows []row) (x *mat.Dense, y []float64, ok bool) {
	low := rows[0].value
	width := rows[(len(rows)-1)/2].value - low
	if !(width > 0) || math.IsInf(width, 1) {
		return nil, nil, false
	}
	p := terms(m.n, m.full)
	x, y = mat.NewDense(len(rows), p, nil), make([]float64, len(rows))
	for i, r := range rows {
		w := math.Sqrt(bestWeight + (1-bestWeight)*float64(i)/float64(len(rows)-1))
		y[i] = w * min((r.value-low)/width, farthest)
		phi := features(x.RawRowView(i), r.z, m.full)
		floats.Scale(w, phi)
	}
	return x, y, true
}

// ridge keeps the normal equations solvable, as a share of their diagonal.
const ridge = 1e-12

// leastSquares minimises |x·c - y|² by the normal equations; ok is false if they
// have no solution in numbers. Near an optimum the next fit, around the better
// mean, takes away what precision that costs.
func leastSquares(x *mat.Dense, y []float64) (c []float64, ok bool) {
	_, p := x.Dims()
	var a mat.SymDense
	a.SymOuterK(1, x.T())
	for i := range p {
		a.SetSym(i, i, a.At(i, i)*(1+ridge)+ridge)
	}
	var right, solution mat.VecDense
	right.MulVec(x.T(), mat.NewVecDense(len(y), y))
	var root mat.Cholesky
	if !root.Factorize(&a) {
		return nil, false
	}
	// Its error only warns of a bad condition; what is not a number is found below.
	_ = root.SolveVecTo(&solution, &right)
	c = solution.RawVector().Data
	for _, v := range c {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
	}
	return c, true
}

// local is z of x.
func (m *quadratic) local(x []float64) []float64 {
	d, z := make([]float64, m.n), make([]float64, m.n)
	floats.SubTo(d, x, m.mean)
	for i := range z {
		z[i] = floats.Dot(m.to[i*m.n:(i+1)*m.n], d)
	}
	return z
}

// minimum is where the model is least among the points of length ≤ reach, moved
// into the unit cube; nil if that cannot be computed.
func (m *quadratic) minimum() []float64 {
	var e mat.EigenSym
	if !e.Factorize(m.hessian(), true) {
		return nil
	}
	values := e.Values(nil)
	var basis mat.Dense
	e.VectorsTo(&basis)
	var slope, z mat.VecDense
	slope.MulVec(basis.T(), mat.NewVecDense(m.n, m.coef[1:1+m.n]))
	z.MulVec(&basis, mat.NewVecDense(m.n, within(values, slope.RawVector().Data, m.reach)))
	x := slices.Clone(m.mean)
	for i := range x {
		x[i] += floats.Dot(m.from[i*m.n:(i+1)*m.n], z.RawVector().Data)
		if x[i] = min(max(x[i], 0), 1); math.IsNaN(x[i]) {
			return nil
		}
	}
	return x
}

// hessian is H.
func (m *quadratic) hessian() *mat.SymDense {
	h := mat.NewSymDense(m.n, nil)
	k := 1 + m.n
	for i := range m.n {
		h.SetSym(i, i, m.coef[k])
		k++
		if m.full {
			for j := range i {
				h.SetSym(i, j, m.coef[k])
				k++
			}
		}
	}
	return h
}

// within minimises Σ(slope_i s_i + values_i s_i²/2) over |s| ≤ radius, values
// ascending: s_i = -slope_i/(values_i + μ), with the least μ ≥ 0 that makes all
// denominators positive and s short enough (Moré and Sorensen 1983, without their
// hard case, in which the slope misses the direction of the least value; s is
// then shorter).
func within(values, slope []float64, radius float64) []float64 {
	s := make([]float64, len(values))
	length := func(mu float64) float64 {
		for i := range s {
			s[i] = -slope[i] / (values[i] + mu)
		}
		return floats.Norm(s, 2)
	}
	steepest, last := floats.Norm(slope, 2), len(values)-1
	tiny := 1e-12 * max(math.Abs(values[0]), math.Abs(values[last]), steepest, math.SmallestNonzeroFloat64)
	low := 0.0
	if values[0] <= tiny {
		low = tiny - values[0]
	}
	if length(low) <= radius {
		return s
	}
	high := low + steepest/radius // long enough: values + low > 0
	for range 60 {
		if middle := low + (high-low)/2; length(middle) > radius {
			low = middle
		} else {
			high = middle
		}
	}
	length(high)
	return s
}
