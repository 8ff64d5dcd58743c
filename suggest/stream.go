package suggest

import (
	"hash/fnv"
	"math/rand/v2"
)

// golden is the increment of SplitMix64 (2^64 divided by the golden ratio).
const golden = 0x9e3779b97f4a7c15

// Stream returns the randomness with which the algorithm called name proposes
// trial number of a study with this seed. Every trial has a stream of its own,
// so a restart, another number of workers or another order of finishes does not
// shift the draws of the trials that follow.
//
// The generator is math/rand/v2's PCG, whose output the Go project keeps
// stable. Its two state words are, with all arithmetic modulo 2^64,
//
//	h  = FNV-1a-64(name)
//	s  = mix(mix(mix(seed + golden) XOR h) XOR number)
//	w1 = mix(s + golden), w2 = mix(s + 2*golden)
//
// where mix is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA 2014; constants of
// Stafford's variant 13). These words are part of what makes a stored study
// repeatable: they never change.
func Stream(seed int64, name string, number int64) *rand.Rand {
	f := fnv.New64a()
	_, _ = f.Write([]byte(name)) // a hash never fails to write
	s := mix(mix(mix(uint64(seed)+golden)^f.Sum64()) ^ uint64(number))
	g := uint64(golden)
	return rand.New(rand.NewPCG(mix(s+g), mix(s+2*g)))
}

// Hash is a hash of text under a seed, for orders that look random and never
// change: mix(FNV-1a-64(text) XOR mix(seed + golden)), with mix and golden as in
// Stream.
func Hash(seed int64, text string) uint64 {
	f := fnv.New64a()
	_, _ = f.Write([]byte(text))
	return mix(f.Sum64() ^ mix(uint64(seed)+golden))
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
