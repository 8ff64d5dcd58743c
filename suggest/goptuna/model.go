package goptuna

import (
	"errors"
	"math"
	"math/rand/v2"

	"github.com/c-bata/goptuna/tpe"
)

// What goptuna's TPE does with its Parzen estimators (tpe/sampler.go) is not
// exported except by a sampler that draws from the global generator of math/rand,
// so that no seed repeats it. It is written anew here, with its faults, and
// tested against the original in distribution.

const (
	// eps is tpe/sampler.go:13.
	eps = 1e-12
	// maxRejected bounds the draws outside of the range, which goptuna repeats
	// for ever; usually more than a third lie inside.
	maxRejected = 10_000
)

var errRejected = errors.New("all draws lie outside of the range")

// numberModel is TPE for an ordered parameter.
type numberModel struct {
	candidates int
	// low and high are the range with half a step at both ends; internal numbers
	// are reduced by offset; step is 0 for continuous ones.
	low, high, offset, step float64
	log                     bool // of the numbers, low and high
	below, above            *tpe.ParzenEstimator
}

// estimator is goptuna's estimator of the density of xs.
func (m *numberModel) estimator(xs []float64) *tpe.ParzenEstimator {
	ys := make([]float64, len(xs))
	for i, x := range xs {
		if ys[i] = x - m.offset; m.log {
			ys[i] = math.Log(x)
		}
	}
	low, high := m.ends()
	return tpe.NewParzenEstimator(ys, low, high, tpe.ParzenEstimatorParams{
		ConsiderPrior: true, PriorWeight: 1, ConsiderMagicClip: true, Weights: tpe.DefaultWeights,
	})
}

func (m *numberModel) ends() (low, high float64) {
	if m.log {
		return math.Log(m.low), math.Log(m.high)
	}
	return m.low, m.high
}

// draw returns the candidate of the best score (tpe/sampler.go:362).
func (m *numberModel) draw(r *rand.Rand) (float64, error) {
	xs, err := m.sample(r)
	if err != nil {
		return 0, err
	}
	scores := make([]float64, len(xs))
	acceptBelow, acceptAbove := m.accepted(m.below), m.accepted(m.above)
	for i, x := range xs {
		scores[i] = m.logDensity(m.below, x, acceptBelow) - m.logDensity(m.above, x, acceptAbove)
	}
	return xs[argMax(scores)] + m.offset, nil
}

// sample draws the candidates from the density of the good trials, truncated to
// [low, high) by rejection (tpe/sampler.go:100).
func (m *numberModel) sample(r *rand.Rand) ([]float64, error) {
	low, high := m.ends()
	shares := cumulate(m.below.Weights)
	xs := make([]float64, 0, m.candidates)
	for rejected := 0; len(xs) < m.candidates; {
		k := pick(r, shares)
		x := r.NormFloat64()*m.below.Sigmas[k] + m.below.Mus[k]
		switch {
		case !(low <= x && x < high):
			if rejected++; rejected == maxRejected {
				return nil, errRejected
			}
			continue
		case m.log:
			x = math.Exp(x)
		case m.step > 0:
			x = math.Round(x/m.step) * m.step
		}
		xs = append(xs, x)
	}
	return xs, nil
}

// accepted is what goptuna takes for the mass of the estimator in the range. It
// means the sum of w*(F(high)-F(low)) but computes w*F(high)-F(low)
// (tpe/sampler.go:202), which is negative as soon as the masses below the range
// sum up to more than one.
func (m *numberModel) accepted(e *tpe.ParzenEstimator) float64 {
	low, high := m.ends()
	sum := 0.0
	for k, w := range e.Weights {
		sum += normalCDF(high, e.Mus[k], e.Sigmas[k])*w - normalCDF(low, e.Mus[k], e.Sigmas[k])
	}
	return sum
}

// logDensity is tpe/sampler.go:184 for one sample: NaN if accepted is negative.
func (m *numberModel) logDensity(e *tpe.ParzenEstimator, x, accepted float64) float64 {
	if m.step > 0 {
		from, to := max(x-m.step/2, m.low), min(x+m.step/2, m.high)
		sum := 0.0
		for k, w := range e.Weights {
			sum += w*normalCDF(to, e.Mus[k], e.Sigmas[k]) - w*normalCDF(from, e.Mus[k], e.Sigmas[k])
		}
		return math.Log(sum+eps) + math.Log(accepted+eps)
	}
	at, jacobian := x, 1.0
	if m.log {
		at, jacobian = math.Log(x), x
	}
	terms := make([]float64, len(e.Weights))
	for k, w := range e.Weights {
		sd := e.Sigmas[k]
		// The distance should be squared, too (tpe/sampler.go:272).
		distance := (at - e.Mus[k]) / math.Pow(max(sd, eps), 2)
		terms[k] = -0.5*distance + math.Log(w/(math.Sqrt(2*math.Pi)*sd*jacobian)/accepted)
	}
	return logSum(terms)
}

// logSum should be log(sum(exp(v))) but is the sum of the v, less the greatest
// as often as there are others (tpe/sampler.go:170).
func logSum(v []float64) float64 {
	top := math.Inf(-1)
	for _, x := range v {
		if x > top || math.IsNaN(x) {
			top = x
		}
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Log(math.Exp(x - top))
	}
	return sum + top
}

func normalCDF(x, mean, sd float64) float64 {
	return 0.5 * (1 + math.Erf((x-mean)/max(math.Sqrt2*sd, eps)))
}

// argMax is the first index of the greatest value, 0 if the first is NaN
// (tpe/sampler.go:333).
func argMax(v []float64) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

// choiceModel is TPE for an unordered parameter (tpe/sampler.go:447).
type choiceModel struct {
	candidates   int
	below, above []float64 // probability of each choice
}

func newChoiceModel(n, candidates int, below, above []float64) *choiceModel {
	return &choiceModel{candidates, shares(n, below), shares(n, above)}
}

// shares are the weighted frequencies of n choices with one more each. The
// weight of an observation is looked up under its choice instead of its place
// (tpe/array.go:81).
func shares(n int, xs []float64) []float64 {
	out := make([]float64, n)
	weights := tpe.DefaultWeights(len(xs))
	for _, x := range xs {
		w := 1.0
		if k := int(x); k < len(weights) {
			w = weights[k]
		}
		out[int(x)] += w
	}
	sum := 0.0
	for k := range out {
		out[k]++
		sum += out[k]
	}
	for k := range out {
		out[k] /= sum
	}
	return out
}

// draw returns the best of all choices; only where there are at least as many
// as candidates, it draws candidates first (tpe/sampler.go:461).
func (m *choiceModel) draw(r *rand.Rand) (float64, error) {
	xs := make([]int, min(m.candidates, len(m.below)))
	cumulated := cumulate(m.below)
	for i := range xs {
		if xs[i] = i; m.candidates <= len(m.below) {
			xs[i] = pick(r, cumulated)
		}
	}
	scores := make([]float64, len(xs))
	for i, k := range xs {
		scores[i] = math.Log(m.below[k]) - math.Log(m.above[k])
	}
	return float64(xs[argMax(scores)]), nil
}

func cumulate(weights []float64) []float64 {
	out, sum := make([]float64, len(weights)), 0.0
	for i, w := range weights {
		sum += w
		out[i] = sum
	}
	return out
}

// pick draws an index with the given cumulated probabilities, whose sum may have
// been rounded down.
func pick(r *rand.Rand, cumulated []float64) int {
	u := r.Float64()
	for i, c := range cumulated {
		if c > u {
			return i
		}
	}
	return len(cumulated) - 1
}
