package tpe

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gotuner/tuner/suggest/space"
)

// A prior near the high end of a reverse-log range lies where the space draws
// from it: both understand the prior's logarithm alike.
func TestPriorOfAReverseLogRange(t *testing.T) {
	const low, high, expected = 0.5, 0.999, 0.99
	s, err := space.New([]space.Parameter{{Name: "momentum", Kind: space.Float, Low: low, High: high, Scale: space.ReverseLog,
		Prior: &space.Prior{Mean: math.Log(low + high - expected), SD: 0.05}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := newDim(s, 0)
	x := s.Param(0).Transform(expected)
	if got, want := d.own.mean, d.unit(x); math.Abs(got-want) > 1e-9 {
		t.Errorf("the prior's kernel is at %v, want %v", got, want)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		if v := s.Sample(r)[0].(float64); math.Abs(v-expected) > 0.2 {
			t.Fatalf("the space draws %v from a prior at %v", v, expected)
		}
	}
}
