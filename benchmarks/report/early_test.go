package report

import (
	"strings"
	"testing"

	"github.com/gotuner/tuner/benchmarks/runner"
)

// Two problems: on the first the stopper is as good after half of the epochs, on
// the second it never is. Who only watches is in its own table and nowhere else.
func TestEarlySection(t *testing.T) {
	var results []runner.Result
	add := func(contender, problem string, seed int64, e runner.Early, values ...float64) {
		results = append(results, runner.Result{
			Contender: contender, Version: "1", Harness: runner.Version, Problem: problem, Group: "curves", Instance: 1, Seed: seed,
			Budget: 100, Workers: 4, Status: runner.Done, Note: e.String(), Median: 1, Exact: true,
			Checkpoints: []int{25, 50, 100}, Best: values, Recommended: values,
		})
	}
	for seed := range int64(2) {
		factor := float64(seed + 1)
		add("tpe+none", "a", seed, runner.Early{Trials: 100, Completed: 100}, 0.4*factor, 0.3*factor, 0.2*factor)
		add("tpe+none", "b", seed, runner.Early{Trials: 100, Completed: 100}, 0.4*factor, 0.3*factor, 0.2*factor)
		add("tpe+asha", "a", seed, runner.Early{Trials: 160, Completed: 70, Pruned: 90}, 0.3*factor, 0.2*factor, 0.1*factor)
		add("tpe+asha", "b", seed, runner.Early{Trials: 180, Completed: 50, Pruned: 128, Diverged: 2}, 0.4*factor, 0.4*factor, 0.3*factor)
		add("tpe~asha", "a", seed, runner.Early{Trials: 100, Completed: 100, Watched: true, Ends: 40, Saves: 20 + 20*float64(seed), EndsBest: seed == 1}, 0.4, 0.3, 0.2)
	}
	r, err := Build(results, nil, Config{Resamples: 20})
	if err != nil {
		t.Fatal(err)
	}
	text := string(r.Markdown)
	for _, want := range []string{
		"| curves | tpe+asha | 170 | 60 | 109 | 1 | 75 % | on 1 of 2 |",
		"| curves | tpe+none | 100 | 100 | 0 | 0 | – | – |",
		"| curves | tpe~asha | 2 | 30 % | 1 of 2 (50.0 %) |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "tpe~asha"); n != 1 {
		t.Errorf("it is named %d times", n)
	}
	if _, err := Build(results[:1], nil, Config{Resamples: 20}); err != nil {
		t.Error("one contender:", err)
	}
}
