package inproc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
	"github.com/gotuner/tuner/trial/executor/executortest"
)

func TestConformance(t *testing.T) {
	var tasks sync.Map // by trial number
	next := int64(0)
	executortest.Run(t, executortest.Harness{
		New: func(t testing.TB, _ string) executor.Executor {
			return New(func(ctx context.Context, lease types.Lease) error {
				task, ok := tasks.Load(lease.Ref.Trial)
				if !ok {
					return fmt.Errorf("there is no task for the lease of trial %d", lease.Ref.Trial)
				}
				return task.(executortest.Task).Do(ctx)
			}, Config{})
		},
		Capabilities: Capabilities(),
		Spec: func(_ testing.TB, id string, task executortest.Task) executor.Spec {
			next++
			spec := executor.Spec{ID: id}
			spec.Lease.Ref.Trial = next
			tasks.Store(spec.Lease.Ref.Trial, task)
			return spec
		},
	})
}

// runOnce runs one attempt to its end.
func runOnce(t *testing.T, fn Func) executor.Status {
	t.Helper()
	e := New(fn, Config{})
	h, err := e.Start(t.Context(), executor.Spec{ID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	st, err := e.Wait(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return st
}

func explode(context.Context, types.Lease) error { panic("boom") }

func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		fn   Func
		exit int
		says []string
	}{
		"nil":    {func(context.Context, types.Lease) error { return nil }, 0, nil},
		"error":  {func(context.Context, types.Lease) error { return errors.New("no luck") }, 1, []string{"no luck"}},
		"panic":  {explode, 2, []string{"panic: boom", "inproc.explode", "inproc_test.go"}},
		"goexit": {func(context.Context, types.Lease) error { runtime.Goexit(); return nil }, 1, []string{"Goexit"}},
	} {
		st := runOnce(t, c.fn)
		if st.Phase != executor.Ended || st.Exit != c.exit || (st.Err == "") != (c.says == nil) {
			t.Errorf("%s: %+v, want exit code %d", name, st, c.exit)
		}
		for _, want := range c.says {
			if !strings.Contains(st.Err, want) {
				t.Errorf("%s: %q does not say %q", name, st.Err, want)
			}
		}
	}
}

func TestStopCause(t *testing.T) {
	e := New(func(ctx context.Context, _ types.Lease) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}, Config{})
	for _, c := range []struct{ id, want string }{
		{"stopped", (&StopError{Signal: "INT", Grace: time.Minute}).Error()},
		{"closed", ErrClosed.Error()},
	} {
		if _, err := e.Start(t.Context(), executor.Spec{ID: c.id}); err != nil {
			t.Fatal(err)
		}
		if c.id == "closed" {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		} else if err := e.Stop(t.Context(), c.id, "INT", time.Minute); err != nil {
			t.Fatal(err)
		}
		if st, err := e.Wait(t.Context(), c.id); err != nil || st.Err != c.want {
			t.Errorf("%s: %+v, %v; want %q", c.id, st, err, c.want)
		}
	}
}

// TestStartContext: the context of Start is not that of the attempt.
func TestStartContext(t *testing.T) {
	e := New(func(ctx context.Context, _ types.Lease) error { return ctx.Err() }, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := e.Start(ctx, executor.Spec{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if st, err := e.Wait(t.Context(), "a"); err != nil || st.Exit != 0 {
		t.Errorf("Wait = %+v, %v; want ended with 0", st, err)
	}
}

// TestCloseGivesUp: a function that does not heed its context does not block
// Close for ever, and the error says so.
func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		deaf := func(context.Context, types.Lease) error { <-release; return nil }
		e := New(deaf, Config{CloseGrace: 3 * time.Second})
		for _, id := range []string{"a", "b"} {
			if _, err := e.Start(t.Context(), executor.Spec{ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		err := e.Close()
		if types.CodeOf(err) != types.Unavailable || !strings.HasPrefix(err.Error(), "2 attempts") {
			t.Errorf("Close = %v, want an Unavailable error about 2 attempts", err)
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("Close took %v, want 3s", d)
		}
		close(release)
		for _, id := range []string{"a", "b"} {
			if st, err := e.Wait(t.Context(), id); err != nil || st.Exit != 0 {
				t.Errorf("Wait = %+v, %v; want ended with 0", st, err)
			}
		}
		if err := e.Close(); err != nil {
			t.Errorf("Close after all have ended: %v", err)
		}
	})
}

// TestForgets: memory does not grow with the attempts, but nothing is forgotten
// whose end was not told.
func TestForgets(t *testing.T) {
	e := New(func(context.Context, types.Lease) error { return nil }, Config{})
	start := func(id string) {
		t.Helper()
		if _, err := e.Start(t.Context(), executor.Spec{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	start("untold")
	for i := range 2*keepEnded + 10 {
		id := fmt.Sprint(i)
		start(id)
		if st, err := e.Wait(t.Context(), id); err != nil || st.Phase != executor.Ended {
			t.Fatalf("Wait = %+v, %v", st, err)
		}
	}
	if len(e.runs) != keepEnded+1 {
		t.Errorf("%d attempts are remembered, want %d", len(e.runs), keepEnded+1)
	}
	for id, want := range map[string]executor.Phase{
		"untold": executor.Ended, "0": executor.Gone, fmt.Sprint(2*keepEnded + 9): executor.Ended,
	} {
		if st, err := e.Wait(t.Context(), id); err != nil || st.Phase != want {
			t.Errorf("Wait(%s) = %+v, %v; want %s", id, st, err, want)
		}
	}
}

func BenchmarkAttempt(b *testing.B) {
	ids := make([]string, 100_000)
	for i := range ids {
		ids[i] = fmt.Sprint("default/digits/", i, "/1")
	}
	e := New(func(context.Context, types.Lease) error { return nil }, Config{})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := ids[i%len(ids)]
		i++
		if _, err := e.Start(context.Background(), executor.Spec{ID: id}); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Wait(context.Background(), id); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
