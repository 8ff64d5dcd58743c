// Package inproc runs attempts as Go functions in this process, a goroutine
// each. There is no supervision: attempts end with the process.
package inproc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// Func runs an attempt. ctx is done when the attempt is to stop; its cause is a
// *StopError or ErrClosed. The returned error becomes Status.Err.
type Func func(ctx context.Context, lease types.Lease) error

// StopError is the cause with which the context of an attempt ends.
type StopError struct {
	// Signal is "TERM", "INT", "USR1" or "KILL".
	Signal string
	// Grace is what the attempt was given to end; nothing enforces it.
	Grace time.Duration
}

// Error implements error.
func (s *StopError) Error() string {
	return fmt.Sprintf("the attempt is to stop (%s) within %v", s.Signal, s.Grace)
}

// ErrClosed is the cause with which contexts end when the executor is closed.
var ErrClosed = errors.New("the executor is closed")

// The exit codes that statuses carry.
const (
	exitOK     = 0
	exitError  = 1
	exitPanic  = 2 // as of a Go program that panics
	keepEnded  = 4096
	closeGrace = 5 * time.Second
)

// Config configures an Executor. The zero value is useful.
type Config struct {
	// CloseGrace is how long Close waits for attempts to return. Default 5 s;
	// negative: not at all.
	CloseGrace time.Duration
	// Now is the clock of Status.Started and Ended. Default time.Now.
	Now func() time.Time
}

// Executor runs attempts as goroutines. The handle of an attempt is its
// Spec.ID. It is safe for concurrent use.
//
// A goroutine cannot be killed: a function that does not heed its context goes
// on, and Wait blocks until it returns, whatever the grace of a Stop.
//
// The last 4096 attempts whose end Wait has told are remembered. An older one is
// Gone, and would run again if it were started again.
type Executor struct {
	run   Func
	grace time.Duration
	now   func() time.Time
	wg    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	runs   map[string]*run
	told   []*run // a ring of up to keepEnded runs whose end was told
	next   int
}

var _ executor.Executor = (*Executor)(nil)

// run is one attempt.
type run struct {
	id     string
	cancel context.CancelCauseFunc
	done   chan struct{}
	// status may be read when done is closed; only Started is set before.
	status executor.Status
	told   bool // guarded by Executor.mu
}

// New returns an executor that runs fn for each attempt.
func New(fn Func, cfg Config) *Executor {
	if cfg.CloseGrace == 0 {
		cfg.CloseGrace = closeGrace
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the default clock
	}
	return &Executor{run: fn, grace: cfg.CloseGrace, now: cfg.Now, runs: map[string]*run{}}
}

// Capabilities says what executors of this package can do: nothing optional.
func Capabilities() executor.Capabilities { return executor.Capabilities{} }

// Start implements executor.Executor; of spec only ID and Lease count. The end
// of ctx does not stop the attempt.
func (e *Executor) Start(ctx context.Context, spec executor.Spec) (string, error) {
	if spec.ID == "" {
		return "", types.Errorf(types.Invalid, "the attempt has no id").WithField("id")
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return "", types.Errorf(types.Unavailable, "%w", ErrClosed).WithRemedy("make a new one")
	}
	if e.runs[spec.ID] != nil {
		return spec.ID, nil
	}
	runCtx, cancel := context.WithCancelCause(context.Background())
	r := &run{
		id: spec.ID, cancel: cancel, done: make(chan struct{}),
		status: executor.Status{Phase: executor.Running, Started: e.now()},
	}
	e.runs[spec.ID] = r
	e.wg.Add(1)
	lease := spec.Lease // Not the whole spec, which the goroutine would keep.
	go e.attempt(runCtx, r, lease)
	return spec.ID, nil
}

// attempt runs the function and notes how it ended.
func (e *Executor) attempt(ctx context.Context, r *run, lease types.Lease) {
	returned := false
	var err error
	defer func() {
		r.status.Phase = executor.Ended
		r.status.Ended = e.now()
		switch p := recover(); {
		case p != nil:
			r.status.Exit = exitPanic
			r.status.Err = fmt.Sprintf("panic: %v\n\n%s", p, debug.Stack())
		case !returned:
			r.status.Exit = exitError
			r.status.Err = "the function ended its goroutine (runtime.Goexit, or FailNow of a test) instead of returning"
		case err != nil:
			r.status.Exit = exitError
			r.status.Err = err.Error()
		default:
			r.status.Exit = exitOK
		}
		r.cancel(nil)
		close(r.done)
		e.wg.Done()
	}()
	err = e.run(ctx, lease)
	returned = true
}

// Status implements executor.Executor.
func (e *Executor) Status(ctx context.Context, handles []string) ([]executor.Status, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]executor.Status, len(handles))
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, h := range handles {
		r := e.runs[h]
		if r == nil {
			out[i].Phase = executor.Gone
			continue
		}
		select {
		case <-r.done:
			out[i] = r.status
		default:
			out[i] = executor.Status{Phase: executor.Running, Started: r.status.Started}
		}
	}
	return out, nil
}

// Wait implements executor.Executor.
func (e *Executor) Wait(ctx context.Context, handle string) (executor.Status, error) {
	e.mu.Lock()
	r := e.runs[handle]
	e.mu.Unlock()
	if r == nil {
		return executor.Status{Phase: executor.Gone}, nil
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return executor.Status{}, ctx.Err()
	}
	e.mu.Lock()
	e.tell(r)
	e.mu.Unlock()
	return r.status, nil
}

// tell notes that the end of r was told and forgets the oldest such attempt.
// The caller holds mu.
func (e *Executor) tell(r *run) {
	if r.told {
		return
	}
	r.told = true
	if len(e.told) < keepEnded {
		e.told = append(e.told, r)
		return
	}
	delete(e.runs, e.told[e.next].id)
	e.told[e.next] = r
	e.next = (e.next + 1) % keepEnded
}

// Stop implements executor.Executor: it ends the attempt's context.
func (e *Executor) Stop(_ context.Context, handle, signal string, grace time.Duration) error {
	switch signal {
	case "TERM", "INT", "USR1", "KILL":
	default:
		return types.Errorf(types.Invalid, "unknown stop signal %q", signal).WithField("signal").
			WithRemedy("use TERM, INT, USR1 or KILL")
	}
	if grace < 0 {
		return types.Errorf(types.Invalid, "the grace %v is negative", grace).WithField("grace")
	}
	e.mu.Lock()
	r := e.runs[handle]
	e.mu.Unlock()
	if r != nil {
		r.cancel(&StopError{Signal: signal, Grace: grace})
	}
	return nil
}

// Close implements executor.Executor: it stops all attempts and waits for them,
// at most for Config.CloseGrace. The error says how many go on.
func (e *Executor) Close() error {
	e.mu.Lock()
	e.closed = true
	open := make([]*run, 0, len(e.runs))
	for _, r := range e.runs {
		select {
		case <-r.done:
		default:
			r.cancel(ErrClosed)
			open = append(open, r)
		}
	}
	e.mu.Unlock()
	if len(open) == 0 {
		e.wg.Wait() // For the last instructions of attempts that have ended.
		return nil
	}
	timer := time.NewTimer(max(e.grace, 0))
	defer timer.Stop()
	for i, r := range open {
		select {
		case <-r.done:
			continue
		default:
		}
		select {
		case <-r.done:
		case <-timer.C:
			left := 0
			for _, r := range open[i:] {
				select {
				case <-r.done:
				default:
					left++
				}
			}
			if left == 0 {
				return nil
			}
			return types.Errorf(types.Unavailable, "%d attempts did not heed that they were to stop and go on", left).
				WithRemedy("return from the function when its context is done")
		}
	}
	e.wg.Wait()
	return nil
}
