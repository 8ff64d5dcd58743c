package engine

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

func (e *Engine) ownedStudy(id int64) *study {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.owned[id]
}

func (e *Engine) ownedStudies() []*study {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*study, 0, len(e.owned))
	for _, s := range e.owned {
		out = append(out, s)
	}
	return out
}

// own returns the study if this process owns it or can become its owner, and
// nil if another process that may be alive owns it. One goroutine loads a
// study; others wait for it.
func (e *Engine) own(ctx context.Context, id int64) (*study, error) {
	for {
		e.mu.Lock()
		if s := e.owned[id]; s != nil {
			e.mu.Unlock()
			return s, nil
		}
		if e.closed {
			e.mu.Unlock()
			return nil, errClosing()
		}
		wait, busy := e.loading[id]
		if !busy {
			e.loading[id] = make(chan struct{})
			e.mu.Unlock()
			break
		}
		e.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	s, err := e.take(ctx, id)
	var name string
	if s != nil { // once it is found in owned, only who holds its lock reads it
		name = s.st.Spec.Name
	}
	e.mu.Lock()
	close(e.loading[id])
	delete(e.loading, id)
	closed := e.closed
	if s != nil && !closed {
		e.owned[id] = s
		delete(e.dropped, id)
	}
	e.mu.Unlock()
	if s != nil && closed { // too late for Close to give it up
		e.release(ctx, id, s.epoch)
		return nil, errClosing()
	}
	if s != nil {
		told(e.cfg.Probe.Took)
		e.cfg.Logger.Info("owner of a study", "study", s.id, "name", name, "epoch", s.epoch)
		if err := e.meet(ctx, s.project); err != nil {
			return nil, err
		}
	}
	if s != nil { // the trials of dead workers come first in what this call asks for
		s.expire(ctx)
	}
	return s, err
}

func errClosing() error { return types.Errorf(types.Unavailable, "this process is shutting down") }

// release gives a study up that was acquired in vain.
func (e *Engine) release(ctx context.Context, id, epoch int64) {
	if err := e.cfg.Store.Release(context.WithoutCancel(ctx), id, epoch); err != nil {
		e.cfg.Logger.Warn("a study that is not used stays owned until its lease ends", "study", id, "error", err)
	}
}

// take acquires and loads a study; nil without error if another owns it.
func (e *Engine) take(ctx context.Context, id int64) (*study, error) {
	now := e.cfg.Now()
	st, err := e.cfg.Store.Acquire(ctx, id, e.cfg.Owner, e.cfg.Addr, now, e.cfg.OwnerTTL)
	if types.CodeOf(err) == types.Conflict && e.cfg.OwnerDead != nil && e.cfg.OwnerDead(st.Owner) {
		// The owner is dead, so nobody renews its lease: an acquisition dated
		// after its end succeeds unless somebody else was faster.
		if after := st.LeaseUntil.Add(time.Millisecond); after.After(now) {
			now = after
		}
		st, err = e.cfg.Store.Acquire(ctx, id, e.cfg.Owner, e.cfg.Addr, now, e.cfg.OwnerTTL)
	}
	if types.CodeOf(err) == types.Conflict {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer e.hold(id, st.Epoch)()
	s, err := e.load(ctx, st)
	if err != nil {
		if is, err := e.cfg.Store.StudyByID(ctx, id); err == nil && is.Epoch != st.Epoch {
			return nil, nil // another took it meanwhile and changed what was being read
		}
		e.release(ctx, id, st.Epoch)
		return nil, err
	}
	return s, nil
}

// hold keeps a study that is being loaded this process's own, until it is told
// to end: a long history must not outlast the lease, or two processes would take
// it from each other without an end. A study that is lost nevertheless is found
// out by its next commit.
func (e *Engine) hold(id, epoch int64) (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(e.cfg.OwnerTTL / 3)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if err := e.cfg.Store.Renew(ctx, id, epoch, e.cfg.Now(), e.cfg.OwnerTTL); err != nil && ctx.Err() == nil {
				e.cfg.Logger.Warn("could not renew the ownership of a study that is being loaded", "study", id, "error", err)
			}
		}
	}()
	return func() {
		stop()
		<-done
	}
}

// drop forgets a study after a failed commit; the next call loads it again.
func (e *Engine) drop(s *study, err error) {
	e.cfg.Logger.Warn("a commit failed; the study is loaded again", "study", s.id, "error", err)
	told(e.cfg.Probe.Dropped)
	e.forget(s)
	e.mu.Lock()
	e.dropped[s.id] = s.epoch
	e.mu.Unlock()
}

func (e *Engine) forget(s *study) {
	s.mu.Lock()
	s.leave()
	s.mu.Unlock()
	e.disown(s)
}

func (e *Engine) disown(s *study) {
	e.mu.Lock()
	if e.owned[s.id] == s {
		delete(e.owned, s.id)
	}
	e.mu.Unlock()
}

// renewLoop keeps the studies of this process its own.
func (e *Engine) renewLoop(ctx context.Context) {
	t := time.NewTicker(e.cfg.OwnerTTL / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, s := range e.ownedStudies() {
			err := e.cfg.Store.Renew(ctx, s.id, s.epoch, e.cfg.Now(), e.cfg.OwnerTTL)
			switch {
			case types.CodeOf(err) == types.Superseded || types.CodeOf(err) == types.NotFound:
				e.drop(s, err)
			case err != nil && ctx.Err() == nil:
				e.cfg.Logger.Warn("could not renew the ownership of a study; trying again", "study", s.id, "error", err)
			}
		}
	}
}

// absence is how long this process may stand still before it takes its own
// sleep for the reason why nobody renewed a lease.
const absence = 5 * time.Second

// expireLoop looks for leases that are over, and writes reports that were only
// buffered, once a second.
func (e *Engine) expireLoop(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		// By the wall clock, for the monotonic one stands still with the machine.
		before := store.Time(e.cfg.Now())
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		e.tend(ctx)
		slept := store.Time(e.cfg.Now()).Sub(before) > absence
		for _, s := range e.ownedStudies() {
			if slept {
				s.spare()
			}
			s.expire(ctx)
			if err := s.flush(ctx); err != nil && ctx.Err() == nil {
				e.cfg.Logger.Warn("could not store reports", "study", s.id, "error", err)
			}
		}
	}
}

// OwnerOf tells who runs a study, "" if nobody does.
func (e *Engine) OwnerOf(st trial.Study) string {
	if !e.alive(st) {
		return ""
	}
	return st.OwnerAddr
}
