package tpe

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Standard normal distribution, careful where a naive formula loses all digits:
// in the tails and for intervals that are narrow beside the deviation.

const (
	logSqrt2Pi = 0.918938533204672741780329736405617639861397473637783412817
	// tail is where the normal distribution function is replaced by its
	// asymptotic series; math.Erfc would underflow a little further out.
	tail = -30
	// narrow is the width below which the mass of an interval is the density in
	// its middle times its width. The relative error is width^2*|m^2-1|/24 for
	// the middle m, which stays below the error of subtracting two logarithms.
	narrow = 1e-5
	// cappedNarrow is the limit of logCellMass where the densities are
	// approximate anyway.
	cappedNarrow = 0.5
)

// logNormCDF is the logarithm of the standard normal distribution function.
func logNormCDF(x float64) float64 {
	switch {
	case x > 0:
		return math.Log1p(-0.5 * math.Erfc(x/math.Sqrt2))
	case x > tail:
		return math.Log(0.5 * math.Erfc(-x/math.Sqrt2))
	}
	// Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.12.
	r := 1 / (x * x)
	series := 1 - r*(1-r*(3-r*(15-r*105)))
	return -0.5*x*x - math.Log(-x) - logSqrt2Pi + math.Log(series)
}

// logCellMass is logNormMass. If limit is above narrow, the mass of an interval
// whose width times max(1, |middle|) is at most limit is that of the midpoint
// rule with its next three terms: with He_k the Hermite polynomials, the density
// in the middle m times h*(1 + He_2(m)(h/2)^2/3! + He_4(m)(h/2)^4/5! +
// He_6(m)(h/2)^6/7!). At 0.5 the logarithm is right to 1e-8.
func logCellMass(a, b, limit float64) float64 {
	h, m := b-a, 0.5*(a+b)
	if limit <= narrow || h*math.Max(1, math.Abs(m)) > limit {
		return logNormMass(a, b)
	}
	t, q := 0.25*h*h, m*m
	sum := t * (1.0/6*(q-1) + t*(1.0/120*(3+q*(q-6))+t/5040*(q*(45+q*(q-15))-15)))
	return -0.5*q - logSqrt2Pi + math.Log(h*(1+sum))
}

// logNormMass is the logarithm of the standard normal mass of [a, b], a < b.
func logNormMass(a, b float64) float64 {
	if a > 0 {
		a, b = -b, -a
	}
	if m := 0.5 * (a + b); (b-a)*math.Max(1, math.Abs(m)) < narrow {
		return -0.5*m*m - logSqrt2Pi + math.Log(b-a)
	}
	if b > 0 { // the mean lies inside: a sum of two positive terms
		return math.Log(0.5 * (math.Erf(b/math.Sqrt2) - math.Erf(a/math.Sqrt2)))
	}
	lb := logNormCDF(b)
	return lb + math.Log(-math.Expm1(logNormCDF(a)-lb))
}

// truncNorm is the u-quantile (0 <= u < 1) of the standard normal distribution
// truncated to [a, b], a < b.
func truncNorm(u, a, b float64) float64 {
	if a > 0 { // mirror, so that the digits are where the mass is
		t := newTruncated(-b, -a)
		return -t.quantile(1 - u)
	}
	t := newTruncated(a, b)
	return t.quantile(u)
}

// truncated is the standard normal distribution truncated to [a, b], a <= 0, with
// its distribution function at both ends, from below and from above.
type truncated struct{ a, b, pa, pb, qa, qb float64 }

func newTruncated(a, b float64) truncated {
	t := truncated{a: a, b: b}
	if b >= tail {
		t.pa, t.pb = 0.5*math.Erfc(-a/math.Sqrt2), 0.5*math.Erfc(-b/math.Sqrt2)
		t.qa, t.qb = 0.5*math.Erfc(a/math.Sqrt2), 0.5*math.Erfc(b/math.Sqrt2)
	}
	return t
}

func (t *truncated) quantile(u float64) float64 {
	if t.b < tail {
		// Out here the density falls like exp(|b|*x) from b leftwards.
		x := t.b + math.Log(u+(1-u)*math.Exp(t.b*(t.b-t.a)))/-t.b
		return clamp(x, t.a, t.b)
	}
	if p := t.pa + u*(t.pb-t.pa); p <= 0.5 {
		return clamp(quantile(p), t.a, t.b)
	}
	q := t.qb + (1-u)*(t.qa-t.qb)
	return clamp(-quantile(q), t.a, t.b)
}

// quantile is the p-quantile of the standard normal distribution, p <= 0.5.
// math.Erfcinv would compute 1-2p and lose small p.
func quantile(p float64) float64 {
	if p <= 0 {
		return math.Inf(-1)
	}
	return mathext.NormalQuantile(p)
}

func clamp(x, a, b float64) float64 {
	switch {
	case x < a:
		return a
	case x > b:
		return b
	}
	return x
}

// logSumExp is log(sum(exp(v))) without the terms that are reach below the
// greatest.
func logSumExp(v []float64, reach float64) float64 {
	top := math.Inf(-1)
	for _, x := range v {
		if x > top {
			top = x
		}
	}
	if math.IsInf(top, -1) {
		return top
	}
	s := 0.0
	for _, x := range v {
		if d := x - top; d > -reach {
			s += math.Exp(d)
		}
	}
	return top + math.Log(s)
}
