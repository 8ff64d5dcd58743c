package cmaes_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/cmaes"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/trial"
)

// finishedAt is the events of a completed trial.
func finishedAt(n int64, p space.Point, v float64) []trial.Event {
	return []trial.Event{
		{Kind: trial.EventCreated, Trial: n, Point: p},
		{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{State: types.Completed, Values: []float64{v}, Step: -1}},
	}
}

// With trials in the study the search starts where the best of them are.
func TestWarmStart(t *testing.T) {
	s := cube(t, 4)
	events := suggesttest.History(t, s, 300, 1)
	r := rand.New(rand.NewPCG(3, 4))
	for n := int64(300); n < 340; n++ { // a cloud of good ones around 3
		p := make(space.Point, 4)
		for i := range p {
			p[i] = 3 + 0.3*r.NormFloat64()
		}
		events = append(events, finishedAt(n, p, -100)...)
	}
	mean := func(settings map[string]any) float64 {
		sg := suggesttest.New(t, cmaes.Algorithm(), s, 1, settings)
		sg.Observe(events)
		sum := 0.0
		for n := range int64(100) {
			p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{1000 + n}})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range coordinates(p[0].Point) {
				sum += v / 400
			}
		}
		return sum
	}
	if m := mean(nil); math.Abs(m-3) > 0.3 {
		t.Errorf("the first points are around %g, the good trials around 3", m)
	}
	if m := mean(map[string]any{"warm_start": false}); math.Abs(m) > 0.5 {
		t.Errorf("without warm start the first points are around %g", m)
	}
}

// Good points that a user enqueues while the search runs pull it there.
func TestEnqueuedPointsCount(t *testing.T) {
	s := cube(t, 3)
	centre := func(enqueue bool) float64 {
		sg := suggesttest.New(t, cmaes.Algorithm(), s, 1, map[string]any{"sigma": 0.05})
		for n := range int64(70) {
			if enqueue && n%7 == 3 {
				sg.Observe(finishedAt(n, space.Point{4.0, 4.0, 4.0}, -1))
				continue
			}
			p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{n}})
			if err != nil {
				t.Fatal(err)
			}
			sg.Observe(finishedAt(n, p[0].Point, 0))
		}
		mean := 0.0
		for n := range int64(20) { // two at a time: the first may be a model's
			p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{1000 + 2*n, 1001 + 2*n}})
			if err != nil {
				t.Fatal(err)
			}
			mean += p[1].Point[0].(float64) / 20
		}
		return mean
	}
	with, without := centre(true), centre(false)
	t.Logf("the search is at %g with good points at 4, at %g without", with, without)
	if with < without+1 {
		t.Errorf("the search is at %g with good points at 4, at %g without", with, without)
	}
}

// Pruned trials rank behind completed ones, those without a result behind them:
// a search whose worse half is cut off goes on.
func TestPrunedAndInfeasible(t *testing.T) {
	s := cube(t, 4)
	f := on(sphere)
	sg := suggesttest.New(t, cmaes.Algorithm(), s, 1, nil)
	best := math.Inf(1)
	for n := range int64(1200) {
		p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{n}})
		if err != nil {
			t.Fatal(err)
		}
		v := f(s, p[0].Point)
		end := &trial.Finish{State: types.Completed, Values: []float64{v}, Step: 9}
		switch {
		case p[0].Point[0].(float64) < 1: // the optimum is near this edge
			end = &trial.Finish{State: types.Infeasible, Step: -1}
		case v > 3*best: // as a stopper would that knows the future
			end = &trial.Finish{State: types.Pruned, Values: []float64{v + 1}, Step: 3}
		default:
			best = min(best, v)
		}
		sg.Observe([]trial.Event{
			{Kind: trial.EventCreated, Trial: n, Point: p[0].Point},
			{Kind: trial.EventFinished, Trial: n, Finish: end},
		})
	}
	if best > 1e-6 {
		t.Errorf("the best value is %g", best)
	}
}

// It learns in any space: better than random search in the same number of trials.
func TestLearns(t *testing.T) {
	tests := []struct {
		name   string
		space  *space.Space
		value  objective
		factor float64
	}{
		{"mixed", suggesttest.Mixed(t), suggesttest.Bowl, 3},
		{"conditional", suggesttest.Conditional(t), suggesttest.Bowl, 1},
		{"constrained", cube(t, 2, "xa + xb <= 2", "xa - xb >= 1"), on(sphere), 1.2},
		{"2 % feasible", cube(t, 2, "xa + xb >= 6.5", "xa - xb >= 1"), on(sphere), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			median := func(alg suggest.Algorithm) float64 {
				var bests []float64
				for seed := range int64(5) {
					_, best := reach(t, suggesttest.New(t, alg, tt.space, seed, nil),
						suggesttest.Study{Space: tt.space, Trials: 150, Workers: 2, Seed: uint64(seed), Value: tt.value}, 0)
					bests = append(bests, best)
				}
				slices.Sort(bests)
				return bests[2]
			}
			r, c := median(random.Algorithm()), median(cmaes.Algorithm())
			t.Logf("random %.6g, cmaes %.6g", r, c)
			if c*tt.factor > r {
				t.Errorf("the median best value is %g, that of random search %g", c, r)
			}
		})
	}
}

// What a proposal says of itself.
func TestExplain(t *testing.T) {
	s := cube(t, 3)
	l := suggesttest.Simulate(t.Context(), suggesttest.New(t, cmaes.Algorithm(), s, 1, map[string]any{"population": 5, "model": false}),
		suggesttest.Study{Space: s, Trials: 20, Value: on(sphere)})
	for i, a := range l.Asks {
		var e struct {
			Run, Generation, Population int
			Sigma                       float64
		}
		if err := json.Unmarshal(a.Proposals[0].Explain, &e); err != nil {
			t.Fatal(err)
		}
		if e.Run != 0 || e.Generation != i/5 || e.Population != 5 || !(e.Sigma > 0 && e.Sigma < 1) || a.Proposals[0].Arm != "cmaes" {
			t.Errorf("trial %d: %s", i, a.Proposals[0].Explain)
		}
	}
}

// BenchmarkSuggest measures one proposal, its creation and its result included:
// all of the search's work. Results are noise, so that it never ends.
func BenchmarkSuggest(b *testing.B) {
	for i := range 6 {
		d, model := []int{5, 20, 100}[i/2], i%2 == 1
		b.Run(fmt.Sprintf("%d/model=%t", d, model), func(b *testing.B) {
			var params []space.Parameter
			for i := range d {
				params = append(params, space.Parameter{
					Name: name("x", i/26) + name("", i%26), Kind: space.Float, Low: -5.0, High: 5.0})
			}
			s := suggesttest.Space(b, nil, params...)
			sg := suggesttest.New(b, cmaes.Algorithm(), s, 1, map[string]any{"restarts": "none", "model": model})
			events := make([]trial.Event, 2)
			number := int64(0)
			for b.Loop() {
				p, err := sg.Suggest(b.Context(), suggest.Request{Numbers: []int64{number}})
				if err != nil {
					b.Fatal(err)
				}
				copy(events, finishedAt(number, p[0].Point, math.Mod(float64(number)*math.Phi, 1)))
				sg.Observe(events)
				number++
			}
		})
	}
}
