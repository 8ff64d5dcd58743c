package tuner_test

import (
	"context"
	"errors"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

// bowl is a study of three parameters whose best loss is 0.
type bowl struct {
	space  tuner.Space
	x      tuner.Param[float64]
	n      tuner.Param[int]
	kind   tuner.Param[string]
	detail tuner.Param[float64]
}

func newBowl() *bowl {
	b := &bowl{}
	b.x = tuner.Range(&b.space, "x", -5.0, 5.0)
	b.n = tuner.Range(&b.space, "n", 1, 16, tuner.Log())
	b.kind = tuner.Choice(&b.space, "kind", "flat", "steep")
	b.detail = tuner.Range(&b.space, "detail", 0.0, 1.0, tuner.When(b.kind.Is("steep")))
	b.space.Constrain("x * n <= 40")
	return b
}

func (b *bowl) loss(t *tuner.Trial) float64 {
	x, n := b.x.Of(t), float64(b.n.Of(t))
	v := x*x + math.Abs(n-4)
	if d, ok := b.detail.Lookup(t); ok {
		return v + d
	}
	return v + 0.5
}

func (b *bowl) config(name string, trials int64) tuner.Config {
	return tuner.Config{Name: name, Space: &b.space, Seed: 1, Trials: trials,
		Objectives: []tuner.Objective{tuner.Minimize("loss")}}
}

func client(t *testing.T, db string) *tuner.Client {
	t.Helper()
	c, err := local.Client(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func TestRunFindsTheBowlsBottom(t *testing.T) {
	for _, db := range []string{local.Memory, filepath.Join(t.TempDir(), "tuner.db")} {
		b := newBowl()
		study, err := client(t, db).Study(t.Context(), b.config("bowl", 60))
		if err != nil {
			t.Fatal(err)
		}
		var calls atomic.Int64
		err = study.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
			calls.Add(1)
			return b.loss(tr), nil
		}, tuner.RunOptions{Workers: 3})
		if err != nil {
			t.Fatal(err)
		}
		best, err := study.Best(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if calls.Load() != 60 || best.Value > 3 {
			t.Errorf("%s: %d calls, best %v", db, calls.Load(), best)
		}
	}
}

func TestAStudyGoesOnInTheNextProcess(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tuner.db")
	for _, trials := range []int64{5, 12} {
		c, err := local.Client(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		b := newBowl()
		study, err := c.Study(t.Context(), b.config("bowl", trials))
		if err != nil {
			t.Fatal(err)
		}
		if err := study.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) { return b.loss(tr), nil }, tuner.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		info, err := study.Info(t.Context())
		if err != nil || info.Counts.Completed != trials {
			t.Errorf("%+v, %v; want %d trials", info.Counts, err, trials)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheBestMayLieOutsideOfANarrowedSpace(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tuner.db")
	for i, space := range []string{`{"name":"x","type":"float","low":0.0,"high":0.4}`, `{"name":"x","type":"float","low":0.5,"high":1.0}`} {
		spec := types.StudySpec{Name: "s", Space: []byte(`{"parameters":[` + space + `]}`), Extend: true, Objectives: []types.Objective{tuner.Minimize("loss")},
			Budget: types.Budget{Trials: 3 * int64(i+1)}}
		l, err := local.Open(t.Context(), local.Config{DB: db})
		if err == nil {
			_, err = l.Engine.OpenStudy(t.Context(), spec)
		}
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := local.Client(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		study, err := c.Study(t.Context(), tuner.Config{Name: "s"})
		if err != nil {
			t.Fatal(err)
		}
		x := func(_ context.Context, tr *tuner.Trial) (float64, error) {
			v, _ := tr.Params().Get("x")
			return v.(float64), nil
		}
		if err := study.Run(t.Context(), x, tuner.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		best, err := study.Best(t.Context())
		if err != nil || best.Value > 0.4 || best.OutsideSpace != (i > 0) {
			t.Errorf("space %d: %+v, %v", i+1, best, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHowATrialEnds(t *testing.T) {
	b := newBowl()
	study, err := client(t, local.Memory).Study(t.Context(), b.config("ends", 4))
	if err != nil {
		t.Fatal(err)
	}
	want := []types.State{types.Completed, types.Failed, types.Infeasible, types.Failed}
	got := make([]types.State, len(want))
	reasons := make([]string, len(want))
	err = study.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		switch tr.Number() {
		case 1:
			return 0, errors.New("out of paper")
		case 2:
			return 0, tuner.Infeasible("too large")
		case 3:
			panic("ouch")
		}
		return 1, nil
	}, tuner.RunOptions{OnTrial: func(n int64, s types.State, reason string) { got[n], reasons[n] = s, reason }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("trial %d ended as %s (%s), want %s", i, got[i], reasons[i], want[i])
		}
	}
	if reasons[1] != "out of paper" || reasons[2] != "too large" || !strings.Contains(reasons[3], "panic: ouch") {
		t.Errorf("reasons: %q", reasons)
	}
}

// TestMaxFailures: 0 stops a study whose first three trials all fail, N after N
// failures, -1 never.
func TestMaxFailures(t *testing.T) {
	for most, want := range map[int64]int64{0: 3, 2: 2, 5: 5, -1: 6} {
		b := newBowl()
		cfg := b.config("fails", 6)
		cfg.MaxFailures = most
		study, err := client(t, local.Memory).Study(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		var failed int64
		err = study.Run(t.Context(), func(context.Context, *tuner.Trial) (float64, error) { return 0, errors.New("out of paper") },
			tuner.RunOptions{OnTrial: func(int64, types.State, string) { failed++ }})
		if (err != nil) != (most >= 0) || failed != want {
			t.Errorf("with %d: %d trials failed, want %d; the error is %v", most, failed, want, err)
		}
	}
}

func TestPruning(t *testing.T) {
	b := newBowl()
	cfg := b.config("pruned", 30)
	cfg.Stopper = "median"
	study, err := client(t, local.Memory).Study(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = study.Run(t.Context(), func(ctx context.Context, tr *tuner.Trial) (float64, error) {
		for step := range int64(10) {
			if err := tr.Report(ctx, step, b.loss(tr)+float64(10-step)); err != nil {
				return 0, err
			}
			if tr.ShouldStop() {
				return 0, tuner.ErrPruned
			}
		}
		return b.loss(tr), nil
	}, tuner.RunOptions{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	info, err := study.Info(t.Context())
	if err != nil || info.Counts.Pruned == 0 || info.Counts.Completed < 5 || info.Counts.Spent() != 30 {
		t.Errorf("%+v, %v", info.Counts, err)
	}
}

func TestCancelledRunLeavesItsTrialsInTheQueue(t *testing.T) {
	b := newBowl()
	study, err := client(t, local.Memory).Study(t.Context(), b.config("cancelled", 10))
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	err = study.Run(ctx, func(ctx context.Context, tr *tuner.Trial) (float64, error) {
		if tr.Number() == 2 {
			cancel(enough)
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}
		return b.loss(tr), nil
	}, tuner.RunOptions{})
	if !errors.Is(err, enough) {
		t.Errorf("run returned %v", err)
	}
	info, err := study.Info(t.Context())
	if err != nil || info.Counts != (types.Counts{Completed: 2, Queued: 1}) {
		t.Errorf("%+v, %v", info.Counts, err)
	}
}

func TestBadSpaceIsRefusedWithItsPlace(t *testing.T) {
	var s tuner.Space
	tuner.Range(&s, "lr", 0.0, 1.0, tuner.Log())
	_, err := client(t, local.Memory).Study(t.Context(), tuner.Config{Name: "a", Space: &s, Objectives: []tuner.Objective{tuner.Minimize("loss")}})
	if types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), "lr") {
		t.Errorf("a logarithmic range from 0: %v", err)
	}
}

// Whoever uses the SDK against a server links nothing but the standard library.
func TestTheSDKNeedsTheStandardLibraryOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "github.com/gotuner/tuner").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(path, "github.com/gotuner/tuner") {
			t.Errorf("package tuner depends on %s", path)
		}
	}
}

// A second Run must not take the trials of the first for leftovers of a process
// that is gone.
func TestTwoRunsAtOnceShareTheStudy(t *testing.T) {
	b := newBowl()
	c := client(t, local.Memory)
	study, err := c.Study(t.Context(), b.config("shared", 6))
	if err != nil {
		t.Fatal(err)
	}
	began, goOn := make(chan struct{}), make(chan struct{})
	var calls [6]atomic.Int64
	first := make(chan error, 1)
	go func() {
		first <- study.Run(t.Context(), func(ctx context.Context, tr *tuner.Trial) (float64, error) {
			calls[tr.Number()].Add(1)
			if tr.Number() == 0 {
				close(began)
				select {
				case <-goOn:
				case <-ctx.Done():
					t.Errorf("the first run's trial was stopped: %v", context.Cause(ctx))
				}
			}
			return b.loss(tr), nil
		}, tuner.RunOptions{})
	}()
	<-began
	done := 0
	err = study.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		calls[tr.Number()].Add(1)
		if done++; done == 5 {
			close(goOn)
		}
		return b.loss(tr), nil
	}, tuner.RunOptions{})
	if err := errors.Join(err, <-first); err != nil {
		t.Error(err)
	}
	for i := range calls {
		if n := calls[i].Load(); n != 1 {
			t.Errorf("trial %d ran %d times", i, n)
		}
	}
}

func TestCloseInterruptsWhatRuns(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tuner.db")
	c, err := local.Client(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	b := newBowl()
	study, err := c.Study(t.Context(), b.config("closed", 5))
	if err != nil {
		t.Fatal(err)
	}
	began, ran := make(chan struct{}), make(chan error, 1)
	go func() {
		ran <- study.Run(t.Context(), func(ctx context.Context, _ *tuner.Trial) (float64, error) {
			close(began)
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, tuner.RunOptions{})
	}()
	<-began
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ran; !errors.Is(err, tuner.ErrClosed) {
		t.Errorf("the run returned %v, want that the client was closed", err)
	}
	if err := study.Run(t.Context(), nil, tuner.RunOptions{}); !errors.Is(err, tuner.ErrClosed) {
		t.Errorf("a run after the client was closed: %v", err)
	}
	study, err = client(t, db).Study(t.Context(), tuner.Config{Name: "closed"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := study.Info(t.Context())
	if err != nil || info.Counts != (types.Counts{Queued: 1}) {
		t.Errorf("after the client was closed: %+v, %v", info.Counts, err)
	}
}

func TestMetricsOfAGoroutineThatIsLeftBehind(t *testing.T) {
	b := newBowl()
	study, err := client(t, local.Memory).Study(t.Context(), b.config("left", 20))
	if err != nil {
		t.Fatal(err)
	}
	var left sync.WaitGroup
	err = study.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		first := make(chan struct{})
		left.Go(func() {
			for i := range 500 {
				tr.SetMetric("step", float64(i))
				if i == 0 {
					close(first)
				}
			}
		})
		<-first
		return b.loss(tr), nil
	}, tuner.RunOptions{})
	if err != nil {
		t.Error(err)
	}
	left.Wait()
}
