package tuner_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

func study(t *testing.T, c *tuner.Client, cfg tuner.Config) *tuner.Study {
	t.Helper()
	s, err := c.Study(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ask(t *testing.T, s *tuner.Study) *tuner.Trial {
	t.Helper()
	tr, err := s.Ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func counts(t *testing.T, s *tuner.Study) types.Counts {
	t.Helper()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Counts
}

func TestAskAndTell(t *testing.T) {
	b := newBowl()
	cfg := b.config("asked", 12)
	cfg.Algorithm, cfg.Objectives = "random", append(cfg.Objectives, tuner.Minimize("size"))
	s := study(t, client(t, local.Memory), cfg)
	want := math.Inf(1)
	for tr, err := range s.Trials(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.ReportMetrics(t.Context(), 0, map[string]float64{"loss": 100, "extra": 1}); err != nil {
			t.Fatal(err)
		}
		v := b.loss(tr)
		switch tr.Number() {
		case 3:
			err = tr.Fail(t.Context(), errors.New("no luck"))
		case 4:
			err = tr.Infeasible(t.Context(), "too large")
		case 5:
			err = tr.Prune(t.Context())
		case 6:
			err = tr.Tell(t.Context(), math.NaN(), 1)
		case 7:
			tr.SetMetric("loss", v)
			tr.SetMetric("size", 2)
			err = tr.Tell(t.Context())
		default:
			err = tr.Tell(t.Context(), v, 2)
		}
		if err != nil {
			t.Fatal(err)
		}
		state, ok := map[int64]types.State{3: types.Failed, 4: types.Infeasible, 5: types.Pruned, 6: types.Infeasible}[tr.Number()]
		if !ok {
			state, want = types.Completed, math.Min(want, v)
		}
		if tr.State() != state {
			t.Errorf("trial %d became %s, want %s", tr.Number(), tr.State(), state)
		}
	}
	if c := counts(t, s); c.Completed != 8 || c.Failed != 1 || c.Infeasible != 2 || c.Pruned != 1 {
		t.Errorf("the counts are %+v", c)
	}
	front, err := s.Front(t.Context())
	if err != nil || len(front) != 1 || front[0].Value != want || front[0].Metrics["size"] != 2 || front[0].Metrics["extra"] != 1 {
		t.Errorf("the front is %+v, %v; the best told was %v", front, err, want)
	}
	if _, err := s.Ask(t.Context()); !errors.Is(err, tuner.ErrDone) || !strings.Contains(err.Error(), "12 trials") {
		t.Errorf("asking after the end: %v", err)
	}
}

func TestMisuseOfATrialIsTold(t *testing.T) {
	b := newBowl()
	s := study(t, client(t, local.Memory), b.config("misused", 5))
	tr := ask(t, s)
	expect := func(what string, err error, code types.Code, words string) {
		t.Helper()
		var e *types.Error
		if !errors.As(err, &e) || e.Code != code || !strings.Contains(err.Error(), words) || e.Remedy == "" {
			t.Errorf("%s: %v, want %s with %q and a remedy", what, err, code, words)
		}
	}
	expect("too many values", tr.Tell(t.Context(), 1, 2), types.Invalid, "2 values")
	expect("no reason", tr.Fail(t.Context(), nil), types.Invalid, "reason")
	if err := tr.Tell(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if tr.Context().Err() == nil || !errors.Is(context.Cause(tr.Context()), tuner.ErrOver) || tr.ShouldStop() {
		t.Errorf("after the end the context is done because of %v, and ShouldStop is %v", context.Cause(tr.Context()), tr.ShouldStop())
	}
	for what, err := range map[string]error{
		"told twice": tr.Tell(t.Context(), 1), "failed after": tr.Fail(t.Context(), errors.New("x")), "pruned after": tr.Prune(t.Context()),
		"reported after": tr.Report(t.Context(), 1, 1), "flushed after": tr.Flush(t.Context()), "given back after": tr.Release(t.Context(), ""),
	} {
		expect(what, err, types.Conflict, "trial 0 is over: it is completed")
	}
	// A loop that forgets to tell is told so, instead of getting the same trial for ever.
	var last error
	n := 0
	for _, err := range s.Trials(t.Context()) {
		n++
		last = err
	}
	expect("a trial that was not told", last, types.Conflict, "trial 1 was not told")
	if c := counts(t, s); n != 2 || c.Queued != 1 || c.Running != 0 {
		t.Errorf("the loop ran %d times and left %+v", n, c)
	}
	// Run tells its trials itself.
	err := s.Run(t.Context(), func(ctx context.Context, tr *tuner.Trial) (float64, error) {
		expect("told within Run", tr.Tell(ctx, 1), types.Conflict, "Run tells")
		return 1, nil
	}, tuner.RunOptions{})
	if err != nil {
		t.Error(err)
	}
}

func TestAskingEndsWithItsContext(t *testing.T) {
	s := study(t, client(t, local.Memory), newBowl().config("waiting", 1))
	first := ask(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	asked := make(chan error, 1)
	go func() {
		_, err := s.Ask(ctx) // the budget runs elsewhere
		asked <- err
	}()
	cancel(enough)
	if err := <-asked; !errors.Is(err, enough) {
		t.Errorf("the asking ended with %v", err)
	}
	if err := first.Tell(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestCloseGivesBackWhatWasAskedFor(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tuner.db")
	c, err := local.Client(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	b := newBowl()
	s := study(t, c, b.config("closed", 2))
	one, two := ask(t, s), ask(t, s)
	asked := make(chan error, 1)
	go func() {
		_, err := s.Ask(t.Context())
		asked <- err
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-asked; !errors.Is(err, tuner.ErrClosed) {
		t.Errorf("who asked got %v", err)
	}
	for _, tr := range []*tuner.Trial{one, two} {
		<-tr.Context().Done()
	}
	s = study(t, client(t, db), tuner.Config{Name: "closed"})
	if got := counts(t, s); got != (types.Counts{Queued: 2}) {
		t.Errorf("after the client was closed: %+v", got)
	}
	if again := ask(t, s); again.Number() != 0 || again.Attempt() != 2 || b.x.Of(again) != b.x.Of(one) {
		t.Errorf("%v, attempt %d has x=%v, want that of before, %v", again, again.Attempt(), b.x.Of(again), b.x.Of(one))
	}
}

// stops counts on a decision that comes from outside: it is waited for.
func stops(t *testing.T, tr *tuner.Trial, kind types.StopKind, reason string) {
	t.Helper()
	select {
	case <-tr.Context().Done():
	case <-time.After(2 * time.Minute):
		t.Fatalf("%v was not stopped", tr)
	}
	var why *tuner.StopError
	if cause := context.Cause(tr.Context()); !errors.As(cause, &why) || why.Kind != kind || !strings.Contains(why.Reason, reason) {
		t.Errorf("%v ended because of %v, want %s (%s)", tr, cause, kind, reason)
	}
	if !tr.ShouldStop() || !strings.Contains(tr.StopReason(), reason) {
		t.Errorf("%v: ShouldStop %v, %q", tr, tr.ShouldStop(), tr.StopReason())
	}
}

func TestATrialIsStoppedFromOutside(t *testing.T) {
	backend, c := engine(t)
	s := study(t, c, newBowl().config("stopped", 10))
	tr := ask(t, s)
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backend.Control(t.Context(), types.ControlRequest{Study: info.ID, Kind: types.StopTrial, Numbers: []int64{0}, Reason: "no use"}); err != nil {
		t.Fatal(err)
	}
	stops(t, tr, types.StopCancelled, "no use")
	if err := tr.Tell(t.Context(), 1); err != nil || tr.State() != types.Cancelled {
		t.Errorf("the cancelled trial became %s, %v", tr.State(), err)
	}
	// The same in Run, without a report.
	err = s.Run(t.Context(), func(ctx context.Context, tr *tuner.Trial) (float64, error) {
		if tr.Number() > 1 {
			return 1, nil
		}
		if _, err := backend.Control(ctx, types.ControlRequest{Study: info.ID, Kind: types.StopTrial, Numbers: []int64{1}, Reason: "no use either"}); err != nil {
			return 0, err
		}
		stops(t, tr, types.StopCancelled, "no use either")
		return 0, context.Cause(ctx)
	}, tuner.RunOptions{})
	if got := counts(t, s); err != nil || got.Cancelled != 2 || got.Completed != 10 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestASupersededTrialDoesNotCount(t *testing.T) {
	backend, c := engine(t)
	s := study(t, c, newBowl().config("superseded", 10))
	tr, other := ask(t, s), ask(t, s)
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Somebody takes over what this worker had, as after its restart.
	if as, err := backend.Adopt(t.Context(), types.AdoptRequest{Study: info.ID, Worker: "here#ask"}); err != nil || len(as) != 2 {
		t.Fatal(as, err)
	}
	if err := tr.Report(t.Context(), 0, 1); types.CodeOf(err) != types.Superseded {
		t.Errorf("a report of a superseded trial: %v", err)
	}
	stops(t, tr, types.StopSuperseded, "superseded")
	if !errors.Is(context.Cause(tr.Context()), tuner.ErrSuperseded) {
		t.Errorf("the cause is %v", context.Cause(tr.Context()))
	}
	stops(t, other, types.StopSuperseded, "superseded") // by its heartbeat
	for range 2 {
		if err := tr.Tell(t.Context(), 1); err == nil {
			t.Error("the result of a superseded trial was taken")
		}
	}
	if got := counts(t, s); got.Running != 2 || got.Completed != 0 {
		t.Errorf("the counts are %+v", got)
	}
}

// engine is a client over an engine that the test reaches too.
func engine(t *testing.T) (tuner.Backend, *tuner.Client) {
	t.Helper()
	l, err := local.Open(t.Context(), local.Config{DB: local.Memory})
	if err != nil {
		t.Fatal(err)
	}
	b := closing{l}
	c := tuner.NewClient(b, "here")
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, c
}

type closing struct{ *local.Local }

func (c closing) Lease(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error) {
	return c.Engine.Lease(ctx, req)
}

func (c closing) Report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	return c.Engine.Report(ctx, req)
}

func (c closing) Heartbeat(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error) {
	return c.Engine.Heartbeat(ctx, req)
}

func (c closing) Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	return c.Engine.Finish(ctx, req)
}

func (c closing) Adopt(ctx context.Context, req types.AdoptRequest) ([]types.Adopted, error) {
	return c.Engine.Adopt(ctx, req)
}

func (c closing) OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return c.Engine.OpenStudy(ctx, spec)
}

func (c closing) Study(ctx context.Context, id int64) (types.Study, error) {
	return c.Engine.Study(ctx, id)
}

func (c closing) Trial(ctx context.Context, study, number int64) (types.Trial, error) {
	return c.Engine.Trial(ctx, study, number)
}

func (c closing) Extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	return c.Engine.Extend(ctx, req)
}

func (c closing) Control(ctx context.Context, req types.ControlRequest) (types.ControlReply, error) {
	return c.Engine.Control(ctx, req)
}
