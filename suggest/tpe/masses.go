package tpe

import (
	"math"
	"math/bits"
)

// masses remembers log masses of cells from one model to the next: most kernels
// of a model were in the one before, and a mass costs ten times a look. An entry
// is overwritten by the next that falls on its place, so that memory is bounded
// and nothing has to be forgotten.
type masses struct {
	narrow float64
	slots  []mass // a power of two
}

// mass is the log mass of the cell of value in a kernel; inverse 0: none.
type mass struct{ mean, inverse, value, log float64 }

const (
	// massesPerShape and maxMasses size the memory: a kernel meets that many
	// values often, and 32 bytes of each are kept.
	massesPerShape = 64
	maxMasses      = 1 << 12
)

// fit makes room for the masses of n shapes, computed with limit narrow.
func (c *masses) fit(n int, narrow float64) {
	size := min(1<<bits.Len(uint(n*massesPerShape-1)), maxMasses)
	if c.narrow == narrow && len(c.slots) >= size {
		return
	}
	c.narrow, c.slots = narrow, make([]mass, size)
}

// of is the log mass of the cell [a, b] of value in s.
func (c *masses) of(s *shape, value, a, b float64) float64 {
	// Odd constants near 2^64 over the golden ratio and its powers spread the
	// digits over the highest bits.
	key := math.Float64bits(s.mean)*0x9e3779b97f4a7c15 ^ math.Float64bits(s.inverse)*0xc2b2ae3d27d4eb4f ^ math.Float64bits(value)*0x165667b19e3779f9
	key *= 0x9e3779b97f4a7c15
	e := &c.slots[key>>32&uint64(len(c.slots)-1)]
	if e.mean != s.mean || e.inverse != s.inverse || e.value != value {
		*e = mass{s.mean, s.inverse, value, logCellMass((a-s.mean)*s.inverse, (b-s.mean)*s.inverse, c.narrow) + s.bias}
	}
	return e.log
}
