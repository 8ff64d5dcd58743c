package engine

import (
	"context"
	"errors"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

var errDropped = errors.New("the study was dropped from memory")

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
			return nil, types.Errorf(types.Unavailable, "this process is shutting down")
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
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.loading[id])
	delete(e.loading, id)
	if s != nil {
		e.owned[id] = s
	}
	return s, err
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
	s, err := e.load(ctx, st)
	if err != nil {
		if rerr := e.cfg.Store.Release(ctx, id, st.Epoch); rerr != nil {
			e.cfg.Logger.Warn("a study that could not be loaded stays owned until its lease ends", "study", id, "error", rerr)
		}
		return nil, err
	}
	return s, nil
}

// drop forgets a study after a failed commit; the next call loads it again.
func (e *Engine) drop(s *study, err error) {
	e.cfg.Logger.Warn("a commit failed; the study is loaded again", "study", s.id, "error", err)
	e.forget(s)
}

func (e *Engine) forget(s *study) {
	s.mu.Lock()
	if s.err == nil {
		s.err = errDropped
		close(s.changed)
		s.changed = make(chan struct{})
		s.wake()
	}
	s.mu.Unlock()
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

// expireLoop looks for leases that are over, and writes reports that were only
// buffered, once a second.
func (e *Engine) expireLoop(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		for _, s := range e.ownedStudies() {
			s.expire(ctx)
			if err := s.flush(ctx); err != nil && ctx.Err() == nil {
				e.cfg.Logger.Warn("could not store reports", "study", s.id, "error", err)
			}
		}
	}
}

// remove deletes a study that this process owns.
func (e *Engine) remove(ctx context.Context, id int64) error {
	s := e.ownedStudy(id)
	if s == nil {
		return types.Errorf(types.Conflict, "the study was taken over by another process").WithRemedy("try again")
	}
	e.forget(s)
	return e.cfg.Store.DeleteStudy(ctx, id, s.epoch)
}

// OwnerOf tells who runs a study, "" if nobody does.
func (e *Engine) OwnerOf(st trial.Study) string {
	if st.Owner == "" || !st.LeaseUntil.After(e.cfg.Now()) || (e.cfg.OwnerDead != nil && e.cfg.OwnerDead(st.Owner)) {
		return ""
	}
	return st.OwnerAddr
}
