package runner_test

import (
	"testing"

	"github.com/gotuner/tuner/benchmarks/runner"
)

// What is written into the Note is read from it.
func TestEarlyNote(t *testing.T) {
	for _, e := range []runner.Early{
		{Trials: 108, Completed: 97, Pruned: 0, Diverged: 6},
		{Trials: 100, Completed: 96, Watched: true, Ends: 41, Saves: 29},
		{Trials: 100, Completed: 96, Watched: true, Ends: 41, Saves: 0, EndsBest: true},
	} {
		r := runner.Result{Contender: "tpe~asha", Status: runner.Done, Note: e.String()}
		if got, ok := r.Early(); !ok || got != e {
			t.Errorf("%q: %+v, %v, want %+v", r.Note, got, ok, e)
		}
	}
	for _, r := range []runner.Result{
		{Contender: "tpe", Status: runner.Done, Note: runner.Early{}.String()},
		{Contender: "tpe+asha", Status: runner.Failed, Note: runner.Early{}.String()},
		{Contender: "tpe+asha", Status: runner.Done, Note: "exhausted after 24 trials"},
	} {
		if e, ok := r.Early(); ok {
			t.Errorf("%+v has %+v", r, e)
		}
	}
}
