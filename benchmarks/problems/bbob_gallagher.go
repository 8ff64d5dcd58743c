package problems

import "math"

// peaks are the Gaussian humps of f21 and f22, in rotated coordinates.
type peaks struct {
	height []float64
	// centre and scale have a row of dim numbers for each peak.
	centre, scale []float64
}

// gallagherSetup draws count peaks with centres in [-low, width-low]. The first
// is the optimum: the highest, and nearer to the middle by a fifth.
func gallagherSetup(count int, firstCondition, width, low float64) func(*bbob, int64) {
	const (
		maxCondition          = 1000
		best, lowest, highest = 10, 1.1, 9.1
		inward                = 0.8
	)
	return func(b *bbob, seed int64) {
		n, last := b.dim, float64(count-2)
		b.m = rotation(n, seed)
		p := &peaks{height: make([]float64, count), centre: make([]float64, count*n), scale: make([]float64, count*n)}
		b.peaks = p

		// The conditions of the other peaks are in random order.
		u := make([]float64, max(count-1, n))
		uniforms(u[:count-1], seed)
		order := ranks(u[:count-1])
		for i := range count {
			condition := firstCondition
			p.height[i] = best
			if i > 0 {
				condition = math.Pow(maxCondition, float64(order[i-1])/last)
				p.height[i] = float64(i-1)/last*(highest-lowest) + lowest
			}
			uniforms(u[:n], seed+1000*int64(i))
			for j, k := range ranks(u[:n]) {
				p.scale[i*n+j] = math.Pow(condition, float64(k)/float64(n-1)-0.5)
			}
		}

		at := make([]float64, count*n)
		uniforms(at, seed)
		for i := range at {
			at[i] = width*at[i] - low
		}
		for i := range b.xopt {
			b.xopt[i] = inward * at[i]
		}
		for i := range count {
			row := p.centre[i*n : (i+1)*n]
			b.m.apply(row, at[i*n:(i+1)*n])
			if i == 0 {
				for j := range row {
					row[j] *= inward
				}
			}
		}
	}
}

// f21 and f22.
func (b *bbob) gallagher(x []float64) float64 {
	n, p := b.dim, b.peaks
	b.m.apply(b.u, x)
	highest, half := 0.0, -0.5/float64(n)
	for i, h := range p.height {
		centre, scale, s := p.centre[i*n:(i+1)*n], p.scale[i*n:(i+1)*n], 0.0
		for j, v := range b.u {
			d := v - centre[j]
			s += scale[j] * d * d
		}
		highest = math.Max(highest, h*math.Exp(half*s))
	}
	f := oscillate(10 - highest)
	return f*f + penalty(x)
}
