package cli

import (
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// TestViewOfAContinuation: a trial that waited in the queue and runs now is not
// shown as queued, and a sweep that ends does not say how long the rest takes.
func TestViewOfAContinuation(t *testing.T) {
	now := time.Unix(1000, 0)
	st := &State{Now: func() time.Time { return now }, Size: func() (int, int) { return 0, 0 }}
	study := types.Study{Spec: types.StudySpec{Objectives: []types.Objective{{Metric: "loss"}}, Budget: types.Budget{Trials: 9}}}
	study.Counts.Queued = 2
	var f sweepFlags
	f.quiet = true
	v := newView(st, &f, study, func() (types.Study, error) { return study, nil }, nil)
	if v.view.Counts.Queued != 2 {
		t.Fatalf("at the begin it shows %+v", v.view.Counts)
	}
	study.Counts.Queued, study.Counts.Running = 1, 1
	v.started(types.Lease{}, 0, false)
	if v.view.Counts.Queued != 1 {
		t.Errorf("with a trial that runs it shows %+v", v.view.Counts)
	}
	now, study.Counts.Completed = now.Add(time.Minute), 3
	v.update()
	if v.view.Left == 0 {
		t.Fatal("it does not say how long the rest takes")
	}
	v.ends("no new trials")
	v.update()
	if v.view.Left != 0 {
		t.Errorf("at its end it says that %v are left", v.view.Left)
	}
}
