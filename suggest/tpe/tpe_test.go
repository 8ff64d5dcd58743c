package tpe_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/suggest/tpe"
	"github.com/gotuner/tuner/trial"
)

func cube(t testing.TB, d int, constraints ...string) *space.Space {
	t.Helper()
	var params []space.Parameter
	for i := range d {
		params = append(params, space.Parameter{
			Name: "x" + string(rune('a'+i)), Kind: space.Float, Low: -5.0, High: 5.0})
	}
	s, err := space.New(params, constraints)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sphere(_ *space.Space, p space.Point) float64 {
	sum := 0.0
	for _, v := range p {
		d := v.(float64) - 1
		sum += d * d
	}
	return sum
}

// deep is least, near 0, in the deepest branches of suggesttest.Conditional.
func deep(s *space.Space, p space.Point) float64 {
	v := 1.195 + suggesttest.Bowl(s, p)
	if p[s.Index("momentum")] != nil {
		v--
	}
	if p[s.Index("units3")] != nil {
		v -= 0.5
	}
	return v
}

// meanBest is the geometric mean over seeds of the best value after n trials.
func meanBest(t *testing.T, alg suggest.Algorithm, s *space.Space, n, workers int,
	value func(*space.Space, space.Point) float64, settings map[string]any) float64 {
	t.Helper()
	const seeds = 20
	sum := 0.0
	for seed := range int64(seeds) {
		l := suggesttest.Simulate(t.Context(), suggesttest.New(t, alg, s, seed, settings), suggesttest.Study{
			Space: s, Trials: n, Workers: workers, Value: value, Seed: uint64(seed)})
		suggesttest.CheckLog(t, l)
		best := math.Inf(1)
		for _, p := range l.Points() {
			best = min(best, value(s, p))
		}
		sum += math.Log(best)
	}
	return math.Exp(sum / seeds)
}

// It has to learn: far better than random search on problems that are easy to
// learn. The factors leave wide room: measured are 10 and more.
func TestLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("28,000 trials")
	}
	mixed := suggesttest.Mixed(t)
	conditional := suggesttest.Conditional(t)
	tests := []struct {
		name     string
		space    *space.Space
		value    func(*space.Space, space.Point) float64
		workers  int
		settings map[string]any
		factor   float64
	}{
		{"sphere", cube(t, 5), sphere, 1, nil, 4},
		{"sphere, 8 workers", cube(t, 5), sphere, 8, nil, 3},
		{"sphere, independent", cube(t, 5), sphere, 1, map[string]any{"multivariate": false}, 3},
		{"sphere, few kernels", cube(t, 5), sphere, 1, map[string]any{"above_cap": 32}, 3},
		{"mixed", mixed, suggesttest.Bowl, 1, nil, 1.5},
		// A choice, a choice below it and an integer have to be right at once: what
		// is greedy pays for it here.
		{"conditional", conditional, deep, 1, nil, 1},
		{"conditional, optuna5", conditional, deep, 1, optuna5, 2},
		{"constrained", cube(t, 2, "xa + xb <= 2", "xa - xb >= 1"), sphere, 1, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := meanBest(t, random.Algorithm(), tt.space, 100, tt.workers, tt.value, nil)
			m := meanBest(t, tpe.Algorithm(), tt.space, 100, tt.workers, tt.value, tt.settings)
			t.Logf("random %.4g, tpe %.4g", r, m)
			if m*tt.factor > r {
				t.Errorf("the mean best value is %g, that of random search %g; not %g times better", m, r, tt.factor)
			}
		})
	}
}

// A search with few kernels comes as far as one with all: over functions and
// seeds, the mean logarithm of the ratio of the best values is 0 within noise.
func TestCapCostsNoRegret(t *testing.T) {
	if testing.Short() {
		t.Skip("48 studies")
	}
	s := cube(t, 4)
	optimum := func(seed int64, i int) float64 { return -3 + 6*math.Mod(float64(31*seed+17*int64(i)+5)*0.618034, 1) }
	functions := map[string]func(x []float64) float64{ // of the distance to the optimum
		"ellipsoid": func(x []float64) (sum float64) {
			for i, d := range x {
				sum += math.Pow(10, float64(i)) * d * d
			}
			return sum
		},
		"valley": func(x []float64) (sum float64) {
			for i := range len(x) - 1 {
				a, b := x[i]+1, x[i+1]+1
				sum += 100*(b-a*a)*(b-a*a) + (1-a)*(1-a)
			}
			return sum
		},
		"waves": func(x []float64) (sum float64) {
			for _, d := range x {
				sum += d*d + 5 - 5*math.Cos(2*math.Pi*d)
			}
			return sum
		},
	}
	var logs []float64
	for name, f := range functions {
		for seed := range int64(8) {
			best := func(kernels int) float64 {
				at := func(p space.Point) float64 {
					x := make([]float64, len(p))
					for i, v := range p {
						x[i] = v.(float64) - optimum(seed, i)
					}
					return f(x)
				}
				l := suggesttest.Simulate(t.Context(), suggesttest.New(t, tpe.Algorithm(), s, seed, map[string]any{"above_cap": kernels}),
					suggesttest.Study{Space: s, Trials: 400, Value: func(_ *space.Space, p space.Point) float64 { return at(p) }})
				best := math.Inf(1)
				for _, p := range l.Points() {
					best = min(best, at(p))
				}
				return best
			}
			logs = append(logs, math.Log(best(128)/best(0)))
			t.Logf("%s, seed %d: %.2f", name, seed, logs[len(logs)-1])
		}
	}
	mean, square := 0.0, 0.0
	for _, v := range logs {
		mean += v / float64(len(logs))
	}
	for _, v := range logs {
		square += (v - mean) * (v - mean)
	}
	noise := math.Sqrt(square) / float64(len(logs))
	t.Logf("mean logarithm of the ratio %.3f, standard error %.3f", mean, noise)
	if mean > 0.3 {
		t.Errorf("with 128 kernels the best value is %.2f times that with all, standard error %.2f", math.Exp(mean), noise)
	}
}

// With Optuna's rules the start-up trials are those of random search with the
// same seed; then the model takes over and explains itself.
func TestArms(t *testing.T) {
	s := cube(t, 3)
	l := suggesttest.Simulate(t.Context(), suggesttest.New(t, tpe.Algorithm(), s, 1, optuna5),
		suggesttest.Study{Space: s, Trials: 30, Value: sphere})
	r := suggesttest.Simulate(t.Context(), suggesttest.New(t, random.Algorithm(), s, 1, nil),
		suggesttest.Study{Space: s, Trials: 10, Value: sphere})
	if d := cmp.Diff(r.Points(), l.Points()[:10]); d != "" {
		t.Errorf("start-up points: %s", d)
	}
	for i, a := range l.Asks {
		p, want := a.Proposals[0], "tpe"
		if i < 10 {
			want = "random"
		}
		if p.Arm != want {
			t.Errorf("trial %d is from %s, want %s", i, p.Arm, want)
		}
		if i < 10 {
			continue
		}
		var e struct {
			Below, Above int
			Score        *float64
			Nearest      []int64
		}
		if err := json.Unmarshal(p.Explain, &e); err != nil {
			t.Fatal(err)
		}
		below := int(math.Ceil(0.1 * float64(i)))
		if e.Below != below || e.Above != i-below || e.Score == nil || len(e.Nearest) != min(below, 3) {
			t.Errorf("trial %d: %s", i, p.Explain)
		}
		for _, n := range e.Nearest {
			if n < 0 || n >= int64(i) {
				t.Errorf("trial %d names trial %d", i, n)
			}
		}
	}
}

// With a feasible volume of 0.1 % the model still chooses.
func TestModelUnderConstraints(t *testing.T) {
	s := suggesttest.Constrained(t)
	l := suggesttest.Simulate(t.Context(), suggesttest.New(t, tpe.Algorithm(), s, 1, nil),
		suggesttest.Study{Space: s, Trials: 100})
	suggesttest.CheckLog(t, l)
	chosen := 0
	for _, a := range l.Asks {
		if a.Proposals[0].Arm == "tpe" {
			chosen++
		}
	}
	if chosen < 80 {
		t.Errorf("the model chose %d of 90 points, the others are random", chosen)
	}
}

// The constant liar keeps proposals of one moment apart.
func TestLiarSpreads(t *testing.T) {
	s := cube(t, 2)
	events := suggesttest.History(t, s, 60, 1)
	numbers := make([]int64, 16)
	for i := range numbers {
		numbers[i] = int64(60 + i)
	}
	spread := func(liar bool) float64 {
		total := 0.0
		for seed := range int64(5) {
			sg := suggesttest.New(t, tpe.Algorithm(), s, seed, map[string]any{"liar": liar})
			sg.Observe(events)
			ps, err := sg.Suggest(t.Context(), suggest.Request{Numbers: numbers})
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range ps {
				for _, q := range ps[:i] {
					total += math.Hypot(p.Point[0].(float64)-q.Point[0].(float64), p.Point[1].(float64)-q.Point[1].(float64))
				}
			}
		}
		return total
	}
	if with, without := spread(true), spread(false); with < 1.2*without {
		t.Errorf("sum of distances with liar %g, without %g", with, without)
	}
}

// Trials without a result repel; failed ones tell nothing.
func TestInfeasibleRepels(t *testing.T) {
	s := cube(t, 1)
	below := func(state types.State) int {
		sg := suggesttest.New(t, tpe.Algorithm(), s, 1, nil)
		for n := range int64(60) {
			x := -5 + math.Mod(float64(n)*0.618, 1)*10
			f := &trial.Finish{State: types.Completed, Values: []float64{x}, Step: -1}
			if x < 0 {
				f = &trial.Finish{State: state, Step: -1}
			}
			sg.Observe([]trial.Event{
				{Kind: trial.EventCreated, Trial: n, Point: space.Point{x}},
				{Kind: trial.EventFinished, Trial: n, Finish: f},
			})
		}
		count := 0
		for n := range int64(100) {
			p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{1000 + n}})
			if err != nil {
				t.Fatal(err)
			}
			if p[0].Point[0].(float64) < 0 {
				count++
			}
		}
		return count
	}
	infeasible, failed := below(types.Infeasible), below(types.Failed)
	t.Logf("below 0: %d of 100 after infeasible trials there, %d after failed ones", infeasible, failed)
	if 2*infeasible > failed {
		t.Errorf("below 0: %d of 100 after infeasible trials there, %d after failed ones", infeasible, failed)
	}
}
