package tpe

import (
	"math"
	"math/rand/v2"
	"slices"
)

// mixture is a density over the dimensions of one group: kernel k is a product
// over the dimensions. The last kernel is the prior.
type mixture struct {
	logWeight []float64
	cumWeight []float64 // for draws; the last is the sum
	kernels   []kernels // by dimension of the group
}

// kernels are the kernels of a mixture in one dimension.
type kernels struct {
	dim *dim
	// For continuous dimensions kernel k has log density
	// bias[k] - ((x - mean[k]) * inverse[k])^2 / 2.
	// For discrete ones the arrays are indexed by shape, because few different
	// kernels occur there: kernel k has shape[k], whose log mass of the whole
	// domain is -bias.
	mean, inverse, bias []float64
	shape               []int32
	// For categorical dimensions shape[k] is the choice of kernel k, or the
	// number of choices for the prior.
	hit, miss, uniform float64
	table              []float64 // scratch: log mass of the current value by shape
}

// weights returns the weights of m kernels in the order of the trials' numbers:
// old trials fade. The prior kernel's is appended.
func weights(m int, prior float64) []float64 {
	const full = 25
	w := make([]float64, m+1)
	for i := range m {
		w[i] = 1
	}
	if ramp := m - full; ramp > 0 {
		first := 1 / float64(m)
		for i := range ramp {
			w[i] = first
			if ramp > 1 {
				w[i] += (1 - first) * float64(i) / float64(ramp-1)
			}
		}
	}
	w[m] = prior
	return w
}

func newMixture(m int, prior float64, dims int) mixture {
	w := weights(m, prior)
	mix := mixture{
		logWeight: make([]float64, m+1), cumWeight: make([]float64, m+1),
		kernels: make([]kernels, dims),
	}
	sum := 0.0
	for i, x := range w {
		sum += x
		mix.cumWeight[i] = sum
	}
	for i, x := range w {
		mix.logWeight[i] = math.Log(x / sum)
	}
	return mix
}

// bandwidths fills sd with the deviations of the kernels at the ascending
// positions x in the domain [low, high].
func bandwidths(sd, x []float64, low, high float64) {
	m := len(x)
	for i := range x {
		left, right := low, high
		if i > 0 {
			left = x[i-1]
		}
		if i < m-1 {
			right = x[i+1]
		}
		sd[i] = math.Max(x[i]-left, right-x[i])
	}
	if m >= 2 {
		sd[0] = x[1] - x[0]
		sd[m-1] = x[m-1] - x[m-2]
	}
	width := high - low
	floor := width / math.Min(100, float64(m+2))
	for i := range sd[:m] {
		sd[i] = clamp(sd[i], floor, width)
	}
}

// massCache remembers the log mass of a kernel in the domain, which is dear and
// mostly unchanged from one suggestion to the next. It changes no result.
type massCache struct{ sd, mass []float64 }

func (c *massCache) get(slot int32, d *dim, mean, sd float64) float64 {
	if int(slot) >= len(c.sd) {
		return d.logMass(mean, sd)
	}
	if c.sd[slot] != sd {
		c.sd[slot], c.mass[slot] = sd, d.logMass(mean, sd)
	}
	return c.mass[slot]
}

// logMass is the log mass of a normal kernel in the domain.
func (d *dim) logMass(mean, sd float64) float64 {
	return logNormMass((d.low-mean)/sd, (d.high-mean)/sd)
}

// sortedKernels are the trials of a mixture in the order of one dimension.
type sortedKernels struct {
	x    []float64
	k    []int32 // kernel index
	slot []int32
	sd   []float64
}

func (s *sortedKernels) reset() { s.x, s.k, s.slot = s.x[:0], s.k[:0], s.slot[:0] }

func (s *sortedKernels) add(x float64, k, slot int32) {
	s.x, s.k, s.slot = append(s.x, x), append(s.k, k), append(s.slot, slot)
}

// normal is a normal kernel before truncation.
type normal struct{ mean, sd float64 }

// numeric builds the kernels of a numeric dimension with this prior kernel; s
// is sorted by x.
func (d *dim) numeric(s *sortedKernels, prior normal, cache *massCache) kernels {
	m := len(s.x)
	s.sd = slices.Grow(s.sd[:0], m)[:m]
	bandwidths(s.sd, s.x, d.low, d.high)
	if d.kind == discrete {
		return d.numericDiscrete(s, prior)
	}
	q := kernels{
		dim: d, mean: make([]float64, m+1), inverse: make([]float64, m+1), bias: make([]float64, m+1),
	}
	set := func(k int32, mean, sd, mass float64) {
		q.mean[k], q.inverse[k] = mean, 1/sd
		q.bias[k] = -mass - math.Log(sd) - logSqrt2Pi
	}
	for i, x := range s.x {
		set(s.k[i], x, s.sd[i], cache.get(s.slot[i], d, x, s.sd[i]))
	}
	set(int32(m), prior.mean, prior.sd, d.logMass(prior.mean, prior.sd))
	return q
}

func (d *dim) numericDiscrete(s *sortedKernels, prior normal) kernels {
	m := len(s.x)
	q := kernels{dim: d, shape: make([]int32, m+1)}
	add := func(mean, sd float64) int32 {
		q.mean = append(q.mean, mean)
		q.inverse = append(q.inverse, 1/sd)
		q.bias = append(q.bias, -d.logMass(mean, sd))
		return int32(len(q.mean) - 1)
	}
	// Equal observations are neighbours here and mostly have equal deviations.
	for i, x := range s.x {
		if i > 0 && x == s.x[i-1] {
			last := q.shape[s.k[i-1]]
			if s.sd[i] == s.sd[i-1] {
				q.shape[s.k[i]] = last
				continue
			}
		}
		q.shape[s.k[i]] = add(x, s.sd[i])
	}
	q.shape[m] = add(prior.mean, prior.sd)
	return q
}

// choices builds the kernels of a categorical dimension; choice has the index
// of the choice of each trial.
func (d *dim) choices(choice []float64) kernels {
	m, n := len(choice), float64(d.levels)
	base := 1 / float64(m+1)
	q := kernels{
		dim: d, shape: make([]int32, m+1),
		hit:     math.Log((base + 1) / (n*base + 1)),
		miss:    math.Log(base / (n*base + 1)),
		uniform: -math.Log(n),
	}
	for k, c := range choice {
		q.shape[k] = int32(c)
	}
	q.shape[m] = int32(d.levels)
	return q
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
	mean, inverse := q.mean[k], q.inverse[k]
	x := mean + truncNorm(u, (d.low-mean)*inverse, (d.high-mean)*inverse)/inverse
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

// logDensity is the log density of the mixture at x; acc is scratch of at least
// one element a kernel.
func (m *mixture) logDensity(x, acc []float64) float64 {
	acc = acc[:copy(acc, m.logWeight)]
	for j := range m.kernels {
		m.kernels[j].accumulate(x[j], acc)
	}
	return logSumExp(acc)
}

// accumulate adds the log density of each kernel at x.
func (q *kernels) accumulate(x float64, acc []float64) {
	if q.dim.kind == continuous {
		mean, inverse, bias := q.mean[:len(acc)], q.inverse[:len(acc)], q.bias[:len(acc)]
		for k := range acc {
			z := (x - mean[k]) * inverse[k]
			acc[k] += bias[k] - 0.5*z*z
		}
		return
	}
	q.tabulate(x)
	shape := q.shape[:len(acc)]
	for k := range acc {
		acc[k] += q.table[shape[k]]
	}
}

// tabulate fills the table with the log mass of the value x by shape.
func (q *kernels) tabulate(x float64) {
	d := q.dim
	if d.kind == categorical {
		q.table = slices.Grow(q.table[:0], int(d.levels)+1)[:d.levels+1]
		for c := range q.table {
			q.table[c] = q.miss
		}
		q.table[int(x)] = q.hit
		q.table[d.levels] = q.uniform
		return
	}
	a, b := d.cell(x)
	q.table = slices.Grow(q.table[:0], len(q.mean))[:len(q.mean)]
	for s, mean := range q.mean {
		q.table[s] = logNormMass((a-mean)*q.inverse[s], (b-mean)*q.inverse[s]) + q.bias[s]
	}
}
