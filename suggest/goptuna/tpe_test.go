package goptuna

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gopt "github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/tpe"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/trial"
)

// The model proposes like goptuna's own sampler on the same history: two samples
// of 2,000 proposals have the same distribution, for few results, where the
// scores are numbers, and for many, where they are not. The greatest distance
// that the Kolmogorov-Smirnov test allows is that of a probability of 1e-6.
func TestTPEIsGoptunas(t *testing.T) {
	if testing.Short() {
		t.Skip("84,000 draws")
	}
	log := float("log", 1e-4, 10)
	log.Scale = space.Log
	step := integer("step", -3, 12)
	step.Step = int64(3)
	discrete := float("discrete", -1, 2)
	discrete.Step = 0.25
	s := suggesttest.Space(t, nil, float("uniform", -2, 3), log, integer("int", 0, 20), step, discrete,
		categorical("few", 4), categorical("many", 40))
	const draws = 2000
	allowed := math.Sqrt(-math.Log(1e-6/2)/2) * math.Sqrt(2.0/draws)
	for _, n := range []int{3, 12, 60} {
		ours := build(t, TPEAlgorithm(), s, 1).(*TPE)
		ours.startup = 1
		study, err := gopt.CreateStudy("test", gopt.StudyOptionLogger(nil))
		if err != nil {
			t.Fatal(err)
		}
		history(t, s, n, ours, study)
		theirs := tpe.NewSampler(tpe.SamplerOptionSeed(5), tpe.SamplerOptionNumberOfStartupTrials(1))
		for j, m := range ours.learn() {
			d := ours.domains[j]
			r := rand.New(rand.NewPCG(1, uint64(n)))
			a, b := make([]float64, draws), make([]float64, draws)
			for i := range draws {
				if a[i], err = m.draw(r); err != nil {
					t.Fatal(err)
				}
				if b[i], err = theirs.Sample(study, gopt.FrozenTrial{}, d.param.Name, d.distribution); err != nil {
					t.Fatal(err)
				}
			}
			if distance := distanceOf(a, b); distance > allowed {
				t.Errorf("%d results, %s: the distributions differ by %.3f, %.3f is allowed", n, d.param.Name, distance, allowed)
			}
		}
	}
}

// history is the same random trials for both, a quarter of them pruned.
func history(t *testing.T, s *space.Space, n int, ours *TPE, study *gopt.Study) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	var events []trial.Event
	for i := range int64(n) {
		p := s.Sample(r)
		x, _ := ours.internals(p)
		loss := 0.0
		theirs := gopt.FrozenTrial{
			State: gopt.TrialStateComplete, InternalParams: map[string]float64{},
			DatetimeStart: time.Unix(0, 0), DatetimeComplete: time.Unix(1, 0),
		}
		for j, d := range ours.domains {
			theirs.InternalParams[d.param.Name] = x[j]
			u := (x[j] - d.low) / (d.high - d.low)
			loss += (u - 0.3) * (u - 0.3)
		}
		finish := &trial.Finish{State: types.Completed, Values: []float64{loss}, Step: -1}
		theirs.Value = loss
		if i%4 == 3 {
			step := 1 + i%3
			finish.State, finish.Step = types.Pruned, step
			theirs.State, theirs.IntermediateValues = gopt.TrialStatePruned, map[int]float64{int(step): loss}
		}
		events = append(events, trial.Event{Kind: trial.EventCreated, Trial: i, Point: p},
			trial.Event{Kind: trial.EventFinished, Trial: i, Finish: finish})
		if _, err := study.Storage.CloneTrial(study.ID, theirs); err != nil {
			t.Fatal(err)
		}
	}
	ours.Observe(events)
}

// distanceOf is the statistic of Kolmogorov and Smirnov for two samples of one
// size.
func distanceOf(a, b []float64) float64 {
	slices.Sort(a)
	slices.Sort(b)
	greatest := 0.0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		greatest = max(greatest, math.Abs(float64(i-j))/float64(len(a)))
	}
	return greatest
}

// The order in which results arrive makes no difference, only what they are.
func TestTPEOrderOfArrival(t *testing.T) {
	s := suggesttest.Space(t, nil, float("x", 0, 1), categorical("c", 3))
	propose := func(order func([]trial.Event)) suggest.Proposal {
		sg := build(t, TPEAlgorithm(), s, 1)
		var created, finished []trial.Event
		for i := range int64(30) {
			x := float64(i) / 30
			created = append(created, trial.Event{Kind: trial.EventCreated, Trial: i, Point: space.Point{x, i % 3}})
			finished = append(finished, trial.Event{Kind: trial.EventFinished, Trial: i,
				Finish: &trial.Finish{State: types.Completed, Values: []float64{(x - 0.7) * (x - 0.7)}, Step: -1}})
		}
		order(finished)
		sg.Observe(created)
		sg.Observe(finished)
		p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{30}})
		if err != nil {
			t.Fatal(err)
		}
		return p[0]
	}
	a, b := propose(func([]trial.Event) {}), propose(slices.Reverse[[]trial.Event])
	if a.Arm != TPEName || !slices.Equal(a.Point, b.Point) {
		t.Errorf("%v by %s, in the other order %v", a.Point, a.Arm, b.Point)
	}
}

// lossOf ranks as goptuna does, and leaves out what goptuna does not look at.
func TestLossOf(t *testing.T) {
	tests := []struct {
		name string
		f    trial.Finish
		want [2]float64
		ok   bool
	}{
		{"completed", trial.Finish{State: types.Completed, Values: []float64{3}}, [2]float64{math.Inf(-1), -3}, true},
		{"pruned", trial.Finish{State: types.Pruned, Values: []float64{3}, Step: 4}, [2]float64{-4, -3}, true},
		{"pruned before a report", trial.Finish{State: types.Pruned, Values: []float64{math.NaN()}, Step: -1}, [2]float64{math.Inf(1), 0}, true},
		{"infeasible", trial.Finish{State: types.Infeasible}, [2]float64{}, false},
		{"failed", trial.Finish{State: types.Failed}, [2]float64{}, false},
	}
	for _, tt := range tests {
		if got, ok := lossOf(&tt.f, -1); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v, %v", tt.name, got, ok)
		}
	}
}
