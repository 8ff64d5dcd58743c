package space

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSize(t *testing.T) {
	on := In{"b", []Value{true}}
	flag := Parameter{Name: "b", Kind: Bool}
	chain := []Parameter{{Name: "b0", Kind: Bool}}
	for i := range 40 {
		chain = append(chain, when(Parameter{Name: fmt.Sprint("b", i+1), Kind: Bool}, In{fmt.Sprint("b", i), []Value{true}}))
	}
	var flags []Parameter
	var all And
	for i := range 40 {
		name := fmt.Sprint("f", i)
		flags = append(flags, Parameter{Name: name, Kind: Bool})
		all = append(all, In{name, []Value{true}})
	}
	tests := []struct {
		name   string
		params []Parameter
		want   int64
		finite bool
	}{
		{"nothing", nil, 1, true},
		{"product", []Parameter{integer("a", 1, 10), choices(Categorical, "c", 1, 2, 3), choices(Constant, "k", 1)}, 30, true},
		{"continuous", []Parameter{float("a", 0.0, 1.0)}, 0, false},
		{"one float", []Parameter{float("a", 0.5, 0.5)}, 1, true},
		{"child", []Parameter{flag, when(integer("a", 1, 10), on)}, 11, true},
		{"two children", []Parameter{flag, when(integer("a", 1, 10), on), when(integer("c", 1, 5), on)}, 51, true},
		{"large parent", []Parameter{integer("n", 1, 1<<60), when(integer("a", 1, 3), Range{"n", 11, nil})}, 10 + 3*(1<<60-10), true},
		{"values of a large parent", []Parameter{integer("n", 1, 1_000_000), when(integer("a", 1, 3), In{"n", []Value{7, 9}})}, 1_000_004, true},
		{"chain", chain, 42, true},
		{"the limit", []Parameter{integer("n", 1, 1<<62)}, 1 << 62, true},
		{"beyond the limit", []Parameter{integer("n", 0, 1<<62)}, 0, false},
		{"product beyond the limit", []Parameter{integer("n", 1, 1<<40), integer("m", 1, 1<<40)}, 0, false},
		{"sum beyond the limit", []Parameter{integer("n", 1, 1<<62), when(flag, Range{"n", 2, nil})}, 0, false},
		{"whole int64 twice", []Parameter{integer("n", math.MinInt64, math.MaxInt64), integer("m", math.MinInt64, math.MaxInt64)}, 0, false},
		{"forty parents", append(slices.Clone(flags), when(integer("a", 1, 3), all)), 1<<40 + 2, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustNew(t, test.params)
			for range 2 { // the second answer is remembered
				if n, finite := s.Size(); n != test.want || finite != test.finite {
					t.Errorf("size %d, %v; want %d, %v", n, finite, test.want, test.finite)
				}
			}
		})
	}
}

// Conditions that interlock beyond counting are given up, not counted forever.
func TestSizeGivesUp(t *testing.T) {
	if testing.Short() {
		t.Skip("counts until it gives up")
	}
	var params []Parameter
	var pairs Or
	for i := range 48 {
		params = append(params, Parameter{Name: fmt.Sprint("f", i), Kind: Bool})
	}
	for i := range 24 {
		pairs = append(pairs, And{In{fmt.Sprint("f", i), []Value{true}}, In{fmt.Sprint("f", i+24), []Value{true}}})
	}
	s := mustNew(t, append(params, when(integer("p", 1, 3), pairs)))
	if n, ok := s.GridSize(1); ok {
		t.Errorf("counted %d", n)
	}
}

func TestEnumerate(t *testing.T) {
	tests := []struct {
		name        string
		params      []Parameter
		constraints []string
		grid        int
		want        string
	}{
		{"nothing", nil, nil, 3, "[]"},
		{"first slowest", []Parameter{integer("a", 1, 2), choices(Categorical, "b", "x", "y")}, nil, 3,
			"[1 x] [1 y] [2 x] [2 y]"},
		{"parents first", []Parameter{when(integer("a", 1, 2), In{"b", []Value{true}}), {Name: "b", Kind: Bool}, integer("c", 1, 2)}, nil, 3,
			"[<nil> false 1] [<nil> false 2] [1 true 1] [1 true 2] [2 true 1] [2 true 2]"},
		{"constraints", []Parameter{integer("a", 1, 3), integer("b", 1, 3)}, []string{"a + b == 4", "a != 2"}, 3, "[1 3] [3 1]"},
		{"inactive constraint", []Parameter{{Name: "b", Kind: Bool}, when(integer("a", 1, 3), In{"b", []Value{true}})}, []string{"a == 2"}, 3,
			"[false <nil>] [true 2]"},
		{"linear", []Parameter{float("a", 0.0, 1.0)}, nil, 5, "[0] [0.25] [0.5] [0.75] [1]"},
		{"decimal", []Parameter{float("a", 0.0, 0.7)}, nil, 8, "[0] [0.1] [0.2] [0.3] [0.4] [0.5] [0.6] [0.7]"},
		{"log", []Parameter{scaled(float("a", 1e-5, 0.1), Log)}, nil, 5, "[1e-05] [0.0001] [0.001] [0.01] [0.1]"},
		{"one point", []Parameter{scaled(float("a", 0.01, 1.0), Log)}, nil, 1, "[0.1]"},
		{"no default", []Parameter{float("a", 0.0, 1.0)}, nil, 0, "[0.5]"},
		{"own grid", []Parameter{grid(float("a", 0.0, 1.0), 2), grid(integer("n", 0, 100), 3)}, nil, 9,
			"[0 0] [0 50] [0 100] [1 0] [1 50] [1 100]"},
		{"log grid of an int", []Parameter{grid(scaled(integer("n", 1, 1000), Log), 4)}, nil, 9, "[1] [10] [100] [1000]"},
		{"coinciding levels", []Parameter{grid(scaled(integer("n", 1, 6), Log), 5)}, nil, 9, "[1] [2] [4] [6]"},
		{"grid beyond the levels", []Parameter{grid(integer("n", 1, 3), 9)}, nil, 9, "[1] [2] [3]"},
		{"narrow", []Parameter{float("a", 1.0, math.Nextafter(1, 2))}, nil, 5, "[1] [1.0000000000000002]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustNew(t, test.params, test.constraints...)
			var got []string
			for p := range s.Enumerate(test.grid) {
				if err := s.Validate(p); err != nil {
					t.Error(err)
				}
				if len(p) == 1 {
					got = append(got, fmt.Sprint([]Value{p[0]}))
					continue
				}
				got = append(got, fmt.Sprint([]Value(p)))
			}
			if d := cmp.Diff(test.want, strings.Join(got, " ")); d != "" {
				t.Error(d)
			}
			if n, ok := s.GridSize(test.grid); !ok || len(test.constraints) == 0 && n != int64(len(got)) {
				t.Errorf("%d points are counted, %d enumerated", n, len(got))
			}
		})
	}
}

// A constraint on the first parameters cuts off what follows: without that
// this would visit 10^18 points.
func TestEnumerateCutsOff(t *testing.T) {
	s := mustNew(t, []Parameter{integer("a", 1, 3), integer("b", 1, 1<<30), integer("c", 1, 1<<30)}, "a > 3")
	for p := range s.Enumerate(1) {
		t.Errorf("%v is feasible", p)
	}
}

func TestNeighbours(t *testing.T) {
	s := mustNew(t, []Parameter{
		{Name: "b", Kind: Bool}, choices(Ordinal, "o", "s", "m", "l"), choices(Categorical, "c", 1, 2, 3), integer("n", 1, 3),
		float("x", 0.0, 1.0), when(defaulted(integer("k", 1, 9), 7), In{"b", []Value{true}}), choices(Constant, "z", 0),
	})
	var got []string
	for q := range s.Neighbours(Point{false, "m", int64(1), int64(3), 1.0, nil, int64(0)}) {
		got = append(got, fmt.Sprint([]Value(q)))
	}
	want := []string{
		"[true m 1 3 1 7 0]", "[false s 1 3 1 <nil> 0]", "[false l 1 3 1 <nil> 0]",
		"[false m 2 3 1 <nil> 0]", "[false m 3 3 1 <nil> 0]", "[false m 1 2 1 <nil> 0]", "[false m 1 3 0.99 <nil> 0]",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
