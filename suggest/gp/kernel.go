package gp

import "math"

// hyper are the hyperparameters of the kernel, in the units of the normalised
// values.
type hyper struct {
	theta  []float64 // 1/length^2, by dimension
	signal float64   // variance
	noise  float64   // variance
	trend  float64   // variance of the slope over the length of a trial
}

// matern is the Matern kernel of smoothness 5/2 at the scaled squared distance
// r2 (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
// equation 4.17), and slope such that its derivative by r2 is -slope/2.
func matern(r2 float64) (k, slope float64) {
	s := math.Sqrt(5 * r2)
	e := math.Exp(-s)
	return (1 + s + s*s/3) * e, 5. / 3 * (1 + s) * e
}

// covariance is that of two rows.
func (h *hyper) covariance(dims []*dim, a, b []float64) float64 {
	k, _ := matern(h.distance(dims, a, b))
	if h.trend > 0 {
		return h.signal*k + h.trend*(1-a[len(a)-1])*(1-b[len(b)-1])
	}
	return h.signal * k
}

func (h *hyper) distance(dims []*dim, a, b []float64) float64 {
	r2 := 0.0
	for j, d := range dims {
		x, y := a[j], b[j]
		if t := x - y; !d.choice && t == t { // neither is NaN
			r2 += h.theta[j] * t * t
		} else {
			r2 += h.theta[j] * d.squared(x, y)
		}
	}
	return r2
}
