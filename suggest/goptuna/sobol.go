package goptuna

import (
	"math"

	"github.com/c-bata/goptuna/sobol"
)

// SobolDimensions is the greatest number of coordinates of SobolVectors: the
// 21,199 of goptuna's engine and the one that it leaves out.
const SobolDimensions = 21_200

// SobolVectors returns the first direction vectors of Sobol's sequence with the
// direction numbers of Joe and Kuo (new-joe-kuo-6.21201): for each of dims
// coordinates one 32-bit word for each of bits bits. The coordinate of point i
// is the XOR of the words k for which bit k of i^(i>>1) is set, divided by 2^32;
// point 0 is the origin. dims is at most SobolDimensions; bits is 1 to 29, where the
// engine's table for the first coordinate ends (sobol/engine.go:36).
//
// goptuna's engine has no random access and keeps every point that it drew, so
// the vectors are read off its points: in this order (Gray's code) the points
// 2^k-1 and 2^k differ by just the k-th vector. That takes 2^(bits-1) draws. The
// engine begins at point 1, and its second coordinate is the third of Joe and
// Kuo (sobol/engine.go:49 takes entry j of a table whose entry 0 is coordinate
// 2); the one that is left out is put in here, because the first two coordinates
// are stratified perfectly only with it.
func SobolVectors(dims, bits int) [][]uint32 {
	v := make([][]uint32, dims)
	for j := range v {
		v[j] = make([]uint32, bits)
	}
	if dims == 0 {
		return v
	}
	if dims > 1 {
		second(v[1])
	}
	e := sobol.NewEngine(uint32(max(1, dims-1)))
	before := make([]float64, max(1, dims-1))
	for k, n := 0, 1; k < bits; n++ {
		x := e.Draw()
		if n == 1<<k {
			for j := range x {
				at := j
				if j > 0 {
					at++
				}
				v[at][k] = word(x[j]) ^ word(before[j])
			}
			k++
		}
		before = x
	}
	return v
}

// second writes the vectors of the primitive polynomial x+1 with m_1 = 1, which
// are the rows of Pascal's triangle modulo 2.
func second(v []uint32) {
	w := uint32(1) << 31
	for k := range v {
		v[k] = w
		w ^= w >> 1
	}
}

func word(x float64) uint32 { return uint32(math.Ldexp(x, 32)) }
