package tpe

import (
	"math"
	"math/rand/v2"
	"slices"
)

// mixture is a density over the dimensions of one group: kernel k is a product
// over the dimensions. The last kernel is the prior.
type mixture struct {
	weight    []float64
	logWeight []float64 // of the weights divided by their sum
	cumWeight []float64 // for draws; the last is the sum
	kernels   []kernels // by dimension of the group

	// Kernels that are reach below the greatest, in nats, are left out, and
	// cells up to narrow deviations wide have their mass by the midpoint rule.
	reach, narrow float64
	// pilot is the kernel that was the greatest at the last point.
	pilot int32
}

// kernels are the kernels of a mixture in one dimension.
type kernels struct {
	dim *dim
	// For continuous dimensions shapes is indexed by kernel. Few different
	// kernels occur in discrete ones: there kernel k has shapes[shape[k]].
	shapes []shape
	// For categorical dimensions shape[k] is the choice of kernel k, or the
	// number of choices for the prior.
	shape              []int32
	hit, miss, uniform float64
	// tables are those of sharp, else of blurred models.
	tables *tables
	both   [2]tables
	// drawn are kernels that were drawn from, mostly as they still are.
	drawn []truncated
	top   float64 // the greatest bias, of continuous dimensions
}

// shape is a normal kernel truncated to the domain. At x its log density is
// bias - ((x-mean)*inverse)^2/2 in continuous dimensions; in discrete ones bias
// is minus the log mass of the domain.
type shape struct{ mean, inverse, bias float64 }

// full is the number of trials, the newest, that do not fade.
const full = 25

// ramp is the weights of m kernels in the order of the trials' numbers: the
// newest have 1, those before rise linearly from 1/m to 1.
type ramp struct{ m int }

func (r ramp) at(i int) float64 {
	n := r.m - full
	if i >= n {
		return 1
	}
	first := 1 / float64(r.m)
	if n == 1 {
		return first
	}
	return first + (1-first)*float64(i)/float64(n-1)
}

// sum is that of the first count weights.
func (r ramp) sum(count int) float64 {
	n := max(r.m-full, 0)
	i := float64(min(count, n))
	rest := float64(count) - i
	if n <= 1 {
		return rest + i/float64(r.m)
	}
	first := 1 / float64(r.m)
	return rest + i*first + (1-first)*i*(i-1)/2/float64(n-1)
}

// weights appends the weights of m kernels and the prior kernel's.
func weights(w []float64, m int, prior float64) []float64 {
	for i := range m {
		w = append(w, ramp{m}.at(i))
	}
	return append(w, prior)
}

// reset sets the weights.
func (m *mixture) reset(w []float64) {
	m.weight, m.logWeight, m.cumWeight = w, m.logWeight[:0], m.cumWeight[:0]
	sum := 0.0
	for _, x := range w {
		sum += x
		m.cumWeight = append(m.cumWeight, sum)
	}
	for _, x := range w {
		m.logWeight = append(m.logWeight, math.Log(x/sum))
	}
	m.pilot = int32(len(w) - 1)
}

// bandwidths fills sd with the deviations of the kernels at the ascending
// positions x in the domain [low, high]; they stand for count trials.
func bandwidths(sd, x []float64, count int, low, high float64) {
	m := len(x)
	for i := range x {
		left, right := low, high
		if i > 0 {
			left = x[i-1]
		}
		if i < m-1 {
			right = x[i+1]
		}
		sd[i] = max(x[i]-left, right-x[i])
	}
	if m >= 2 {
		sd[0] = x[1] - x[0]
		sd[m-1] = x[m-1] - x[m-2]
	}
	width := high - low
	floor := width / min(100, float64(count+2))
	for i := range sd[:m] {
		sd[i] = clamp(sd[i], floor, width)
	}
}

// logMass is the log mass of a normal kernel in the domain.
func (d *dim) logMass(mean, sd float64) float64 {
	return logNormMass((d.low-mean)/sd, (d.high-mean)/sd)
}

// normal is a normal kernel before truncation.
type normal struct{ mean, sd float64 }

// choices builds the kernels of a categorical dimension: of the slots, whose
// choices are in x, standing for count trials.
func (q *kernels) choices(x []float64, slots []int32, count int) {
	q.tables = &q.both[0]
	n := float64(q.dim.levels)
	base := 1 / float64(count+1)
	q.hit = math.Log((base + 1) / (n*base + 1))
	q.miss = math.Log(base / (n*base + 1))
	q.uniform = -math.Log(n)
	q.shape = q.shape[:0]
	for _, s := range slots {
		q.shape = append(q.shape, int32(x[s]))
	}
	q.shape = append(q.shape, int32(q.dim.levels))
}

// draw fills x with a point of the mixture, one coordinate a dimension.
func (m *mixture) draw(r *rand.Rand, x []float64) {
	total := m.cumWeight[len(m.cumWeight)-1]
	k, _ := slices.BinarySearch(m.cumWeight, r.Float64()*total)
	k = min(k, len(m.cumWeight)-1)
	for j := range m.kernels {
		x[j] = m.kernels[j].draw(r.Float64(), k)
	}
}

// draw is the u-quantile of kernel k.
func (q *kernels) draw(u float64, k int) float64 {
	d := q.dim
	if d.kind == categorical {
		return q.drawChoice(u, int(q.shape[k]))
	}
	if d.kind == discrete {
		k = int(q.shape[k])
	}
	mean, inverse := q.shapes[k].mean, q.shapes[k].inverse
	a, b := (d.low-mean)*inverse, (d.high-mean)*inverse
	if a > 0 {
		return d.snap(clamp(mean+truncNorm(u, a, b)/inverse, d.low, d.high))
	}
	if n := len(q.shapes); len(q.drawn) < n {
		q.drawn = append(q.drawn, make([]truncated, n-len(q.drawn))...)
	}
	t := &q.drawn[k]
	if t.a != a || t.b != b {
		*t = newTruncated(a, b)
	}
	x := mean + t.quantile(u)/inverse
	return d.snap(clamp(x, d.low, d.high))
}

// drawChoice is the u-quantile of the kernel of choice own.
func (q *kernels) drawChoice(u float64, own int) float64 {
	n := int(q.dim.levels)
	if own == n {
		return float64(min(int(u*float64(n)), n-1))
	}
	hit, miss := math.Exp(q.hit), math.Exp(q.miss)
	switch before := float64(own) * miss; {
	case u < before:
		return float64(min(int(u/miss), own))
	case u < before+hit:
		return float64(own)
	default:
		return float64(min(own+1+int((u-before-hit)/miss), n-1))
	}
}
