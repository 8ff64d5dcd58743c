package space

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// Sample draws a point without regard to constraints: from the priors, else
// uniformly in the scaled range, where every level of a linear scale and every
// choice is equally likely.
func (s *Space) Sample(r *rand.Rand) Point {
	p := make(Point, len(s.params))
	s.sampleInto(r, p)
	return p
}

func (s *Space) sampleInto(r *rand.Rand, p Point) {
	for _, i := range s.order {
		p[i] = nil
		if s.active(i, p) {
			p[i] = s.params[i].Sample(r)
		}
	}
}

// Sample draws a value of the parameter as Space.Sample does.
func (p *Parameter) Sample(r *rand.Rand) Value {
	d := p.compiled()
	switch {
	case d.span == 0 && d.discrete:
		return d.at(0)
	case p.Prior != nil:
		mean := p.Prior.Mean
		if p.Scale == ReverseLog {
			mean = -mean // Transform is -ln(high + low - x)
		}
		return d.untransformValue(truncatedNormal(r, mean, p.Prior.SD, d.edgeLo, d.edgeHi))
	case d.discrete && d.scale != Log && d.scale != ReverseLog:
		if d.span == math.MaxUint64 {
			return d.at(r.Uint64())
		}
		return d.at(r.Uint64N(d.span + 1))
	}
	return d.decode(r.Float64())
}

// truncatedNormal draws from a normal distribution on [lo,hi] by rejection
// after C. P. Robert, "Simulation of truncated normal variables", Statistics
// and Computing 5 (1995) 121-125: exact also far out in a tail, where inverting
// the distribution function would lose all digits. Each way accepts at least a
// quarter of its draws.
func truncatedNormal(r *rand.Rand, mean, sd, lo, hi float64) float64 {
	a, b := (lo-mean)/sd, (hi-mean)/sd
	const farOut = 1e8 // beyond it the density falls within one float step
	switch {
	case a == b: // so wide that the range is flat, or so far out
		if a > farOut {
			return lo
		} else if a < -farOut {
			return hi
		}
		return lerp(lo, hi, r.Float64())
	case a > farOut:
		return lo
	case b < -farOut:
		return hi
	case b < 0: // the lower tail is the upper one mirrored
		return mean - sd*standardTruncated(r, -b, -a)
	}
	return mean + sd*standardTruncated(r, a, b)
}

// standardTruncated is truncatedNormal for mean 0, deviation 1 and b >= 0.
func standardTruncated(r *rand.Rand, a, b float64) float64 {
	const wide = 2.5066282746310002 // sqrt(2 pi): then the normal accepts more than the uniform
	if a <= 0 && b-a > wide {
		for {
			if z := r.NormFloat64(); z >= a && z <= b {
				return z
			}
		}
	}
	top := math.Max(a, 0) // where the density is highest
	rate := (top + math.Sqrt(top*top+4)) / 2
	if a <= 0 || (b-a)*rate < 1 {
		for {
			z := a + (b-a)*r.Float64()
			if r.Float64() < math.Exp((top*top-z*z)/2) {
				return z
			}
		}
	}
	for {
		z := a + r.ExpFloat64()/rate
		if z <= b && r.Float64() < math.Exp(-(z-rate)*(z-rate)/2) {
			return z
		}
	}
}

const (
	feasibleDraws = 10_000 // finds a feasible volume of 0.1 % in all but 1 of 20,000 calls
	repairStarts  = 20
	repairSteps   = 500
)

// SampleFeasible draws a feasible point: up to 10,000 draws of Sample, which
// leave the priors' distribution as it is on the feasible part; then local
// repair, random walks from the least bad draws that accept what violates
// fewer constraints, or as many and less; then an error of code types.Invalid
// that names the constraints that failed most. It depends on r only.
func (s *Space) SampleFeasible(r *rand.Rand) (Point, error) {
	p := make(Point, len(s.params))
	failed := make([]int, len(s.constraints))
	var starts []candidate
	for range feasibleDraws {
		s.sampleInto(r, p)
		if s.Feasible(p) {
			return p, nil
		}
		starts = keepBest(starts, s.judge(p, failed))
	}
	for _, c := range starts {
		if q, ok := s.repairWalk(r, c); ok {
			return q, nil
		}
	}
	return nil, s.infeasible(failed)
}

// candidate is a point and how bad it is: the number of violated constraints
// plus how far it is from satisfying them, as a mean below 1.
type candidate struct {
	point Point
	bad   float64
}

// judge copies p; failed, if not nil, counts the violations.
func (s *Space) judge(p Point, failed []int) candidate {
	n, gap := 0, 0.0
	for i, c := range s.constraints {
		if g := c.gap(p); g > 0 {
			n++
			gap += g
			if failed != nil {
				failed[i]++
			}
		}
	}
	return candidate{p, float64(n) + gap/float64(len(s.constraints)+1)}
}

// keepBest inserts c, whose point is reused by the caller, in the ascending
// list of the least bad candidates.
func keepBest(best []candidate, c candidate) []candidate {
	if len(best) == repairStarts {
		if c.bad >= best[len(best)-1].bad {
			return best
		}
		best = best[:len(best)-1]
	}
	c.point = slices.Clone(c.point)
	at, _ := slices.BinarySearchFunc(best, c, func(a, b candidate) int { return cmpOrdered(a.bad, b.bad) })
	return slices.Insert(best, at, c)
}

// repairWalk moves one or two parameters at a time, by steps of all sizes.
func (s *Space) repairWalk(r *rand.Rand, from candidate) (Point, bool) {
	if len(s.params) == 0 {
		return nil, false
	}
	q := make(Point, len(s.params))
	for range repairSteps {
		copy(q, from.point)
		for range 1 + r.IntN(2) {
			if i := r.IntN(len(q)); q[i] != nil {
				q[i] = s.params[i].dim.stray(r, q[i])
			}
		}
		s.Repair(q)
		c := s.judge(q, nil)
		if c.bad == 0 {
			return q, true
		}
		if c.bad <= from.bad {
			q, from = from.point, c
		}
	}
	return nil, false
}

// stray is a value at a random distance from v: the one beside, or between a
// ten-thousandth and all of the cube away.
func (d *dim) stray(r *rand.Rand, v Value) Value {
	k, ok := d.levelOf(v)
	switch {
	case d.kind == Categorical || d.kind == Bool:
		return d.at(r.Uint64N(d.span + 1))
	case d.discrete && ok && r.IntN(2) == 0:
		if r.IntN(2) == 0 {
			return d.at(k - min(k, 1))
		}
		return d.at(k + min(d.span-k, 1))
	}
	far := math.Pow(10, -4*r.Float64())
	if r.IntN(2) == 0 {
		far = -far
	}
	return d.decode(d.encode(v) + far)
}

// infeasible names the constraints in the order of how often they failed.
func (s *Space) infeasible(failed []int) error {
	worst := make([]int, 0, len(failed))
	for i, n := range failed {
		if n > 0 {
			worst = append(worst, i)
		}
	}
	slices.SortStableFunc(worst, func(i, j int) int { return failed[j] - failed[i] })
	names := make([]string, len(worst))
	for k, i := range worst {
		names[k] = fmt.Sprintf("%s (failed in %.4g %%)", s.constraints[i].text, 100*float64(failed[i])/feasibleDraws)
	}
	return types.Errorf(types.Invalid, "no point that satisfies the constraints was found in %d draws and %d repairs: %s",
		feasibleDraws, repairStarts, strings.Join(names, "; ")).
		WithField("space.constraints").WithRemedy("loosen or remove a constraint, or widen the ranges")
}
