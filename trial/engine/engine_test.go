package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
)

const plane = `{"parameters":[{"name":"x","type":"float","low":-5.0,"high":5.0},{"name":"n","type":"int","low":1,"high":8}]}`

// spec is a study of two parameters and n trials.
func spec(name string, n int64) types.StudySpec {
	return types.StudySpec{Name: name, Space: json.RawMessage(plane), Seed: 7,
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
		Algorithm:  types.Component{Name: "random"}, Budget: types.Budget{Trials: n}}
}

var owners atomic.Int64

// start runs an engine over db until the test ends.
func start(t *testing.T, db store.Store, change ...func(*engine.Config)) *engine.Engine {
	t.Helper()
	var tokens atomic.Int64
	me := owners.Add(1)
	cfg := engine.Config{
		Store: db, Owner: fmt.Sprintf("owner-%d", me), Addr: "here", Now: time.Now,
		NewSuggester: func(c types.Component, sc suggest.Config) (suggest.Suggester, error) {
			return suggest.New(suggest.Registry{random.Algorithm()}, c, sc)
		},
		NewStopper: earlystop.New,
		NewSeed:    func() int64 { return 42 },
		NewToken:   func() string { return fmt.Sprintf("t%d-%d", me, tokens.Add(1)) },
	}
	for _, f := range change {
		f(&cfg)
	}
	e := engine.New(cfg)
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			t.Errorf("close the engine: %v", err)
		}
	})
	return e
}

func open(t *testing.T, e *engine.Engine, s types.StudySpec) types.Study {
	t.Helper()
	v, err := e.OpenStudy(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func lease(t *testing.T, e *engine.Engine, study int64) types.Lease {
	t.Helper()
	r, err := e.Lease(context.Background(), types.LeaseRequest{Study: study, Worker: "w"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != types.LeaseGranted {
		t.Fatalf("no trial: %s, %s", r.Status, r.Reason)
	}
	return r.Leases[0]
}

func finish(t *testing.T, e *engine.Engine, l types.Lease, loss float64) types.FinishReply {
	t.Helper()
	r, err := e.Finish(context.Background(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted,
		Metrics: map[string]types.Float{"loss": types.Float(loss)}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func lossOf(p types.Params) float64 {
	x, _ := p.Get("x")
	return x.(float64) * x.(float64)
}

func TestBudgetIsSpentExactlyByManyWorkers(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 200))
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for {
				r, err := e.Lease(context.Background(), types.LeaseRequest{Study: st.ID, Worker: fmt.Sprint(w), Wait: types.Duration(time.Minute)})
				if err != nil {
					t.Error(err)
					return
				}
				if r.Status != types.LeaseGranted {
					return
				}
				finish(t, e, r.Leases[0], lossOf(r.Leases[0].Params))
			}
		})
	}
	wg.Wait()
	v, err := e.Study(context.Background(), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	if v.Counts != (types.Counts{Completed: 200}) || v.State != types.StudyFinished {
		t.Errorf("got %+v, %s", v.Counts, v.State)
	}
	trials, _, err := db.ListTrials(context.Background(), st.ID, store.TrialFilter{Sort: store.SortNumber})
	if err != nil {
		t.Fatal(err)
	}
	best := math.Inf(1)
	for i, tr := range trials {
		if tr.Number != int64(i) {
			t.Fatalf("trial %d has number %d", i, tr.Number)
		}
		best = min(best, tr.Metrics["loss"])
	}
	if got := trials[v.Best[0]].Metrics["loss"]; got != best {
		t.Errorf("best is trial %d with %v, want %v", v.Best[0], got, best)
	}
}

func TestCallsAreIdempotent(t *testing.T) {
	ctx := context.Background()
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 10))
	req := types.LeaseRequest{Study: st.ID, Worker: "w", Key: "k"}
	first, err := e.Lease(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.Lease(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first.Leases[0].Ref, again.Leases[0].Ref); d != "" {
		t.Errorf("the same key leased another trial:\n%s", d)
	}
	fin := types.FinishRequest{Ref: first.Leases[0].Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": 1}}
	for range 2 {
		r, err := e.Finish(ctx, fin)
		if err != nil || r.State != types.Completed {
			t.Errorf("finish: %+v, %v", r, err)
		}
	}
	fin.Ref.Token = "forged"
	if _, err := e.Finish(ctx, fin); types.CodeOf(err) != types.Superseded {
		t.Errorf("finish with another token: %v, want superseded", err)
	}
}

func TestOutcomes(t *testing.T) {
	nan := types.Float(math.NaN())
	for _, c := range []struct {
		name   string
		req    types.FinishRequest
		state  types.State
		reason string
	}{
		{"value", types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": 1}}, types.Completed, ""},
		{"NaN", types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": nan}}, types.Infeasible, "loss is NaN"},
		{"nothing", types.FinishRequest{Outcome: types.OutcomeCompleted}, types.Failed,
			"the trial ended without reporting loss; it reported no metric at all"},
		{"another metric", types.FinishRequest{Outcome: types.OutcomeCompleted, Reports: []types.Report{{Metric: "acc", Value: 1}}},
			types.Failed, "the trial ended without reporting loss; it reported acc"},
		{"failure", types.FinishRequest{Outcome: types.OutcomeFailed, Reason: "exit code 1"}, types.Failed, "exit code 1"},
		{"infeasible", types.FinishRequest{Outcome: types.OutcomeInfeasible, Reason: "too large"}, types.Infeasible, "too large"},
		{"interrupted", types.FinishRequest{Outcome: types.OutcomeInterrupted, Reason: "Ctrl-C"}, types.Queued, "Ctrl-C"},
		{"lost", types.FinishRequest{Outcome: types.OutcomeLost, Reason: "gone"}, types.Queued, "gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := start(t, memstore.New())
			l := lease(t, e, open(t, e, spec("a", 3)).ID)
			c.req.Ref = l.Ref
			r, err := e.Finish(context.Background(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			if r.State != c.state || r.Reason != c.reason {
				t.Errorf("got %s %q, want %s %q", r.State, r.Reason, c.state, c.reason)
			}
		})
	}
}

func TestLostTrialIsHandedOutAgainWithTheSamePoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		e := start(t, memstore.New(), func(c *engine.Config) { c.LeaseTTL = 10 * time.Second })
		st := open(t, e, spec("a", 1))
		first := lease(t, e, st.ID)
		time.Sleep(8 * time.Second)
		if _, err := e.Report(ctx, types.ReportRequest{Ref: first.Ref, Reports: []types.Report{{Metric: "loss", Value: 3}}}); err != nil {
			t.Fatalf("a report within the lease: %v", err)
		}
		waiting := make(chan types.LeaseReply)
		go func() {
			r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "v", Wait: types.Duration(time.Hour)})
			if err != nil {
				t.Error(err)
			}
			waiting <- r
		}()
		time.Sleep(8 * time.Second)
		select {
		case r := <-waiting:
			t.Fatalf("the report did not renew the lease: %+v", r)
		default:
		}
		second := (<-waiting).Leases[0]
		if second.Ref.Trial != first.Ref.Trial || second.Ref.Attempt != 2 || !slices.Equal(second.Params, first.Params) {
			t.Errorf("second lease %+v, first %+v", second, first)
		}
		if _, err := e.Report(ctx, types.ReportRequest{Ref: first.Ref, Reports: []types.Report{{Metric: "loss", Value: 0}}}); types.CodeOf(err) != types.Superseded {
			t.Errorf("a report of the lost attempt: %v, want superseded", err)
		}
		if r := finish(t, e, second, 2); r.State != types.Completed {
			t.Errorf("second attempt: %+v", r)
		}
	})
}

func TestTrialThatIsLostTooOftenFails(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 3))
	for i := range engine.DefaultRetries + 1 {
		r, err := e.Finish(context.Background(), types.FinishRequest{Ref: lease(t, e, st.ID).Ref, Outcome: types.OutcomeLost, Reason: "gone"})
		if err != nil {
			t.Fatal(err)
		}
		if want := i == engine.DefaultRetries; (r.State == types.Failed) != want {
			t.Errorf("after %d lost attempts: %s", i+1, r.State)
		}
	}
}

func TestRestartContinuesWhereItWas(t *testing.T) {
	ctx := context.Background()
	run := func(restart bool) []types.Params {
		db := memstore.New()
		e := start(t, db)
		st := open(t, e, spec("a", 30))
		var out []types.Params
		var held []types.Lease
		for i := range 20 {
			if restart && i%3 == 0 {
				if err := e.Close(ctx); err != nil {
					t.Fatal(err)
				}
				e = start(t, db)
			}
			l := lease(t, e, st.ID)
			out = append(out, l.Params)
			if held = append(held, l); len(held) > 3 { // the oldest three run on
				finish(t, e, held[3], lossOf(held[3].Params))
				held = held[:3]
			}
		}
		v, err := e.Study(ctx, st.ID)
		if err != nil {
			t.Fatal(err)
		}
		if v.Counts != (types.Counts{Running: 3, Completed: 17}) {
			t.Errorf("counts after the run: %+v", v.Counts)
		}
		return out
	}
	if d := cmp.Diff(run(false), run(true)); d != "" {
		t.Errorf("restarts changed the proposals:\n%s", d)
	}
}

func TestAdoption(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 5))
	l := lease(t, e, st.ID)
	if _, err := e.Heartbeat(ctx, types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{{Ref: l.Ref, State: types.AttemptRunning, Handle: "h", Dir: "/d"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Cursor: "c1", Reports: []types.Report{{Metric: "loss", Step: 4, Value: 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = start(t, db)
	got, err := e.Adopt(ctx, types.AdoptRequest{Study: st.ID, Worker: "w"})
	if err != nil || len(got) != 1 {
		t.Fatalf("adopted %+v, %v", got, err)
	}
	a := got[0]
	ref := a.Lease.Ref
	if a.Handle != "h" || a.Dir != "/d" || a.Cursor != "c1" || ref.Trial != l.Ref.Trial || ref.Attempt != 1 {
		t.Errorf("adopted %+v", a)
	}
	if got, err := e.Adopt(ctx, types.AdoptRequest{Study: st.ID, Worker: "stranger"}); err != nil || len(got) != 0 {
		t.Errorf("a stranger adopted %+v, %v", got, err)
	}
	// What the dead worker had sent does not count beside what its heir reads.
	if _, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Cursor: "c2", Reports: []types.Report{{Metric: "loss", Step: 5, Value: 1}}}); types.CodeOf(err) != types.Superseded {
		t.Errorf("a late report: %v, want superseded", err)
	}
	if _, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed}); types.CodeOf(err) != types.Superseded {
		t.Errorf("a late end: %v, want superseded", err)
	}
	// The value is what was reported before the restart, and the adoption holds
	// over another one.
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = start(t, db)
	r, err := e.Finish(ctx, types.FinishRequest{Ref: ref, Outcome: types.OutcomeCompleted})
	if err != nil || r.State != types.Completed {
		t.Fatalf("finish: %+v, %v", r, err)
	}
	tr, err := db.Trial(ctx, st.ID, l.Ref.Trial)
	if err != nil || tr.Metrics["loss"] != 2 || tr.Step != 4 {
		t.Errorf("trial %+v, %v", tr, err)
	}
}

func TestGuestWorksThroughTheOwnerAndTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db := memstore.New()
		owner := start(t, db)
		st := open(t, owner, spec("a", 4))
		guest := start(t, db)
		if v := open(t, guest, spec("a", 6)); !v.Continued || v.Spec.Budget.Trials != 6 {
			t.Errorf("the guest joined %+v", v)
		}
		l := lease(t, guest, st.ID)
		if o := lease(t, owner, st.ID); o.Ref.Trial == l.Ref.Trial {
			t.Fatal("owner and guest hold the same trial")
		}
		if r := finish(t, guest, l, 1); r.State != types.Completed {
			t.Errorf("guest's trial: %+v", r)
		}
		_, err := guest.Finish(ctx, types.FinishRequest{Ref: types.AttemptRef{Study: st.ID, Trial: 99}})
		if types.CodeOf(err) != types.NotFound {
			t.Errorf("an error through the mailbox: %v, want not found", err)
		}
		if err := owner.Close(ctx); err != nil {
			t.Fatal(err)
		}
		if l := lease(t, guest, st.ID); l.Ref.Trial != 2 {
			t.Errorf("after the takeover the guest leased trial %d, want 2", l.Ref.Trial)
		}
	})
}

func TestSupersededOwnerReloads(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	old := start(t, db, func(c *engine.Config) { c.OwnerTTL = time.Hour })
	st := open(t, old, spec("a", 10))
	held := lease(t, old, st.ID)
	// Another owner appears although the first is alive, as after a long pause of
	// the first one's machine.
	usurper := start(t, db, func(c *engine.Config) { c.OwnerDead = func(owner string) bool { return owner != "w" } })
	other := lease(t, usurper, st.ID)
	if other.Ref.Trial == held.Ref.Trial {
		t.Fatal("the new owner handed out a trial that runs")
	}
	// Who asked it may have asked the new owner meanwhile, so it hands out nothing
	// in that one's name.
	if _, err := old.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"}); types.CodeOf(err) != types.Unavailable {
		t.Errorf("a lease of the superseded owner: %v", err)
	}
	l := lease(t, old, st.ID)
	if l.Ref.Trial == other.Ref.Trial || l.Ref.Trial == held.Ref.Trial {
		t.Errorf("the superseded owner handed out trial %d twice", l.Ref.Trial)
	}
	finish(t, old, held, 1)
	v, err := usurper.Study(ctx, st.ID)
	if err != nil || v.Counts != (types.Counts{Running: 2, Completed: 1}) {
		t.Errorf("the new owner knows %+v, %v", v.Counts, err)
	}
}

func TestMedianPrunes(t *testing.T) {
	ctx := context.Background()
	e := start(t, memstore.New())
	s := spec("a", 20)
	s.Stopper = types.Component{Name: "median"}
	st := open(t, e, s)
	for range 6 {
		l := lease(t, e, st.ID)
		if _, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Step: 1, Value: 1}, {Metric: "loss", Step: 2, Value: 1}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted}); err != nil {
			t.Fatal(err)
		}
	}
	l := lease(t, e, st.ID)
	told := make(chan types.HeartbeatReply)
	go func() {
		r, err := e.Heartbeat(ctx, types.HeartbeatRequest{Worker: "w", Wait: types.Duration(time.Minute), Beats: []types.Beat{{Ref: l.Ref, State: types.AttemptRunning}}})
		if err != nil {
			t.Error(err)
		}
		told <- r
	}()
	d, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Step: 1, Value: 2}}})
	if err != nil || !d.Stop || d.Kind != types.StopPruned || d.Reason == "" {
		t.Fatalf("decision %+v, %v", d, err)
	}
	if r := <-told; !r.Decisions[0].Stop {
		t.Errorf("the waiting heartbeat was told %+v", r)
	}
	exit := 143
	r, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed, Reason: "exit code 143", Exit: &exit})
	if err != nil || r.State != types.Pruned || r.Reason != d.Reason {
		t.Errorf("a pruned trial ended as %+v, %v; want pruned: %s", r, err, d.Reason)
	}
}

func TestControl(t *testing.T) {
	ctx := context.Background()
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 4))
	do := func(req types.ControlRequest) types.ControlReply {
		t.Helper()
		req.Study = st.ID
		r, err := e.Control(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	point := types.Params{{Name: "x", Value: 0.5}, {Name: "n", Value: int64(3)}}
	if r := do(types.ControlRequest{Kind: types.Enqueue, Points: []types.Params{point}}); !slices.Equal(r.Numbers, []int64{0}) {
		t.Errorf("enqueued as %v", r.Numbers)
	}
	l := lease(t, e, st.ID)
	if d := cmp.Diff(point, l.Params); d != "" {
		t.Errorf("the enqueued point was not handed out first:\n%s", d)
	}
	do(types.ControlRequest{Kind: types.PauseStudy})
	if r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"}); err != nil || r.Status != types.LeaseWait {
		t.Errorf("a paused study answered %+v, %v", r, err)
	}
	do(types.ControlRequest{Kind: types.ResumeStudy})
	r := do(types.ControlRequest{Kind: types.Import, Trials: []types.FinishedTrial{{Params: types.Params{{Name: "x", Value: 1.5}, {Name: "n", Value: int64(1)}},
		State: types.Completed, Metrics: map[string]types.Float{"loss": -1}}}})
	if !slices.Equal(r.Study.Best, r.Numbers) || r.Study.Counts.Completed != 1 {
		t.Errorf("after the import: %+v", r)
	}
	do(types.ControlRequest{Kind: types.StopTrial, Numbers: []int64{l.Ref.Trial}, Reason: "enough"})
	hb, err := e.Heartbeat(ctx, types.HeartbeatRequest{Worker: "w", Beats: []types.Beat{{Ref: l.Ref}}})
	if err != nil || hb.Decisions[0].Kind != types.StopCancelled {
		t.Errorf("the holder of a stopped trial was told %+v, %v", hb, err)
	}
	if f := finish(t, e, l, 1); f.State != types.Cancelled {
		t.Errorf("a stopped trial ended as %s", f.State)
	}
	if _, err := e.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Points: []types.Params{{{Name: "x", Value: 99.0}}}}); types.CodeOf(err) != types.Invalid {
		t.Errorf("enqueue out of range: %v", err)
	}
	do(types.ControlRequest{Kind: types.StopStudy})
	if r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"}); err != nil || r.Status != types.LeaseDone {
		t.Errorf("a stopped study answered %+v, %v", r, err)
	}
	do(types.ControlRequest{Kind: types.RemoveStudy})
	if _, err := e.Study(ctx, st.ID); types.CodeOf(err) != types.NotFound {
		t.Errorf("a removed study: %v", err)
	}
}

func TestContinueRefusesWhatDiffers(t *testing.T) {
	ctx := context.Background()
	e := start(t, memstore.New())
	open(t, e, spec("a", 4))
	wide := spec("a", 4)
	wide.Space = json.RawMessage(`{"parameters":[{"name":"x","type":"float","low":-9.0,"high":5.0},{"name":"n","type":"int","low":1,"high":8}]}`)
	other := spec("a", 4)
	other.Objectives[0].Goal = types.Maximize
	run := spec("a", 4)
	run.Run = &types.RunSpec{Command: []string{"true"}}
	for _, s := range []types.StudySpec{wide, other, run} {
		_, err := e.OpenStudy(ctx, s)
		if types.CodeOf(err) != types.Conflict {
			t.Errorf("continued with a difference: %v", err)
		}
	}
	wide.Extend = true
	v, err := e.OpenStudy(ctx, wide)
	if err != nil || v.SpaceVersion != 2 {
		t.Errorf("extend: version %d, %v", v.SpaceVersion, err)
	}
	if v := open(t, e, types.StudySpec{Name: "a"}); v.SpaceVersion != 2 || v.Spec.Budget.Trials != 4 {
		t.Errorf("continued by name alone: %+v", v)
	}
}

func TestFirstFailuresStopTheStudy(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 10))
	for range engine.FirstFailures {
		if _, err := e.Finish(context.Background(), types.FinishRequest{Ref: lease(t, e, st.ID).Ref, Outcome: types.OutcomeFailed, Reason: "exit code 2"}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := e.Lease(context.Background(), types.LeaseRequest{Study: st.ID, Worker: "w"})
	if err != nil || r.Status != types.LeaseDone || r.Reason != "the first 3 trials all failed" {
		t.Errorf("after three failures: %+v, %v", r, err)
	}
}

// failing is a store whose commits fail while broken is set, as on a full disk.
// Everything else is the real memstore.
type failing struct {
	store.Store
	broken atomic.Bool
}

func (f *failing) Submit(b store.Batch) <-chan error {
	if f.broken.Load() {
		c := make(chan error, 1)
		c <- types.Errorf(types.Unavailable, "the disk is full")
		return c
	}
	return f.Store.Submit(b)
}

func TestFailedCommitLeavesNothingBehind(t *testing.T) {
	ctx := context.Background()
	db := &failing{Store: memstore.New()}
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	l := lease(t, e, st.ID)
	db.broken.Store(true)
	if _, err := e.Finish(ctx, types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": 1}}); types.CodeOf(err) != types.Unavailable {
		t.Fatalf("finish on a full disk: %v", err)
	}
	if _, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"}); types.CodeOf(err) != types.Unavailable {
		t.Fatalf("lease on a full disk: %v", err)
	}
	db.broken.Store(false)
	if r := finish(t, e, l, 1); r.State != types.Completed {
		t.Errorf("finish after the disk has room: %+v", r)
	}
	if l := lease(t, e, st.ID); l.Ref.Trial != 1 {
		t.Errorf("the next trial is %d, want 1: a number was lost", l.Ref.Trial)
	}
}
