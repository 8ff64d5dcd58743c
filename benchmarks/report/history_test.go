package report

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/trial"
)

// someHistory has a trial of each kind.
func someHistory() *History {
	curve := func(number int64, state types.State, values ...float64) Trained {
		t := Trained{Number: number, State: state}
		for i, v := range values {
			t.Points = append(t.Points, trial.Report{Step: int64(i + 1), Value: v})
		}
		return t
	}
	return &History{
		Study: "a < b", Stopper: "asha", Best: 3, Objective: types.Objective{Metric: "error", Goal: types.Minimize},
		Trials: []Trained{
			curve(0, types.Completed, 0.9, 0.5, 0.3, 0.2, 0.16, 0.13, 0.12, 0.11, 0.1, 0.1, 0.09, 0.09),
			curve(1, types.Pruned, 0.9, 0.85),
			curve(2, types.Failed, 0.8, 0.7, math.NaN(), math.Inf(1)),
			curve(3, types.Completed, 0.7, 0.3, 0.1, 0.07, 0.05, 0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01),
			curve(4, types.Pruned, 0.6, 0.4, 0.4, 0.2, 0.3, 0.2),
			curve(5, types.Pruned, 0.5),
			curve(6, types.Pruned, math.NaN()),
		},
	}
}

func TestHistoryPicture(t *testing.T) {
	got, err := HistoryPicture("curves.svg", someHistory())
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", got.Name)
	if *update {
		if err := os.WriteFile(golden, got.SVG, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.SVG, want) {
		t.Errorf("the picture differs from %s; look at both, and run the test with -update if the new one is right", golden)
	}
	texts := wellFormed(t, got.Name, got.SVG)
	for _, s := range []string{
		"a < b with --stopper asha", "step (logarithmic)", "error (logarithmic)",
		"the best, trial 3", "1 more completed", "3 pruned, each at its cross", "1 other",
	} {
		if !strings.Contains(texts, "\n"+s+"\n") && !strings.HasSuffix(texts, "\n"+s) {
			t.Errorf("no text %q in%s", s, texts)
		}
	}
}

// Whatever the values, the picture has coordinates; only nothing cannot be drawn.
func TestHistoryPictureOfOddValues(t *testing.T) {
	for name, values := range map[string][]float64{
		"one point": {3}, "negative": {-5, -1, 4}, "zero": {0, 0, 0}, "constant": {2, 2},
		"huge": {1e300, 1, 2}, "far": {1e99, 1e-300, 1}, "gaps": {math.NaN(), 1, math.NaN(), 2},
	} {
		h := &History{Study: "s", Objective: types.Objective{Metric: "m"}, Trials: []Trained{{}}}
		for i, v := range values {
			h.Trials[0].Points = append(h.Trials[0].Points, trial.Report{Step: int64(i), Value: v})
		}
		p, err := HistoryPicture("p.svg", h)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wellFormed(t, name, p.SVG)
		if bytes.Contains(p.SVG, []byte("NaN")) || bytes.Contains(p.SVG, []byte("Inf")) {
			t.Errorf("%s: there are coordinates that are no numbers", name)
		}
	}
	if _, err := HistoryPicture("p.svg", &History{Study: "s", Objective: types.Objective{Metric: "m"}}); types.CodeOf(err) != types.Invalid {
		t.Errorf("nothing to draw: %v", err)
	}
}

// Of many trials some are drawn, the best among them.
func TestReadHistoryOfManyTrials(t *testing.T) {
	feed := storetest.NewFeed(t, memstore.New(), "many")
	const trials = 2*mostCurves + 100
	if err := feed.RunTrials(t.Context(), trials, 3); err != nil {
		t.Fatal(err)
	}
	h, err := ReadHistory(t.Context(), feed.Store, feed.Study)
	if err != nil {
		t.Fatal(err)
	}
	last := h.Trials[len(h.Trials)-1]
	if h.Best != trials-1 || last.Number != h.Best || len(h.Trials) != mostCurves+1 || len(h.Trials)+h.Omitted != trials {
		t.Errorf("best %d, last %d, %d drawn, %d omitted", h.Best, last.Number, len(h.Trials), h.Omitted)
	}
	if len(last.Points) != 3 || last.State != types.Completed {
		t.Errorf("the best one is %+v", last)
	}
	p, err := HistoryPicture("p.svg", h)
	if err != nil {
		t.Fatal(err)
	}
	if texts := wellFormed(t, p.Name, p.SVG); !strings.Contains(texts, "301 of its 700 trials") {
		t.Errorf("the title does not say how many are drawn: %s", texts)
	}
}
