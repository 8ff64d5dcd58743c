package cmaes

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Settings of the adaptation of learning rates (Nomura, Akimoto and Ono 2023,
// section 4).
const (
	ratesAlpha     = 1.4
	ratesBetaMean  = 0.1
	ratesBetaSigma = 0.03
	ratesGamma     = 0.1
)

// rates adapts the learning rates of the mean and of the covariance, so that the
// signal of an update stands out of its noise by a constant ratio.
type rates struct {
	mean, cov signal

	oldMean  []float64
	oldSigma float64
	oldCov   []float64 // sigma²·C
	inverse  []float64 // of its root
}

// signal is the moving average of an update, in coordinates in which the
// distribution is standard.
type signal struct {
	beta, eta float64
	e         []float64
	v         float64
}

func newRates(n int) *rates {
	return &rates{
		mean:    signal{beta: ratesBetaMean, eta: 1, e: make([]float64, n)},
		cov:     signal{beta: ratesBetaSigma, eta: 1, e: make([]float64, n*n)},
		oldMean: make([]float64, n), oldCov: make([]float64, n*n), inverse: make([]float64, n*n),
	}
}

// remember keeps the distribution before an update.
func (a *rates) remember(g *gaussian) {
	n := g.n
	copy(a.oldMean, g.mean)
	a.oldSigma = g.sigma
	copy(a.oldCov, g.c)
	floats.Scale(g.sigma*g.sigma, a.oldCov)
	for i := range n {
		for j := range n {
			s := 0.0
			for k, d := range g.d {
				s += g.b[i*n+k] * g.b[j*n+k] / d
			}
			a.inverse[i*n+j] = s / g.sigma
		}
	}
}

// apply takes back what of the update is more than the rates allow.
func (a *rates) apply(g *gaussian) {
	n := g.n
	root := mat.NewDense(n, n, a.inverse)
	dMean := make([]float64, n)
	floats.SubTo(dMean, g.mean, a.oldMean)
	dCov := make([]float64, n*n)
	floats.AddScaled(dCov, g.sigma*g.sigma, g.c)
	floats.Sub(dCov, a.oldCov)

	unstretched := make([]float64, n)
	floats.DivTo(unstretched, dMean, g.margin)
	var localMean mat.VecDense
	localMean.MulVec(root, mat.NewVecDense(n, unstretched))
	var half, localCov mat.Dense
	half.Mul(mat.NewDense(n, n, dCov), root)
	localCov.Mul(root, &half)
	localCov.Scale(1/math.Sqrt2, &localCov)

	before := a.mean.eta
	a.mean.learn(localMean.RawVector().Data)
	a.cov.learn(localCov.RawMatrix().Data)

	copy(g.mean, a.oldMean)
	floats.AddScaled(g.mean, a.mean.eta, dMean)
	copy(g.c, a.oldCov)
	floats.AddScaled(g.c, a.cov.eta, dCov)
	var e mat.EigenSym
	if !e.Factorize(mat.NewSymDense(n, g.c), false) {
		g.broken = true
		return
	}
	logs := 0.0
	for _, v := range e.Values(nil) {
		logs += math.Log(v)
	}
	sigma := math.Exp(logs / 2 / float64(n))
	if !(sigma > 0) || math.IsInf(sigma, 1) {
		g.broken = true
		return
	}
	floats.Scale(1/(sigma*sigma), g.c)
	g.sigma = sigma * before / a.mean.eta
}

// learn takes the next update and adapts the rate (section 3.2).
func (s *signal) learn(d []float64) {
	floats.Scale(1-s.beta, s.e)
	floats.AddScaled(s.e, s.beta, d)
	s.v = (1-s.beta)*s.v + s.beta*floats.Dot(d, d)
	e2 := floats.Dot(s.e, s.e)
	ratio := (e2 - s.beta/(2-s.beta)*s.v) / (s.v - e2)
	if math.IsNaN(ratio) {
		return
	}
	change := min(max(ratio/ratesAlpha/s.eta-1, -1), 1)
	s.eta = min(1, s.eta*math.Exp(min(ratesGamma*s.eta, s.beta)*change))
}
