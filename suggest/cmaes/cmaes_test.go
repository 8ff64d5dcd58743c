package cmaes_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/suggest/cmaes"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

// The median number of trials until 1e-8 is that of the package cmaes 0.13.1,
// measured by testdata/budgets.py, and a quarter for the chance of 5 runs.
func TestConverges(t *testing.T) {
	if testing.Short() {
		t.Skip("40 searches of thousands of trials")
	}
	tests := []struct {
		name   string
		value  objective
		d, ref int
	}{
		{"sphere", on(sphere), 5, 683},
		{"sphere", on(sphere), 10, 1424},
		{"ellipsoid", on(ellipsoid), 5, 1476},
		{"ellipsoid", on(ellipsoid), 10, 4133},
		{"rotated ellipsoid", on(rotated(ellipsoid)), 5, 1492},
		{"rotated ellipsoid", on(rotated(ellipsoid)), 10, 4125},
		{"rosenbrock", on(rosenbrock), 5, 1794},
		{"rosenbrock", on(rosenbrock), 10, 5194},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, %d coordinates", tt.name, tt.d), func(t *testing.T) {
			var needed []int
			for seed := range int64(5) {
				s := cube(t, tt.d)
				n, _ := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, map[string]any{"restarts": "none", "model": false}),
					suggesttest.Study{Space: s, Trials: 2 * tt.ref, Value: tt.value}, 1e-8)
				needed = append(needed, n)
			}
			slices.Sort(needed)
			t.Logf("trials to 1e-8: %v", needed)
			if 4*needed[2] > 5*tt.ref {
				t.Errorf("the median number of trials to 1e-8 is %d, the reference's %d", needed[2], tt.ref)
			}
		})
	}
}

// With models a quadratic function is solved from about as many trials as the
// model has terms, Rosenbrock's in two thirds of the trials of the package cmaes
// (see TestConverges). And once the value stands still another search begins.
func TestModelSaves(t *testing.T) {
	if testing.Short() {
		t.Skip("searches of hundreds of trials")
	}
	tests := []struct {
		name    string
		value   objective
		d, most int
	}{
		{"sphere", on(sphere), 5, 40},
		{"sphere", on(sphere), 20, 80},
		{"rotated ellipsoid", on(rotated(ellipsoid)), 5, 60},
		{"rotated ellipsoid", on(rotated(ellipsoid)), 10, 150},
		{"rosenbrock", on(rosenbrock), 5, 1300},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, %d coordinates", tt.name, tt.d), func(t *testing.T) {
			var needed []int
			for seed := range int64(5) {
				s := cube(t, tt.d)
				n, _ := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, nil),
					suggesttest.Study{Space: s, Trials: 2 * tt.most, Value: tt.value}, 1e-8)
				needed = append(needed, n)
			}
			slices.Sort(needed)
			t.Logf("trials to 1e-8: %v", needed)
			if needed[2] > tt.most {
				t.Errorf("the median number of trials to 1e-8 is %d, want %d at most", needed[2], tt.most)
			}
		})
	}
	s := cube(t, 5)
	l := suggesttest.Simulate(t.Context(), suggesttest.New(t, cmaes.Algorithm(), s, 1, nil), suggesttest.Study{Space: s, Trials: 150, Value: on(sphere)})
	models := 0
	for _, a := range l.Asks {
		if a.Proposals[0].Arm == "cmaes-model" {
			models++
		}
	}
	var last struct{ Run int }
	if err := json.Unmarshal(l.Asks[149].Proposals[0].Explain, &last); err != nil {
		t.Fatal(err)
	}
	if last.Run == 0 || models < 5 || models > 30 {
		t.Errorf("150 trials on a sphere: run %d at the end, %d proposals of models", last.Run, models)
	}
}

// Parallel results are not lost: with 8 asynchronous workers the search needs
// hardly more trials than with one.
func TestParallelWastesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("18 searches of 3,000 trials")
	}
	s := cube(t, 5)
	median := func(workers int) int {
		var needed []int
		for seed := range int64(9) {
			n, _ := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, map[string]any{"model": false}),
				suggesttest.Study{Space: s, Trials: 3000, Workers: workers, Seed: uint64(seed), Value: on(rotated(ellipsoid))}, 1e-8)
			needed = append(needed, n)
		}
		slices.Sort(needed)
		return needed[4]
	}
	one, eight := median(1), median(8)
	t.Logf("trials to 1e-8: %d with one worker, %d with eight", one, eight)
	if float64(eight) > 1.3*float64(one) {
		t.Errorf("eight workers need %d trials, one needs %d", eight, one)
	}
}

// Restarts get out of local optima.
func TestRestartsEscape(t *testing.T) {
	if testing.Short() {
		t.Skip("30 searches of 6,000 trials")
	}
	s := cube(t, 3)
	solved := func(restarts string) (n int) {
		for seed := range int64(10) {
			_, best := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, map[string]any{"restarts": restarts, "tolfun": 1e-8}),
				suggesttest.Study{Space: s, Trials: 6000, Value: on(rastrigin)}, 1e-6)
			if best <= 1e-6 {
				n++
			}
		}
		return n
	}
	none, ipop, bipop := solved("none"), solved("ipop"), solved("bipop")
	t.Logf("of 10 searches: %d without, %d with ipop, %d with bipop", none, ipop, bipop)
	if ipop < none+3 || bipop < none+3 {
		t.Errorf("of 10 searches %d find the optimum without restarts, %d with ipop, %d with bipop", none, ipop, bipop)
	}
}

// The margin keeps integers from freezing while the floats beside them are still
// far away; rounding floats (which is what the objective does with the second
// space) lets them freeze.
func TestMixedInteger(t *testing.T) {
	if testing.Short() {
		t.Skip("18 searches of 4,000 trials")
	}
	var whole, rounded []space.Parameter
	for i := range 5 {
		x := space.Parameter{Name: name("x", i), Kind: space.Float, Low: -5.0, High: 5.0}
		whole = append(whole, x, space.Parameter{Name: name("n", i), Kind: space.Int, Low: int64(-10), High: int64(10)})
		rounded = append(rounded, x, space.Parameter{Name: name("n", i), Kind: space.Float, Low: -10.5, High: 10.5})
	}
	value := func(_ *space.Space, p space.Point) float64 {
		sum := 0.0
		for i, v := range p {
			switch v := v.(type) {
			case int64:
				sum += (float64(v) - float64(i) + 2) * (float64(v) - float64(i) + 2)
			case float64:
				if i%2 == 1 {
					sum += (math.Round(v) - float64(i) + 2) * (math.Round(v) - float64(i) + 2)
				} else {
					sum += 1e4 * (v - 1.3) * (v - 1.3)
				}
			}
		}
		return sum
	}
	solved := func(s *space.Space) (n int) {
		for seed := range int64(9) {
			needed, best := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, map[string]any{"restarts": "none", "model": false}),
				suggesttest.Study{Space: s, Trials: 4000, Value: value}, 1e-6)
			t.Logf("seed %d: %d trials, %g", seed, needed, best)
			if best <= 1e-6 {
				n++
			}
		}
		return n
	}
	margin, rounding := solved(suggesttest.Space(t, nil, whole...)), solved(suggesttest.Space(t, nil, rounded...))
	if margin < 9 || rounding > 5 {
		t.Errorf("of 9 searches %d find the optimum with the margin, %d by rounding", margin, rounding)
	}
}

// Choices and floats together, as in the SphereCOM of CatCMA's paper: five of
// each, below 1e-7 within 1,500 trials.
func TestCategorical(t *testing.T) {
	var params []space.Parameter
	for i := range 5 {
		params = append(params,
			space.Parameter{Name: name("x", i), Kind: space.Float, Low: -5.0, High: 5.0},
			space.Parameter{Name: name("c", i), Kind: space.Categorical,
				Choices: []space.Choice{{Value: "p"}, {Value: "q"}, {Value: "r"}, {Value: "s"}, {Value: "t"}}})
	}
	s := suggesttest.Space(t, nil, params...)
	value := func(_ *space.Space, p space.Point) float64 {
		sum := 0.0
		for _, v := range p {
			switch v := v.(type) {
			case float64:
				sum += (v - 1.3) * (v - 1.3)
			case string:
				if v != "r" {
					sum++
				}
			}
		}
		return sum
	}
	for seed := range int64(5) {
		n, best := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, nil),
			suggesttest.Study{Space: s, Trials: 2500, Value: value}, 1e-7)
		t.Logf("seed %d: %d trials", seed, n)
		if best > 1e-7 {
			t.Errorf("seed %d: the best value is %g", seed, best)
		}
	}
}

// An optimum in a corner is reached exactly.
func TestCorner(t *testing.T) {
	s := cube(t, 5)
	slope := func(_ *space.Space, p space.Point) float64 {
		sum := 0.0
		for i, x := range coordinates(p) {
			sum += math.Pow(10, float64(i)/4) * (5 - x)
		}
		return sum
	}
	for seed := range int64(5) {
		n, _ := reach(t, suggesttest.New(t, cmaes.Algorithm(), s, seed, nil),
			suggesttest.Study{Space: s, Trials: 600, Value: slope}, 0)
		if n > 600 {
			t.Errorf("seed %d: the corner is not found", seed)
		}
	}
}

// Without models only the order of the values matters: another objective with the same order
// gives the same points bit for bit. (Products with powers of two and cubes of
// such values keep the order exactly.)
func TestInvariance(t *testing.T) {
	s := cube(t, 4)
	f := on(rotated(ellipsoid))
	run := func(g func(float64) float64) []space.Point {
		l := suggesttest.Simulate(t.Context(), suggesttest.New(t, cmaes.Algorithm(), s, 3, map[string]any{"model": false}), suggesttest.Study{
			Space: s, Trials: 700, Workers: 4, Seed: 1,
			Value: func(s *space.Space, p space.Point) float64 { return g(f(s, p)) }})
		suggesttest.CheckLog(t, l)
		return l.Points()
	}
	want := run(func(v float64) float64 { return v })
	for what, g := range map[string]func(float64) float64{
		"scaled":    func(v float64) float64 { return 1024 * v },
		"monotone":  func(v float64) float64 { return -1 / v },
		"stretched": func(v float64) float64 { return math.Float64frombits(math.Float64bits(v) + 1<<55) },
	} {
		if d := cmp.Diff(want, run(g)); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
}
