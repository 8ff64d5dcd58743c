package engine_test

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
)

// Requests that come twice, are wrong, or come through the mailbox.

func control(t *testing.T, e *engine.Engine, req types.ControlRequest) types.ControlReply {
	t.Helper()
	r, err := e.Control(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func point(x float64) types.Params {
	return types.Params{{Name: "x", Value: x}, {Name: "n", Value: int64(1)}}
}

func imported(x, loss float64, s types.State) types.FinishedTrial {
	return types.FinishedTrial{Params: point(x), State: s, Metrics: map[string]types.Float{"loss": types.Float(loss)}}
}

func TestRepeatedEndOfAnInterruptedAttempt(t *testing.T) {
	for _, o := range []types.Outcome{types.OutcomeInterrupted, types.OutcomeLost} {
		e := start(t, memstore.New())
		st := open(t, e, spec("a", 10))
		l := lease(t, e, st.ID)
		req := types.FinishRequest{Ref: l.Ref, Outcome: o, Reason: "preempted",
			Next: &types.LeaseRequest{Study: st.ID, Worker: "w", Key: "next"}}
		var got [2]types.FinishReply
		for i := range got {
			var err error
			if got[i], err = e.Finish(context.Background(), req); err != nil {
				t.Fatalf("%s, time %d: %v", o, i+1, err)
			}
		}
		if a, b := got[0].Next.Leases, got[1].Next.Leases; len(a) != 1 || len(b) != 1 || a[0].Ref != b[0].Ref {
			t.Errorf("%s: the same request leased %+v and %+v", o, a, b)
		}
	}
}

func TestNextOfAnotherStudyIsRefused(t *testing.T) {
	e := start(t, memstore.New())
	a, b := open(t, e, spec("a", 10)), open(t, e, spec("b", 10))
	req := completed(lease(t, e, a.ID), 1)
	req.Next = &types.LeaseRequest{Study: b.ID, Worker: "w"}
	if _, err := e.Finish(context.Background(), req); types.CodeOf(err) != types.Invalid {
		t.Errorf("a lease of another study was answered with %v", err)
	}
}

func TestRepeatedReportCountsOnce(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	l := lease(t, e, st.ID)
	req := types.ReportRequest{Ref: l.Ref, Cursor: "c1", Reports: []types.Report{{Metric: "loss", Step: 1, Value: 1}}}
	for range 2 {
		if _, err := e.Report(ctx, req); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err := db.Events(ctx, st.ID, 0, func(ev store.StoredEvent) error {
		if ev.Kind == trial.EventReported {
			n++
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("the report was counted %d times, %v", n, err)
	}
}

func TestControlWithAKeyHappensOnce(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	req := types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Key: "k", Points: []types.Params{point(1), point(2)}}
	first := control(t, e, req)
	second := control(t, e, req)
	closed(t, e)
	e = start(t, db)
	third := control(t, e, req)
	if d := cmp.Diff(first.Numbers, second.Numbers) + cmp.Diff(first.Numbers, third.Numbers); d != "" || len(first.Numbers) != 2 {
		t.Errorf("the same request made trials %v, then\n%s", first.Numbers, d)
	}
	if v := info(t, e, st.ID); v.Counts.Queued != 2 {
		t.Errorf("%d trials are queued, want 2", v.Counts.Queued)
	}
	req.Points = req.Points[:1]
	if _, err := e.Control(ctx, req); types.CodeOf(err) != types.Conflict {
		t.Errorf("the key with another request: %v, want a conflict", err)
	}
	guest := start(t, db)
	req.Points = []types.Params{point(1), point(2)}
	if r := control(t, guest, req); !slices.Equal(r.Numbers, first.Numbers) {
		t.Errorf("through the mailbox the same request made trials %v", r.Numbers)
	}
}

func TestTrialNamedTwiceIsStoppedOnce(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 10))
	control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Points: []types.Params{point(1), point(2)}})
	r := control(t, e, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{1, 0, 1}})
	if r.Study.Counts.Cancelled != 2 {
		t.Errorf("counts %+v, want 2 cancelled", r.Study.Counts)
	}
}

func TestImportChangesNeitherPatienceNorFailures(t *testing.T) {
	e := start(t, memstore.New())
	s := spec("a", 100)
	s.Budget.Patience, s.Budget.MaxFailures = 2, 2
	st := open(t, e, s)
	trials := []types.FinishedTrial{imported(0, 0, types.Completed)}
	for range 5 {
		trials = append(trials, imported(1, 5, types.Completed), imported(2, 5, types.Failed))
	}
	control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Import, Trials: trials})
	open(t, e, spec("a", 101)) // the same after a reload
	fail(t, e, lease(t, e, st.ID))
	if v := info(t, e, st.ID); v.State != types.StudyActive {
		t.Errorf("after the first trial of its own the study is %s: %s", v.State, v.Reason)
	}
	finish(t, e, lease(t, e, st.ID), 7)
	if v := info(t, e, st.ID); v.State != types.StudyFinished {
		t.Errorf("after two trials without a better value: %s", v.State)
	}
}

func TestImportThatReachesTheTargetEndsTheStudy(t *testing.T) {
	e := start(t, memstore.New())
	s := spec("a", 100)
	s.Budget.Target = new(0.5)
	st := open(t, e, s)
	r := control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Import, Trials: []types.FinishedTrial{imported(0, 0.4, types.Completed)}})
	if r.Study.State != types.StudyFinished {
		t.Errorf("the study is %s", r.Study.State)
	}
}

func TestCompletedImportNeedsFiniteObjectives(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 100))
	for _, v := range []float64{math.NaN(), math.Inf(-1)} {
		_, err := e.Control(context.Background(), types.ControlRequest{Study: st.ID, Kind: types.Import,
			Trials: []types.FinishedTrial{imported(0, v, types.Completed)}})
		if types.CodeOf(err) != types.Invalid {
			t.Errorf("a completed trial with %v was taken: %v", v, err)
		}
	}
	if v := info(t, e, st.ID); len(v.Best) != 0 {
		t.Errorf("best %v", v.Best)
	}
}

func TestBadContinuationChangesNothing(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	bad := spec("a", 99)
	bad.Try = []types.Params{{{Name: "x", Value: 1e9}}}
	if _, err := e.Check(ctx, bad); types.CodeOf(err) != types.Invalid {
		t.Errorf("the check of a point out of range: %v", err)
	}
	if _, err := e.OpenStudy(ctx, bad); types.CodeOf(err) != types.Invalid {
		t.Errorf("continued with a point out of range: %v", err)
	}
	finish(t, e, lease(t, e, st.ID), 1)
	row, err := db.StudyByID(ctx, st.ID)
	if err != nil || row.Spec.Budget.Trials != 10 || len(row.Spec.Try) != 0 {
		t.Errorf("the refused settings were stored with the next commit: %+v, %v", row.Spec, err)
	}
}

// stale answers the first question for a study as it was before a change that
// another caller has made since.
type stale struct {
	store.Store
	old *trial.Study
}

func (s *stale) Study(ctx context.Context, project, name string) (trial.Study, error) {
	if s.old != nil {
		return *s.old, nil
	}
	return s.Store.Study(ctx, project, name)
}

func TestContinuingKeepsWhatWasJustEdited(t *testing.T) {
	ctx := context.Background()
	db := &stale{Store: memstore.New()}
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	row, err := db.StudyByID(ctx, st.ID)
	if err != nil {
		t.Fatal(err)
	}
	db.old = &row
	control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Edit, Parallelism: new(5)})
	if v := open(t, e, types.StudySpec{Name: "a", Budget: types.Budget{Patience: 7}}); v.Spec.Parallelism != 5 || v.Spec.Budget.Patience != 7 {
		t.Errorf("continued with parallelism %d and patience %d", v.Spec.Parallelism, v.Spec.Budget.Patience)
	}
}

func TestContinuingWithoutRunSettingsKeepsThem(t *testing.T) {
	e := start(t, memstore.New())
	s := spec("a", 10)
	s.Run = &types.RunSpec{Command: []string{"true"}, Dir: "/", Timeout: types.Duration(time.Hour), Env: []string{"A=1"}}
	open(t, e, s)
	s.Run = &types.RunSpec{Command: []string{"true"}, Dir: "/", Grace: types.Duration(time.Second)}
	want := &types.RunSpec{Command: []string{"true"}, Dir: "/", Timeout: types.Duration(time.Hour), Env: []string{"A=1"}, Grace: types.Duration(time.Second)}
	if d := cmp.Diff(want, open(t, e, s).Spec.Run); d != "" {
		t.Errorf("continued with other settings:\n%s", d)
	}
}

func TestGuestThatWantsOtherSettingsIsRefused(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	owner := start(t, db)
	open(t, owner, spec("a", 10))
	guest := start(t, db)
	for name, change := range map[string]func(*types.StudySpec){
		"stopper": func(s *types.StudySpec) { s.Stopper.Name = "median" },
		"retries": func(s *types.StudySpec) { s.Retries = 9 },
		"try":     func(s *types.StudySpec) { s.Try = []types.Params{point(1)} },
	} {
		s := spec("a", 10)
		change(&s)
		if _, err := guest.OpenStudy(ctx, s); types.CodeOf(err) != types.Conflict {
			t.Errorf("another %s was answered with %v, although the guest cannot have it", name, err)
		}
	}
	if v := open(t, guest, spec("a", 12)); v.Spec.Budget.Trials != 12 {
		t.Errorf("the guest joined with %+v", v.Spec.Budget)
	}
}

func TestGuestRemovesAStudyThroughItsOwner(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	owner := start(t, db)
	st := open(t, owner, spec("a", 10))
	l := lease(t, owner, st.ID)
	guest := start(t, db)
	rm := types.ControlRequest{Study: st.ID, Kind: types.RemoveStudy}
	if _, err := guest.Control(ctx, rm); types.CodeOf(err) != types.Conflict {
		t.Errorf("removed while a trial runs: %v", err)
	}
	finish(t, owner, l, 1)
	if _, err := guest.Control(ctx, rm); err != nil {
		t.Errorf("remove through the owner: %v", err)
	}
	if _, err := db.StudyByID(ctx, st.ID); types.CodeOf(err) != types.NotFound {
		t.Errorf("the study is still there: %v", err)
	}
}

func TestRequestWhoseCallerIsGoneLeasesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db := memstore.New()
		e := start(t, db)
		st := open(t, e, spec("a", 10))
		closed(t, e)
		req, err := json.Marshal(types.LeaseRequest{Study: st.ID, Worker: "killed"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := db.AddCommand(ctx, st.ID, "lease", req, "k", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // nobody owns the study, and who asked was killed
		e = start(t, db)
		open(t, e, spec("a", 10))
		time.Sleep(time.Second)
		if _, ok, err := db.CommandAnswer(ctx, id); err != nil || !ok {
			t.Errorf("the old request is not answered: %v", err)
		}
		if v := info(t, e, st.ID); v.Counts.Running != 0 {
			t.Errorf("%d trials were leased to a worker that is gone", v.Counts.Running)
		}
	})
}

func TestBestInTheStoreIsTheEarliestOfEquals(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	s := spec("a", 10)
	s.Objectives[0].Goal = types.Maximize
	st := open(t, e, s)
	for _, loss := range []float64{1, 3, 2, 3, 3} {
		finish(t, e, lease(t, e, st.ID), loss)
	}
	row, err := db.StudyByID(ctx, st.ID)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := engine.BestStored(ctx, db, row)
	if err != nil {
		t.Fatal(err)
	}
	if live := info(t, e, st.ID).Best; !slices.Equal(stored, live) || !slices.Equal(live, []int64{1}) {
		t.Errorf("best is %v in memory and %v in the store, want trial 1", live, stored)
	}
}

func TestHeartbeatOfAStoppingAttemptWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, memstore.New())
		st := open(t, e, spec("a", 10))
		l := lease(t, e, st.ID)
		control(t, e, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{0}})
		began := time.Now()
		for _, b := range []types.Beat{
			{Ref: l.Ref, State: types.AttemptRunning},
			{Ref: l.Ref, State: types.Stopping, Stopping: types.StopCancelled},
		} {
			r, err := e.Heartbeat(context.Background(), types.HeartbeatRequest{Worker: "w", Wait: types.Duration(5 * time.Second), Beats: []types.Beat{b}})
			if err != nil || !r.Decisions[0].Stop {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("two heartbeats took %v; want the first at once, and the second, which had no news, after 5s", d)
		}
	})
}

// TestKeysAreForgotten: after a week a key is none any more, in the store.
func TestKeysAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		var later atomic.Int64 // by which the clock is ahead
		e := start(t, db, func(c *engine.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
		})
		st := open(t, e, spec("a", 10))
		known := func(key string) bool {
			time.Sleep(time.Second) // its mailbox is looked at by then
			_, ok, err := db.RequestKey(t.Context(), st.ID, key)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		enqueue := func(key string) {
			control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Points: []types.Params{point(1)}, Key: key})
		}
		enqueue("old")
		later.Store(int64(6 * 24 * time.Hour))
		enqueue("young")
		if !known("old") {
			t.Error("a key of 6 days is forgotten")
		}
		later.Store(int64(8 * 24 * time.Hour))
		if known("old") || !known("young") {
			t.Error("after 8 days the old key is known, or that of 2 days is not")
		}
	})
}
