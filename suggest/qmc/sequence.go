package qmc

import (
	"math"
	"math/bits"

	"github.com/gotuner/tuner/suggest"
)

// Sobol is where Sobol's sequence comes from.
type Sobol struct {
	// Dimensions is the greatest number of coordinates.
	Dimensions int
	// Vectors returns the first bits (1 to 20) direction vectors of the first
	// dims coordinates: the coordinate of point i is the XOR of the words k for
	// which bit k of i^(i>>1) is set, divided by 2^32.
	Vectors func(dims, bits int) [][]uint32
}

const (
	// minBits and maxBits bound the logarithm of the length of a block.
	minBits, maxBits = 10, 20
	// maxScalars bounds the numbers that are drawn to find the vectors of a
	// block: 2^(bits-1) * dims. They take some tens of milliseconds, once.
	maxScalars = 1 << 23
	// digits is how many binary digits a coordinate has.
	digits = 53
)

// sequence is a scrambled low-discrepancy sequence.
type sequence struct {
	seed  int64
	owen  bool
	sobol Sobol

	// The first coordinates are Sobol's.
	dims    int
	block   int // logarithm of the length of a block
	vectors [][]uint32
	known   int // how many vectors each has
	// primes are the bases of the others, Halton's.
	primes []uint64
}

func newSequence(cfg suggest.Config, sobol Sobol, dims int) *sequence {
	s := &sequence{seed: cfg.Seed, owen: cfg.Settings.String("scramble") == "owen", sobol: sobol}
	if cfg.Settings.String("sequence") == "sobol" {
		s.dims = min(dims, sobol.Dimensions)
		s.block = maxBits
		for s.block > minBits && s.dims<<(s.block-1) > maxScalars {
			s.block--
		}
		s.primes = primes(dims - s.dims + 1)[1:]
	} else {
		s.block = 63 // one for all
		s.primes = primes(dims)
	}
	return s
}

// point writes the coordinates of point number in the scrambling try to u; all
// are in [0, 1).
func (s *sequence) point(number int64, try int, u []float64) {
	block, index := uint64(number)>>s.block, uint32(uint64(number)&(1<<s.block-1))
	// The keys of the scramblings: one for each block, try and coordinate.
	keys := suggest.Stream(s.seed, Name, int64(block*tries)+int64(try))
	s.find(bits.Len32(index))
	for j := range s.dims {
		x, key := s.sobolDigits(j, index), keys.Uint64()
		if s.owen {
			x = nested(x, s.block, key)
		} else {
			x ^= key >> (64 - digits)
		}
		u[j] = math.Ldexp(float64(x), -digits)
	}
	for j, p := range s.primes {
		u[s.dims+j] = halton(uint64(number), p, keys.Uint64(), s.owen)
	}
}

// find sees to it that the vectors of n bits are known.
func (s *sequence) find(n int) {
	if n > s.known && s.dims > 0 {
		s.known = min(max(n+2, minBits), s.block)
		s.vectors = s.sobol.Vectors(s.dims, s.known)
	}
}

// sobolDigits are the digits of coordinate j of a point.
func (s *sequence) sobolDigits(j int, index uint32) uint64 {
	x := uint32(0)
	for g := index ^ index>>1; g != 0; g &= g - 1 {
		x ^= s.vectors[j][bits.TrailingZeros32(g)]
	}
	return uint64(x) << (digits - 32)
}

// nested permutes the digits of x, of which only the first n may be set: the
// subtrees below them hold one point each, so that all further digits are
// random at once.
func nested(x uint64, n int, key uint64) uint64 {
	y := uint64(0)
	for k := range n {
		at := digits - 1 - k // of the digit
		node := uint64(1)<<k | x>>(at+1)
		y |= (x ^ mix(key+node*golden)>>63<<at) & (1 << at)
	}
	node := uint64(1)<<n | x>>(digits-n)
	return y | mix(key+node*golden)>>(64-digits)>>n
}

// halton is the radical inverse of i in base p, its digits permuted.
func halton(i, p, key uint64, owen bool) float64 {
	u, scale := 0.0, 1.0
	prefix, power := uint64(0), uint64(1) // i modulo p^k, and p^k as long as it matters
	for k, rest := uint64(0), i; scale > 0x1p-54; k++ {
		node := key + k*golden
		if owen {
			node = mix(node) ^ prefix
		}
		h := mix(node)
		a, b := uint64(1), h&math.MaxUint32%p
		if owen {
			a += h >> 32 % (p - 1)
		}
		digit := rest % p
		scale /= float64(p)
		u += float64((a*digit+b)%p) * scale
		if rest > 0 {
			prefix += digit * power
			power *= p
		}
		rest /= p
	}
	return min(u, 1-0x1p-53)
}

// primes are the first n primes.
func primes(n int) []uint64 {
	out := make([]uint64, 0, n)
	for c := uint64(2); len(out) < n; c++ {
		if isPrime(c, out) {
			out = append(out, c)
		}
	}
	return out
}

// isPrime reports whether c is divided by none of the primes up to its root.
func isPrime(c uint64, primes []uint64) bool {
	for _, p := range primes {
		if p*p > c {
			break
		}
		if c%p == 0 {
			return false
		}
	}
	return true
}

// golden is the increment of SplitMix64, mix its finaliser (Steele, Lea and
// Flood, OOPSLA 2014; constants of Stafford's variant 13).
const golden = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
