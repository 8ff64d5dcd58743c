package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

// cancelOf cancels a trial that runs, and lets its holder end it.
func cancelOf(t *testing.T, e *engine.Engine, l types.Lease) {
	t.Helper()
	control(t, e, types.ControlRequest{Study: l.Ref.Study, Kind: types.StopTrial, Numbers: []int64{l.Ref.Trial}})
	r, err := e.Finish(context.Background(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed})
	if err != nil || r.State != types.Cancelled {
		t.Fatalf("the cancelled trial is %s, %v", r.State, err)
	}
}

// TestCancelledTrialsCountForNothing: neither patience nor the failures at the
// beginning see them, whether they were queued or ran, before a restart and
// after it.
func TestCancelledTrialsCountForNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*testing.T, *engine.Engine, types.Lease)
		want types.StudyState
	}{
		{"patience", func(t *testing.T, e *engine.Engine, l types.Lease) { finish(t, e, l, 7) }, types.StudyFinished},
		{"failures", fail, types.StudyStopped},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				db := memstore.New()
				e := start(t, db)
				s := spec("a", 1000)
				if c.name == "patience" {
					s.Budget.Patience = engine.FirstFailures
				}
				id := open(t, e, s).ID
				if c.name == "patience" {
					finish(t, e, lease(t, e, id), 1)
				}
				again := func() {
					if restarts {
						closed(t, e)
						e = start(t, db)
					}
				}
				for i := range engine.FirstFailures {
					r := control(t, e, types.ControlRequest{Study: id, Kind: types.Enqueue, Points: []types.Params{point(1), point(2)}})
					control(t, e, types.ControlRequest{Study: id, Kind: types.StopTrial, Numbers: r.Numbers})
					cancelOf(t, e, lease(t, e, id))
					again()
					if v := info(t, e, id); v.State != types.StudyActive || v.Counts.Cancelled != 3*int64(i+1) {
						t.Fatalf("after %d ends that count: %s (%s), %+v", i, v.State, v.Reason, v.Counts)
					}
					c.end(t, e, lease(t, e, id))
				}
				if v := info(t, e, id); v.State != c.want {
					t.Errorf("after %d ends that count: %s (%s)", engine.FirstFailures, v.State, v.Reason)
				}
			})
		}
	}
}

// TestACancelledTrialHasCostWhatItHas: a restart does not forget what a trial
// has cost that was cancelled while it was paused.
func TestACancelledTrialHasCostWhatItHas(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		db := memstore.New()
		e := start(t, db)
		s := promoteSpec()
		s.Budget.Cost = types.Cost{Metric: "trial.elapsed", Limit: 5}
		id := open(t, e, s).ID
		run := func() int64 {
			l := lease(t, e, id)
			_, err := e.Finish(context.Background(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted,
				Reports: []types.Report{{Metric: "loss", Step: 1, Value: 1}}, Metrics: map[string]types.Float{"trial.elapsed": 3}})
			if err != nil {
				t.Fatal(err)
			}
			return l.Ref.Trial
		}
		n := run()
		if v := info(t, e, id); v.Counts.Paused != 1 {
			t.Fatalf("it is not paused: %+v", v.Counts)
		}
		control(t, e, types.ControlRequest{Study: id, Kind: types.StopTrial, Numbers: []int64{n}})
		if restarts {
			closed(t, e)
			e = start(t, db)
		}
		run()
		r, err := e.Lease(context.Background(), types.LeaseRequest{Study: id, Worker: "w"})
		if err != nil || r.Status != types.LeaseDone || !strings.Contains(r.Reason, "adds up to 6") {
			t.Errorf("with a restart %t: %s, %q, %v", restarts, r.Status, r.Reason, err)
		}
	}
}
