package cmaes

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// keepMargin moves the means of discrete coordinates and stretches them so that
// each leaves its cell with a probability of at least alpha (Hamano, Saito,
// Nomura and Shirakawa 2022, section 4).
func (g *gaussian) keepMargin(numbers []number, alpha float64) {
	for i := range numbers {
		if d := &numbers[i]; d.levels > 0 {
			level, lower, upper := d.cell(g.mean[i])
			g.relax(i, upper-lower)
			switch level {
			case 0:
				g.mean[i] = g.keepEnd(i, upper, alpha)
			case d.levels - 1:
				g.mean[i] = g.keepEnd(i, lower, alpha)
			default:
				g.keepMiddle(i, lower, upper, alpha)
			}
		}
	}
}

// relax takes back a stretch that the deviation has outgrown: a deviation of one
// cell leaves it often enough. In the paper the stretch only grows; then a
// coordinate whose deviation recovers after a time of neglect is thrown from one
// end of its range to the other for ever.
func (g *gaussian) relax(i int, width float64) {
	if g.margin[i]*g.deviation(i) > width {
		g.margin[i] = max(1, width/g.deviation(i))
	}
}

// keepEnd is the mean of coordinate i moved towards the only threshold of its
// cell, until that is passed with probability alpha.
func (g *gaussian) keepEnd(i int, threshold, alpha float64) float64 {
	far := quantile(1-alpha) * g.deviation(i) * g.margin[i]
	return min(max(g.mean[i], threshold-far), threshold+far)
}

// keepMiddle is equations 14 to 19: both thresholds are passed with a
// probability of at least alpha/2, what is given to one side being taken from
// where there is more.
func (g *gaussian) keepMiddle(i int, lower, upper, alpha float64) {
	sd := g.deviation(i) * g.margin[i]
	low, up := normalCDF((lower-g.mean[i])/sd), normalCDF((g.mean[i]-upper)/sd)
	if low >= alpha/2 && up >= alpha/2 {
		return
	}
	middle := 1 - low - up
	low, up = max(low, alpha/2), max(up, alpha/2)
	share := (1 - low - up - middle) / (low + middle + up - 1.5*alpha)
	low += share * (low - alpha/2)
	up += share * (up - alpha/2)
	zLow, zUp := quantile(1-clip(low)), quantile(1-clip(up))
	g.mean[i] = (lower*zUp + upper*zLow) / (zLow + zUp)
	g.margin[i] = (upper - lower) / ((zLow + zUp) * g.deviation(i))
}

func clip(p float64) float64 { return min(max(p, 1e-10), 0.5-1e-10) }

func quantile(p float64) float64 { return mathext.NormalQuantile(p) }

// normalCDF is the standard normal distribution function.
func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
