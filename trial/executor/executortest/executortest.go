// Package executortest is the conformance suite of executors: whoever runs
// attempts passes it. It runs the real thing, processes where the executor runs
// processes.
package executortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// Task is what an attempt of the suite does, whether it is a process or a
// function: it appends a byte to Count, waits until Until exists or it is
// stopped, and ends.
type Task struct {
	// Count is the path of a file.
	Count string
	// Until is the path of a file to wait for, "" not to wait.
	Until string
	// Fail ends it with exit code 1 or an error.
	Fail bool
}

// Do is a Task as a function, for executors that run functions.
func (k Task) Do(ctx context.Context) error {
	f, err := os.OpenFile(k.Count, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString("x"); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for k.Until != "" {
		if _, err := os.Stat(k.Until); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	if k.Fail {
		return errors.New("the task fails, as it was told")
	}
	return nil
}

// Harness tells the suite how to use an executor.
type Harness struct {
	// New returns an executor over the state folder dir, which several may use
	// one after another and at once. The suite closes it.
	New func(t testing.TB, dir string) executor.Executor
	// Capabilities are those of the executor.
	Capabilities executor.Capabilities
	// Spec returns what runs the task as the attempt id. nil: processes.
	Spec func(t testing.TB, id string, task Task) executor.Spec
	// Helper is the argv that calls Helper with the arguments that follow.
	// Required for executors of processes.
	Helper []string
	// AddedEnv are the names of environment variables that the executor adds.
	AddedEnv []string
	// KillSupervisor kills, with SIGKILL, what watches the attempts of the state
	// folder dir and returns when it is dead. nil: there is no such process.
	KillSupervisor func(t testing.TB, dir string)
}

// deadline is how long the suite waits for what must happen.
const deadline = 20 * time.Second

// suite is the state of one test.
type suite struct {
	Harness
	t    *testing.T
	root string // a folder of the test
	ex   executor.Executor
	ids  int
}

func (h Harness) suite(t *testing.T) *suite {
	s := &suite{Harness: h, t: t, root: t.TempDir()}
	s.ex = s.open()
	return s
}

// open returns another executor over the test's state folder.
func (s *suite) open() executor.Executor {
	ex := s.New(s.t, filepath.Join(s.root, "state"))
	s.t.Cleanup(func() {
		if err := ex.Close(); err != nil {
			s.t.Errorf("Close: %v", err)
		}
	})
	return ex
}

func (s *suite) path(name string) string { return filepath.Join(s.root, name) }

// spec returns a new attempt that does the task.
func (s *suite) spec(task Task) executor.Spec {
	s.t.Helper()
	if task.Count == "" {
		task.Count = s.path("count")
	}
	if s.Spec == nil {
		return s.process(taskScript, task.Count, task.Until, fmt.Sprint(task.Fail))
	}
	s.ids++
	return s.Spec(s.t, fmt.Sprintf("%s/%d", s.t.Name(), s.ids), task)
}

func (s *suite) start(spec executor.Spec) string {
	s.t.Helper()
	h, err := s.ex.Start(s.t.Context(), spec)
	if err != nil {
		s.t.Fatalf("Start: %v", err)
	}
	return h
}

func (s *suite) wait(handle string) executor.Status {
	s.t.Helper()
	return waitFor(s.t, s.ex, handle)
}

func waitFor(t *testing.T, ex executor.Executor, handle string) executor.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	st, err := ex.Wait(ctx, handle)
	if err != nil {
		t.Fatalf("Wait(%s): %v", handle, err)
	}
	return st
}

func (s *suite) status(handles ...string) []executor.Status {
	s.t.Helper()
	sts, err := s.ex.Status(s.t.Context(), handles)
	if err != nil || len(sts) != len(handles) {
		s.t.Fatalf("Status: %d statuses of %d, error %v", len(sts), len(handles), err)
	}
	return sts
}

func (s *suite) stop(handle, signal string, grace time.Duration) {
	s.t.Helper()
	if err := s.ex.Stop(s.t.Context(), handle, signal, grace); err != nil {
		s.t.Fatalf("Stop(%s): %v", signal, err)
	}
}

// until waits for a condition that other processes bring about.
func (s *suite) until(what string, condition func() bool) {
	s.t.Helper()
	timeout := time.NewTimer(deadline)
	defer timeout.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout.C:
			s.t.Fatalf("waited %v in vain until %s", deadline, what)
		}
	}
}

func (s *suite) untilFile(name string) {
	s.t.Helper()
	s.until(name+" exists", func() bool {
		_, err := os.Stat(s.path(name))
		return err == nil
	})
}

func (s *suite) touch(name string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// count returns how often tasks that count in the file were started.
func (s *suite) count(name string) int {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	return len(bytes.TrimSpace(b))
}

// Run runs the suite: the part that holds for all executors, and, if the
// executor runs processes (Capabilities.Files), the part about them.
func Run(t *testing.T, h Harness) {
	general := map[string]func(*suite){
		"Ends":              testEnds,
		"Fails":             testFails,
		"StartIsIdempotent": testStartIsIdempotent,
		"ConcurrentStart":   testConcurrentStart,
		"ManyAtOnce":        testManyAtOnce,
		"StatusOfMany":      testStatusOfMany,
		"WaitIsInterrupted": testWaitIsInterrupted,
		"Stop":              testStop,
		"StopEnded":         testStopEnded,
		"StopBadSignal":     testStopBadSignal,
		"StartIsRefused":    testStartIsRefused,
		"CloseTwice":        testCloseTwice,
	}
	for name, test := range general {
		t.Run(name, func(t *testing.T) { test(h.suite(t)) })
	}
	if h.Capabilities.Files {
		for name, test := range processTests(h) {
			t.Run("Process"+name, func(t *testing.T) { test(h.suite(t)) })
		}
	}
}

func testEnds(s *suite) {
	before := time.Now()
	h := s.start(s.spec(Task{}))
	for range 2 { // Asking again gives the same.
		st := s.wait(h)
		if st.Phase != executor.Ended || st.Exit != 0 || st.Signal != "" || st.Err != "" {
			s.t.Errorf("Wait = %+v, want ended with 0", st)
		}
		if st.Started.Before(before.Add(-time.Second)) || st.Ended.Before(st.Started) || st.Ended.After(time.Now().Add(time.Second)) {
			s.t.Errorf("it lasted from %v to %v, want times between %v and now", st.Started, st.Ended, before)
		}
	}
	if got := s.status(h)[0]; got.Phase != executor.Ended || got.Exit != 0 {
		s.t.Errorf("Status = %+v, want ended with 0", got)
	}
	if n := s.count("count"); n != 1 {
		s.t.Errorf("it ran %d times, want once", n)
	}
}

func testFails(s *suite) {
	if st := s.wait(s.start(s.spec(Task{Fail: true}))); st.Phase != executor.Ended || st.Exit != 1 || st.Signal != "" {
		s.t.Errorf("Wait = %+v, want ended with 1", st)
	}
}

func testStartIsIdempotent(s *suite) {
	spec := s.spec(Task{Until: s.path("go")})
	h := s.start(spec)
	if again := s.start(spec); again != h {
		s.t.Errorf("the second Start returned %q, the first %q", again, h)
	}
	s.touch("go")
	s.wait(h)
	if again := s.start(spec); again != h {
		s.t.Errorf("Start after the end returned %q, before %q", again, h)
	}
	if st := s.wait(h); st.Phase != executor.Ended || st.Exit != 0 {
		s.t.Errorf("Wait after the last Start = %+v, want ended with 0", st)
	}
	if n := s.count("count"); n != 1 {
		s.t.Errorf("it ran %d times, want once", n)
	}
}

func testConcurrentStart(s *suite) {
	spec := s.spec(Task{})
	var wg sync.WaitGroup
	handles := make([]string, 20)
	for i := range handles {
		wg.Go(func() {
			var err error
			if handles[i], err = s.ex.Start(s.t.Context(), spec); err != nil {
				s.t.Errorf("Start: %v", err)
			}
		})
	}
	wg.Wait()
	for _, h := range handles {
		if h != handles[0] {
			s.t.Fatalf("Start returned %q and %q for one attempt", h, handles[0])
		}
	}
	if st := s.wait(handles[0]); st.Phase != executor.Ended || st.Exit != 0 {
		s.t.Errorf("Wait = %+v, want ended with 0", st)
	}
	if n := s.count("count"); n != 1 {
		s.t.Errorf("it ran %d times, want once", n)
	}
}

func testManyAtOnce(s *suite) {
	const n = 50
	var specs []executor.Spec
	for i := range n {
		specs = append(specs, s.spec(Task{Count: s.path(fmt.Sprint("count", i)), Until: s.path("go"), Fail: i%2 == 1}))
	}
	handles := make([]string, n)
	var wg sync.WaitGroup
	for i, spec := range specs {
		wg.Go(func() {
			var err error
			if handles[i], err = s.ex.Start(s.t.Context(), spec); err != nil {
				s.t.Errorf("Start: %v", err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		s.until("all are running", func() bool { return s.count(fmt.Sprint("count", i)) == 1 })
	}
	for i, st := range s.status(handles...) {
		if st.Phase != executor.Running {
			s.t.Errorf("Status of %d = %+v, want running", i, st)
		}
	}
	s.touch("go")
	for i, h := range handles {
		if st := s.wait(h); st.Phase != executor.Ended || st.Exit != i%2 {
			s.t.Errorf("Wait for %d = %+v, want ended with %d", i, st, i%2)
		}
	}
}

func testStatusOfMany(s *suite) {
	failed := s.start(s.spec(Task{Fail: true}))
	s.wait(failed)
	running := s.start(s.spec(Task{Until: s.path("go")}))
	ended := s.start(s.spec(Task{}))
	s.wait(ended)
	sts := s.status(running, ended, failed, running)
	var got []string
	for _, st := range sts {
		got = append(got, fmt.Sprint(st.Phase, st.Exit))
	}
	if want := "[running0 ended0 ended1 running0]"; fmt.Sprint(got) != want {
		s.t.Errorf("Status = %v, want %v", got, want)
	}
	if len(s.status()) != 0 {
		s.t.Error("Status of nothing is something")
	}
	s.touch("go")
	s.wait(running)
}

func testWaitIsInterrupted(s *suite) {
	h := s.start(s.spec(Task{Until: s.path("go")}))
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	if st, err := s.ex.Wait(ctx, h); !errors.Is(err, context.Canceled) {
		s.t.Errorf("Wait = %+v, %v; want context.Canceled", st, err)
	}
	if st := s.status(h)[0]; st.Phase != executor.Running {
		s.t.Errorf("Status = %+v, want running", st)
	}
	s.touch("go")
	s.wait(h)
}

func testStop(s *suite) {
	h := s.start(s.spec(Task{Until: s.path("never")}))
	s.until("it runs", func() bool { return s.count("count") == 1 })
	s.stop(h, "TERM", deadline)
	if st := s.wait(h); st.Phase != executor.Ended || st.Exit == 0 {
		s.t.Errorf("Wait = %+v, want ended, not with 0", st)
	}
}

func testStopEnded(s *suite) {
	h := s.start(s.spec(Task{}))
	before := s.wait(h)
	for _, signal := range []string{"TERM", "INT", "USR1", "KILL"} {
		s.stop(h, signal, 0)
	}
	if after := s.wait(h); after != before {
		s.t.Errorf("Stop changed the end from %+v to %+v", before, after)
	}
}

func testStopBadSignal(s *suite) {
	h := s.start(s.spec(Task{}))
	if err := s.ex.Stop(s.t.Context(), h, "SIGTERM", 0); types.CodeOf(err) != types.Invalid {
		s.t.Errorf("Stop with SIGTERM: %v, want an Invalid error", err)
	}
	if err := s.ex.Stop(s.t.Context(), h, "TERM", -1); types.CodeOf(err) != types.Invalid {
		s.t.Errorf("Stop with a negative grace: %v, want an Invalid error", err)
	}
	s.wait(h)
}

// testStartIsRefused: a context that is done starts nothing.
func testStartIsRefused(s *suite) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	spec := s.spec(Task{})
	if h, err := s.ex.Start(ctx, spec); err == nil {
		// It may have been too late to interrupt; then it must have started.
		s.wait(h)
		return
	}
	h := s.start(spec)
	s.wait(h)
	if n := s.count("count"); n != 1 {
		s.t.Errorf("it ran %d times, want only the second Start", n)
	}
}

func testCloseTwice(s *suite) {
	h := s.start(s.spec(Task{}))
	s.wait(h)
	for range 2 {
		if err := s.ex.Close(); err != nil {
			s.t.Errorf("Close: %v", err)
		}
	}
	if _, err := s.ex.Start(s.t.Context(), s.spec(Task{})); types.CodeOf(err) != types.Unavailable {
		s.t.Errorf("Start after Close: %v, want an Unavailable error", err)
	}
}
