package engine

import (
	"context"
	"errors"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// remove deletes a study of which no trial runs, through its owner if need be.
func (e *Engine) remove(ctx context.Context, req types.ControlRequest) (types.ControlReply, error) {
	reply, ok, err := e.removeHere(ctx, req)
	if ok {
		return reply, err
	}
	reply, err = post[types.ControlRequest, types.ControlReply](ctx, e, req.Study, kindControl, req)
	if types.CodeOf(err) == types.NotFound {
		if _, err := e.cfg.Store.StudyByID(ctx, req.Study); types.CodeOf(err) == types.NotFound {
			return reply, nil // the request and its answer have gone with the study
		}
	}
	return reply, err
}

// removeHere deletes a study that this process owns or can own; ok is false if
// another does. Who wants the study meanwhile waits, and finds that it is gone.
func (e *Engine) removeHere(ctx context.Context, req types.ControlRequest) (reply types.ControlReply, ok bool, err error) {
	for {
		s, err := e.own(ctx, req.Study)
		if s == nil || err != nil {
			return reply, err != nil, err
		}
		e.mu.Lock()
		if other := e.loading[req.Study]; other != nil { // it is being removed already
			e.mu.Unlock()
			select {
			case <-other:
				continue
			case <-ctx.Done():
				return reply, true, context.Cause(ctx)
			}
		}
		if e.owned[req.Study] != s {
			e.mu.Unlock()
			continue
		}
		e.loading[req.Study] = make(chan struct{})
		e.mu.Unlock()
		reply, err = change(ctx, s, txn{}, func(s *study, tx *txn) (types.ControlReply, error) {
			return s.control(ctx, tx, req)
		})
		if err == nil {
			err = e.cfg.Store.DeleteStudy(ctx, req.Study, s.epoch)
		}
		e.mu.Lock()
		close(e.loading[req.Study])
		delete(e.loading, req.Study)
		e.mu.Unlock()
		if !errors.Is(err, errDropped) {
			return reply, true, err
		}
	}
}

// serveRemoval answers a guest that wants a study removed. A success has no
// answer: it goes with the study.
func (e *Engine) serveRemoval(ctx context.Context, s *study, c store.Command, req types.ControlRequest) error {
	_, ok, refusal := e.removeHere(ctx, req)
	if !ok || refusal == nil {
		return nil
	}
	_, err := change(ctx, s, txn{command: c.ID}, func(*study, *txn) (types.ControlReply, error) {
		return types.ControlReply{}, refusal
	})
	return err
}
