package agent

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
)

func (a *Agent) register(r *run) {
	told := r.found()
	a.mu.Lock()
	a.runs[r] = struct{}{}
	r.urge(a.level) // it may have been raised between the lease and the start
	_, void := a.voided[r.lease.Ref]
	delete(a.voided, r.lease.Ref)
	a.mu.Unlock()
	if void {
		r.supersede()
	}
	if !told {
		select {
		case a.kick <- struct{}{}:
		default:
		}
	}
}

// void ends what runs under leases that were handed out ahead and could not be
// stored.
func (a *Agent) void(ls []types.Lease) {
	a.mu.Lock()
	var runs []*run
	for _, l := range ls {
		a.voided[l.Ref] = struct{}{}
		for r := range a.runs {
			if r.lease.Ref == l.Ref {
				runs = append(runs, r)
				delete(a.voided, l.Ref)
			}
		}
	}
	a.mu.Unlock()
	for _, r := range runs {
		r.supersede()
	}
}

func (r *run) supersede() {
	r.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: "its lease could not be stored"})
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
	for ctx.Err() == nil {
		runs, req, news := a.beats()
		var fresh bool
		switch {
		case len(runs) == 0:
		case news:
			fresh = a.beat(ctx, runs, req)
		default:
			req.Wait = types.Duration(a.cfg.Beat)
			fresh = a.beatUntilKick(ctx, runs, req)
		}
		if fresh {
			continue
		}
		select {
		case <-a.kick:
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// beatUntilKick sends a heartbeat that waits for decisions until the next is
// due or a new attempt has a handle to store.
func (a *Agent) beatUntilKick(ctx context.Context, runs []*run, req types.HeartbeatRequest) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kicked := make(chan struct{})
	go func() {
		defer close(kicked)
		select {
		case <-a.kick:
			cancel()
		case <-ctx.Done():
		}
	}()
	fresh := a.beat(ctx, runs, req)
	fresh = fresh || ctx.Err() != nil
	cancel()
	<-kicked
	return fresh
}

// beat sends one heartbeat and carries out the decisions. It returns whether
// the next can follow at once: the wait asked for has passed, or there was news.
func (a *Agent) beat(ctx context.Context, runs []*run, req types.HeartbeatRequest) (fresh bool) {
	began := a.cfg.Now()
	reply, err := a.cfg.Backend.Heartbeat(ctx, req)
	if gone(err) { // the study was removed
		for _, r := range runs {
			r.halt(types.Decision{Stop: true, Kind: types.StopSuperseded, Reason: err.Error()})
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			a.trouble(err)
		}
		return false
	}
	for i, d := range reply.Decisions {
		if runs[i].knows() {
			fresh = true
		}
		if d.Stop && runs[i].halt(d) {
			fresh = true
		}
	}
	return fresh || req.Wait > 0 && a.cfg.Now().Sub(began) >= time.Duration(req.Wait)
}

// beats are the signs of life of what runs; news says that one has a handle
// that is not stored yet.
func (a *Agent) beats() (runs []*run, req types.HeartbeatRequest, news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	req.Worker = a.cfg.Worker
	for r := range a.runs {
		r.mu.Lock()
		runs, req.Beats, news = append(runs, r), append(req.Beats, r.beat), news || !r.told
		r.mu.Unlock()
	}
	return runs, req, news
}
