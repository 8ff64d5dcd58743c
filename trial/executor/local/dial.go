//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
)

const (
	startLock = "start.lock"
	logFile   = "supervisor.log"
	// maxLog is the size at which a new supervisor begins a new log.
	maxLog = 1 << 20
	// startTimeout is how long a new supervisor may take until it listens; it
	// waits for the one before to be gone.
	startTimeout = 15 * time.Second
	// reachTimeout is how long a supervisor that lives may be out of reach.
	reachTimeout = 5 * time.Second
)

// connect returns the connection to the supervisor, which it starts if there is
// none.
func (e *Executor) connect(ctx context.Context) (*conn, error) {
	return e.dial(ctx, true)
}

// find returns the connection to the supervisor, nil if there is none.
func (e *Executor) find(ctx context.Context) (*conn, error) {
	return e.dial(ctx, false)
}

func (e *Executor) dial(ctx context.Context, start bool) (*conn, error) {
	if c, err := e.current(); c != nil || err != nil {
		return c, err
	}
	select {
	case e.dialing <- struct{}{}:
		defer func() { <-e.dialing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c, err := e.current(); c != nil || err != nil {
		return c, err
	}
	if !start {
		return e.reach(ctx)
	}
	// Of several agents of one folder one starts the supervisor.
	lock, err := e.lockStart(ctx)
	if err != nil {
		return nil, err
	}
	defer closeFile(lock)
	if c, err := e.reach(ctx); c != nil || err != nil {
		return c, err
	}
	if err := e.startSupervisor(); err != nil {
		return nil, err
	}
	c, err := e.reach(ctx)
	if c == nil && err == nil {
		err = types.Errorf(types.Unavailable, "the supervisor ended as soon as it was started").
			WithRemedy("read %s", filepath.Join(e.cfg.Dir, logFile))
	}
	return c, err
}

func (e *Executor) current() (*conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errClosed()
	}
	return e.conn, nil
}

func (e *Executor) lockStart(ctx context.Context) (*os.File, error) {
	for deadline := time.Now().Add(startTimeout); ; {
		f, err := flock(filepath.Join(e.cfg.Dir, startLock), os.O_CREATE|os.O_RDWR, unix.LOCK_EX)
		switch {
		case err == nil:
			return f, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.Is(err, errLocked):
			return nil, fileError("lock the state folder", err)
		case time.Now().After(deadline):
			return nil, types.Errorf(types.Unavailable, "another tuner has been starting the supervisor of %s for %v",
				e.cfg.Dir, startTimeout).WithRemedy("see with ps whether it hangs")
		}
		pauseFor(2 * time.Millisecond)
	}
}

// reach connects to the supervisor if there is one. One that lives but cannot
// be reached is ending, or its socket was cleaned away, in which case SIGHUP
// makes it open another.
func (e *Executor) reach(ctx context.Context) (*conn, error) {
	told := false
	for deadline := time.Now().Add(reachTimeout); ; {
		p, ok := readPresence(e.cfg.Dir)
		if !ok {
			return nil, nil
		}
		c, err := e.open(p.Socket)
		if err == nil {
			return e.adopt(c)
		}
		if !p.alive(e.boot) {
			return nil, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Now().After(deadline) {
			return nil, types.Errorf(types.Unavailable, "the supervisor (process %d) does not answer: %w", p.Pid, err).
				WithRemedy("if it hangs, kill -9 %d: its attempts count as lost and run again", p.Pid)
		}
		if !told {
			told = true
			_ = unix.Kill(p.Pid, unix.SIGHUP) // If it is gone by now, the loop sees it.
		}
		pauseFor(2 * time.Millisecond)
	}
}

func (e *Executor) open(socket string) (*conn, error) {
	raw, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := newConn(e, raw)
	if err := c.hello(); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}

// adopt makes c the executor's connection.
func (e *Executor) adopt(c *conn) (*conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.Join(errClosed(), c.c.Close())
	}
	e.conn = c
	e.wg.Go(c.read)
	return c, nil
}

// startSupervisor starts the supervisor and returns when it listens.
func (e *Executor) startSupervisor() error {
	e.reapChild(false)
	path := filepath.Join(e.cfg.Dir, logFile)
	mode := os.O_WRONLY | os.O_APPEND | os.O_CREATE
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		mode |= os.O_TRUNC
	}
	log, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return fileError("open the supervisor's log", err)
	}
	defer closeFile(log)
	r, w, err := os.Pipe()
	if err != nil {
		return fileError("start the supervisor", err)
	}
	defer closeFile(r)

	argv := e.cfg.Supervisor
	//nolint:noctx // It outlives this process, let alone a context.
	cmd := exec.Command(argv[0], append(slices.Clip(argv[1:]),
		"-dir", e.cfg.Dir, "-idle", e.cfg.IdleExit.String(), "-orphan", e.cfg.Orphan.String())...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{w} // readyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(cmd.Start(), w.Close())
	if err != nil {
		return types.Errorf(types.Unavailable, "start the supervisor (%s): %w", strings.Join(cmd.Args, " "), err)
	}
	e.mu.Lock()
	e.child = cmd.Process.Pid
	e.mu.Unlock()
	// It is waited for by its number (reapChild) when it is known to have ended.
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	said, err := readySignal(r)
	if err != nil {
		return types.Errorf(types.Unavailable, "the supervisor did not start: %w", err).WithRemedy("read %s", path)
	}
	if said != "ready" {
		return types.Errorf(types.Unavailable, "the supervisor did not start: %s", said).WithRemedy("read %s", path)
	}
	return nil
}

func readySignal(r *os.File) (string, error) {
	if err := r.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	if len(b) == 0 {
		return "", fmt.Errorf("it ended without a word")
	}
	return string(b), nil
}

// reapChild waits for the supervisor that this process started, if it ended, so
// that it does not stay as a zombie. ending says that it is about to.
func (e *Executor) reapChild(ending bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	options := syscall.WNOHANG
	if ending {
		options = 0
	}
	for e.child != 0 {
		pid, err := syscall.Wait4(e.child, nil, options, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if pid == e.child || err != nil {
			e.child = 0
		}
		return
	}
}
