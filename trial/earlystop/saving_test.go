package earlystop

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Six equal trials, then a worse one and the best one, of ten steps each: the
// median rule would have ended the worse one at its first step.
func TestTally(t *testing.T) {
	rule, err := New(types.Component{Name: "median"}, Config{Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	tally := NewTally(rule, "loss", 7)
	var seq int64
	event := func(e trial.Event) {
		e.Seq = seq
		seq++
		tally.Observe(e)
	}
	for n, loss := range []float64{1, 1, 1, 1, 1, 1, 2, 0.5} {
		number := int64(n)
		event(trial.Event{Kind: trial.EventCreated, Trial: number})
		for step := range int64(10) {
			event(trial.Event{Kind: trial.EventReported, Trial: number, Report: trial.Report{Trial: number, Attempt: 1, Metric: "loss", Step: step, Value: loss}})
			event(trial.Event{Kind: trial.EventReported, Trial: number, Report: trial.Report{Trial: number, Attempt: 1, Metric: "other", Step: step, Value: loss}})
		}
		event(trial.Event{Kind: trial.EventFinished, Trial: number, Finish: &trial.Finish{State: types.Completed, Values: []float64{loss}, Step: 9}})
	}
	if got, want := tally.Result(), (Saving{Trials: 1, Steps: 9, OfSteps: 80, KeptBest: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
