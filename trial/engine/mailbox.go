package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// The kinds of commands in the mailbox.
const (
	kindLease   = "lease"
	kindReport  = "report"
	kindBeat    = "beat"
	kindFinish  = "finish"
	kindAdopt   = "adopt"
	kindControl = "control"
	kindExtend  = "extend"

	kindAsk         = "ask"
	kindTell        = "tell"
	kindReportAsked = "report_asked"
)

// call runs op on the study here if this process owns it or can own it, else
// sends req to the owner through the store and waits for the answer.
func call[Q, R any](ctx context.Context, e *Engine, id int64, kind string, req Q, op func(*study, *txn) (R, error)) (R, error) {
	r, ok, err := here(ctx, e, id, op)
	if !ok {
		return post[Q, R](ctx, e, id, kind, req)
	}
	return r, err
}

// post queues a command for the owner and polls for its answer. If the owner
// dies the command is answered by the next one, which may be this process.
func post[Q, R any](ctx context.Context, e *Engine, id int64, kind string, req Q) (R, error) {
	var zero R
	body, err := json.Marshal(req)
	if err != nil {
		return zero, types.Errorf(types.Internal, "encode %s: %w", kind, err)
	}
	cmd, err := e.cfg.Store.AddCommand(ctx, id, kind, body, e.cfg.NewToken(), e.cfg.Now())
	if err != nil {
		return zero, err
	}
	poll := time.NewTicker(mailboxBusy)
	defer poll.Stop()
	for n := 1; ; n++ {
		answer, ok, err := e.cfg.Store.CommandAnswer(ctx, cmd)
		if err != nil {
			return zero, err
		}
		if ok {
			return decodeAnswer[R](answer)
		}
		if n%50 == 0 {
			if _, err := e.own(ctx, id); err != nil { // its mailbox loop answers then
				return zero, err
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return zero, context.Cause(ctx)
		}
	}
}

type answer struct {
	Error  *types.Error    `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

func encodeAnswer(reply any, err error) []byte {
	var a answer
	if err == nil {
		a.Result, err = json.Marshal(reply)
	}
	if err != nil {
		a = answer{Error: asError(err)}
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings and valid JSON always encode
	}
	return b
}

func asError(err error) *types.Error {
	if e, ok := errors.AsType[*types.Error](err); ok {
		return e
	}
	return types.Errorf(types.Internal, "%w", err)
}

func decodeAnswer[R any](b []byte) (R, error) {
	var a answer
	var r R
	if err := json.Unmarshal(b, &a); err != nil {
		return r, types.Errorf(types.Internal, "the owner's answer is unreadable: %w", err)
	}
	if a.Error != nil {
		return r, a.Error
	}
	if err := json.Unmarshal(a.Result, &r); err != nil {
		return r, types.Errorf(types.Internal, "the owner's answer is unreadable: %w", err)
	}
	return r, nil
}

// mailboxLoop answers the commands for the studies of this process.
func (e *Engine) mailboxLoop(ctx context.Context) {
	delay := mailboxIdle
	lastDrop := e.cfg.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		delay = mailboxIdle
		var ids []int64
		for _, s := range e.ownedStudies() {
			ids = append(ids, s.id)
		}
		if len(ids) == 0 {
			continue
		}
		cmds, err := e.cfg.Store.PendingCommands(ctx, ids, 256)
		if err != nil {
			if ctx.Err() == nil {
				e.cfg.Logger.Warn("could not read the mailbox", "error", err)
			}
			continue
		}
		for _, c := range cmds {
			if ctx.Err() != nil {
				return
			}
			delay = mailboxBusy
			if err := e.serve(ctx, c); err != nil && !errors.Is(err, errDropped) && ctx.Err() == nil {
				e.cfg.Logger.Warn("could not answer a command", "kind", c.Kind, "study", c.Study, "error", err)
			}
		}
		if now := e.cfg.Now(); now.Sub(lastDrop) > mailboxRetention {
			lastDrop = now
			e.clean(ctx, now)
		}
	}
}

// clean removes what nobody will ask for again.
func (e *Engine) clean(ctx context.Context, now time.Time) {
	if err := e.cfg.Store.DropCommands(ctx, now.Add(-mailboxRetention)); err != nil && ctx.Err() == nil {
		e.cfg.Logger.Warn("could not clean the mailbox", "error", err)
	}
	if err := e.cfg.Store.DropRequestKeys(ctx, now.Add(-keyRetention)); err != nil && ctx.Err() == nil {
		e.cfg.Logger.Warn("could not forget the keys of old requests", "error", err)
	}
}

// serve runs one command; its effect and its answer are one commit. The end of
// ctx does not cut it short: that this process ends is no answer.
func (e *Engine) serve(ctx context.Context, c store.Command) error {
	s := e.ownedStudy(c.Study)
	if s == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	switch c.Kind {
	case kindLease, kindAsk:
		return serveAs(ctx, s, c, func(s *study, tx *txn, q types.LeaseRequest) (types.LeaseReply, error) {
			if age := tx.now.Sub(c.Time); age > s.e.cfg.LeaseTTL {
				// Who asked may be gone, and the trial would run nowhere.
				return types.LeaseReply{}, types.Errorf(types.Unavailable, "the request waited for %v", age.Round(time.Second)).WithRemedy("ask again")
			}
			if c.Kind == kindAsk {
				return s.ask(ctx, tx, q)
			}
			return s.lease(ctx, tx, q)
		})
	case kindTell:
		return serveAs(ctx, s, c, (*study).tell)
	case kindReportAsked:
		return serveAs(ctx, s, c, func(s *study, tx *txn, q types.ReportAskedRequest) (types.Decision, error) {
			return s.reportAsked(ctx, tx, q)
		})
	case kindReport:
		return serveAs(ctx, s, c, (*study).report)
	case kindBeat:
		return serveAs(ctx, s, c, func(s *study, tx *txn, q types.HeartbeatRequest) (types.HeartbeatReply, error) {
			return s.beats(tx, q), nil
		})
	case kindFinish:
		return serveAs(ctx, s, c, (*study).finish)
	case kindAdopt:
		return serveAs(ctx, s, c, func(s *study, tx *txn, q types.AdoptRequest) ([]types.Adopted, error) {
			return s.adopt(tx, q), nil
		})
	case kindExtend:
		return serveAs(ctx, s, c, (*study).extend)
	case kindControl:
		var q types.ControlRequest
		if err := json.Unmarshal(c.Payload, &q); err == nil && q.Kind == types.RemoveStudy {
			return e.serveRemoval(ctx, s, c, q)
		}
		return serveAs(ctx, s, c, func(s *study, tx *txn, q types.ControlRequest) (types.ControlReply, error) {
			return s.control(ctx, tx, q)
		})
	}
	return serveAs(ctx, s, c, func(*study, *txn, json.RawMessage) (struct{}, error) {
		return struct{}{}, types.Errorf(types.Unsupported, "the study's owner does not know the request %q", c.Kind).
			WithRemedy("use the same version of tuner for all processes of a study")
	})
}

func serveAs[Q, R any](ctx context.Context, s *study, c store.Command, op func(*study, *txn, Q) (R, error)) error {
	var q Q
	bad := json.Unmarshal(c.Payload, &q)
	_, err := change(ctx, s, txn{command: c.ID}, func(s *study, tx *txn) (R, error) {
		if bad != nil {
			var zero R
			return zero, types.Errorf(types.Invalid, "unreadable %s request: %w", c.Kind, bad)
		}
		r, err := op(s, tx, q)
		tx.buffered = false
		return r, err
	})
	return err
}
