package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ofTheReadme is the sweep of the digits with a stopper as the README has it, in
// the order of the default of this command.
func ofTheReadme(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "bin/tuner" || words[1] != "sweep" || !slices.Contains(words, "--epochs") {
			continue
		}
		words = words[2:]
		for _, flag := range []string{"--name", "--stopper", "-n", "-j"} { // which savings gives itself
			i := slices.Index(words, flag)
			if i < 0 {
				t.Fatalf("there is no %s in %s", flag, line)
			}
			words = slices.Delete(words, i, i+2)
		}
		return words
	}
	t.Fatal("the README has no sweep with --epochs")
	return nil
}

// The command of the README, with few and short trials: without a stopper and with
// one.
func TestTheSweepOfTheReadme(t *testing.T) {
	sweep := ofTheReadme(t)
	if !slices.Equal(sweep, digits) {
		t.Errorf("the README measures\n%q, the command savings\n%q", sweep, digits)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "../../cmd/tuner", "../../examples/digits")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // under the race detector, too: what make build has built is there
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sweep = slices.Clone(digits)
	sweep[slices.Index(sweep, "bin/digits")] = filepath.Join(dir, "digits")
	sweep[slices.Index(sweep, "40")] = "3"
	sweep[slices.Index(sweep, "hidden=8..64:log")] = "hidden=8..16:log"
	file := filepath.Join(dir, "results.jsonl")
	args := append([]string{
		"-tuner", filepath.Join(dir, "tuner"), "-file", file, "-arms", "none=6,asha:startup=2=9", "-seeds", "1", "--",
	}, sweep...)
	var first, again bytes.Buffer
	if err := measure(t.Context(), args, &first); err != nil {
		t.Fatal(err)
	}
	runs, err := readRuns(file)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%v, %d runs", err, len(runs))
	}
	for _, r := range runs {
		last := r.Improved[len(r.Improved)-1]
		if last.Value != r.Best || !(r.Best > 0 && r.Best < 1) || !(r.Test > 0 && r.Test < 1) || !(r.CPU > 0 && r.Seconds > 0) {
			t.Errorf("%+v", r)
		}
		switch r.Stopper {
		case "none":
			if r.Completed != 6 || r.Steps != 18 || len(r.EndsBest) != 2 || r.EndsBest["none"] {
				t.Errorf("without a stopper: %+v", r)
			}
		default:
			if r.Pruned == 0 || r.Completed+r.Pruned != 9 || r.Steps >= 27 {
				t.Errorf("with a stopper: %+v", r)
			}
		}
	}
	// What is there is not made again.
	args[slices.Index(args, "-tuner")+1] = filepath.Join(dir, "gone")
	if err := measure(t.Context(), args, &again); err != nil || again.String() != first.String() || !strings.Contains(again.String(), "| none | 6 | 1 | 6 | 100 % | 100 % | 100 % |") {
		t.Errorf("%v; first\n%s\nthen\n%s", err, first.String(), again.String())
	}
}

// The share is of the other's time when the mean is as good as its own at the end.
func TestReaches(t *testing.T) {
	base := func(best float64) *run {
		return &run{Best: best, CPU: 100, Seconds: 50, Improved: []point{{CPU: 90, Seconds: 45, Value: best}}}
	}
	fast := &run{Best: 1, Improved: []point{{CPU: 10, Seconds: 20, Value: 5}, {CPU: 40, Seconds: 45, Value: 1}}}
	slow := &run{Best: 2, Improved: []point{{CPU: 10, Seconds: 5, Value: 6}, {CPU: 30, Seconds: 10, Value: 3}, {CPU: 60, Seconds: 20, Value: 2}}}
	for want, ps := range map[string][]pair{
		"40 % CPU, 90 % wall":   {{fast, base(1)}, {slow, base(3)}},
		"60 % CPU, 90 % wall":   {{fast, base(1)}, {slow, base(2)}},
		"never CPU, never wall": {{fast, base(1)}, {slow, base(1)}},
		"10 % CPU, 40 % wall":   {{fast, base(5)}},
	} {
		if got := reaches(ps); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
