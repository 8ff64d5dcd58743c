package gp

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/lapack/lapack64"
	"gonum.org/v1/gonum/optimize"
)

const (
	// fitSteps bounds the iterations of a fit; it ends where the gradient is below
	// fitGradient, or three iterations gain less than fitGain each.
	fitSteps    = 40
	fitGradient = 1e-2
	fitGain     = 1e-3
	// shorter is the logarithm by which the lengths of the second start are shorter.
	shorter = 1.5
)

// normal is a normal distribution, of the logarithm of a hyperparameter.
type normal struct{ mean, variance float64 }

// The priors. That of a length is the density of Hvarfner, Hellsten and Nardi,
// "Vanilla Bayesian Optimization Performs Great in High Dimensions", ICML 2024,
// log-normal with the location sqrt(2) + ln(d)/2 and the scale sqrt(3), written as
// a function of the logarithm: there its mode is 3 lower. Numbers that are not in
// that paper are ours.
var (
	signalPrior = normal{0, 1}
	spanPrior   = normal{0, 1} // of the length scale of a trial's length
	trendPrior  = normal{0, 2}
)

func lengthPrior(d int) normal {
	return normal{math.Sqrt2 - 3 + math.Log(float64(d))/2, 3}
}

// noisePrior is the prior of ln(noise - floor).
type noisePrior struct {
	normal
	floor float64
}

// fitter finds the hyperparameters of the greatest posterior density for rows
// with normalised values. Its parameters are ln length by dimension, ln signal,
// ln(noise - floor), and ln trend if there are trials that ended early.
type fitter struct {
	n, d   int
	y      []float64
	priors []normal // of the parameters
	floor  float64
	// squares are the squared distances of the pairs of rows (i, k), k < i, by
	// dimension; pair i*(i-1)/2 + k.
	squares [][]float64
	// short is 1 minus the length of the trial, by row; nil if all are whole.
	short []float64

	r2, kernel, weight []float64 // by pair
	matrix             blas64.Symmetric
	alpha              []float64

	// The last point of the loss, with what it gave: the optimiser asks for the
	// value and for the gradient one after the other.
	at, slope []float64
	value     float64
}

func newFitter(l *layout, x [][]float64, y []float64, noise noisePrior) *fitter {
	n, d := len(x), len(l.dims)
	pairs := n * (n - 1) / 2
	f := &fitter{
		n: n, d: d, y: y, floor: noise.floor,
		r2: make([]float64, pairs), kernel: make([]float64, pairs), weight: make([]float64, pairs),
		matrix: blas64.Symmetric{Uplo: blas.Lower, N: n, Stride: n, Data: make([]float64, n*n)},
		alpha:  make([]float64, n),
	}
	for j, dim := range l.dims {
		s := make([]float64, 0, pairs)
		for i := range x {
			for k := range i {
				s = append(s, dim.squared(x[i][j], x[k][j]))
			}
		}
		f.squares = append(f.squares, s)
		f.priors = append(f.priors, lengthPrior(l.params()))
	}
	f.priors = append(f.priors, signalPrior, noise.normal)
	if l.lengths() {
		f.priors[d-1] = spanPrior
		f.priors = append(f.priors, trendPrior)
		for _, row := range x {
			f.short = append(f.short, 1-row[d-1])
		}
	}
	f.slope = make([]float64, len(f.priors))
	return f
}

// hyper are the hyperparameters that p stands for.
func (f *fitter) hyper(p []float64) hyper {
	h := hyper{signal: math.Exp(p[f.d]), noise: f.floor + math.Exp(p[f.d+1])}
	for _, length := range p[:f.d] {
		h.theta = append(h.theta, math.Exp(-2*length))
	}
	if f.short != nil {
		h.trend = math.Exp(p[f.d+2])
	}
	return h
}

// loss is the negative log posterior density at p without its constants, and
// its gradient (Rasmussen and Williams, "Gaussian Processes for Machine
// Learning", 2006, equations 5.8 and 5.9); infinite where the covariance is not
// positive definite.
func (f *fitter) loss(p, grad []float64) float64 {
	h := f.hyper(p)
	f.covariance(&h)
	chol, ok := lapack64.Potrf(f.matrix)
	if !ok {
		clear(grad)
		return math.Inf(1)
	}
	copy(f.alpha, f.y)
	lapack64.Potrs(chol, blas64.General{Rows: f.n, Cols: 1, Stride: 1, Data: f.alpha})
	loss := 0.5 * floats.Dot(f.y, f.alpha)
	for i := range f.n {
		loss += math.Log(chol.Data[i*f.n+i])
	}
	inverse, _ := lapack64.Potri(chol)
	f.gradient(&h, inverse, grad)
	for i, prior := range f.priors {
		z := p[i] - prior.mean
		loss += z * z / (2 * prior.variance)
		grad[i] += z / prior.variance
	}
	return loss
}

// covariance fills the matrix, and what the gradient needs of the kernel.
func (f *fitter) covariance(h *hyper) {
	clear(f.r2)
	for j, s := range f.squares {
		floats.AddScaled(f.r2, h.theta[j], s)
	}
	for i := range f.n {
		row := f.matrix.Data[i*f.n : i*f.n+i+1]
		at := i * (i - 1) / 2
		for k := range i {
			c, w := matern(f.r2[at+k])
			f.kernel[at+k], f.weight[at+k] = h.signal*c, h.signal*w
			row[k] = h.signal * c
		}
		row[i] = h.signal + h.noise
		if f.short != nil {
			floats.AddScaled(row, h.trend*f.short[i], f.short[:i+1])
		}
	}
}

// gradient is that of the negative log likelihood: minus the trace of G dK with
// G = (alpha alpha' - K^-1)/2.
func (f *fitter) gradient(h *hyper, inverse blas64.Symmetric, grad []float64) {
	diagonal, signal, trend := 0.0, 0.0, 0.0
	for i := range f.n {
		row := inverse.Data[i*f.n : i*f.n+i+1]
		own := 0.5 * (f.alpha[i]*f.alpha[i] - row[i])
		diagonal += own
		at := i * (i - 1) / 2
		for k := range i {
			g := f.alpha[i]*f.alpha[k] - row[k] // of both triangles
			row[k] = g
			signal += g * f.kernel[at+k]
			f.weight[at+k] *= g
		}
		if f.short != nil {
			trend += f.short[i] * (floats.Dot(row[:i], f.short[:i]) + own*f.short[i])
		}
	}
	for j, s := range f.squares {
		grad[j] = -h.theta[j] * floats.Dot(f.weight, s)
	}
	grad[f.d] = -(signal + diagonal*h.signal)
	grad[f.d+1] = -diagonal * (h.noise - f.floor)
	if f.short != nil {
		grad[f.d+2] = -trend * h.trend
	}
}

// eval is the loss at p, which it keeps with its gradient.
func (f *fitter) eval(p []float64) float64 {
	if !slices.Equal(p, f.at) {
		f.at = append(f.at[:0], p...)
		f.value = f.loss(p, f.slope)
	}
	return f.value
}

// fit is the better of what two starts lead to: the mode of the prior, and the
// same with shorter lengths. Values that are all the same tell nothing of the
// lengths: it is the mode of the prior then. The error is that of ctx.
func (f *fitter) fit(ctx context.Context) (hyper, error) {
	if slices.Min(f.y) == slices.Max(f.y) {
		return f.hyper(f.start(0)), nil
	}
	var best []float64
	least := math.Inf(1)
	for _, less := range []float64{0, shorter} {
		start := f.start(less)
		if best == nil {
			best = start
		}
		// An error says that a line search went no further: what it has is then as
		// good as it gets.
		r, _ := optimize.Minimize(
			optimize.Problem{Func: f.eval, Grad: func(grad, p []float64) {
				f.eval(p)
				copy(grad, f.slope)
			}, Status: func() (optimize.Status, error) {
				if err := ctx.Err(); err != nil {
					return optimize.Failure, err
				}
				return optimize.NotTerminated, nil
			}}, start,
			&optimize.Settings{
				MajorIterations: fitSteps, FuncEvaluations: 2 * fitSteps, GradientThreshold: fitGradient,
				Converger: &optimize.FunctionConverge{Absolute: fitGain, Iterations: 3},
			}, &optimize.LBFGS{Linesearcher: &optimize.MoreThuente{}})
		if err := ctx.Err(); err != nil {
			return hyper{}, err
		}
		if r != nil && r.F < least {
			best, least = r.X, r.F
		}
	}
	return f.hyper(best), nil
}

// start is the mode of the prior, with lengths whose logarithm is less.
func (f *fitter) start(less float64) []float64 {
	p := make([]float64, len(f.priors))
	for i, prior := range f.priors {
		p[i] = prior.mean
		if i < f.d {
			p[i] -= less
		}
	}
	return p
}
