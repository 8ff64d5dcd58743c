package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// run is one attempt under way.
type run struct {
	a     *Agent
	lease types.Lease
	job   *Job
	slot  int
	stopC chan types.Decision // capacity 1: the first decision to stop

	mu   sync.Mutex
	beat types.Beat
	told types.Beat // what the backend knows
	stop types.Decision
}

// start runs a newly leased attempt to its end and returns the next lease, nil
// if there is none yet.
func (a *Agent) start(ctx context.Context, l types.Lease, slot int) *types.LeaseReply {
	job, err := a.cfg.Launcher.Launch(l, slot)
	if err != nil {
		return a.finish(ctx, l, types.FinishRequest{Ref: l.Ref, Outcome: notStarted(err), Reason: err.Error()})
	}
	return a.execute(ctx, l, job, slot, "", types.Decision{})
}

// notStarted is the outcome of an attempt that could not be started: a fault of
// the machine is no failure of the trial, which is handed out again.
func notStarted(err error) types.Outcome {
	if types.CodeOf(err) == types.Unavailable {
		return types.OutcomeLost
	}
	return types.OutcomeFailed
}

// resume watches an attempt that an earlier agent left.
func (a *Agent) resume(ctx context.Context, ad types.Adopted, slot int) {
	var job *Job
	var err error
	if ad.Handle == "" {
		job, err = a.cfg.Launcher.Launch(ad.Lease, slot)
	} else {
		job, err = a.cfg.Launcher.Resume(ad)
	}
	if err != nil {
		a.finish(ctx, ad.Lease, types.FinishRequest{Ref: ad.Lease.Ref, Outcome: types.OutcomeLost, Reason: err.Error()})
		return
	}
	var d types.Decision
	if ad.Stopping != "" {
		d = types.Decision{Stop: true, Kind: ad.Stopping, Reason: ad.Reason}
	}
	// The next lease is asked for by the slot, once all adopted trials are over.
	a.execute(ctx, ad.Lease, job, -1-slot, ad.Handle, d)
}

// execute starts the attempt (or finds it by its handle), watches it, and
// finishes it. A negative slot is an adopted attempt, after which no next lease
// is asked for.
func (a *Agent) execute(ctx context.Context, l types.Lease, job *Job, slot int, handle string, d types.Decision) *types.LeaseReply {
	r := &run{a: a, lease: l, job: job, slot: slot, stopC: make(chan types.Decision, 1)}
	r.beat = types.Beat{Ref: l.Ref, State: types.AttemptRunning, Handle: handle, Dir: job.Spec.AttemptDir}
	if handle == "" {
		var err error
		if handle, err = a.cfg.Executor.Start(ctx, job.Spec); err != nil {
			r.close()
			return a.finish(ctx, l, types.FinishRequest{Ref: l.Ref, Outcome: notStarted(err), Reason: err.Error()})
		}
		r.beat.Handle = handle
	}
	a.register(r)
	if d.Stop {
		r.halt(d)
	}
	if a.cfg.Hooks.Started != nil {
		a.cfg.Hooks.Started(l, max(slot, -1-slot), slot < 0)
	}
	st, detached := r.watch(ctx, handle)
	a.unregister(r)
	if detached {
		r.close()
		return nil
	}
	req := r.result(st)
	if slot < 0 {
		a.finishLast(ctx, l, req)
		return nil
	}
	return a.finish(ctx, l, req)
}

func (r *run) close() {
	if r.job.Output != nil {
		if err := r.job.Output.Close(); err != nil {
			r.a.trouble(err)
		}
	}
}

// watch reads the attempt's output, reports it, and carries out decisions until
// the attempt has ended. detached says that the agent leaves it running.
func (r *run) watch(ctx context.Context, handle string) (st executor.Status, detached bool) {
	a := r.a
	ended := make(chan executor.Status, 1)
	if !r.polled() {
		// Nothing to poll, the common case of functions: whoever decides on an end
		// sends the signal.
		return r.wait(ctx, handle), false
	}
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ended <- r.wait(wctx, handle) }()
	poll := time.NewTicker(a.cfg.Poll)
	defer poll.Stop()
	var timeout <-chan time.Time
	if r.job.Timeout > 0 {
		t := time.NewTimer(r.job.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	halted, killed := a.halted, a.killed
	for {
		select {
		case st := <-ended:
			return st, false
		case <-a.left:
			return st, true
		case <-poll.C:
			r.report(ctx)
		case d := <-r.stopC:
			r.signal(ctx, handle, d, r.job.StopSignal)
		case <-timeout:
			timeout = nil
			r.end(ctx, types.StopTimeout, fmt.Sprintf("it ran longer than the timeout of %v", r.job.Timeout))
		case <-halted:
			halted = nil
			r.end(ctx, types.StopInterrupt, "interrupted")
		case <-killed:
			killed = nil
			r.signal(ctx, handle, types.Decision{}, "KILL")
		}
	}
}

// wait waits for the attempt's end. A fault of the executor proves nothing about
// the attempt, so it is asked again until it knows or ctx is done.
func (r *run) wait(ctx context.Context, handle string) executor.Status {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		st, err := r.a.cfg.Executor.Wait(ctx, handle)
		if err == nil {
			return st
		}
		if ctx.Err() == nil {
			r.a.trouble(fmt.Errorf("wait for trial %d: %w", r.lease.Ref.Trial, err))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return executor.Status{Phase: executor.Gone, Err: ctx.Err().Error()}
		}
	}
}

// polled reports whether watch has a loop of its own.
func (r *run) polled() bool { return r.job.Output != nil || r.job.Timeout > 0 }

// urge ends an attempt without a loop because the agent ends.
func (r *run) urge(l level) {
	switch {
	case r.polled():
	case l == killing:
		go r.signal(context.Background(), r.beat.Handle, types.Decision{}, "KILL")
	case l == interrupting || l == detaching:
		go r.end(context.Background(), types.StopInterrupt, "interrupted")
	}
}

// halt remembers the first decision to stop.
func (r *run) halt(d types.Decision) {
	r.mu.Lock()
	first := !r.stop.Stop
	if first {
		r.stop = d
		r.beat.State, r.beat.Stopping, r.beat.Reason = types.Stopping, d.Kind, d.Reason
	}
	r.mu.Unlock()
	if first {
		if r.polled() {
			r.stopC <- d
		} else {
			go r.signal(context.Background(), r.beat.Handle, d, r.job.StopSignal)
		}
		if r.a.cfg.Hooks.Stopping != nil {
			r.a.cfg.Hooks.Stopping(r.lease, d)
		}
	}
}

// end stops the attempt by the agent's own will: the intent is stored before
// the signal is sent.
func (r *run) end(ctx context.Context, kind types.StopKind, reason string) {
	r.mu.Lock()
	b := r.beat
	already := r.stop.Stop
	r.mu.Unlock()
	if already {
		return
	}
	b.State, b.Stopping, b.Reason = types.Stopping, kind, reason
	if _, err := r.a.cfg.Backend.Heartbeat(ctx, types.HeartbeatRequest{Worker: r.a.cfg.Worker, Beats: []types.Beat{b}}); err != nil {
		r.a.trouble(err)
	}
	r.halt(types.Decision{Stop: true, Kind: kind, Reason: reason})
}

func (r *run) signal(ctx context.Context, handle string, d types.Decision, sig string) {
	grace := r.job.Grace
	if sig == "KILL" {
		grace = 0
	}
	if err := r.a.cfg.Executor.Stop(ctx, handle, sig, grace); err != nil {
		r.a.trouble(fmt.Errorf("stop trial %d: %w", r.lease.Ref.Trial, err))
	}
}

// report sends what the attempt has written since the last time. Reports that
// could not be sent are read again from the cursor's point of view only at the
// end: the collector keeps them.
func (r *run) report(ctx context.Context) {
	rs, cursor, err := r.job.Output.Poll(false)
	if err != nil {
		r.a.trouble(fmt.Errorf("read the output of trial %d: %w", r.lease.Ref.Trial, err))
	}
	if len(rs) == 0 {
		return
	}
	if r.a.cfg.Hooks.Reported != nil {
		r.a.cfg.Hooks.Reported(r.lease, rs)
	}
	req := types.ReportRequest{Ref: r.lease.Ref, Reports: rs, Cursor: cursor}
	var d types.Decision
	err = r.a.persist(ctx, func() (err error) {
		d, err = r.a.cfg.Backend.Report(ctx, req)
		return err
	})
	switch {
	case gone(err):
		r.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
	case err != nil:
		r.a.trouble(err)
	case d.Stop:
		r.halt(d)
	}
}

// gone reports whether the attempt is not ours any more.
func gone(err error) bool {
	c := types.CodeOf(err)
	return c == types.Superseded || c == types.NotFound
}

// result is what the attempt's end means, with what it wrote last.
func (r *run) result(st executor.Status) types.FinishRequest {
	var rs []types.Report
	var cursor string
	if r.job.Output != nil {
		var err error
		if rs, cursor, err = r.job.Output.Poll(true); err != nil {
			r.a.trouble(fmt.Errorf("read the output of trial %d: %w", r.lease.Ref.Trial, err))
		}
		if len(rs) > 0 && r.a.cfg.Hooks.Reported != nil {
			r.a.cfg.Hooks.Reported(r.lease, rs)
		}
	}
	req := r.job.Finish(st)
	req.Ref, req.Reports, req.Cursor, req.Dir = r.lease.Ref, rs, cursor, r.job.Spec.AttemptDir
	r.mu.Lock()
	d := r.stop
	r.mu.Unlock()
	if d.Stop && st.Phase != executor.Gone {
		req.Outcome, req.Reason = intended(d, req)
	}
	r.close()
	return req
}

// intended is the outcome of an attempt that was asked to stop. One that had
// finished its work before the signal came is completed all the same, unless it
// was pruned.
func intended(d types.Decision, req types.FinishRequest) (types.Outcome, string) {
	switch d.Kind {
	case types.StopPruned:
		return types.OutcomePruned, d.Reason
	case types.StopCancelled:
		return types.OutcomeCancelled, d.Reason
	case types.StopTimeout:
		if req.Outcome != types.OutcomeCompleted {
			return types.OutcomeFailed, d.Reason
		}
	case types.StopInterrupt, types.StopSuperseded:
		if req.Outcome == types.OutcomeFailed {
			return types.OutcomeInterrupted, d.Reason
		}
	}
	return req.Outcome, req.Reason
}

// finish tells the end of an attempt and asks for the next trial in one call.
func (a *Agent) finish(ctx context.Context, l types.Lease, req types.FinishRequest) *types.LeaseReply {
	if !a.ending(a.drained) {
		next := a.leaseRequest()
		req.Next = &next
	}
	return a.finishLast(ctx, l, req).Next
}

func (a *Agent) finishLast(ctx context.Context, l types.Lease, req types.FinishRequest) types.FinishReply {
	var reply types.FinishReply
	err := a.persist(ctx, func() (err error) {
		reply, err = a.cfg.Backend.Finish(ctx, req)
		return err
	})
	if err != nil && !gone(err) {
		a.trouble(fmt.Errorf("finish trial %d: %w", l.Ref.Trial, err))
	}
	if a.cfg.Hooks.Ended != nil {
		if err != nil {
			reply.Reason = err.Error()
		}
		a.cfg.Hooks.Ended(l, req, reply)
	}
	return reply
}

func (a *Agent) register(r *run) {
	a.mu.Lock()
	a.runs[r] = struct{}{}
	r.urge(a.level) // it may have been raised between the lease and the start
	a.mu.Unlock()
	if r.beat.Handle != "" && r.job.Spec.AttemptDir != "" {
		select {
		case a.kick <- struct{}{}:
		default:
		}
	}
}

func (a *Agent) unregister(r *run) {
	a.mu.Lock()
	delete(a.runs, r)
	a.mu.Unlock()
}

// beatLoop renews the leases, stores handles soon after a start, and hears of
// decisions made elsewhere.
func (a *Agent) beatLoop(ctx context.Context) {
	t := time.NewTicker(a.cfg.Beat)
	defer t.Stop()
	for {
		wait := a.cfg.Beat
		runs, req := a.beats()
		if len(runs) == 0 {
			select {
			case <-a.kick:
				continue
			case <-t.C:
				continue
			case <-ctx.Done():
				return
			}
		}
		a.beatOnce(ctx, runs, req, wait)
		if ctx.Err() != nil {
			return
		}
	}
}

// beatOnce sends one heartbeat that waits for decisions until the next is due
// or a new attempt has a handle to store.
func (a *Agent) beatOnce(ctx context.Context, runs []*run, req types.HeartbeatRequest, wait time.Duration) {
	bctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-a.kick:
			cancel()
		case <-bctx.Done():
		}
	}()
	req.Wait = types.Duration(wait)
	reply, err := a.cfg.Backend.Heartbeat(bctx, req)
	if err != nil && bctx.Err() == nil {
		a.trouble(err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	for i, d := range reply.Decisions {
		if d.Stop {
			runs[i].halt(d)
		}
	}
}

func (a *Agent) beats() ([]*run, types.HeartbeatRequest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	req := types.HeartbeatRequest{Worker: a.cfg.Worker}
	runs := make([]*run, 0, len(a.runs))
	for r := range a.runs {
		r.mu.Lock()
		runs, req.Beats = append(runs, r), append(req.Beats, r.beat)
		r.mu.Unlock()
	}
	return runs, req
}
