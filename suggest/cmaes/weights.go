package cmaes

import "math"

// weighting holds the recombination weights of one generation, best first, and
// the learning rates that follow from them (Hansen 2016, table 1).
type weighting struct {
	w                    []float64
	muEff                float64
	c1, cMu, cc, cs, dms float64
}

// populationOf is the default population for n coordinates (eq. 48).
func populationOf(n int) int { return 4 + int(3*math.Log(float64(max(n, 1)))) }

// weigh returns the weighting of results of the given importance, in the order
// of their ranks, in n numeric coordinates. A result of importance v takes the
// place of v ranks: its rank is the importance before it and half of its own,
//
//	r_i = Σ_{j<i} v_j + (v_i + 1)/2,  w'_i = v_i (ln((Λ+1)/2) - ln r_i),  Λ = Σ v_j
//
// which for v = 1 is eq. 49.
func weigh(n int, importance []float64) weighting {
	total := 0.0
	for _, v := range importance {
		total += v
	}
	raw := make([]float64, len(importance))
	var pos, pos2, neg, neg2, before float64
	for i, v := range importance {
		raw[i] = v * (math.Log((total+1)/2) - math.Log(before+(v+1)/2))
		before += v
		if raw[i] > 0 {
			pos += raw[i]
			pos2 += raw[i] * raw[i]
		} else {
			neg -= raw[i]
			neg2 += raw[i] * raw[i]
		}
	}
	d, muEff, muNeg := float64(n), pos*pos/pos2, 0.0
	if neg2 > 0 {
		muNeg = neg * neg / neg2
	}
	k := weighting{w: raw, muEff: muEff}
	k.c1 = 2 / ((d+1.3)*(d+1.3) + muEff)
	k.cMu = min(1-k.c1-1e-8, 2*(muEff-2+1/muEff)/((d+2)*(d+2)+muEff))
	k.cs = (muEff + 2) / (d + muEff + 5)
	k.dms = 1 + 2*max(0, math.Sqrt((muEff-1)/(d+1))-1) + k.cs
	if n > 0 {
		k.cc = (4 + muEff/d) / (d + 4 + 2*muEff/d)
	}
	// Equations 50 to 53. With cMu = 0 (one parent) the negative weights do
	// nothing.
	alpha := 1 + 2*muNeg/(muEff+2)
	if n > 0 && k.cMu > 0 {
		alpha = min(alpha, 1+k.c1/k.cMu, (1-k.c1-k.cMu)/(d*k.cMu))
	}
	for i, w := range raw {
		switch {
		case w > 0:
			raw[i] = w / pos
		case w < 0:
			raw[i] = alpha * w / neg
		}
	}
	return k
}

// expectedNorm is the expected length of a standard normal vector (Hansen 2016,
// p. 28).
func expectedNorm(n int) float64 {
	d := float64(n)
	return math.Sqrt(d) * (1 - 1/(4*d) + 1/(21*d*d))
}
