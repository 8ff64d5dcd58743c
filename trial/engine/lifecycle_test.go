package engine_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
)

// What brings a study to its end and to life again, and what a lease survives.

func status(t *testing.T, e *engine.Engine, study int64) types.LeaseReply {
	t.Helper()
	r, err := e.Lease(context.Background(), types.LeaseRequest{Study: study, Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fail(t *testing.T, e *engine.Engine, l types.Lease) {
	t.Helper()
	if _, err := e.Finish(context.Background(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed, Reason: "exit code 1"}); err != nil {
		t.Fatal(err)
	}
}

func info(t *testing.T, e *engine.Engine, study int64) types.Study {
	t.Helper()
	v, err := e.Study(context.Background(), study)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func closed(t *testing.T, e *engine.Engine) {
	t.Helper()
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestContinuingGivesPatienceAnew(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	s := spec("a", 100)
	s.Budget.Patience = 3
	st := open(t, e, s)
	finish(t, e, lease(t, e, st.ID), 1)
	for range 3 {
		finish(t, e, lease(t, e, st.ID), 2)
	}
	if v := info(t, e, st.ID); v.State != types.StudyFinished {
		t.Fatalf("after three trials without a better value: %s", v.State)
	}
	open(t, e, s)
	for i := range 3 {
		if i == 2 { // a crash does not begin the counting anew
			closed(t, e)
			e = start(t, db)
		}
		finish(t, e, lease(t, e, st.ID), 2)
	}
	if v := info(t, e, st.ID); v.State != types.StudyFinished || v.Counts.Completed != 7 {
		t.Errorf("continued: %s after %d trials, want finished after 7", v.State, v.Counts.Completed)
	}
}

func TestLimitOfFailuresHoldsOverRestarts(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	s := spec("a", 100)
	s.Budget.MaxFailures = 3
	st := open(t, e, s)
	for range 2 {
		fail(t, e, lease(t, e, st.ID))
	}
	closed(t, e)
	e = start(t, db)
	fail(t, e, lease(t, e, st.ID))
	if v := info(t, e, st.ID); v.State != types.StudyStopped {
		t.Fatalf("after 2 failures, a restart and a third one: %s, want stopped", v.State)
	}
	open(t, e, s) // the user has mended the program
	for range 2 {
		fail(t, e, lease(t, e, st.ID))
	}
	if v := info(t, e, st.ID); v.State != types.StudyActive {
		t.Errorf("continued, after 2 more failures: %s (%s), want active", v.State, v.Reason)
	}
}

func TestNoTrialStartsAfterTheStudysTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e := start(t, memstore.New())
		s := spec("a", 10)
		s.Budget.Time = types.Duration(time.Minute)
		st := open(t, e, s)
		l := lease(t, e, st.ID)
		time.Sleep(20 * time.Second)
		if _, err := e.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Points: []types.Params{{{Name: "x", Value: 1.0}}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		if _, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(29 * time.Second)
		if _, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if r := status(t, e, st.ID); r.Status != types.LeaseWait {
			t.Errorf("after the study's time, while a trial runs: %+v", r)
		}
		finish(t, e, l, 1)
		if r := status(t, e, st.ID); r.Status != types.LeaseDone {
			t.Errorf("after the study's time: %+v", r)
		}
	})
}

// wallClock is a clock that can jump, as that of a machine does which slept.
type wallClock struct{ jump atomic.Int64 }

func (c *wallClock) now() time.Time { return time.Now().Add(time.Duration(c.jump.Load())) }

func TestSleepOfTheMachineCostsNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		e := start(t, memstore.New(), func(c *engine.Config) { c.Now = clock.now })
		st := open(t, e, spec("a", 10))
		l := lease(t, e, st.ID)
		time.Sleep(10 * time.Second)
		clock.jump.Store(int64(8 * time.Hour))
		time.Sleep(10 * time.Second)
		if r := finish(t, e, l, 1); r.State != types.Completed {
			t.Errorf("a trial that ended after the machine had slept: %+v", r)
		}
		// Leases end all the same.
		lost := lease(t, e, st.ID)
		time.Sleep(time.Minute)
		if got := lease(t, e, st.ID); got.Ref.Trial != lost.Ref.Trial || got.Ref.Attempt != 2 {
			t.Errorf("leased %+v, want the trial whose lease ended", got.Ref)
		}
	})
}

// TestClockThatGoesBackKeepsNoLease: whose worker is silent loses it after a term,
// though its end is hours away by the clock.
func TestClockThatGoesBackKeepsNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		e := start(t, memstore.New(), func(c *engine.Config) { c.Now = clock.now })
		st := open(t, e, spec("a", 10))
		lost, kept := lease(t, e, st.ID), lease(t, e, st.ID)
		time.Sleep(10 * time.Second)
		clock.jump.Store(int64(-8 * time.Hour))
		time.Sleep(engine.DefaultLeaseTTL - 5*time.Second) // since the jump, with the second until it is noticed
		if _, err := e.Report(context.Background(), types.ReportRequest{Ref: kept.Ref, Reports: []types.Report{{Metric: "loss", Value: 1}}}); err != nil {
			t.Errorf("a report after the clock went back: %v", err)
		}
		time.Sleep(10 * time.Second)
		if got := lease(t, e, st.ID); got.Ref.Trial != lost.Ref.Trial || got.Ref.Attempt != 2 {
			t.Errorf("leased %+v, want the trial of the silent worker", got.Ref)
		}
		if r := finish(t, e, kept, 1); r.State != types.Completed {
			t.Errorf("the other worker's trial: %+v", r)
		}
	})
}

// TestLeaseOfAWrongHour: it was given while the clock was hours ahead for a moment.
func TestLeaseOfAWrongHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock wallClock
		e := start(t, memstore.New(), func(c *engine.Config) { c.Now = clock.now })
		st := open(t, e, spec("a", 10))
		clock.jump.Store(int64(8 * time.Hour))
		lost := lease(t, e, st.ID)
		clock.jump.Store(0)
		time.Sleep(engine.DefaultLeaseTTL + 5*time.Second)
		if got := lease(t, e, st.ID); got.Ref.Trial != lost.Ref.Trial || got.Ref.Attempt != 2 {
			t.Errorf("leased %+v, want the trial of the silent worker", got.Ref)
		}
	})
}

// meddled is a store in which something happens while a study is being loaded.
type meddled struct {
	store.Store

	once func()
}

func (m *meddled) Attempts(ctx context.Context, study, number int64) ([]trial.Attempt, error) {
	m.once()
	return m.Store.Attempts(ctx, study, number)
}

// TestTakenOverWhileItIsLoaded: another process, whose clock is ahead, takes the
// study and ends a trial, so that what was read of it before does not fit what is
// read then.
func TestTakenOverWhileItIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		first := start(t, db)
		st := open(t, first, spec("a", 10))
		l := lease(t, first, st.ID)
		closed(t, first)
		second := start(t, &meddled{db, sync.OnceFunc(func() {
			other := start(t, db, func(c *engine.Config) { c.Now = func() time.Time { return time.Now().Add(2 * engine.DefaultOwnerTTL) } })
			finish(t, other, l, 1)
		})})
		if got := lease(t, second, st.ID); got.Ref.Trial != 1 {
			t.Errorf("the other process leased %+v", got.Ref)
		}
	})
}

func TestRenewalKeepsTheLengthThatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db := memstore.New()
		e := start(t, db)
		st := open(t, e, spec("a", 10))
		r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w", TTL: types.Duration(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		ref := r.Leases[0].Ref
		d, err := e.Report(ctx, types.ReportRequest{Ref: ref, Reports: []types.Report{{Metric: "loss", Value: 1}}})
		if err != nil || time.Until(d.Expires) != time.Hour {
			t.Errorf("a report renewed the lease by %v, %v; want an hour", time.Until(d.Expires), err)
		}
		closed(t, e)
		e = start(t, db)
		time.Sleep(40 * time.Minute)
		if r, err := e.Finish(ctx, types.FinishRequest{Ref: ref, Outcome: types.OutcomeCompleted}); err != nil || r.State != types.Completed {
			t.Errorf("within the lease, after a restart: %+v, %v", r, err)
		}
	})
}

func TestLeaseThatIsOverIsNotRenewedWhileItsProcessIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		began, goOn := make(chan struct{}), make(chan struct{})
		e := start(t, memstore.New(), func(c *engine.Config) {
			c.Reclaim = func(context.Context, trial.Attempt) error {
				close(began)
				<-goOn
				return nil
			}
		})
		st := open(t, e, spec("a", 10))
		l := lease(t, e, st.ID)
		<-began // its process is being killed now
		r, err := e.Heartbeat(ctx, types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{{Ref: l.Ref, State: types.AttemptRunning}}})
		if err != nil || r.Decisions[0].Kind != types.StopSuperseded {
			t.Errorf("a sign of life after the lease was told %+v, %v; want superseded", r, err)
		}
		close(goOn)
		synctest.Wait()
		if got := lease(t, e, st.ID); got.Ref.Trial != l.Ref.Trial || got.Ref.Attempt != 2 {
			t.Errorf("leased %+v, want trial %d again", got.Ref, l.Ref.Trial)
		}
	})
}

func TestInterruptedAttemptThatVanishesIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e := start(t, memstore.New())
		st := open(t, e, spec("a", 10))
		for i := range engine.DefaultRetries + 2 {
			l := lease(t, e, st.ID)
			if l.Ref.Trial != 0 {
				t.Fatalf("interrupted %d times, trial 0 was given up", i)
			}
			b := types.Beat{Ref: l.Ref, State: types.Stopping, Stopping: types.StopInterrupt, Reason: "interrupted"}
			if _, err := e.Heartbeat(ctx, types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{b}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // the agent was killed before it could tell the end
		}
	})
}

func TestCancelAfterAnInterruptionAndARestart(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	l := lease(t, e, st.ID)
	b := types.Beat{Ref: l.Ref, State: types.Stopping, Stopping: types.StopInterrupt, Reason: "interrupted"}
	if _, err := e.Heartbeat(ctx, types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{b}}); err != nil {
		t.Fatal(err)
	}
	closed(t, e)
	e = start(t, db)
	if _, err := e.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{0}, Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	r, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeInterrupted})
	if err != nil || r.State != types.Cancelled || r.Reason != "enough" {
		t.Errorf("a trial that was stopped by hand ended as %+v, %v", r, err)
	}
}

func TestNewStudyWhoseCreationWasCutShort(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	s := spec("a", 10)
	s.Space = []byte(`{"parameters":[{"name":"x","type":"float","low":-5.0,"high":5.0,"default":2.0},{"name":"n","type":"int","low":1,"high":8,"default":3}]}`)
	s.Try = []types.Params{{{Name: "x", Value: 1.5}}}
	dry, err := start(t, memstore.New()).Check(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	// The process was killed between the study and its first trials.
	if _, err := db.CreateStudy(ctx, trial.Study{Spec: dry.Spec, SpaceVersion: 1, State: types.StudyActive}); err != nil {
		t.Fatal(err)
	}
	e := start(t, db)
	st := open(t, e, s)
	want := []trial.Origin{trial.FromDefault, trial.FromTry, trial.FromAlgorithm}
	var got []trial.Origin
	for range want {
		tr, err := db.Trial(ctx, st.ID, lease(t, e, st.ID).Ref.Trial)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tr.Origin)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the first trials come from %v, want %v", got, want)
	}
}

// usurped is a store in which another process opens each new study first.
type usurped struct {
	store.Store
	grab func(trial.Study)
}

func (u *usurped) CreateStudy(ctx context.Context, s trial.Study) (trial.Study, error) {
	st, err := u.Store.CreateStudy(ctx, s)
	if err == nil {
		u.grab(st)
	}
	return st, err
}

func TestTwoProcessesOpenANewStudyAtOnce(t *testing.T) {
	db := memstore.New()
	other := start(t, db)
	e := start(t, &usurped{Store: db, grab: func(st trial.Study) {
		s := spec("a", 10)
		s.Seed = 0
		open(t, other, s)
	}})
	st := open(t, e, spec("a", 10))
	if a, b := lease(t, e, st.ID), lease(t, other, st.ID); a.Ref.Trial == b.Ref.Trial {
		t.Errorf("both lead to trial %d", a.Ref.Trial)
	}
}

// slowEvents is a store whose Events waits.
type slowEvents struct {
	store.Store
	began, goOn chan struct{}
}

func (s *slowEvents) Events(ctx context.Context, study, from int64, yield func(store.StoredEvent) error) error {
	close(s.began)
	<-s.goOn
	return s.Store.Events(ctx, study, from, yield)
}

func TestCloseGivesUpAStudyThatIsBeingLoaded(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	first := start(t, db)
	st := open(t, first, spec("a", 10))
	closed(t, first)
	slow := &slowEvents{Store: db, began: make(chan struct{}), goOn: make(chan struct{})}
	e := start(t, slow)
	leased := make(chan error)
	go func() {
		_, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"})
		leased <- err
	}()
	<-slow.began
	closed(t, e)
	close(slow.goOn)
	if err := <-leased; types.CodeOf(err) != types.Unavailable {
		t.Errorf("a lease while the engine closes: %v", err)
	}
	row, err := db.StudyByID(ctx, st.ID)
	if err != nil || row.Owner != "" {
		t.Errorf("the closed engine still owns the study as %q, %v", row.Owner, err)
	}
}
