package goptuna

import (
	"math"
	"slices"
	"testing"

	"github.com/c-bata/goptuna/cmaes"
	"gonum.org/v1/gonum/mat"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/trial"
)

// The points are those of goptuna's optimizer that is asked with the trials'
// seeds and told what it proposed, before rounding, generation by generation.
func TestCMAESIsGoptunas(t *testing.T) {
	lr := float("lr", 1e-4, 1)
	lr.Scale = space.Log
	s := suggesttest.Space(t, nil, float("x", -4, 5), categorical("c", 3), integer("n", 1, 9), lr)
	bounds := mat.NewDense(3, 2, []float64{-4, 5, 1, 9, math.Log(1e-4), math.Log(1.0)})
	optimizer, err := cmaes.NewOptimizer([]float64{0.5, 5, math.Log(1e-4) / 2}, 8.0/6, cmaes.OptimizerOptionBounds(bounds))
	if err != nil {
		t.Fatal(err)
	}
	sg := build(t, CMAESAlgorithm(), s, 9)
	var told []*cmaes.Solution
	for n := range int64(100) {
		p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{n}})
		if err != nil {
			t.Fatal(err)
		}
		cmaes.OptimizerOptionSeed(suggest.Stream(9, CMAESName, n).Int64())(optimizer)
		want, err := optimizer.Ask()
		if err != nil {
			t.Fatal(err)
		}
		got := p[0].Point
		if p[0].Arm != CMAESName || got[0] != want[0] || got[2] != int64(math.Floor(want[1]+0.5)) || got[3] != math.Exp(want[2]) {
			t.Fatalf("trial %d: %v by %s, goptuna %v", n, got, p[0].Arm, want)
		}
		value := math.Abs(want[0]-1) + math.Abs(want[1]-3) + math.Abs(want[2]+2)
		sg.Observe([]trial.Event{
			{Kind: trial.EventCreated, Trial: n, Point: got},
			{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: types.Completed, Values: []float64{value}, Step: -1}},
		})
		told = append(told, &cmaes.Solution{Params: want, Value: value})
		if len(told) == optimizer.PopulationSize() {
			if err := optimizer.Tell(told); err != nil {
				t.Fatal(err)
			}
			told = nil
		}
	}
	if g := optimizer.Generation(); g < 10 {
		t.Errorf("%d generations", g)
	}
}

// Through the whole suggester, in parallel, it finds a minimum.
func TestCMAESConverges(t *testing.T) {
	s := suggesttest.Space(t, nil, float("x", -5, 5), float("y", -5, 5), float("z", -5, 5))
	l := suggesttest.Simulate(t.Context(), build(t, CMAESAlgorithm(), s, 2), suggesttest.Study{Space: s, Trials: 600, Workers: 4})
	suggesttest.CheckLog(t, l)
	if v := suggesttest.Bowl(s, l.Points()[599]); v > 1e-6 {
		t.Errorf("the last value is %g", v)
	}
}

// Where it cannot work, all is random and says so.
func TestCMAESWithoutNumbers(t *testing.T) {
	conditional := float("y", 0, 1)
	conditional.When = space.In{Param: "c", Values: []space.Value{int64(1)}}
	s := suggesttest.Space(t, nil, float("x", 0, 1), categorical("c", 2), conditional)
	l := suggesttest.Simulate(t.Context(), build(t, CMAESAlgorithm(), s, 1), suggesttest.Study{Space: s, Trials: 30})
	suggesttest.CheckLog(t, l)
	for _, a := range l.Asks {
		if a.Proposals[0].Arm != RandomName {
			t.Fatalf("the arm is %s", a.Proposals[0].Arm)
		}
	}
}

// An optimizer whose numbers break down is given up.
func TestCMAESBreaksDown(t *testing.T) {
	s := suggesttest.Space(t, nil, float("x", -1, 1), float("y", -1, 1))
	sg := build(t, CMAESAlgorithm(), s, 1).(*CMAES)
	// All at one corner, again and again: the covariance degenerates.
	for n := range int64(100_000) {
		if sg.optimizer == nil {
			break
		}
		sg.Observe([]trial.Event{
			{Kind: trial.EventCreated, Trial: n, Point: space.Point{1.0, 1.0}},
			{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: types.Completed, Values: []float64{0}, Step: -1}},
		})
	}
	if sg.optimizer != nil {
		t.Fatal("it never broke down")
	}
	p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{200_000}})
	if err != nil || p[0].Arm != RandomName {
		t.Errorf("%v, %v", p, err)
	}
}

// Results that come after the end of their generation, and those of another
// space, are not told.
func TestCMAESStaleResults(t *testing.T) {
	s := suggesttest.Space(t, nil, float("x", -1, 1), float("y", -1, 1))
	sg := build(t, CMAESAlgorithm(), s, 1).(*CMAES)
	finished := func(n int64) trial.Event {
		return trial.Event{Kind: trial.EventFinished, Trial: n,
			Finish: &trial.Finish{State: types.Completed, Values: []float64{float64(n)}, Step: -1}}
	}
	size := int64(sg.optimizer.PopulationSize())
	var events []trial.Event
	for n := range 2*size - 1 {
		events = append(events, trial.Event{Kind: trial.EventCreated, Trial: n, Point: space.Point{float64(n) / 50, -0.5}})
	}
	for n := range 2*size - 1 {
		events = append(events, finished(n))
	}
	sg.Observe(events)
	if g := sg.optimizer.Generation(); g != 1 || len(sg.finished) != 0 {
		t.Errorf("generation %d, %d finished", g, len(sg.finished))
	}
	sg.Observe([]trial.Event{{Kind: trial.EventCreated, Trial: 100, Point: space.Point{0.0, 0.0}}})
	wider := suggesttest.Space(t, nil, float("x", -2, 1), float("y", -1, 1))
	sg.Observe([]trial.Event{{Kind: trial.EventSpace, Trial: -1, Space: wider}, finished(100)})
	if len(sg.finished) != 0 || sg.optimizer.Generation() != 0 {
		t.Errorf("after a new space: generation %d, %d finished", sg.optimizer.Generation(), len(sg.finished))
	}
}

// A user's point counts where it is, a rounded one where it was before.
func TestCMAESPosition(t *testing.T) {
	s := suggesttest.Space(t, nil, integer("n", 1, 90), integer("m", 1, 90))
	sg := build(t, CMAESAlgorithm(), s, 3).(*CMAES)
	p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{4}})
	if err != nil {
		t.Fatal(err)
	}
	x := sg.position(4, p[0].Point)
	if x[0] == math.Trunc(x[0]) || int64(math.Floor(x[0]+0.5)) != p[0].Point[0] {
		t.Errorf("%v counts at %v", p[0].Point, x)
	}
	if x := sg.position(4, space.Point{int64(90), int64(2)}); !slices.Equal(x, []float64{90, 2}) {
		t.Errorf("a user's point counts at %v", x)
	}
}
