package qmc

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/gotuner/tuner/suggest/space"
)

const (
	// farOut is how many deviations away from the range the mean of a prior may
	// be; beyond, all of its mass is within one step of a float64 at the end.
	farOut = 1e8
	// tail is where the normal distribution function is about to underflow.
	tail = -37
)

// position is where in the unit cube the u-quantile of the parameter's
// distribution lies: u itself, or that of its prior, a normal distribution
// truncated to the range (with its half steps, as in space.Parameter.Sample).
func position(p *space.Parameter, u float64) float64 {
	if p.Prior == nil {
		return u
	}
	lo, hi := p.TransformedBounds(!p.Continuous())
	mean, sd := p.Prior.Mean, p.Prior.SD
	if p.Scale == space.ReverseLog {
		mean = -mean // the prior is in ln(high + low - x), the scale its negative
	}
	a, b := (lo-mean)/sd, (hi-mean)/sd
	switch {
	case a > farOut:
		return 0
	case b < -farOut:
		return 1
	case !(a < b): // so wide that the range is flat
		return u
	}
	z := truncatedQuantile(u, a, b)
	return min(max((z-a)/(b-a), 0), 1)
}

// truncatedQuantile is the u-quantile of the standard normal distribution
// truncated to [a, b].
func truncatedQuantile(u, a, b float64) float64 {
	if a > 0 { // mirrored, so that the digits are where the mass is
		return -truncatedQuantile(1-u, -b, -a)
	}
	if b < tail { // out here the density rises like exp(-b*x); the probability is off by 5e-4
		first := math.Exp(b * (b - a))
		return max(a, b+math.Log(first+u*(1-first))/-b)
	}
	first, last := normalCDF(a), normalCDF(b)
	return min(max(mathext.NormalQuantile(first+u*(last-first)), a), b)
}

// normalCDF is the standard normal distribution function.
func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
