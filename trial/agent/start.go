package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// start runs a newly leased attempt to its end and returns the next lease, nil
// if there is none yet. ahead may get it earlier; see Config.Ahead.
func (a *Agent) start(ctx context.Context, l types.Lease, slot int, ahead func(types.LeaseReply)) *types.LeaseReply {
	job, handle, end := a.begin(ctx, l, slot, true)
	if end != nil {
		return a.finish(ctx, l, *end, ahead)
	}
	return a.newRun(l, job, slot, handle).execute(ctx, types.Decision{}, ahead)
}

// ends are the ends of a slot's trials that are being stored while the next
// trial runs: one at most.
type ends struct{ last chan struct{} }

func (e *ends) wait() {
	if e.last != nil {
		<-e.last
	}
}

// ahead is start for a slot that need not wait for the trial's end to be stored
// before it goes on with the next.
func (a *Agent) ahead(ctx context.Context, l types.Lease, slot int, e *ends) *types.LeaseReply {
	if _, ok := a.cfg.Backend.(Aheader); !ok || !a.cfg.Ahead {
		return a.start(ctx, l, slot, nil)
	}
	next := make(chan *types.LeaseReply, 2) // nobody waits for the second
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		next <- a.start(ctx, l, slot, func(r types.LeaseReply) { next <- &r })
	}()
	reply := <-next
	e.wait()
	e.last = stored
	return reply
}

// resume watches an attempt that an earlier agent left.
func (a *Agent) resume(ctx context.Context, ad types.Adopted, slot int) {
	var job *Job
	handle := ad.Handle
	if handle == "" {
		var end *types.FinishRequest
		if job, handle, end = a.begin(ctx, ad.Lease, slot, false); end != nil {
			a.finishLast(ctx, ad.Lease, *end)
			return
		}
	} else {
		var err error
		if job, err = a.cfg.Launcher.Resume(ad); err != nil {
			// Its trial is handed out again: what may run of it must not go on.
			if serr := a.cfg.Executor.Stop(ctx, handle, "KILL", 0); serr != nil {
				a.trouble(fmt.Errorf("stop trial %d: %w", ad.Lease.Ref.Trial, serr))
			}
			a.finishLast(ctx, ad.Lease, types.FinishRequest{Ref: ad.Lease.Ref, Outcome: types.OutcomeLost, Reason: err.Error()})
			return
		}
	}
	var d types.Decision
	if ad.Stopping != "" {
		d = types.Decision{Stop: true, Kind: ad.Stopping, Reason: ad.Reason}
	}
	// The next lease is asked for by the slot, once all adopted trials are over.
	r := a.newRun(ad.Lease, job, -1-slot, handle)
	if !ad.Leased.IsZero() {
		r.began = ad.Leased
	}
	r.execute(ctx, d, nil)
}

// begin starts a leased attempt, or finds it if it was started before. If the
// machine is at fault (a full disk, too many processes) it tries on, for that
// is no failure of the trial and the next one would meet it too. end is how the
// attempt is to be finished if it cannot be started.
func (a *Agent) begin(ctx context.Context, l types.Lease, slot int, fresh bool) (job *Job, handle string, end *types.FinishRequest) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		var err error
		if c, ok := a.cfg.Launcher.(Clearer); ok && fresh {
			err = c.Clear(l)
		}
		if err == nil {
			fresh = false
			job, handle, err = a.tryBegin(ctx, l, slot)
		}
		if err == nil {
			return job, handle, nil
		}
		end := &types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed, Reason: err.Error()}
		switch types.CodeOf(err) {
		case types.Unavailable:
		case types.Conflict:
			a.mu.Lock()
			a.misfit = err
			a.mu.Unlock()
			a.Drain()
			end.Outcome = types.OutcomeInterrupted
			return nil, "", end
		default:
			return nil, "", end
		}
		a.trouble(fmt.Errorf("start trial %d: %w", l.Ref.Trial, err))
		if d := a.hold(ctx, l, pause); d.Stop {
			end.Outcome, end.Reason = intended(d, *end)
			return nil, "", end
		}
	}
}

func (a *Agent) tryBegin(ctx context.Context, l types.Lease, slot int) (*Job, string, error) {
	job, err := a.launch(ctx, l, slot)
	if err != nil {
		return nil, "", err
	}
	handle, err := a.cfg.Executor.Start(ctx, job.Spec)
	if err != nil && job.Output != nil {
		err = errors.Join(err, job.Output.Close())
	}
	return job, handle, err
}

// launch prepares an attempt. The lease of one that inherits a checkpoint, which may
// be large, is renewed meanwhile.
func (a *Agent) launch(ctx context.Context, l types.Lease, slot int) (*Job, error) {
	if l.Copy == nil {
		return a.cfg.Launcher.Launch(l, slot)
	}
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() {
		tick := time.NewTicker(a.cfg.Beat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			_, err := a.cfg.Backend.Heartbeat(ctx, types.HeartbeatRequest{Worker: a.cfg.Worker,
				Beats: []types.Beat{{Ref: l.Ref, State: types.AttemptStarting}}})
			if err != nil && ctx.Err() == nil {
				a.trouble(err)
			}
		}
	})
	defer renewing.Wait()
	defer cancel()
	return a.cfg.Launcher.Launch(l, slot)
}

// hold waits before the next try to start an attempt and renews its lease. The
// decision is to stop if the attempt is not wanted any more or the agent ends.
func (a *Agent) hold(ctx context.Context, l types.Lease, pause time.Duration) types.Decision {
	interrupted := types.Decision{Stop: true, Kind: types.StopInterrupt, Reason: "interrupted before it could be started"}
	select {
	case <-time.After(pause):
	case <-a.drained:
		return interrupted
	case <-a.left:
		return interrupted
	}
	reply, err := a.cfg.Backend.Heartbeat(ctx, types.HeartbeatRequest{Worker: a.cfg.Worker,
		Beats: []types.Beat{{Ref: l.Ref, State: types.AttemptStarting}}})
	switch {
	case gone(err):
		return types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()}
	case err != nil || len(reply.Decisions) == 0:
		return types.Decision{} // the next beat tells, before the lease is over
	}
	return reply.Decisions[0]
}
