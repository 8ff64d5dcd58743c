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

// alive reports whether the study has an owner that may be alive.
func (e *Engine) alive(st trial.Study) bool {
	return st.Owner != "" && st.LeaseUntil.After(e.cfg.Now()) && (e.cfg.OwnerDead == nil || !e.cfg.OwnerDead(st.Owner))
}
