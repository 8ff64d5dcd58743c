package engine

import (
	"context"
	"errors"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// errDropped means that the study is not in memory any more, and that what was
// asked of it had no effect: whoever gets it loads the study and asks again.
var errDropped = errors.New("the study was dropped from memory")

// maxReloads bounds how often a call is tried anew because its study was
// dropped meanwhile. Each time something else went forward.
const maxReloads = 100

// txn is one change of a study; mutations go straight to study.pending.
type txn struct {
	now      time.Time
	buffered bool  // may be committed later
	command  int64 // the mailbox command that asks, 0 none
	retire   bool  // the study leaves the memory with this change
	// ahead is called once the change has been made in memory and before it is
	// stored; nil if nobody wants to know.
	ahead func()
}

// commitment is a commit under way. Whoever of those that wait for it gets the
// store's answer tells the others.
type commitment struct {
	answer <-chan error
	done   chan struct{} // closed once err is set
	err    error
}

// here runs op on the study if this process owns it or can own it; ok is false
// if another process that may be alive owns it.
func here[R any](ctx context.Context, e *Engine, id int64, op func(*study, *txn) (R, error)) (r R, ok bool, err error) {
	for range maxReloads {
		s, err := e.own(ctx, id)
		if s == nil || err != nil {
			return r, err != nil, err
		}
		if r, err = change(ctx, s, txn{}, op); !errors.Is(err, errDropped) {
			return r, true, err
		}
	}
	return r, true, types.Errorf(types.Unavailable, "the study is loaded again and again").WithRemedy("try again")
}

// change runs op under the lock and commits what it did. An op that returns an
// error must have changed nothing.
//
// Nothing is answered, not even an error, that rests on a commit under way: if
// that fails, so does this call. Only what may be buffered does not wait.
func change[R any](ctx context.Context, s *study, tx txn, op func(*study, *txn) (R, error)) (R, error) {
	var zero R
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return zero, errDropped
	}
	tx.now = store.Time(s.e.cfg.Now())
	reply, err := op(s, &tx)
	if tx.command != 0 {
		s.answer(tx, reply, err)
		err = nil
	}
	rests := s.last
	switch {
	case err != nil:
	case len(s.pending) > 0 && (!tx.buffered || tx.retire || s.buffered >= bufferedReports):
		rests = s.submit()
	case tx.buffered:
		rests = nil
	}
	if err == nil && tx.retire {
		s.leave()
	}
	s.mu.Unlock()
	if err == nil && tx.retire {
		s.e.mu.Lock()
		s.e.dropped[s.id] = s.epoch // it is this owner's in the store until somebody else takes it
		s.e.mu.Unlock()
		s.e.disown(s)
	}
	if err == nil && tx.ahead != nil {
		tx.ahead()
	}
	if rests != nil {
		if err := s.await(ctx, rests); err != nil {
			return zero, err
		}
	}
	if err != nil {
		return zero, err
	}
	return reply, nil
}

// submit hands the pending mutations to the store; the caller holds mu.
func (s *study) submit() *commitment {
	s.e.cfg.Failpoints.Hit("engine.before_commit")
	if d, ok := s.digest.take(); ok { // one is enough to carry besides
		s.put(d)
	}
	b := store.Batch{
		Study: s.id, Epoch: s.epoch,
		FromSeq: s.fromSeq, ToSeq: s.st.NextSeq,
		FromNumber: s.fromNumber, ToNumber: s.st.NextNumber,
		Mutations: s.pending,
	}
	s.last = &commitment{answer: s.e.cfg.Store.Submit(b), done: make(chan struct{})}
	for _, lt := range s.touched {
		lt.trialPending, lt.attemptPending = false, nil
	}
	clear(s.pending)
	clear(s.touched)
	s.pending, s.touched, s.buffered = s.pending[:0], s.touched[:0], 0
	s.fromSeq, s.fromNumber = s.st.NextSeq, s.st.NextNumber
	close(s.changed)
	s.changed = make(chan struct{})
	return s.last
}

// await returns once the commit is durable or has failed, or ctx is done; then
// the commit goes on.
func (s *study) await(ctx context.Context, c *commitment) error {
	select {
	case err := <-c.answer:
		s.settle(c, err)
		return c.verdict()
	case <-c.done:
		return c.verdict()
	default:
	}
	select {
	case err := <-c.answer:
		s.settle(c, err)
	case <-c.done:
	case <-ctx.Done():
		// Its failure must be noticed although nobody waits for it: the memory
		// would be ahead of the store.
		go func() {
			select {
			case err := <-c.answer:
				s.settle(c, err)
			case <-c.done:
			}
		}()
		return context.Cause(ctx)
	}
	return c.verdict()
}

// settle takes the store's answer.
func (s *study) settle(c *commitment, err error) {
	s.e.cfg.Failpoints.Hit("engine.after_commit")
	c.err = err
	if err != nil {
		s.e.drop(s, err)
	} else {
		s.mu.Lock()
		s.tellStored()
		s.mu.Unlock()
	}
	close(c.done)
}

// verdict is what the commit's outcome means to those who wait for it. A
// conflict is the failure of an earlier commit, and superseded that another
// process owns the study: both had no effect, and the call can be tried anew.
func (c *commitment) verdict() error {
	if code := types.CodeOf(c.err); code == types.Conflict || code == types.Superseded {
		return errDropped
	}
	return c.err
}

// leave marks the study as dropped and wakes all who wait for something of it;
// the caller holds mu.
func (s *study) leave() {
	if s.err != nil {
		return
	}
	s.err = errDropped
	close(s.changed)
	s.changed = make(chan struct{})
	s.wake()
	s.tellStored()
}

// flush commits what is buffered.
func (s *study) flush(ctx context.Context) error { return s.store(ctx, false) }

// retire commits what is buffered and takes the study out of memory.
func (s *study) retire(ctx context.Context) error { return s.store(ctx, true) }

func (s *study) store(ctx context.Context, retire bool) error {
	_, err := change(ctx, s, txn{}, func(_ *study, tx *txn) (struct{}, error) {
		tx.retire = retire
		return struct{}{}, nil
	})
	if errors.Is(err, errDropped) {
		return nil
	}
	return err
}

func (s *study) answer(tx txn, reply any, err error) {
	s.put(store.AnswerCommand{ID: tx.command, Response: encodeAnswer(reply, err), Time: tx.now})
}
