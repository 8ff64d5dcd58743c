package problems

import (
	"math"
	"sort"
)

// The random numbers of COCO's instances. They are those of the BBOB workshop of
// 2009, and every published BBOB result depends on them: a minimal standard
// generator (Park and Miller 1988: multiplier 16807, modulus 2^31-1, by
// Schrage's division) behind a shuffle table of 32 entries (Bays and Durham),
// as in "ran1" of the older numerical literature.
const (
	minimalMultiplier = 16807
	minimalModulus    = 2147483647
	schrageQuotient   = 127773 // minimalModulus / minimalMultiplier
	schrageRemainder  = 2836
	shuffleTable      = 32
	shuffleWarmUp     = 40
	shuffleDivisor    = 67108865 // spreads 2^31 over the table
	tinyDraw          = 1e-99    // stands for a zero, whose logarithm is taken
)

// uniforms fills u with COCO's uniform numbers in (0,1) of a seed.
func uniforms(u []float64, seed int64) {
	if seed < 0 {
		seed = -seed
	}
	state := max(seed, 1)
	next := func() int64 {
		q := state / schrageQuotient
		state = minimalMultiplier*(state-q*schrageQuotient) - schrageRemainder*q
		if state < 0 {
			state += minimalModulus
		}
		return state
	}
	var table [shuffleTable]int64
	for i := shuffleWarmUp - 1; i >= 0; i-- {
		if s := next(); i < shuffleTable {
			table[i] = s
		}
	}
	out := table[0]
	for i := range u {
		s := next()
		k := out / shuffleDivisor
		out, table[k] = table[k], s
		if u[i] = float64(out) / minimalModulus; u[i] == 0 {
			u[i] = tinyDraw
		}
	}
}

// gaussians fills g with COCO's normal numbers of a seed (Box and Muller's
// method; the second half of the uniform numbers are the angles).
func gaussians(g []float64, seed int64) {
	n := len(g)
	u := make([]float64, 2*n)
	uniforms(u, seed)
	for i := range g {
		if g[i] = math.Sqrt(-2*math.Log(u[i])) * math.Cos(2*math.Pi*u[n+i]); g[i] == 0 {
			g[i] = tinyDraw
		}
	}
}

// matrix is square and row-major.
type matrix []float64

// rotation is COCO's orthogonal matrix of a seed: the columns of a normal
// matrix, filled column by column, made orthonormal by Gram and Schmidt.
func rotation(n int, seed int64) matrix {
	g := make([]float64, n*n)
	gaussians(g, seed)
	m := make(matrix, n*n)
	for i := range n {
		col := g[i*n : (i+1)*n]
		for j := range i {
			before, dot := g[j*n:(j+1)*n], 0.0
			for k := range col {
				dot += col[k] * before[k]
			}
			for k := range col {
				col[k] -= dot * before[k]
			}
		}
		square := 0.0
		for _, c := range col {
			square += c * c
		}
		for k := range col {
			col[k] /= math.Sqrt(square)
			m[k*n+i] = col[k]
		}
	}
	return m
}

// apply writes m·x to dst, which must not overlap x.
func (m matrix) apply(dst, x []float64) {
	n := len(x)
	for i := range dst {
		row, s := m[i*n:(i+1)*n], 0.0
		for j, v := range x {
			s += row[j] * v
		}
		dst[i] = s
	}
}

// compose is a·diag(scale)·b.
func compose(a matrix, scale []float64, b matrix) matrix {
	n := len(scale)
	m := make(matrix, n*n)
	for i := range n {
		for j := range n {
			for k, s := range scale {
				m[i*n+j] += a[i*n+k] * s * b[k*n+j]
			}
		}
	}
	return m
}

// scaleRows is diag(scale)·b.
func scaleRows(scale []float64, b matrix) matrix {
	n := len(scale)
	m := make(matrix, n*n)
	for i, s := range scale {
		for j := range n {
			m[i*n+j] = s * b[i*n+j]
		}
	}
	return m
}

// ladder is base^(i/(n-1)) for i = 0 … n-1: the scales of an ellipsoid whose
// longest axis is base times its shortest.
func ladder(n int, base float64) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = math.Pow(base, float64(i)/float64(n-1))
	}
	return s
}

// drawOptimum is where COCO puts most optima: on a lattice of [-4,4], and never
// at 0.
func drawOptimum(n int, seed int64) []float64 {
	x := make([]float64, n)
	uniforms(x, seed)
	for i, u := range x {
		if x[i] = 8*math.Floor(1e4*u)/1e4 - 4; x[i] == 0 {
			x[i] = -1e-5
		}
	}
	return x
}

// drawOptimalValue is COCO's f_opt: a Cauchy number with two decimals, clipped
// to ±1000.
func drawOptimalValue(seed int64) float64 {
	var a, b [1]float64
	gaussians(a[:], seed)
	gaussians(b[:], seed+1)
	v := math.Floor(100*100*a[0]/b[0]+0.5) / 100
	return math.Min(1000, math.Max(-1000, v))
}

// ranks are the indices that sort u ascending.
func ranks(u []float64) []int {
	r := make([]int, len(u))
	for i := range r {
		r[i] = i
	}
	sort.SliceStable(r, func(i, j int) bool { return u[r[i]] < u[r[j]] })
	return r
}
