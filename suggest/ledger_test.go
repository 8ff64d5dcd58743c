package suggest_test

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

func newSpace(t *testing.T, constraints []string, params ...space.Parameter) *space.Space {
	t.Helper()
	s, err := space.New(params, constraints)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ints(name string, low, high int64) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Int, Low: low, High: high}
}

// fresh draws until the space is exhausted and returns how often each value of
// the first parameter came.
func fresh(t *testing.T, s *space.Space, seed int64) map[any]int {
	t.Helper()
	l := suggest.NewLedger(suggest.Config{Space: s})
	counts := map[any]int{}
	for n := int64(0); ; n++ {
		p, err := l.Ask(nil).Fresh(t.Context(), suggest.Stream(seed, "test", n))
		if types.CodeOf(err) == types.Exhausted {
			return counts
		}
		if err != nil {
			t.Fatal(err)
		}
		counts[p[0]]++
		l.Observe(trial.Event{Kind: trial.EventCreated, Trial: n, Point: p})
		l.Observe(trial.Event{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: types.Failed}})
	}
}

// The last points of a space are found by listing it, also those beyond the
// parameter's own number of grid points.
func TestFreshFindsTheLastPoints(t *testing.T) {
	n := ints("n", 1, 3000)
	n.Grid = 4
	counts := fresh(t, newSpace(t, nil, n), 1)
	if len(counts) != 3000 {
		t.Errorf("%d of 3000 values", len(counts))
	}
	for v, k := range counts {
		if k != 1 {
			t.Fatalf("%v came %d times", v, k)
		}
	}
}

// One feasible point in a million is found, and then all are used up.
func TestFreshRarePoint(t *testing.T) {
	s := newSpace(t, []string{"n == 777 and m == 3"}, ints("n", 1, 1000), ints("m", 1, 1000))
	if counts := fresh(t, s, 1); len(counts) != 1 || counts[int64(777)] != 1 {
		t.Errorf("points: %v", counts)
	}
}

func TestFreshNothingFeasible(t *testing.T) {
	s := newSpace(t, []string{"n + m == 1"}, ints("n", 1, 10), ints("m", 1, 10))
	_, err := suggest.NewLedger(suggest.Config{Space: s}).Ask(nil).Fresh(t.Context(), suggest.Stream(1, "test", 0))
	if types.CodeOf(err) != types.Invalid {
		t.Errorf("code %q: %v", types.CodeOf(err), err)
	}
}

// In an infinite space that mostly falls into a finite branch, the draws go on.
func TestFreshLeavesAFiniteBranch(t *testing.T) {
	k := space.Parameter{Name: "k", Kind: space.Int, Low: int64(1), High: int64(10)}
	x := space.Parameter{Name: "x", Kind: space.Float, Low: 0.0, High: 1.0,
		When: space.In{Param: "k", Values: []space.Value{int64(1)}}}
	s := newSpace(t, nil, k, x)
	l := suggest.NewLedger(suggest.Config{Space: s})
	for n := range int64(200) {
		p, err := l.Ask(nil).Fresh(t.Context(), suggest.Stream(1, "test", n))
		if err != nil {
			t.Fatal(err)
		}
		if n > 100 && p[0] != int64(1) {
			t.Fatalf("trial %d repeats %v", n, p)
		}
		l.Observe(trial.Event{Kind: trial.EventCreated, Trial: n, Point: p})
	}
}
