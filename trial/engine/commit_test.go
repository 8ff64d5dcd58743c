package engine_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

// What the callers hear while commits are under way or fail.

// slowStore is a store whose commits wait, in order, until they are let go, as
// on a busy disk. Everything else is the real memstore.
type slowStore struct {
	store.Store
	mu      sync.Mutex
	slow    bool
	waiting []func(error)
}

func (s *slowStore) hold() {
	s.mu.Lock()
	s.slow = true
	s.mu.Unlock()
}

func (s *slowStore) Submit(b store.Batch) <-chan error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.slow {
		return s.Store.Submit(b)
	}
	// What a batch points to is read now: an identical store takes it.
	done := make(chan error, 1)
	frozen := freeze(b)
	s.waiting = append(s.waiting, func(err error) {
		if err == nil {
			err = s.Commit(context.Background(), frozen)
		}
		done <- err
	})
	return done
}

// release lets the commits go on, the first with an error unless that is nil.
func (s *slowStore) release(first error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.waiting {
		if i > 0 {
			first = nil
		}
		f(first)
	}
	s.waiting, s.slow = nil, false
}

func (s *slowStore) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}

// freeze copies what the mutations point to.
func freeze(b store.Batch) store.Batch {
	ms := make([]store.Mutation, len(b.Mutations))
	for i, m := range b.Mutations {
		switch m := m.(type) {
		case store.AddTrial:
			t := *m.Trial
			ms[i] = store.AddTrial{Trial: &t}
		case store.UpdateTrial:
			t := *m.Trial
			ms[i] = store.UpdateTrial{Trial: &t}
		case store.PutAttempt:
			a := *m.Attempt
			ms[i] = store.PutAttempt{Attempt: &a}
		default:
			ms[i] = m
		}
	}
	b.Mutations = ms
	return b
}

var errFull = types.Errorf(types.Unavailable, "the disk is full")

func completed(l types.Lease, loss float64) types.FinishRequest {
	return types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": types.Float(loss)}}
}

// whileSlow runs f in a bubble with an engine over a slow store.
func whileSlow(t *testing.T, f func(t *testing.T, db *slowStore, e *engine.Engine, study int64)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db := &slowStore{Store: memstore.New()}
		e := start(t, db)
		f(t, db, e, open(t, e, spec("a", 10)).ID)
	})
}

func TestNobodyHearsOfAConflictBehindAFailedCommit(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		first, second := lease(t, e, study), lease(t, e, study)
		db.hold()
		errs := make(chan error, 2)
		for _, l := range []types.Lease{first, second} {
			go func() {
				_, err := e.Finish(context.Background(), completed(l, 1))
				errs <- err
			}()
			synctest.Wait()
		}
		db.release(errFull)
		for range 2 {
			if err := <-errs; err != nil && types.CodeOf(err) != types.Unavailable {
				t.Errorf("finish: %v; want success, or that it can be tried again", err)
			}
		}
		for _, l := range []types.Lease{first, second} {
			if r := finish(t, e, l, 1); r.State != types.Completed {
				t.Errorf("tried again: %+v", r)
			}
		}
	})
}

func TestFailureOfACommitThatNobodyWaitsForIsNoticed(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		l := lease(t, e, study)
		db.hold()
		ctx, cancel := context.WithCancel(context.Background())
		beat := types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{{Ref: l.Ref, State: types.AttemptRunning, Handle: "h"}}}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if _, err := e.Heartbeat(ctx, beat); err == nil {
				t.Error("the heartbeat was answered although its caller had gone")
			}
		}()
		synctest.Wait()
		cancel()
		<-gone
		db.release(errFull)
		synctest.Wait()
		if _, err := e.Heartbeat(context.Background(), beat); err != nil {
			t.Fatal(err)
		}
		as, err := db.Attempts(context.Background(), study, l.Ref.Trial)
		if err != nil || as[0].Handle != "h" {
			t.Errorf("the handle told again is stored as %q, %v", as[0].Handle, err)
		}
	})
}

// during starts call, and checks that it is not answered before the commits
// under way are stored.
func during(t *testing.T, db *slowStore, what string, call func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	synctest.Wait()
	select {
	case err := <-done:
		t.Errorf("%s was answered (%v) before it was stored", what, err)
		done <- err
	default:
	}
	db.release(nil)
	if err := <-done; err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func TestRepeatedFinishWaitsForTheFirst(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		l := lease(t, e, study)
		db.hold()
		go func() {
			if _, err := e.Finish(context.Background(), completed(l, 1)); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		var r types.FinishReply
		during(t, db, "the second finish", func() (err error) {
			r, err = e.Finish(context.Background(), completed(l, 1))
			return err
		})
		if r.State != types.Completed || r.Value == nil || *r.Value != 1 {
			t.Errorf("the second finish was answered %+v", r)
		}
	})
}

func TestFlushWaitsForReportsUnderWay(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		l := lease(t, e, study)
		db.hold()
		if _, err := e.Report(context.Background(), types.ReportRequest{Ref: l.Ref, Buffered: true, Reports: []types.Report{{Metric: "loss", Value: 1}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // the engine writes what is buffered
		if db.queued() != 1 {
			t.Fatalf("%d commits are under way, want that of the report", db.queued())
		}
		during(t, db, "flush", func() error {
			_, err := e.Report(context.Background(), types.ReportRequest{Ref: l.Ref})
			return err
		})
	})
}

func TestDecisionToStopIsStoredBeforeItIsTold(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		l := lease(t, e, study)
		db.hold()
		go func() {
			if _, err := e.Control(context.Background(), types.ControlRequest{Study: study, Kind: types.StopTrial, Numbers: []int64{l.Ref.Trial}}); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		during(t, db, "the heartbeat", func() error {
			r, err := e.Heartbeat(context.Background(), types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{{Ref: l.Ref}}})
			if err == nil && !r.Decisions[0].Stop {
				t.Error("the heartbeat was not told to stop")
			}
			return err
		})
	})
}

func TestDecisionToStopIsStoredBeforeAReportHearsOfIt(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		l := lease(t, e, study)
		db.hold()
		go func() {
			if _, err := e.Control(context.Background(), types.ControlRequest{Study: study, Kind: types.StopTrial, Numbers: []int64{l.Ref.Trial}}); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		during(t, db, "the report", func() error {
			d, err := e.Report(context.Background(), types.ReportRequest{Ref: l.Ref, Buffered: true, Reports: []types.Report{{Metric: "loss", Value: 1}}})
			if err == nil && !d.Stop {
				t.Error("the report was not told to stop")
			}
			return err
		})
	})
}

func TestLeaseIsNotLostToACallerThatGivesUp(t *testing.T) {
	whileSlow(t, func(t *testing.T, db *slowStore, e *engine.Engine, study int64) {
		db.hold()
		ctx, cancel := context.WithCancel(context.Background())
		var r types.LeaseReply
		done := make(chan error, 1)
		go func() {
			var err error
			r, err = e.Lease(ctx, types.LeaseRequest{Study: study, Worker: "w", Wait: types.Duration(time.Minute)})
			done <- err
		}()
		synctest.Wait()
		cancel() // the trial is leased already; only the commit is under way
		synctest.Wait()
		db.release(nil)
		if err := <-done; err != nil || r.Status != types.LeaseGranted {
			t.Errorf("got %+v, %v; the trial would run nowhere until its lease ends", r, err)
		}
	})
}

func TestStudyOpenedByManyAtOnce(t *testing.T) {
	e := start(t, memstore.New())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range int64(20) {
				s := spec("a", 10+i%2)
				if _, err := e.OpenStudy(context.Background(), s); err != nil {
					t.Errorf("open: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
