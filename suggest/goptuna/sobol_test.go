package goptuna

import (
	"math"
	"testing"

	"github.com/c-bata/goptuna/sobol"
	"github.com/google/go-cmp/cmp"
)

func sobolPoint(v [][]uint32, i uint32) []float64 {
	x := make([]float64, len(v))
	for j := range v {
		w := uint32(0)
		for k, g := 0, i^i>>1; g != 0; k, g = k+1, g>>1 {
			if g&1 == 1 {
				w ^= v[j][k]
			}
		}
		x[j] = math.Ldexp(float64(w), -32)
	}
	return x
}

// The first points in three dimensions are those of Joe and Kuo's own program
// (sobol.cc with new-joe-kuo-6.21201).
func TestSobolVectorsGivePublishedPoints(t *testing.T) {
	want := [][]float64{
		{0, 0, 0},
		{0.5, 0.5, 0.5},
		{0.75, 0.25, 0.25},
		{0.25, 0.75, 0.75},
		{0.375, 0.375, 0.625},
		{0.875, 0.875, 0.125},
		{0.625, 0.125, 0.875},
		{0.125, 0.625, 0.375},
		{0.1875, 0.3125, 0.9375},
		{0.6875, 0.8125, 0.4375},
	}
	v := SobolVectors(3, 4)
	for i := range want {
		if d := cmp.Diff(want[i], sobolPoint(v, uint32(i))); d != "" {
			t.Errorf("point %d: %s", i, d)
		}
	}
}

// All other coordinates are those that goptuna's engine draws.
func TestSobolVectorsAreTheEngines(t *testing.T) {
	const dims, bits = 40, 9
	v := SobolVectors(dims, bits)
	e := sobol.NewEngine(dims - 1)
	for i := 1; i < 1<<bits; i++ {
		x := sobolPoint(v, uint32(i))
		if d := cmp.Diff(e.Draw(), append(x[:1:1], x[2:]...)); d != "" {
			t.Fatalf("point %d: %s", i, d)
		}
	}
}

func TestSobolVectorsLimits(t *testing.T) {
	if v := SobolVectors(0, 5); len(v) != 0 {
		t.Errorf("no dimensions: %v", v)
	}
	if d := cmp.Diff([][]uint32{{1 << 31, 1 << 30}}, SobolVectors(1, 2)); d != "" {
		t.Errorf("one dimension: %s", d)
	}
	if v := SobolVectors(SobolDimensions, 2); len(v) != SobolDimensions || v[SobolDimensions-1][1] == 0 {
		t.Errorf("%d dimensions", len(v))
	}
	defer func() {
		if recover() == nil {
			t.Error("one dimension more than there are was served")
		}
	}()
	SobolVectors(SobolDimensions+1, 1)
}
