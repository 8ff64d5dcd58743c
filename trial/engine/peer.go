package engine

import (
	"context"

	"github.com/gotuner/tuner/trial"
)

// Owns reports whether this process is the owner of a study now.
func (e *Engine) Owns(id int64) bool { return e.ownedStudy(id) != nil }

// Elsewhere returns the name and the address of the process that owns a study,
// if that is another one which may be alive; else the names are empty, and this
// process can become the owner. NotFound if there is no such study.
func (e *Engine) Elsewhere(ctx context.Context, id int64) (owner, addr string, err error) {
	if e.Owns(id) {
		return "", "", nil
	}
	st, err := e.cfg.Store.StudyByID(ctx, id)
	if err != nil || st.Owner == e.cfg.Owner || !e.alive(st) {
		return "", "", err
	}
	return st.Owner, st.OwnerAddr, nil
}

// Yield gives a study up that this process owns and that has at most so many
// events, so that another can become its owner; given says whether. Calls that
// come meanwhile may make this one its owner again.
func (e *Engine) Yield(ctx context.Context, id, events int64) (given bool, err error) {
	s := e.ownedStudy(id)
	if s == nil {
		return false, nil
	}
	s.mu.Lock()
	large := s.st.NextSeq > events
	s.mu.Unlock()
	if large {
		return false, nil
	}
	if err := s.retire(ctx); err != nil {
		return false, err
	}
	return true, e.cfg.Store.Release(ctx, id, s.epoch)
}

// alive reports whether the study has an owner that may be alive.
func (e *Engine) alive(st trial.Study) bool {
	return st.Owner != "" && st.LeaseUntil.After(e.cfg.Now()) && (e.cfg.OwnerDead == nil || !e.cfg.OwnerDead(st.Owner))
}
