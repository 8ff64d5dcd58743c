package suggest

import (
	"math"
	"testing"
)

// These values must never change: stored studies repeat by them.
func TestStreamGolden(t *testing.T) {
	tests := []struct {
		seed   int64
		name   string
		number int64
		want   [3]uint64
	}{
		{0, "random", 0, [3]uint64{0x61be689d158b9035, 0x2363b7a3ec4207fe, 0xd2d8948f51f7b5c5}},
		{1, "random", 0, [3]uint64{0xfc78836163f76d9f, 0x8f122e47d819f4af, 0xb895314a195f0868}},
		{1, "tpe", 0, [3]uint64{0x8df9adc9912b5c59, 0x2b9b08b610b29b36, 0x8964b00dce2b520d}},
		{1, "tpe", 1, [3]uint64{0xb1d16a9c2bb7d97b, 0xd5b8c61c279222de, 0xfc061d4c6ebcfe1}},
		{-9223372036854775808, "grid", 9223372036854775807, [3]uint64{0x91fa20fb897f846c, 0xc824f19daba30ce4, 0xf62ecfd02b30ba46}},
		{-1, "", -1, [3]uint64{0xbb74745838e794c0, 0x33fee00d2dd82612, 0x397435da6bfd07e4}},
	}
	for _, tt := range tests {
		r := Stream(tt.seed, tt.name, tt.number)
		if got := [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()}; got != tt.want {
			t.Errorf("seed %d, %s, %d: %#x", tt.seed, tt.name, tt.number, got)
		}
	}
	if got := Hash(-3, `{"x":1}`); got != 0x18986216afb20247 {
		t.Errorf("hash %#x", got)
	}
}

// Neighbouring seeds, names and numbers give streams that have nothing in
// common.
func TestStreamsDiffer(t *testing.T) {
	seen := map[uint64]string{}
	for _, seed := range []int64{0, 1, 2, -1, math.MinInt64, math.MaxInt64} {
		for _, name := range []string{"", "random", "tpe", "epd"} {
			for number := range int64(200) {
				v := Stream(seed, name, number).Uint64()
				if other, ok := seen[v]; ok {
					t.Fatalf("seed %d, %q, %d begins like %s", seed, name, number, other)
				}
				seen[v] = name
			}
		}
	}
	mean := 0.0
	const n = 20_000
	for number := range int64(n) {
		mean += Stream(1, "random", number).Float64() / n
	}
	if math.Abs(mean-0.5) > 5/math.Sqrt(12*n) {
		t.Errorf("the mean of the first draws is %g", mean)
	}
}
