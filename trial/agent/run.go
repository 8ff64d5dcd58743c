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
	began time.Time
	stopC chan struct{} // capacity 1: it is to be stopped

	// Used by the goroutine that watches: reports that were read but not counted
	// yet, how far they reach, how often they were sent in vain, and how many
	// polls to pass over before the next try.
	unsent      []types.Report
	cursor      string
	vain, skips int

	mu   sync.Mutex
	beat types.Beat
	told bool // the backend knows the handle, or need not
	stop types.Decision
	over bool // it has ended; only that has to be told
}

// newRun is the attempt of a lease, which was started and can be found by its
// handle. A negative slot is an adopted attempt, after which no next lease is
// asked for.
func (a *Agent) newRun(l types.Lease, job *Job, slot int, handle string) *run {
	return &run{a: a, lease: l, job: job, slot: slot, began: a.cfg.Now(), stopC: make(chan struct{}, 1),
		beat: types.Beat{Ref: l.Ref, State: types.AttemptRunning, Handle: handle, Dir: job.Spec.AttemptDir},
		told: job.Spec.AttemptDir == ""} // nobody could find it again
}

// execute watches the attempt to its end, and finishes it. d may say that it is
// being stopped already; ahead may be nil.
func (r *run) execute(ctx context.Context, d types.Decision, ahead func(types.LeaseReply)) *types.LeaseReply {
	a := r.a
	a.register(r)
	defer a.unregister(r) // its lease is kept until the end is told
	if d.Stop {
		r.halt(d)
	}
	if a.cfg.Hooks.Started != nil {
		a.cfg.Hooks.Started(r.lease, max(r.slot, -1-r.slot), r.slot < 0)
	}
	st, known := r.watch(ctx, r.beat.Handle)
	defer r.close()
	if !known { // the next agent finds it
		return nil
	}
	req := r.result(st)
	if r.slot >= 0 && !a.ending(a.drained) {
		next := a.leaseRequest()
		req.Next = &next
	}
	reply := a.finishWith(ctx, r.lease, req, ahead)
	if r.job.Told != nil {
		r.job.Told(reply)
	}
	return reply.Next
}

func (r *run) close() {
	if r.job.Output != nil {
		if err := r.job.Output.Close(); err != nil {
			r.a.trouble(err)
		}
	}
}

// watch reads the attempt's output, reports it, and carries out decisions until
// the attempt has ended. known is false if the agent leaves it to the next one.
func (r *run) watch(ctx context.Context, handle string) (st executor.Status, known bool) {
	a := r.a
	if !r.polled() {
		// Nothing to poll, the common case of functions: whoever decides on an end
		// sends the signal.
		return r.wait(ctx, handle)
	}
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		st, known = r.wait(wctx, handle)
	}()
	poll := time.NewTicker(a.cfg.Poll)
	defer poll.Stop()
	var timeout <-chan time.Time
	if r.job.Timeout > 0 {
		t := time.NewTimer(r.job.Timeout - a.cfg.Now().Sub(r.began))
		defer t.Stop()
		timeout = t.C
	}
	halted, killed := a.halted, a.killed
	for {
		select {
		case <-ended:
			return st, known
		case <-a.left:
			cancel()
			<-ended
			return executor.Status{}, false
		case <-poll.C:
			r.report(ctx)
		case <-r.stopC:
			r.signal(ctx, r.job.StopSignal, r.job.Grace)
		case <-timeout:
			timeout = nil
			r.end(ctx, types.StopTimeout, TimeoutReason(r.job.Timeout))
		case <-halted:
			halted = nil
			r.end(ctx, types.StopInterrupt, "interrupted")
		case <-killed:
			halted, killed = nil, nil
			r.kill(ctx)
		}
	}
}

// TimeoutReason is the reason of a trial that failed by its timeout.
func TimeoutReason(d time.Duration) string {
	return fmt.Sprintf("it ran longer than the timeout of %v", d)
}

// wait waits for the attempt's end. A fault of the executor proves nothing about
// the attempt, so it is asked again until it knows; known is false if ctx is
// done or the agent has to end before. A handle that the executor cannot read
// leads to nothing: the attempt is gone.
func (r *run) wait(ctx context.Context, handle string) (st executor.Status, known bool) {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		st, err := r.a.cfg.Executor.Wait(ctx, handle)
		switch code := types.CodeOf(err); {
		case err == nil:
			return st, true
		case ctx.Err() != nil:
			return st, false
		case code == types.Invalid || code == types.Unsupported:
			return executor.Status{Phase: executor.Gone, Err: err.Error()}, true
		}
		r.a.trouble(fmt.Errorf("wait for trial %d: %w", r.lease.Ref.Trial, err))
		select {
		case <-time.After(pause):
		case <-r.a.hurry.Done():
			return st, false
		case <-ctx.Done():
			return st, false
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
		go r.kill(context.Background())
	case l == interrupting || l == detaching:
		go r.end(context.Background(), types.StopInterrupt, "interrupted")
	}
}

// kill ends the attempt without grace. That is an interruption, too.
func (r *run) kill(ctx context.Context) {
	r.end(ctx, types.StopInterrupt, "interrupted")
	r.signal(ctx, "KILL", 0)
}

// halt carries out the first decision to stop, and reports whether d was it.
func (r *run) halt(d types.Decision) bool {
	r.mu.Lock()
	first := !r.stop.Stop && !r.over
	if first {
		r.stop = d
		r.beat.State, r.beat.Stopping, r.beat.Reason = types.Stopping, d.Kind, d.Reason
	}
	r.mu.Unlock()
	if !first {
		return false
	}
	if r.a.cfg.Hooks.Stopping != nil {
		r.a.cfg.Hooks.Stopping(r.lease, d)
	}
	if r.polled() {
		r.stopC <- struct{}{}
	} else {
		go r.signal(context.Background(), r.job.StopSignal, r.job.Grace)
	}
	return true
}

// knows notes that the backend knows the handle, and reports whether that is
// news.
func (r *run) knows() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := !r.told
	r.told = true
	return news
}

// intentPatience is how long the storing of an intent to stop may delay the
// signal.
const intentPatience = 5 * time.Second

// end stops the attempt by the agent's own will: the intent is stored before
// the signal is sent, if that is possible.
func (r *run) end(ctx context.Context, kind types.StopKind, reason string) {
	r.mu.Lock()
	b := r.beat
	already := r.stop.Stop || r.over
	r.mu.Unlock()
	if already {
		return
	}
	b.State, b.Stopping, b.Reason = types.Stopping, kind, reason
	ctx, cancel := context.WithTimeout(ctx, intentPatience)
	defer cancel()
	if _, err := r.a.cfg.Backend.Heartbeat(ctx, types.HeartbeatRequest{Worker: r.a.cfg.Worker, Beats: []types.Beat{b}}); err != nil {
		r.a.trouble(err)
	}
	r.halt(types.Decision{Stop: true, Kind: kind, Reason: reason})
}

func (r *run) signal(ctx context.Context, sig string, grace time.Duration) {
	if err := r.a.cfg.Executor.Stop(ctx, r.beat.Handle, sig, grace); err != nil {
		r.a.trouble(fmt.Errorf("stop trial %d: %w", r.lease.Ref.Trial, err))
	}
}

// report sends what the attempt has written since the last time. What cannot be
// sent is kept and sent later; meanwhile no more is read. It waits for no
// backend, so that timeouts and signals are heeded.
func (r *run) report(ctx context.Context) {
	if r.skips > 0 {
		r.skips--
		return
	}
	if len(r.unsent) == 0 {
		r.read(false)
	}
	// An attempt that is found without its handle is read from the start.
	if len(r.unsent) == 0 || !r.found() {
		return
	}
	// Once the agent hurries, the reports come with the end.
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(r.a.hurry, cancel)()
	defer cancel()
	d, err := r.a.cfg.Backend.Report(ctx, types.ReportRequest{Ref: r.lease.Ref, Reports: r.unsent, Cursor: r.cursor})
	switch {
	case types.CodeOf(err) == types.Unavailable:
		r.vain++
		r.skips = min(1<<min(r.vain, 10), int(longestPause/r.a.cfg.Poll))
		r.a.trouble(err)
		return
	case err != nil && ctx.Err() != nil:
		return
	case gone(err):
		r.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
	case err != nil:
		r.a.trouble(err)
	case d.Stop:
		r.halt(d)
	}
	r.unsent, r.vain = nil, 0
}

func (r *run) found() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// read adds what is new in the output to what is unsent.
func (r *run) read(final bool) {
	if r.job.Output == nil {
		return
	}
	rs, cursor, err := r.job.Output.Poll(final)
	if err != nil {
		r.a.trouble(fmt.Errorf("read the output of trial %d: %w", r.lease.Ref.Trial, err))
	}
	r.unsent, r.cursor = append(r.unsent, rs...), cursor
	if len(rs) > 0 && r.a.cfg.Hooks.Reported != nil {
		r.a.cfg.Hooks.Reported(r.lease, rs)
	}
}

// gone reports whether the attempt is not ours any more.
func gone(err error) bool {
	c := types.CodeOf(err)
	return c == types.Superseded || c == types.NotFound
}

// result is what the attempt's end means, with what it wrote last.
func (r *run) result(st executor.Status) types.FinishRequest {
	r.mu.Lock()
	r.over = true
	d := r.stop
	r.mu.Unlock()
	r.read(true)
	req := r.job.Finish(st)
	req.Ref, req.Reports, req.Cursor, req.Dir = r.lease.Ref, append(req.Reports, r.unsent...), r.cursor, r.job.Spec.AttemptDir
	if d.Stop && st.Phase != executor.Gone {
		req.Outcome, req.Reason = intended(d, req)
	}
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
	case types.StopPaused:
		if req.Outcome == types.OutcomeFailed || req.Outcome == types.OutcomeInterrupted {
			return types.OutcomeCompleted, ""
		}
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
func (a *Agent) finish(ctx context.Context, l types.Lease, req types.FinishRequest, ahead func(types.LeaseReply)) *types.LeaseReply {
	if !a.ending(a.drained) {
		next := a.leaseRequest()
		req.Next = &next
	}
	return a.finishWith(ctx, l, req, ahead).Next
}

// finishLast tells the end of an attempt after which nothing is asked for.
func (a *Agent) finishLast(ctx context.Context, l types.Lease, req types.FinishRequest) {
	a.finishWith(ctx, l, req, nil)
}

func (a *Agent) finishWith(ctx context.Context, l types.Lease, req types.FinishRequest, ahead func(types.LeaseReply)) types.FinishReply {
	reply, err := a.tell(ctx, req, ahead)
	if a.cfg.Hooks.Ended != nil {
		if err != nil {
			reply.Reason = err.Error()
		}
		a.cfg.Hooks.Ended(l, req, reply)
	}
	return reply
}

// tell tells the end of an attempt. That it is somebody else's now is no fault;
// anything else that keeps it from being stored Run returns.
func (a *Agent) tell(ctx context.Context, req types.FinishRequest, ahead func(types.LeaseReply)) (types.FinishReply, error) {
	var reply types.FinishReply
	finish := a.cfg.Backend.Finish
	if b, ok := a.cfg.Backend.(Aheader); ok && ahead != nil {
		finish = func(ctx context.Context, again types.FinishRequest) (types.FinishReply, error) {
			var next []types.Lease
			reply, err := b.FinishAhead(ctx, again, func(r types.LeaseReply) {
				req.Next = nil // a later try asks for no other
				next = r.Leases
				ahead(r)
			})
			if err != nil {
				a.void(next)
			}
			return reply, err
		}
	}
	err := a.persist(ctx, func() (err error) {
		reply, err = finish(ctx, req)
		return err
	})
	if err != nil && !gone(err) {
		err = fmt.Errorf("the end of trial %d could not be stored: %w", req.Ref.Trial, err)
		a.mu.Lock()
		a.untold = append(a.untold, err)
		a.mu.Unlock()
	}
	return reply, err
}
