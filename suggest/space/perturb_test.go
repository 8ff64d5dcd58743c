package space

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPerturb(t *testing.T) {
	for _, tt := range []struct {
		name     string
		p        Parameter
		v        Value
		down, up Value
	}{
		{"a number", Parameter{Kind: Float, Low: 0.0, High: 10.0}, 5.0, 4.0, 6.0},
		{"at the high end", Parameter{Kind: Float, Low: 0.0, High: 5.0}, 5.0, 4.0, 5.0},
		{"near the low end", Parameter{Kind: Float, Low: 4.5, High: 10.0}, 5.0, 4.5, 6.0},
		{"zero at the end", Parameter{Kind: Float, Low: 0.0, High: 10.0}, 0.0, 0.0, 1.0},
		{"both signs", Parameter{Kind: Float, Low: -5.0, High: 5.0}, 0.5, -0.5, 1.5},
		{"log", Parameter{Kind: Float, Low: 1e-6, High: 1.0, Scale: Log}, 1e-2, 0.008, 0.012},
		{"steps", Parameter{Kind: Float, Low: 0.0, High: 1.0, Step: 0.5}, 0.5, 0.0, 1.0},
		{"an int", Parameter{Kind: Int, Low: int64(1), High: int64(100)}, int64(50), int64(40), int64(60)},
		{"a small int", Parameter{Kind: Int, Low: int64(1), High: int64(100)}, int64(2), int64(1), int64(3)},
		{"a small int, log", Parameter{Kind: Int, Low: int64(1), High: int64(100), Scale: Log}, int64(2), int64(1), int64(3)},
		{"the least int", Parameter{Kind: Int, Low: int64(1), High: int64(100)}, int64(1), int64(1), int64(2)},
		{"ordinal", Parameter{Kind: Ordinal, Choices: named("s", "m", "l")}, "m", "s", "l"},
		{"the last ordinal", Parameter{Kind: Ordinal, Choices: named("s", "m", "l")}, "l", "m", "l"},
		{"choices", Parameter{Kind: Categorical, Choices: named("a", "b")}, "a", "a", "a"},
		{"bool", Parameter{Kind: Bool}, true, true, true},
		{"no value of it", Parameter{Kind: Int, Low: int64(1), High: int64(9)}, "x", "x", "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Name = "x"
			sp, err := New([]Parameter{tt.p}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := []Value{sp.Param(0).Perturb(tt.v, 0.2, false), sp.Param(0).Perturb(tt.v, 0.2, true)}
			if fmt.Sprint(got) != fmt.Sprint([]Value{tt.down, tt.up}) {
				t.Errorf("%v becomes %v, want %v and %v", tt.v, got, tt.down, tt.up)
			}
		})
	}
}

func named(names ...string) []Choice {
	var out []Choice
	for _, n := range names {
		out = append(out, Choice{Value: n, Text: n})
	}
	return out
}

// Whatever the space, explored points are valid, and the same for the same draws.
func TestExploreStaysInTheSpace(t *testing.T) {
	moved := 0
	rapid.Check(t, func(t *rapid.T) {
		sp := drawSpace(t, false)
		seed := rapid.Uint64().Draw(t, "seed")
		p, err := sp.SampleFeasible(rand.New(rand.NewPCG(seed, 0)))
		if err != nil {
			t.Skip("the space has no feasible point that could be found")
		}
		before := slices.Clone(p)
		how := Exploring{Perturb: rapid.Float64Range(0.01, 0.99).Draw(t, "perturb"), Resample: rapid.Float64Range(0, 1).Draw(t, "resample")}
		q := sp.Explore(rand.New(rand.NewPCG(seed, 1)), p, how)
		if err := sp.Validate(q); err != nil {
			t.Fatalf("%v explored to %v: %v", p, q, err)
		}
		if again := sp.Explore(rand.New(rand.NewPCG(seed, 1)), p, how); !slices.Equal(again, q) {
			t.Fatalf("%v, then %v", q, again)
		}
		if !slices.Equal(p, before) {
			t.Fatalf("the point was changed from %v to %v", before, p)
		}
		if !slices.Equal(p, q) {
			moved++
		}
	})
	if moved == 0 {
		t.Error("no point was ever changed")
	}
}
