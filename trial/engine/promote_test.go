package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

// promoteSpec is the example of the ASHA paper (figure 1, bracket 0): nine
// trials, rungs at 1 and 3, the end at 9.
func promoteSpec() types.StudySpec {
	s := spec("a", 9)
	s.Stopper = types.Component{Name: "asha", Settings: map[string]any{"max_step": 9, "min_step": 1, "mode": "promote"}}
	return s
}

// lossAt is what trial n reports.
func lossAt(n, step int64) types.Float {
	return types.Float(float64((n*7)%9)+1) / types.Float(step)
}

// train runs trials with one worker until the study is over, each up to its
// budget and from where it was left, and returns what was handed out.
func train(t *testing.T, e *engine.Engine, study int64, between func(i int) *engine.Engine) (log []string) {
	t.Helper()
	ctx := context.Background()
	at := map[int64]int64{}
	for i := range 100 {
		if between != nil {
			e = between(i)
		}
		r, err := e.Lease(ctx, types.LeaseRequest{Study: study, Worker: "w"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == types.LeaseDone {
			return append(log, r.Reason)
		}
		l := r.Leases[0]
		n := l.Ref.Trial
		log = append(log, fmt.Sprintf("%d/%d to %g", n, l.Ref.Attempt, l.Budget))
		for at[n] < int64(l.Budget) {
			at[n]++
			d, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Step: at[n], Value: lossAt(n, at[n])}}})
			if err != nil || d.Stop {
				t.Fatalf("trial %d at step %d: %+v, %v", n, at[n], d, err)
			}
		}
		if _, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted,
			Metrics: map[string]types.Float{"trial.elapsed": 2}}); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the study does not end")
	return nil
}

func TestPromotion(t *testing.T) {
	ctx := context.Background()
	for _, restarts := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarts %v", restarts), func(t *testing.T) {
			db := memstore.New()
			e := start(t, db)
			st := open(t, e, promoteSpec())
			log := train(t, e, st.ID, func(int) *engine.Engine {
				if restarts {
					if err := e.Close(ctx); err != nil {
						t.Fatal(err)
					}
					e = start(t, db)
				}
				return e
			})
			// Losses at step 1 by number: 1 8 6 4 2 9 7 5 3. Whenever a third of the
			// results is better than before, the best that waits goes on.
			want := []string{"0/1 to 1", "1/1 to 1", "2/1 to 1", "0/2 to 3", "3/1 to 1", "4/1 to 1", "5/1 to 1", "4/2 to 3",
				"6/1 to 1", "7/1 to 1", "8/1 to 1", "8/2 to 3", "0/3 to 9", "the budget of 9 trials is spent"}
			if d := cmp.Diff(want, log); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			v, err := e.Study(ctx, st.ID)
			if err != nil || v.Counts != (types.Counts{Completed: 1, Pruned: 8}) || !slices.Equal(v.Best, []int64{0}) {
				t.Errorf("%+v, %v", v, err)
			}
			best := stored(t, db, st.ID, 0)
			if best.State != types.Completed || best.Attempts != 3 || best.Step != 9 || best.Metrics["trial.elapsed"] != 6 {
				t.Errorf("the promoted trial: %+v", best)
			}
			second := stored(t, db, st.ID, 4)
			if second.State != types.Pruned || second.Step != 3 || second.Metrics["loss"] != float64(lossAt(4, 3)) || second.Metrics["trial.elapsed"] != 4 ||
				!strings.HasPrefix(second.Reason, "paused at step 3, and not among the best when the study ended") {
				t.Errorf("a paused trial at the end: %+v", second)
			}
		})
	}
}

func stored(t *testing.T, db store.Store, study, number int64) (out struct {
	State    types.State
	Attempts int
	Step     int64
	Metrics  map[string]float64
	Reason   string
}) {
	t.Helper()
	tr, err := db.Trial(context.Background(), study, number)
	if err != nil {
		t.Fatal(err)
	}
	out.State, out.Attempts, out.Step, out.Metrics, out.Reason = tr.State, tr.Attempts, tr.Step, tr.Metrics, tr.Reason
	return out
}

// A trial that goes beyond its budget is told to pause, and is paused whatever
// its exit code; one whose attempt is lost goes on from its last pause.
func TestPauseByStop(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, promoteSpec())
	exit := 143
	run := func(from, to int64, o types.Outcome) (types.Lease, types.FinishReply) {
		t.Helper()
		l := lease(t, e, st.ID)
		for s := from; s <= to; s++ {
			d, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Step: s, Value: lossAt(l.Ref.Trial, s)}}})
			if over := s > int64(l.Budget); err != nil || d.Stop != over || over && d.Kind != types.StopPaused {
				t.Fatalf("step %d of budget %g: %+v, %v", s, l.Budget, d, err)
			}
		}
		r, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: o, Exit: &exit})
		if err != nil {
			t.Fatal(err)
		}
		return l, r
	}
	for range 3 {
		if _, r := run(1, 2, types.OutcomeFailed); r.State != types.Paused {
			t.Fatalf("told to pause, it ended as %+v", r)
		}
	}
	l, r := run(3, 3, types.OutcomeLost)
	if l.Ref.Trial != 0 || l.Ref.Attempt != 2 || l.Budget != 3 || r.State != types.Queued {
		t.Fatalf("%+v: %+v", l, r)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = start(t, db)
	if l, r = run(3, 3, types.OutcomeCompleted); l.Ref.Trial != 0 || l.Ref.Attempt != 3 || l.Budget != 3 || r.State != types.Paused {
		t.Fatalf("after the loss %+v: %+v", l, r)
	}
	// A user may cancel a paused trial; a failure is a failure.
	if _, err := e.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{0}}); err != nil {
		t.Fatal(err)
	}
	if l, r = run(1, 1, types.OutcomeFailed); r.State != types.Failed || l.Ref.Trial != 3 {
		t.Errorf("%+v: %+v", l, r)
	}
	if v, err := e.Study(ctx, st.ID); err != nil || v.Counts != (types.Counts{Paused: 2, Cancelled: 1, Failed: 1}) {
		t.Errorf("%+v, %v", v, err)
	}
}

// A trial that ends well before its budget does is whole, and says why.
func TestEndBeforeTheBudget(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	s := promoteSpec()
	s.Stopper.Settings["min_step"] = 3
	st := open(t, e, s)
	for n, rs := range [][]types.Report{{{Metric: "loss", Step: 0, Value: 1}, {Metric: "loss", Step: 2, Value: 1}}, {}, {{Metric: "loss", Step: 3, Value: 1}}} {
		l := lease(t, e, st.ID)
		if _, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted, Reports: rs,
			Metrics: map[string]types.Float{"loss": 1}}); err != nil {
			t.Fatal(err)
		}
		want := []string{"it ended at step 2 of its budget of 3, and so counts as whole: the last step of a budget is reported as that number",
			"it ended without a step, and so counts as whole: its budget was step 3", "it waits at step 3"}[n]
		if tr := stored(t, db, st.ID, int64(n)); tr.Reason != want || (tr.State == types.Completed) != (n < 2) {
			t.Errorf("trial %d: %+v", n, tr)
		}
	}
}

// With the length of a trial as a setting, trials have it as their budget.
func TestBudgetOfStopper(t *testing.T) {
	e := start(t, memstore.New())
	s := spec("a", 9)
	s.Stopper = types.Component{Name: "asha", Settings: map[string]any{"max_step": 40}}
	if l := lease(t, e, open(t, e, s).ID); l.Budget != 40 {
		t.Errorf("budget %g, want 40", l.Budget)
	}
	s = spec("b", 9)
	s.Stopper = types.Component{Name: "asha"}
	if l := lease(t, e, open(t, e, s).ID); l.Budget != 0 {
		t.Errorf("budget %g, want none", l.Budget)
	}
	s.Name, s.Stopper.Settings = "c", map[string]any{"mode": "promote"}
	if _, err := e.OpenStudy(context.Background(), s); types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), "max_step") {
		t.Errorf("promotion without a length: %v", err)
	}
}
