package tpe

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

func TestNBelow(t *testing.T) {
	c := settings{gamma: 0.1, gammaMax: 25}
	for n, want := range map[int]int{0: 0, 1: 1, 10: 1, 11: 2, 20: 2, 70: 7, 240: 24, 250: 25, 251: 25, 10_000: 25} {
		if got := c.nBelow(n); got != want {
			t.Errorf("of %d: %d, want %d", n, got, want)
		}
	}
}

// Ranks: completed by value, pruned by depth and value, violating by sum; what
// has no result comes last and is never good.
func TestSplitOrder(t *testing.T) {
	nan := math.NaN()
	value := func(s types.State, step int64, v float64, violations ...float64) *trial.Finish {
		return &trial.Finish{State: s, Step: step, Values: []float64{v}, Violations: violations}
	}
	finishes := []*trial.Finish{ // in the order of their numbers
		0:  value(types.Pruned, 3, 9),
		1:  value(types.Completed, 9, 2, -1, 0),
		2:  value(types.Completed, 9, -5, 0.5, 0.25),
		3:  value(types.Pruned, 7, 8),
		4:  {State: types.Infeasible, Step: -1},
		5:  value(types.Completed, -1, 1),
		6:  {State: types.Failed},
		7:  value(types.Pruned, 3, 4),
		8:  value(types.Completed, 9, 2),
		9:  value(types.Pruned, 3, nan),
		10: value(types.Pruned, -1, nan),
		11: {State: types.Cancelled},
		12: value(types.Pruned, 7, 1, 0.5),
		13: value(types.Completed, 9, 0, nan),
	}
	want := []int64{5, 1, 8, 3, 7, 0, 9, 10, 12, 2, 13}

	s := mustSpace(t, rangeOf("x", 0.0, 1.0, ""))
	o := newObservations(s, &settings{gamma: 1, gammaMax: 100, priorWeight: 1, multivariate: true})
	for _, n := range []int{4, 13, 0, 1, 2, 12, 11, 10, 3, 5, 9, 8, 7, 6} { // the order of arrival
		if r, ok := suggest.RankOf(finishes[n], types.Minimize); ok && r.Class != suggest.RankFailed {
			o.add(int64(n), space.Point{float64(n) / 20}, r)
		}
		o.flush()
	}
	var got []int64
	for _, slot := range o.good {
		got = append(got, o.numbers[slot])
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("from good to bad: %s", d)
	}
	if o.scored != 11 {
		t.Errorf("%d trials with a result, want 11", o.scored)
	}
	if m := o.model(nil); m.below != 11 || m.above != 1 {
		t.Errorf("the trial without a result is not the only bad one: %d good, %d bad", m.below, m.above)
	}
	if r, _ := suggest.RankOf(value(types.Completed, 1, 3), types.Maximize); r.A != -3 {
		t.Errorf("maximised 3 ranks as %v", r)
	}
}

func conditional(t *testing.T) *space.Space {
	t.Helper()
	in := func(v string) space.Condition { return space.In{Param: "opt", Values: []space.Value{v}} }
	m := rangeOf("momentum", 0.0, 1.0, "")
	m.When = in("sgd")
	b1, b2 := rangeOf("beta1", 0.0, 1.0, ""), rangeOf("beta2", 0.0, 1.0, "")
	b1.When, b2.When = in("adam"), in("adam")
	return mustSpace(t, letters("opt", "sgd", "adam"), rangeOf("lr", 0.0, 1.0, ""), m, b1, b2)
}

func TestGroups(t *testing.T) {
	c := &settings{gamma: 0.5, gammaMax: 25, priorWeight: 1, multivariate: true}
	o := newObservations(conditional(t), c)
	o.add(0, space.Point{"sgd", 0.5, 0.1, nil, nil}, suggest.Rank{})
	if d := cmp.Diff([][]int{{0, 1, 2}, {3, 4}}, o.partition()); d != "" {
		t.Errorf("after sgd alone: %s", d)
	}
	o.add(1, space.Point{"adam", 0.5, nil, 0.1, 0.2}, suggest.Rank{A: 1})
	if d := cmp.Diff([][]int{{0, 1}, {2}, {3, 4}}, o.partition()); d != "" {
		t.Errorf("after both: %s", d)
	}
	o.c = &settings{}
	if d := cmp.Diff([][]int{{0}, {1}, {2}, {3}, {4}}, o.partition()); d != "" {
		t.Errorf("independent: %s", d)
	}
	// A group knows the trials in which it was active only.
	o.c = c
	m := o.model(nil)
	for k, want := range [][2]int{{1, 1}, {1, 0}, {0, 1}} {
		g := m.groups[k]
		if got := [2]int{len(g.good.logWeight) - 1, len(g.bad.logWeight) - 1}; got != want {
			t.Errorf("group %v has %v good and bad kernels, want %v", g.dims, got, want)
		}
	}
}

// Adding trials one by one, with pending ones in between, gives the model that
// adding them at once gives: also where the good ones grow for ever, and where
// the bad ones are many more than their kernels.
func TestIncrementalModel(t *testing.T) {
	s := conditional(t)
	point := func(n int) space.Point {
		f := math.Mod(float64(n)*0.618, 1)
		if n%3 == 0 {
			return space.Point{"sgd", f, 1 - f, nil, nil}
		}
		return space.Point{"adam", f, nil, f / 2, math.Round(f * 4)}
	}
	for _, c := range []settings{
		{gamma: 0.1, gammaMax: 25},
		{gamma: 0.1, gammaMax: 25, aboveCap: 1},
		{gamma: 0.1, gammaMax: 25, aboveCap: 40},
		{gamma: 0.3, gammaMax: 1000, aboveCap: 40},
		{gamma: 1, gammaMax: 1000, aboveCap: 40},
		{gamma: 0.001, gammaMax: 1, aboveCap: 100},
	} {
		c.priorWeight, c.multivariate, c.liar = 1, true, true
		const n = 331
		one, all := newObservations(s, &c), newObservations(s, &c)
		for i := range n {
			number := (i * 37) % n // they finish out of order
			r := suggest.Rank{A: float64(number % 17)}
			if i%13 == 0 {
				r = suggest.Rank{Class: suggest.RankInfeasible}
			}
			one.add(int64(number), point(number), r)
			all.add(int64(number), point(number), r)
			one.model([]suggest.Pending{{Number: int64(number), Point: point(number)}})
		}
		pending := []suggest.Pending{{Number: 7, Point: point(3)}, {Number: 500, Point: point(4)}}
		a, b := one.model(pending), all.model(pending)
		if a.above != n+2-a.below || len(one.numbers) != n {
			t.Errorf("%+v: %d good and %d bad of %d and two pending; %d rows remain", c, a.below, a.above, n, len(one.numbers))
		}
		if d := cmp.Diff(b.good, a.good); d != "" {
			t.Errorf("%+v: good ones: %s", c, d)
		}
		for k, g := range a.groups {
			if d := cmp.Diff(b.groups[k].upper.order, g.upper.order); d != "" {
				t.Errorf("%+v: kernels of group %d: %s", c, k, d)
			}
			if most := c.aboveCap; most > 0 && len(g.upper.order) > most {
				t.Errorf("%+v: %d kernels", c, len(g.upper.order))
			}
		}
		for i := range 20 {
			p := point(i + 1000)
			x := make([]float64, len(one.dims))
			for j, d := range one.dims {
				if v := p[d.index]; v != nil {
					x[j] = d.encode(v)
				}
			}
			if u, v := a.point(p, x), b.point(p, x); u != v {
				t.Fatalf("%+v: scores %.17g one by one, %.17g at once", c, u, v)
			}
		}
	}
}
