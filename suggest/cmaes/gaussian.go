package cmaes

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

const (
	// maxSpread bounds the greatest deviation of a coordinate, in ranges: a wider
	// distribution is as good as uniform, and hits only the ends of a discrete
	// parameter.
	maxSpread = 1
	// minSigma keeps the step size above zero where nothing stops the run.
	minSigma = 1e-100
	// tinyVariance is what an eigenvalue is raised to that rounding has made
	// negative, as a share of the greatest.
	tinyVariance = 1e-16
)

// gaussian is the normal distribution of the numeric coordinates,
// mean + sigma*N(0, C), with the state of its adaptation. Matrices are n×n by
// row.
type gaussian struct {
	n      int
	mean   []float64
	sigma  float64
	c      []float64
	ps, pc []float64 // evolution paths
	// margin stretches discrete coordinates when points are decoded (the matrix
	// A of CMA-ES with margin); 1 elsewhere.
	margin     []float64
	generation int

	// The decomposition C = B D² Bᵀ of some generations ago: b, d, and B·D.
	b, d, bd []float64
	stale    int // updates of c since
	broken   bool

	adapt                  *rates // nil unless the learning rates are adapted
	z, scratch             []float64
	stepAll, stepPath, inv []float64
}

// newGaussian returns the distribution with a diagonal C of the given squared
// deviations.
func newGaussian(mean []float64, sigma float64, variances []float64, adapt bool) *gaussian {
	n := len(mean)
	g := &gaussian{n: n, mean: mean, sigma: sigma, c: make([]float64, n*n),
		ps: make([]float64, n), pc: make([]float64, n), margin: make([]float64, n),
		b: make([]float64, n*n), d: make([]float64, n), bd: make([]float64, n*n),
		z: make([]float64, n), scratch: make([]float64, n),
		stepAll: make([]float64, n), stepPath: make([]float64, n), inv: make([]float64, n)}
	for i := range n {
		g.margin[i] = 1
		g.c[i*n+i], g.b[i*n+i], g.d[i] = variances[i], 1, math.Sqrt(variances[i])
		g.bd[i*n+i] = g.d[i]
	}
	if adapt {
		g.adapt = newRates(n)
	}
	return g
}

// sample draws y from N(0, C).
func (g *gaussian) sample(r *rand.Rand, y []float64) {
	for i := range g.z {
		g.z[i] = r.NormFloat64()
	}
	for i := range g.n {
		y[i] = floats.Dot(g.bd[i*g.n:(i+1)*g.n], g.z)
	}
}

// whiten puts C^(-1/2) y into dst, which is not y.
func (g *gaussian) whiten(dst, y []float64) {
	clear(g.scratch)
	for i, v := range y {
		floats.AddScaled(g.scratch, v, g.b[i*g.n:(i+1)*g.n])
	}
	for k, d := range g.d {
		g.scratch[k] /= d
	}
	for i := range dst {
		dst[i] = floats.Dot(g.b[i*g.n:(i+1)*g.n], g.scratch)
	}
}

// step is one ranked result for the update.
type step struct {
	y []float64 // (x - mean)/sigma
	// own is false for what was not drawn from this generation: its length is
	// bounded, and the paths do not see it.
	own bool
	// injected is a point that is of this generation but was not drawn from the
	// distribution: its length is bounded.
	injected bool
}

// update moves the distribution (Hansen 2016, eq. 41 to 47), with the steps in
// the order of their ranks and the weighting made for them.
func (g *gaussian) update(steps []step, k weighting) {
	if g.n == 0 {
		return
	}
	g.generation++
	if g.adapt != nil {
		g.adapt.remember(g)
	}
	rankMu := g.recombine(steps, k)
	for i, y := range g.stepAll {
		g.mean[i] += g.sigma * g.margin[i] * y
	}
	stalled := g.walk(k, g.fresh(steps, k))
	g.adaptCovariance(steps, k, rankMu, stalled)
	if g.adapt != nil {
		g.adapt.apply(g)
	}
	g.bound()
	g.refresh()
}

// recombine bounds the length of foreign steps, computes the mean step and
// returns the weights of the rank-mu update.
func (g *gaussian) recombine(steps []step, k weighting) []float64 {
	longest := math.Sqrt(float64(g.n)) + 2*float64(g.n)/(float64(g.n)+2)
	clear(g.stepAll)
	rankMu := make([]float64, len(steps))
	for i, s := range steps {
		rankMu[i] = k.w[i]
		if s.own && !s.injected && k.w[i] >= 0 {
			floats.AddScaled(g.stepAll, k.w[i], s.y)
			continue
		}
		g.whiten(g.inv, s.y)
		length := floats.Norm(g.inv, 2)
		if (!s.own || s.injected) && length > longest { // Hansen 2011, eq. 4
			floats.Scale(longest/length, s.y)
			length = longest
		}
		if k.w[i] >= 0 {
			floats.AddScaled(g.stepAll, k.w[i], s.y)
		} else {
			rankMu[i] *= float64(g.n) / (length*length + 1e-8) // eq. 46
		}
	}
	return rankMu
}

// fresh puts the mean step of the generation's own good results into stepPath
// and returns how many equally weighted ones it stands for; 0 if there is none.
func (g *gaussian) fresh(steps []step, k weighting) float64 {
	clear(g.stepPath)
	sum, sum2 := 0.0, 0.0
	for i, s := range steps {
		if w := k.w[i]; s.own && w > 0 {
			floats.AddScaled(g.stepPath, w, s.y)
			sum += w
			sum2 += w * w
		}
	}
	if sum == 0 {
		return 0
	}
	floats.Scale(1/sum, g.stepPath)
	return sum * sum / sum2
}

// walk updates the paths and the step size; it reports whether the path of C
// stood still, because that of the step size is too long.
func (g *gaussian) walk(k weighting, muEff float64) (stalled bool) {
	if muEff == 0 {
		return true
	}
	g.whiten(g.inv, g.stepPath)
	floats.Scale(1-k.cs, g.ps)
	floats.AddScaled(g.ps, math.Sqrt(k.cs*(2-k.cs)*muEff), g.inv)
	norm, expected := floats.Norm(g.ps, 2), expectedNorm(g.n)
	g.sigma *= math.Exp(min(1, k.cs/k.dms*(norm/expected-1)))
	settled := norm / math.Sqrt(1-math.Pow(1-k.cs, 2*float64(g.generation+1)))
	stalled = settled >= (1.4+2/(float64(g.n)+1))*expected
	floats.Scale(1-k.cc, g.pc)
	if !stalled {
		floats.AddScaled(g.pc, math.Sqrt(k.cc*(2-k.cc)*muEff), g.stepPath)
	}
	return stalled
}

// adaptCovariance is eq. 47.
func (g *gaussian) adaptCovariance(steps []step, k weighting, rankMu []float64, stalled bool) {
	keep := 1 - k.c1 - k.cMu*floats.Sum(k.w)
	if stalled {
		keep += k.c1 * k.cc * (2 - k.cc)
	}
	n := g.n
	floats.Scale(keep, g.c)
	addOuter(g.c, k.c1, g.pc)
	for i, s := range steps {
		addOuter(g.c, k.cMu*rankMu[i], s.y)
	}
	for i := range n {
		for j := range i {
			g.c[j*n+i] = g.c[i*n+j]
		}
	}
}

// addOuter adds a·y·yᵀ to the lower triangle of c.
func addOuter(c []float64, a float64, y []float64) {
	if a == 0 {
		return
	}
	n := len(y)
	for i, v := range y {
		floats.AddScaled(c[i*n:i*n+i+1], a*v, y[:i+1])
	}
}

// bound keeps the step size where arithmetic makes sense.
func (g *gaussian) bound() {
	g.sigma = max(g.sigma, minSigma)
	widest := 0.0
	for i := range g.n {
		widest = max(widest, g.c[i*g.n+i])
	}
	if s := math.Sqrt(widest); g.sigma*s > maxSpread {
		g.sigma = maxSpread / s
	}
}

// refresh decomposes C every n/10 generations; with adapted learning rates in
// each.
func (g *gaussian) refresh() {
	g.stale++
	if g.adapt == nil && g.stale < g.n/10 {
		return
	}
	g.decompose()
}

// decompose computes B, D and B·D.
func (g *gaussian) decompose() {
	g.stale = 0
	var e mat.EigenSym
	if !e.Factorize(mat.NewSymDense(g.n, g.c), true) {
		g.broken = true
		return
	}
	values := e.Values(g.d)
	vectors := mat.NewDense(g.n, g.n, g.b)
	e.VectorsTo(vectors)
	floor := tinyVariance * values[g.n-1]
	if !(floor > 0) || math.IsInf(floor, 1) {
		g.broken = true
		return
	}
	for i, v := range values {
		g.d[i] = math.Sqrt(max(v, floor))
	}
	for i := range g.n {
		for j, d := range g.d {
			g.bd[i*g.n+j] = g.b[i*g.n+j] * d
		}
	}
}

// deviation is that of coordinate i, without the margin.
func (g *gaussian) deviation(i int) float64 { return g.sigma * math.Sqrt(g.c[i*g.n+i]) }

// condition is the condition number of C.
func (g *gaussian) condition() float64 {
	q := g.d[g.n-1] / g.d[0]
	return q * q
}
