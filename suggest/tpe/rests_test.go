package tpe_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/suggest/tpe"
	"github.com/gotuner/tuner/trial"
)

// A trial that waited and went on counts with its latest result only: the study
// proposes what it would if the trial had never waited.
func TestTheLatestResultCounts(t *testing.T) {
	s := cube(t, 3)
	propose := func(waits bool) []suggest.Proposal {
		var events []trial.Event
		emit := func(e trial.Event) {
			e.Seq = int64(len(events))
			events = append(events, e)
		}
		end := func(n int64, p space.Point, state types.State, v float64, step int64) {
			emit(trial.Event{Kind: trial.EventCreated, Trial: n, Point: p, SpaceVersion: 1})
			emit(trial.Event{Kind: trial.EventFinished, Trial: n, Finish: &trial.Finish{
				State: state, Values: []float64{v}, Step: step, Duration: time.Second}})
		}
		for n := range int64(40) {
			p, err := s.SampleFeasible(suggest.Stream(1, "points", n))
			if err != nil {
				t.Fatal(err)
			}
			v := p[0].(float64)
			if waits && n%3 == 0 {
				end(n, p, types.Pruned, v+1, 3)
				end(n, p, types.Pruned, v+0.5, 9)
			}
			if n%3 == 1 {
				end(n, p, types.Pruned, v+1, 3)
				continue
			}
			end(n, p, types.Completed, v, 27)
		}
		sg := suggesttest.New(t, tpe.Algorithm(), s, 1, nil)
		sg.Observe(events)
		got, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{40, 41}})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if d := cmp.Diff(propose(false), propose(true)); d != "" {
		t.Error(d)
	}
}
