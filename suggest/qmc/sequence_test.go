package qmc

import (
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/trial"
)

func newTestSequence(name, scramble string, seed int64, dims int) *sequence {
	return newSequence(suggest.Config{Seed: seed, Settings: trial.Settings{"sequence": name, "scramble": scramble}}, engine, dims)
}

func points(s *sequence, from, n, try, dims int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = make([]float64, dims)
		s.point(int64(from+i), try, out[i])
	}
	return out
}

func scramblings(t *testing.T, test func(t *testing.T, scramble string, seed int64)) {
	for _, scramble := range []string{"owen", "shift"} {
		for _, seed := range []int64{0, 1, -7, math.MinInt64} {
			t.Run(fmt.Sprintf("%s, seed %d", scramble, seed), func(t *testing.T) { test(t, scramble, seed) })
		}
	}
}

// Every dyadic interval of every coordinate gets its share of the first 2^k
// points, and of every later aligned 2^k: for an interval of length 2^-k one.
func TestSobolStratifiesEveryCoordinate(t *testing.T) {
	const dims = 60
	scramblings(t, func(t *testing.T, scramble string, seed int64) {
		s := newTestSequence("sobol", scramble, seed, dims)
		for _, k := range []int{0, 1, 2, 5, 8} {
			for _, from := range []int{0, 1 << k, 6 << k, 1<<20 - 1<<k, 1 << 20} { // 2^20 begins a block
				if from+1<<k > 1<<11 && (seed != 0 || testing.Short()) {
					continue // the vectors for these take a moment
				}
				all := points(s, from, 1<<k, 0, dims)
				for j := range dims {
					seen := make([]int, 1<<k)
					for _, u := range all {
						seen[int(math.Ldexp(u[j], k))]++
					}
					for i, n := range seen {
						if n != 1 {
							t.Fatalf("coordinate %d, points %d to %d: %d in interval %d of 2^%d", j, from, from+1<<k-1, n, i, k)
						}
					}
				}
			}
		}
	})
}

// Any two of the first coordinates: an elementary interval of volume 2^(t-k) has
// 2^t of the first 2^k points, where t is the sum of the degrees of their
// primitive polynomials less one each (Niederreiter, "Random Number Generation
// and Quasi-Monte Carlo Methods", theorem 4.49); for the first pair t is 0.
func TestSobolStratifiesPairs(t *testing.T) {
	excess := []int{0, 0, 1, 2, 2, 3, 3} // degrees 0, 1, 2, 3, 3, 4, 4; the first is no polynomial
	scramblings(t, func(t *testing.T, scramble string, seed int64) {
		s := newTestSequence("sobol", scramble, seed, len(excess))
		const k = 9
		all := points(s, 0, 1<<k, 0, len(excess))
		for i := range excess {
			for j := range i {
				quality := excess[i] + excess[j]
				for a := range k - quality + 1 {
					b := k - quality - a
					seen := map[[2]int]int{}
					for _, u := range all {
						seen[[2]int{int(math.Ldexp(u[i], a)), int(math.Ldexp(u[j], b))}]++
					}
					for at, n := range seen {
						if n != 1<<quality {
							t.Fatalf("coordinates %d and %d, cells of 2^-%d x 2^-%d: %d points in %v, want %d", j, i, a, b, n, at, 1<<quality)
						}
					}
				}
			}
		}
	})
}

// The first p^k points of a coordinate in base p lie in one p^-k-th each.
func TestHaltonStratifies(t *testing.T) {
	const dims = 6
	scramblings(t, func(t *testing.T, scramble string, seed int64) {
		s := newTestSequence("halton", scramble, seed, dims)
		for j, p := range []int{2, 3, 5, 7, 11, 13} {
			n := p * p * p
			for _, from := range []int{0, 4 * n} {
				seen := make([]bool, n)
				for _, u := range points(s, from, n, 0, dims) {
					seen[int(u[j]*float64(n)+1e-9)] = true
				}
				for i := range seen {
					if !seen[i] {
						t.Fatalf("base %d, from %d: nothing in interval %d of %d", p, from, i, n)
					}
				}
			}
		}
	})
}

// A plain mean over the first 256 points of a smooth function of many seeds: the
// scrambled points are uniform, and far more even than random ones.
func TestScrambledMeans(t *testing.T) {
	const dims, n, seeds = 4, 256, 50
	f := func(u []float64) float64 {
		v := 1.0
		for _, x := range u {
			v *= 1 + (x - 0.5)
		}
		return v // of mean 1 and variance (13/12)^4-1
	}
	random := math.Sqrt((math.Pow(13.0/12, dims) - 1) / n)
	for _, name := range []string{"sobol", "halton"} {
		for _, scramble := range []string{"owen", "shift"} {
			sum, squares := 0.0, 0.0
			for seed := range int64(seeds) {
				mean := 0.0
				for _, u := range points(newTestSequence(name, scramble, seed, dims), 0, n, 0, dims) {
					mean += f(u) / n
				}
				sum += (mean - 1) / seeds
				squares += (mean - 1) * (mean - 1) / seeds
			}
			if rms := math.Sqrt(squares); rms > random/5 {
				t.Errorf("%s, %s: error %.2g, of random points %.2g", name, scramble, rms, random)
			}
			if bound := 5 * math.Sqrt(squares/seeds); math.Abs(sum) > bound {
				t.Errorf("%s, %s: bias %.2g beyond %.2g", name, scramble, sum, bound)
			}
		}
	}
}

func TestScramblingsDiffer(t *testing.T) {
	const dims = 5
	for _, name := range []string{"sobol", "halton"} {
		for _, scramble := range []string{"owen", "shift"} {
			s := newTestSequence(name, scramble, 1, dims)
			first := points(s, 0, 8, 0, dims)
			for what, other := range map[string][][]float64{
				"another seed":  points(newTestSequence(name, scramble, 2, dims), 0, 8, 0, dims),
				"another try":   points(s, 0, 8, 1, dims),
				"another block": points(s, 1<<20, 8, 0, dims),
			} {
				for i := range first {
					for j := range first[i] {
						if first[i][j] == other[i][j] {
							t.Errorf("%s, %s, %s: point %d has coordinate %d in common", name, scramble, what, i, j)
						}
					}
				}
			}
		}
	}
}

// Where a proposal is asked for first makes no difference, although the vectors
// are found little by little; the ends of the numbers are served.
func TestPointDependsOnNumberOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("vectors of 30 coordinates, again for each number")
	}
	const dims = 30
	s := newTestSequence("sobol", "owen", 3, dims)
	for _, n := range []int64{0, 1, 1023, 1024, 5000, 70_000, 1 << 40, math.MaxInt64, 2} {
		got, want := make([]float64, dims), make([]float64, dims)
		s.point(n, 255, got)
		newTestSequence("sobol", "owen", 3, dims).point(n, 255, want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("point %d: %s", n, d)
		}
		for j, u := range got {
			if !(u >= 0 && u < 1) {
				t.Errorf("point %d, coordinate %d: %v", n, j, u)
			}
		}
	}
}

// The scrambling of one coordinate, written down from its definition: the flip
// of a digit is a function of the digits before it, a different one each.
func TestNestedIsATree(t *testing.T) {
	const n = 6
	flips := map[uint64]uint64{} // by marked prefix
	ones := 0
	for x := range uint64(1 << n) {
		y := nested(x<<(digits-n), n, 42) >> (digits - n)
		for k := range n {
			node := 1<<k | x>>(n-k)
			flip := (x ^ y) >> (n - 1 - k) & 1
			if old, ok := flips[node]; ok && old != flip {
				t.Fatalf("digit %d after prefix %b is flipped or not", k, node)
			} else if !ok {
				ones += int(flip)
			}
			flips[node] = flip
		}
	}
	if len(flips) != 1<<n-1 || ones < 16 || ones > 47 { // 63 fair coins
		t.Errorf("%d of %d digits are flipped", ones, len(flips))
	}
}
