package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/aside"
	"github.com/gotuner/tuner/trial"
)

// signalPoll is how often the store is asked about an attempt whose study
// another process owns.
const signalPoll = time.Second

// Signal tells whether an attempt has to end, waiting up to wait for that. The
// attempt 0 is the trial's last. It renews no lease and owns no study.
func (e *Engine) Signal(ctx context.Context, study, number int64, attempt int, wait time.Duration) (types.Signal, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		var sig types.Signal
		var changed <-chan struct{}
		var err error
		aside.If(wait > 0, func() { sig, changed, err = e.signal(ctx, study, number, attempt) })
		if err != nil || sig.Stop || wait <= 0 {
			return sig, err
		}
		attempt = cmp.Or(attempt, sig.Attempt) // it is this one that the caller waits for
		var again <-chan time.Time
		if changed == nil {
			again = time.After(signalPoll)
		}
		select {
		case <-changed:
		case <-again:
		case <-deadline.C:
			return sig, nil
		case <-ctx.Done():
			return sig, context.Cause(ctx)
		}
	}
}

// signal is what is known now. changed fires when that may be different; it is
// nil if that is not heard of here.
func (e *Engine) signal(ctx context.Context, study, number int64, attempt int) (sig types.Signal, changed <-chan struct{}, err error) {
	if s := e.ownedStudy(study); s != nil {
		s.mu.Lock()
		lt, rests := s.live[number], s.last
		if s.err == nil && lt != nil && lt.attempt != nil && (attempt == 0 || attempt == lt.attempt.Number) {
			sig = types.Signal{Attempt: lt.attempt.Number, Stop: lt.stop.Stop, Kind: lt.stop.Kind, Reason: lt.stop.Reason}
			changed = s.stops
		}
		s.mu.Unlock()
		if sig.Stop && rests != nil { // a decision is stored before it is told
			if s.await(ctx, rests) != nil {
				return types.Signal{Attempt: sig.Attempt}, changed, context.Cause(ctx)
			}
		}
		if changed != nil {
			return sig, changed, nil
		}
	}
	sig, err = e.storedSignal(ctx, study, number, attempt)
	return sig, nil, err
}

func (e *Engine) storedSignal(ctx context.Context, study, number int64, attempt int) (types.Signal, error) {
	t, err := e.cfg.Store.Trial(ctx, study, number)
	if err != nil {
		return types.Signal{}, err
	}
	as, err := e.cfg.Store.Attempts(ctx, study, number)
	if err != nil {
		return types.Signal{}, err
	}
	if attempt == 0 && len(as) == 0 {
		if t.State.Finished() {
			return types.Signal{Stop: true, Kind: types.StopCancelled, Reason: cmp.Or(t.Reason, "the trial is "+string(t.State))}, nil
		}
		return types.Signal{}, nil
	}
	i := len(as) - 1
	if attempt != 0 {
		i = slices.IndexFunc(as, func(a trial.Attempt) bool { return a.Number == attempt })
	}
	if i < 0 {
		return types.Signal{}, types.Errorf(types.NotFound, "trial %d has no attempt %d", number, attempt).WithField("attempt")
	}
	a := as[i]
	sig := types.Signal{Attempt: a.Number, Stop: a.Stopping != "", Kind: a.Stopping, Reason: a.Reason}
	if a.State.Finished() {
		sig.Stop, sig.Kind = true, cmp.Or(a.Stopping, types.StopSuperseded)
		sig.Reason = cmp.Or(a.Reason, fmt.Sprintf("attempt %d is over, and the trial is %s", a.Number, t.State))
	}
	return sig, nil
}
