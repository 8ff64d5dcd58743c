package simulate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/earlystop/simulate"
)

const (
	trials  = 100
	workers = 4
	steps   = 45
	seeds   = 40
)

// noisy adds measurement noise, and durations that differ threefold.
func noisy(seed int64) simulate.Search {
	clean := simulate.Curves(seed)
	draw := func(stream uint64, number, step int64) float64 {
		return rand.New(rand.NewPCG(uint64(seed)^stream, uint64(number<<20|step))).Float64()
	}
	return simulate.Search{
		Trials: trials, Workers: workers, Steps: steps, Seed: seed,
		Value:    func(n, s int64) float64 { return clean(n, s) + 0.02*(draw(1, n, s)-0.5) },
		Duration: func(n, _ int64) float64 { return 0.5 + draw(2, n, 0) },
	}
}

// What the rules save of a search with four workers, and whether they keep what
// would have been its best trial.
func TestSavings(t *testing.T) {
	for _, tt := range []struct {
		stopper string
		share   float64 // of the steps, at most, in the mean
		kept    float64 // of the searches, at least
	}{
		{"none", 1.001, 1}, {"median", 0.65, 0.95}, {"percentile", 0.45, 0.9}, {"asha", 0.52, 0.98}, {"hyperband", 0.55, 0.95},
	} {
		t.Run(tt.stopper, func(t *testing.T) {
			share, kept := 0.0, 0
			for seed := range int64(seeds) {
				s := noisy(seed)
				s.Stopper = types.Component{Name: tt.stopper}
				got, err := simulate.Run(s)
				if err != nil {
					t.Fatal(err)
				}
				check(t, s, got)
				share += float64(got.Steps) / float64(got.OfSteps) / seeds
				if got.Trials[winner(s)].State == types.Completed {
					kept++
				}
			}
			t.Logf("%.0f %% of the steps, best kept in %d of %d", 100*share, kept, seeds)
			if share > tt.share || float64(kept) < tt.kept*seeds {
				t.Errorf("%.0f %% of the steps, best kept in %d of %d searches", 100*share, kept, seeds)
			}
			if tt.stopper != "none" && share > 0.99 {
				t.Error("nothing was saved")
			}
		})
	}
}

// winner is the best trial of a search without a stopper.
func winner(s simulate.Search) int64 {
	best := int64(0)
	for n := range int64(trials) {
		if s.Value(n, steps) < s.Value(best, steps) {
			best = n
		}
	}
	return best
}

// check is what holds of every search.
func check(t *testing.T, s simulate.Search, r simulate.Result) {
	t.Helper()
	var made int64
	finishers := 0
	for i, tr := range r.Trials {
		made += tr.Step
		switch {
		case tr.Number != int64(i):
			t.Fatalf("trial %d is called %d", i, tr.Number)
		case tr.State == types.Completed && (tr.Step != s.Steps || tr.Reason != ""):
			t.Fatalf("completed, but %+v", tr)
		case tr.State == types.Pruned && (tr.Step >= s.Steps || tr.Reason == ""):
			t.Fatalf("pruned, but %+v", tr)
		case tr.State != types.Completed && tr.State != types.Pruned:
			t.Fatalf("%+v", tr)
		}
		if tr.State == types.Completed {
			finishers++
		}
	}
	if made != r.Steps {
		t.Fatalf("%d steps made, %d counted", made, r.Steps)
	}
	if finishers < max(5, workers) {
		t.Fatalf("only %d trials completed", finishers)
	}
}

// A search is a function of its arguments, and workers shorten it.
func TestRepeats(t *testing.T) {
	s := noisy(7)
	s.Stopper = types.Component{Name: "asha"}
	var order []int64
	s.Ended = func(tr simulate.Trial) { order = append(order, tr.Number) }
	a, err := simulate.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	first := slices.Clone(order)
	order = nil
	b, err := simulate.Run(s)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(a) != fmt.Sprint(b) || !slices.Equal(first, order) || len(first) != trials {
		t.Error("the same search went differently")
	}
	s.Stopper, s.Workers, s.Duration = types.Component{}, 1, nil
	one, err := simulate.Run(s)
	if err != nil || one.Time != trials*steps {
		t.Errorf("one worker needed %v, %v", one.Time, err)
	}
	s.Workers = workers
	if four, err := simulate.Run(s); err != nil || four.Time != trials*steps/workers {
		t.Errorf("four workers needed %v, %v", four.Time, err)
	}
}

// Promotion by the ASHA paper: with one worker, rungs at 1, 3 and 9 and the end
// at 27, of 27 trials at least 9 get to 3, 3 to 9 and one to the end.
func TestPromotion(t *testing.T) {
	for seed := range int64(seeds) {
		for _, w := range []int{1, workers} {
			s := simulate.Search{Trials: 27, Workers: w, Steps: 27, Seed: seed, Value: simulate.Curves(seed),
				Stopper: types.Component{Name: "asha", Settings: map[string]any{"max_step": 27, "mode": "promote"}}}
			r, err := simulate.Run(s)
			if err != nil {
				t.Fatal(err)
			}
			got := map[int64]int{}
			for _, tr := range r.Trials {
				for _, rung := range []int64{1, 3, 9, 27} {
					if tr.Step >= rung {
						got[rung]++
					}
				}
			}
			if got[1] != 27 || got[3] < 9 || got[9] < 3 || got[27] < 1 || got[3] > 18 || got[27] > 5 || r.Best < 0 {
				t.Errorf("seed %d, %d workers: %v trials got to the rungs; best %d", seed, w, got, r.Best)
			}
		}
	}
	// Too few trials for anyone to get to the end by thirds: the best does.
	r, err := simulate.Run(simulate.Search{Trials: 2, Steps: 27, Value: simulate.Curves(1),
		Stopper: types.Component{Name: "asha", Settings: map[string]any{"max_step": 27, "mode": "promote"}}})
	if err != nil || r.Best < 0 || r.Steps > 27+9 {
		t.Errorf("two trials: %+v, %v", r, err)
	}
}

func TestInfeasibleAndUnknown(t *testing.T) {
	s := simulate.Search{Trials: 2, Steps: 2, Value: func(int64, int64) float64 { return math.NaN() }}
	r, err := simulate.Run(s)
	if err != nil || r.Best != -1 || r.Trials[0].State != types.Infeasible {
		t.Errorf("%+v, %v", r, err)
	}
	s.Stopper = types.Component{Name: "nobody"}
	if _, err := simulate.Run(s); types.CodeOf(err) != types.Invalid {
		t.Errorf("an unknown stopper: %v", err)
	}
}
