package tuner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// ErrDone is what Ask returns once the study hands out no more trials.
var ErrDone = errors.New("tuner: the study hands out no more trials")

// Ask returns the next trial of the study, to be evaluated by the caller, who
// then ends it with Tell, Prune, Fail, Infeasible or Release. It waits while
// there is none, such as when the rest of the budget runs elsewhere, and while a
// server is away, until ctx is done.
//
// The trial's lease is renewed in the background until it is over; should the
// program die, the trial is handed out again. ctx bounds the asking only, not
// the trial: its Context ends when the trial is to stop, or with Close.
//
// The error is ErrDone when the study is over, with the reason in its text, and
// of code types.Conflict if it was stopped by failures or by hand.
func (s *Study) Ask(ctx context.Context) (*Trial, error) {
	a, leave, err := s.client.asker(s.id)
	if err != nil {
		return nil, err
	}
	defer leave()
	ctx, cancel := a.client.during(ctx)
	defer cancel()
	req := types.LeaseRequest{Study: s.id, Worker: a.worker, Key: rand.Text(), Executor: "ask", Wait: types.Duration(30 * time.Second)}
	for {
		var reply types.LeaseReply
		err := persist(ctx, func() (err error) {
			reply, err = a.client.backend.Lease(ctx, req)
			return err
		})
		switch {
		case ctx.Err() != nil && reply.Status != types.LeaseGranted:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, err
		}
		switch reply.Status {
		case types.LeaseDone:
			return nil, s.ended(ctx, reply.Reason)
		case types.LeaseGranted:
			t := a.take(reply.Leases[0], s.metrics())
			if a.client.life.Err() != nil { // closed in this moment
				t.giveUp(ctx)
				return nil, ErrClosed
			}
			return t, nil
		case types.LeaseWait:
		}
	}
}

// Trials asks for one trial after the other until the study is over. The loop's
// body ends each trial; one that it does not end is given back, which is an
// error and ends the loop, unless the body breaks out of it.
//
//	for t, err := range study.Trials(ctx) {
//		if err != nil {
//			return err
//		}
//		loss := train(t.Context(), lr.Of(t))
//		if err := t.Tell(ctx, loss); err != nil {
//			return err
//		}
//	}
func (s *Study) Trials(ctx context.Context) iter.Seq2[*Trial, error] {
	return func(yield func(*Trial, error) bool) {
		for {
			t, err := s.Ask(ctx)
			if errors.Is(err, ErrDone) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(t, nil)
			untold := t.giveUp(ctx)
			if !more {
				return
			}
			if untold {
				yield(nil, types.Errorf(types.Conflict, "trial %d was not told how it ended", t.Number()).
					WithRemedy("call Tell, Prune, Fail, Infeasible or Release before the next trial"))
				return
			}
		}
	}
}

// releaseGrace bounds the giving back of a trial that nobody waits for.
const releaseGrace = 5 * time.Second

// giveUp gives a trial back whose end was not told, and reports whether that was
// so.
func (t *Trial) giveUp(ctx context.Context) bool {
	t.mu.Lock()
	untold := t.phase == open
	t.mu.Unlock()
	if !untold {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseGrace)
	defer cancel()
	_ = t.Release(ctx, "the program did not evaluate it") // if that fails its lease ends by itself
	return true
}

// ended is the error of a study that hands out no more trials.
func (s *Study) ended(ctx context.Context, reason string) error {
	st, err := s.Info(ctx)
	switch {
	case err != nil:
		return err
	case st.State == types.StudyStopped:
		return types.Errorf(types.Conflict, "the study %s stopped: %s", s.name, st.Reason)
	}
	return fmt.Errorf("%w: %s", ErrDone, reason)
}

func (s *Study) metrics() []string {
	out := make([]string, len(s.objectives))
	for i, o := range s.objectives {
		out[i] = o.Metric
	}
	return out
}

// The pauses between two tries of what an absent backend refuses.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

// persist repeats a call while the backend is away, until ctx is done.
func persist(ctx context.Context, call func() error) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := call()
		if types.CodeOf(err) != types.Unavailable {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// asker holds the trials of one study that were asked for, and renews their
// leases.
type asker struct {
	client *Client
	study  int64
	worker string

	mu      sync.Mutex
	open    map[types.AttemptRef]*Trial
	beating bool
	kick    chan struct{} // there is a new trial
}

// asker returns that of a study; the client waits with closing until leave is
// called.
func (c *Client) asker(study int64) (a *asker, leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	if a = c.askers[study]; a == nil {
		a = &asker{client: c, study: study, worker: c.worker + "#ask", open: map[types.AttemptRef]*Trial{}, kick: make(chan struct{}, 1)}
		c.askers[study] = a
	}
	c.ran.Add(1)
	return a, c.ran.Done, nil
}

// during is ctx, which also ends when the client is closed.
func (c *Client) during(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// take makes a trial of a lease and keeps the lease from now on.
func (a *asker) take(l types.Lease, metrics []string) *Trial {
	t := newTrial(a.client.life, a, l, metrics)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open[l.Ref] = t
	if !a.beating {
		a.beating = true
		a.client.ran.Go(a.beat)
	} else {
		select {
		case a.kick <- struct{}{}:
		default:
		}
	}
	return t
}

const (
	// beatWait is how long a heartbeat waits for a decision, beatPace how soon the
	// next can follow.
	beatWait = 5 * time.Second
	beatPace = time.Second
)

// beat renews the leases of what is open, until nothing is.
func (a *asker) beat() {
	life := a.client.life
	for life.Err() == nil {
		ts, req, ok := a.beats()
		if !ok {
			return
		}
		pace := time.NewTimer(beatPace)
		ctx, cancel := context.WithCancel(life)
		quit := make(chan struct{})
		go func() { // a new trial is to be looked after at once, but not more often than the pace
			defer close(quit)
			select {
			case <-a.kick:
				select {
				case <-pace.C:
				case <-ctx.Done():
				}
				cancel()
			case <-ctx.Done():
			}
		}()
		reply, err := a.client.backend.Heartbeat(ctx, req)
		switch c := types.CodeOf(err); {
		case c == types.Superseded || c == types.NotFound: // the study was removed
			for _, t := range ts {
				t.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
			}
		case err == nil:
			for i, d := range reply.Decisions {
				ts[i].halt(d)
			}
		}
		early := ctx.Err() == nil
		cancel()
		<-quit
		if early {
			select {
			case <-pace.C:
			case <-life.Done():
			}
		}
		pace.Stop()
	}
}

// beats are the signs of life of what is open; ok is false if nothing is, and
// then nobody beats any more.
func (a *asker) beats() (ts []*Trial, req types.HeartbeatRequest, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	req = types.HeartbeatRequest{Worker: a.worker, Wait: types.Duration(beatWait)}
	for ref, t := range a.open {
		b := types.Beat{Ref: ref, State: types.AttemptRunning}
		if d := t.decision(); d.Stop {
			b.State, b.Stopping, b.Reason = types.Stopping, d.Kind, d.Reason
		}
		ts, req.Beats = append(ts, t), append(req.Beats, b)
	}
	a.beating = len(ts) > 0
	return ts, req, a.beating
}

// opened are the trials whose end was not told.
func (a *asker) opened() []*Trial {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*Trial, 0, len(a.open))
	for _, t := range a.open {
		out = append(out, t)
	}
	return out
}

// report implements host.
func (a *asker) report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	return a.client.backend.Report(ctx, req)
}

// extend implements host.
func (a *asker) extend(ctx context.Context, req types.ExtendRequest) (types.ExtendReply, error) {
	return a.client.backend.Extend(ctx, req)
}

// refuse implements host.
func (a *asker) refuse(*Trial, types.Outcome) error { return nil }

// finish implements host.
func (a *asker) finish(ctx context.Context, req types.FinishRequest) (reply types.FinishReply, err error) {
	err = persist(ctx, func() (err error) {
		reply, err = a.client.backend.Finish(ctx, req)
		return err
	})
	if c := types.CodeOf(err); err == nil || c == types.Superseded || c == types.NotFound {
		a.mu.Lock()
		delete(a.open, req.Ref)
		a.mu.Unlock()
	} else if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return reply, err
}
