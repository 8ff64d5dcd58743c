package gp

import "math"

const (
	// far is where the series replaces the function.
	far     = -36
	halfLog = 0.9189385332046727 // ln(2 pi)/2
)

// logEI is the logarithm of the expected improvement below least of a normal
// variable, and its derivatives by the mean and the deviation.
//
// Source: Ament, Daulton, Eriksson, Balandat and Bakshy, "Unexpected
// Improvements to Expected Improvement for Bayesian Optimization", NeurIPS 2023,
// section 4: with z = (least-mean)/sd it is ln sd + ln h(z), h = phi + z Phi,
// which is finite where the improvement itself is 0 in float64.
func logEI(mean, sd, least float64) (v, byMean, bySD float64) {
	z := (least - mean) / sd
	h, slope := logH(z)
	return h + math.Log(sd), -slope / sd, (1 - z*slope) / sd
}

// logH is ln(phi(z) + z Phi(z)), and its derivative.
func logH(z float64) (h, slope float64) {
	if z > -1 {
		phi, p := math.Exp(-z*z/2-halfLog), 0.5*math.Erfc(-z/math.Sqrt2)
		return math.Log(phi + z*p), p / (phi + z*p)
	}
	if z < far {
		// Mills' ratio in powers of 1/z^2: 1 + z Phi/phi = (1 - 3/z^2 + 15/z^4)/z^2.
		q := 1 / (z * z)
		rest := q * (1 - 3*q + 15*q*q)
		return -z*z/2 - halfLog + math.Log(rest), (1 - q + 3*q*q) / (-z * rest)
	}
	mills := math.Sqrt(math.Pi/2) * math.Exp(z*z/2) * math.Erfc(-z/math.Sqrt2)
	rest := 1 + z*mills
	return -z*z/2 - halfLog + math.Log(rest), mills / rest
}
