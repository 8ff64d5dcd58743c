//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// keepEnded is how many ended attempts are remembered, so that the usual Wait
// after the end reads no file.
const keepEnded = 1024

// Executor runs attempts through the supervisor of its state folder. It is safe
// for concurrent use.
type Executor struct {
	cfg  Config
	log  *slog.Logger
	boot string
	ctx  context.Context //nolint:containedctx // The executor's life: Close ends it, and with it the followers.
	stop context.CancelFunc
	wg   sync.WaitGroup
	// dialing is held by whoever connects to the supervisor.
	dialing chan struct{}

	mu       sync.Mutex
	closed   bool
	conn     *conn // nil: not connected
	child    int   // pid of the supervisor that this process started, to be waited for; 0: none
	attempts map[string]*watched
	ended    []string // directories of ended attempts, a ring of up to keepEnded
	nextEnd  int
}

var _ executor.Executor = (*Executor)(nil)

// New returns an executor over cfg.Dir. It starts no process: the supervisor is
// started with the first attempt.
func New(cfg Config) (*Executor, error) {
	if cfg.Dir == "" {
		return nil, types.Errorf(types.Invalid, "the local executor needs a state folder").WithField("dir")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, types.Errorf(types.Invalid, "the state folder %s: %w", cfg.Dir, err).WithField("dir")
	}
	cfg.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, types.Errorf(types.Unavailable, "make the state folder: %w", err).WithField("dir").
			WithRemedy("choose a folder that you can write with --dir")
	}
	switch {
	case cfg.IdleExit < 0:
		return nil, types.Errorf(types.Invalid, "IdleExit is negative").WithField("idle_exit")
	case cfg.Orphan < 0:
		return nil, types.Errorf(types.Invalid, "Orphan is negative").WithField("orphan")
	case cfg.IdleExit == 0:
		cfg.IdleExit = DefaultIdleExit
	}
	if len(cfg.Supervisor) == 0 {
		self, err := runningExecutable()
		if err != nil {
			return nil, types.Errorf(types.Internal, "find this program's file: %w", err)
		}
		cfg.Supervisor = []string{self, SuperviseCommand}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	boot, err := bootID()
	if err != nil {
		return nil, types.Errorf(types.Internal, "%w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Executor{
		cfg: cfg, log: cfg.Logger, boot: boot, ctx: ctx, stop: stop,
		dialing:  make(chan struct{}, 1),
		attempts: map[string]*watched{},
	}, nil
}

// Start implements executor.Executor. Spec.Dir may be relative to this
// process's directory; of several entries of Spec.Env with one name the last
// counts; MarkEnv is added. Once the request has been sent, ctx no longer
// interrupts it: the answer must be known.
func (e *Executor) Start(ctx context.Context, spec executor.Spec) (string, error) {
	req, err := startRequest(spec)
	if err != nil {
		return "", err
	}
	// A supervisor that dies meanwhile leaves traces in the attempt directory,
	// which the next one finds: asking again starts nothing twice.
	for try := 0; ; try++ {
		c, err := e.connect(ctx)
		if err != nil {
			return e.neverStarted(req.Dir, err)
		}
		r, err := c.call(req, func(r *reply) { e.trackStart(c, r) })
		switch {
		case err == nil && r.Error != nil:
			return "", r.Error
		case err == nil:
			return r.Handle, nil
		case !errors.Is(err, errDisconnected):
			return "", err // Nothing was sent.
		case try == 3:
			return e.neverStarted(req.Dir, types.Errorf(types.Unavailable,
				"the supervisor died while it started an attempt, repeatedly").
				WithRemedy("read %s", filepath.Join(e.cfg.Dir, logFile)))
		}
		req.ID = 0
	}
}

// neverStarted makes sure that an attempt that cannot be started does not run,
// and returns err, or the handle if it turns out that it had begun.
func (e *Executor) neverStarted(dir string, err error) (string, error) {
	path := filepath.Join(dir, lockFile)
	if info, statErr := os.Stat(path); statErr != nil || info.Size() == 0 {
		return "", err
	}
	h, ok := readHandle(dir)
	if !ok {
		h = handle{Version: handleVersion, Dir: dir, Boot: e.boot}
	}
	if _, claimErr := claim(h, e.boot); claimErr != nil && !errors.Is(claimErr, errLocked) {
		return "", errors.Join(err, claimErr)
	}
	return h.String(), nil
}

func startRequest(spec executor.Spec) (*request, error) {
	invalid := func(field, format string, args ...any) error {
		return types.Errorf(types.Invalid, format, args...).WithField(field)
	}
	for _, list := range [][]string{spec.Argv, spec.Env, {spec.Dir}} {
		if slices.ContainsFunc(list, func(s string) bool { return strings.ContainsRune(s, 0) }) {
			return nil, invalid("command", "arguments, environment and directory cannot contain a zero byte")
		}
	}
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, invalid("cwd", "the working directory: %w", err)
	}
	if spec.AttemptDir == "" || !utf8.ValidString(spec.AttemptDir) {
		return nil, invalid("attempt_dir", "the attempt directory %q must be a path in UTF-8", spec.AttemptDir)
	}
	attemptDir, err := filepath.Abs(spec.AttemptDir)
	if err != nil {
		return nil, invalid("attempt_dir", "the attempt directory: %w", err)
	}
	return &request{
		Op: opStart, Dir: attemptDir, Cwd: []byte(dir),
		Argv: joinZero(spec.Argv), Env: joinZero(markEnv(spec.Env, attemptDir)),
	}, nil
}

// Status implements executor.Executor. It changes nothing, and it needs no
// supervisor: an attempt whose supervisor was killed counts as running as long
// as its process lives. Wait and Stop put an end to that.
func (e *Executor) Status(ctx context.Context, handles []string) ([]executor.Status, error) {
	out := make([]executor.Status, len(handles))
	for i, text := range handles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := e.handle(text)
		if err != nil {
			return nil, err
		}
		if st, ok := e.known(h.Dir); ok {
			out[i] = st
		} else if out[i], err = inspect(h, e.boot); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// handle reads a handle that a caller gives.
func (e *Executor) handle(text string) (handle, error) {
	h, err := parseHandle(text)
	if err != nil {
		return h, err
	}
	if e.cfg.Root != "" {
		rel, err := filepath.Rel(e.cfg.Root, h.Dir)
		if err != nil || rel == "." || !filepath.IsLocal(rel) || filepath.Clean(h.Dir) != h.Dir {
			return h, types.Errorf(types.Invalid, "the handle leads to %s, which is not below %s", h.Dir, e.cfg.Root)
		}
	}
	return h, nil
}

// known returns the status of a watched attempt.
func (e *Executor) known(dir string) (executor.Status, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.attempts[dir]
	if w == nil {
		return executor.Status{}, false
	}
	select {
	case <-w.done:
		return w.status, w.err == nil
	default:
		return executor.Status{Phase: executor.Running, Started: w.started}, w.conn != nil
	}
}

// Wait implements executor.Executor. An attempt that nobody answers for, as its
// supervisor was killed, is killed and gone.
func (e *Executor) Wait(ctx context.Context, text string) (executor.Status, error) {
	h, err := e.handle(text)
	if err != nil {
		return executor.Status{}, err
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return executor.Status{}, errClosed()
	}
	w := e.attempts[h.Dir]
	if w == nil {
		w = e.add(h)
		e.follow(w)
	}
	e.mu.Unlock()
	select {
	case <-w.done:
		return w.status, w.err
	case <-ctx.Done():
		return executor.Status{}, ctx.Err()
	case <-e.ctx.Done():
		return executor.Status{}, errClosed()
	}
}

// Stop implements executor.Executor. The supervisor keeps the time of the
// grace, so that it holds if this process is killed.
func (e *Executor) Stop(ctx context.Context, text, signal string, grace time.Duration) error {
	sig, err := parseSignal(signal)
	if err != nil {
		return err
	}
	if grace < 0 {
		return types.Errorf(types.Invalid, "the grace %v is negative", grace).WithField("grace")
	}
	h, err := e.handle(text)
	if err != nil {
		return err
	}
	for {
		c, err := e.find(ctx)
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		r, err := c.call(&request{Op: opStop, Dir: h.Dir, Signal: signal, Grace: grace}, nil)
		if errors.Is(err, errDisconnected) {
			continue
		}
		if err != nil {
			return err
		}
		if r.Error != nil {
			return r.Error
		}
		if r.Standing != standUnknown {
			return nil
		}
		break
	}
	// Our supervisor does not know it, so it has ended, or nobody answers for it,
	// or the supervisor of another folder does.
	if _, err = claim(h, e.boot); !errors.Is(err, errLocked) {
		return err
	}
	return e.stopForeign(h, sig, grace)
}

// stopForeign stops an attempt of another folder's supervisor, which will clear
// up after it. The grace is kept by this process.
func (e *Executor) stopForeign(h handle, sig unix.Signal, grace time.Duration) error {
	if !h.alive(e.boot) {
		return nil
	}
	if err := signalGroup(h.Pid, sig); err != nil || sig == unix.SIGKILL {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.wg.Go(func() {
		select {
		case <-e.ctx.Done():
		case <-time.After(grace):
			if h.alive(e.boot) {
				_ = signalGroup(h.Pid, unix.SIGKILL)
			}
		}
	})
	return nil
}

// Close implements executor.Executor. Attempts go on; if there are none and no
// other executor uses the supervisor, it ends before Close returns.
func (e *Executor) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	c := e.conn
	e.mu.Unlock()
	e.stop()
	ending := c != nil && c.leave()
	e.wg.Wait()
	e.reapChild(ending)
	return nil
}

func errClosed() error {
	return types.Errorf(types.Unavailable, "the executor is closed").WithRemedy("make a new one")
}
