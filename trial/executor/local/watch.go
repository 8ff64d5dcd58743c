//go:build linux || darwin

package local

import (
	"errors"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// watched is an attempt whose end this executor will learn: by the connection
// conn, or, if that is nil, by a follower.
type watched struct {
	handle handle
	done   chan struct{}
	// conn and started are guarded by Executor.mu; status and err may be read
	// when done is closed.
	conn    *conn
	started time.Time
	status  executor.Status
	err     error
}

// add begins to watch an attempt. The caller holds mu.
func (e *Executor) add(h handle) *watched {
	w := &watched{handle: h, done: make(chan struct{})}
	e.attempts[h.Dir] = w
	return w
}

// trackStart takes note of the answer to a start. It runs in the connection's
// reader, so that no later word about the attempt is missed.
func (e *Executor) trackStart(c *conn, r *reply) {
	if r.Error != nil {
		return
	}
	h, err := parseHandle(r.Handle)
	if err != nil {
		r.Error = types.Errorf(types.Internal, "the supervisor's answer: %w", err)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.attempts[h.Dir]
	if w == nil {
		w = e.add(h)
	}
	e.update(c, w, r)
}

// update applies what the supervisor says of a watched attempt. The caller
// holds mu.
func (e *Executor) update(c *conn, w *watched, r *reply) {
	switch r.Standing {
	case standRunning:
		w.conn, w.started = c, r.Started
	case standEnded:
		e.finish(w, r.Exit.status(), nil)
	case standGone:
		e.finish(w, executor.Status{Phase: executor.Gone}, nil)
	case standUnknown, standLeaving:
		if w.conn == nil {
			e.follow(w)
		}
	}
}

// finish ends the watch of an attempt. The caller holds mu.
func (e *Executor) finish(w *watched, st executor.Status, err error) {
	select {
	case <-w.done:
		return // An end that was told twice.
	default:
	}
	w.status, w.err = st, err
	close(w.done)
	dir := w.handle.Dir
	if err != nil {
		delete(e.attempts, dir) // A later Wait tries again.
		return
	}
	if len(e.ended) < keepEnded {
		e.ended = append(e.ended, dir)
		return
	}
	delete(e.attempts, e.ended[e.nextEnd])
	e.ended[e.nextEnd] = dir
	e.nextEnd = (e.nextEnd + 1) % keepEnded
}

// pushed takes note of an end that the supervisor tells unasked. It may come
// before the answer to the start.
func (e *Executor) pushed(r *reply) {
	if r.Exit == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.attempts[r.Dir]
	if w == nil {
		w = e.add(handle{Version: handleVersion, Dir: r.Dir})
	}
	e.finish(w, r.Exit.status(), nil)
}

// lost hands the attempts of a broken connection to followers.
func (e *Executor) lost(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == c {
		e.conn = nil
	}
	if e.closed {
		return
	}
	for _, w := range e.attempts {
		if w.conn != c {
			continue
		}
		w.conn = nil
		select {
		case <-w.done:
		default:
			e.follow(w)
		}
	}
}

// follow finds out about an attempt in the background: from the supervisor, if
// there is one that knows it, else from its directory; if nobody answers for
// it, it is killed. The caller holds mu.
func (e *Executor) follow(w *watched) {
	if e.closed {
		return
	}
	e.wg.Go(func() {
		for pause := time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
			attached, err := e.attach(w)
			if attached {
				return
			}
			var st executor.Status
			if err == nil {
				st, err = claim(w.handle, e.boot)
			}
			if e.ctx.Err() != nil {
				return
			}
			if !errors.Is(err, errLocked) {
				e.mu.Lock()
				e.finish(w, st, err)
				e.mu.Unlock()
				return
			}
			// The supervisor is dying, or it is another folder's.
			select {
			case <-e.ctx.Done():
				return
			case <-time.After(pause):
			}
		}
	})
}

// attach asks the supervisor, if there is one, to tell the end of the attempt,
// and returns whether it will or has.
func (e *Executor) attach(w *watched) (bool, error) {
	c, err := e.find(e.ctx)
	if c == nil || err != nil {
		return false, err
	}
	known := false
	_, err = c.call(&request{Op: opWatch, Dir: w.handle.Dir}, func(r *reply) {
		if known = r.Error == nil && r.Standing != standUnknown; known {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.update(c, w, r)
		}
	})
	if errors.Is(err, errDisconnected) && !known {
		return false, nil
	}
	return known, err
}
