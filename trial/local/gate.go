package local

import (
	"context"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
)

// gatePause is how long a study without a trial to run waits at least before it
// asks again: the place is another study's meanwhile.
const gatePause = time.Second

// gate is a Backend for several agents that run a number of trials at most
// between them. A place is taken before a trial is asked for, and given back
// when its attempt has ended, so that the studies take turns.
type gate struct {
	agent.Backend

	free  chan struct{} // one for each place that is free
	pause func() time.Duration
	mu    sync.Mutex
	held  map[types.AttemptRef]struct{}
}

func newGate(b agent.Backend, places int, pause func() time.Duration) *gate {
	g := &gate{Backend: b, free: make(chan struct{}, places), pause: pause, held: map[types.AttemptRef]struct{}{}}
	for range places {
		g.free <- struct{}{}
	}
	return g
}

// Lease implements agent.Backend.
func (g *gate) Lease(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error) {
	select {
	case <-g.free:
	case <-ctx.Done():
		return types.LeaseReply{}, context.Cause(ctx)
	}
	req.Wait, req.Max = 0, 1
	reply, err := g.Backend.Lease(ctx, req)
	if err == nil && reply.Status == types.LeaseGranted {
		for _, l := range reply.Leases {
			g.hold(l.Ref)
		}
		return reply, nil
	}
	g.free <- struct{}{}
	if err != nil || reply.Status != types.LeaseWait {
		return reply, err
	}
	pause := time.NewTimer(g.pause())
	defer pause.Stop()
	select {
	case <-pause.C:
		return reply, nil
	case <-ctx.Done():
		return types.LeaseReply{}, context.Cause(ctx)
	}
}

// Finish implements agent.Backend. The next trial is asked for by Lease, after
// those of other studies that wait for a place.
func (g *gate) Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	req.Next = nil
	reply, err := g.Backend.Finish(ctx, req)
	if types.CodeOf(err) != types.Unavailable { // it is tried again else
		g.drop(req.Ref)
	}
	return reply, err
}

// Adopt implements agent.Backend. What runs already needs no place to begin, but
// it takes one if there is one.
func (g *gate) Adopt(ctx context.Context, req types.AdoptRequest) ([]types.Adopted, error) {
	as, err := g.Backend.Adopt(ctx, req)
	for _, a := range as {
		select {
		case <-g.free:
			g.hold(a.Lease.Ref)
		default:
		}
	}
	return as, err
}

func (g *gate) hold(ref types.AttemptRef) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held[ref] = struct{}{}
}

func (g *gate) drop(ref types.AttemptRef) {
	g.mu.Lock()
	_, ok := g.held[ref]
	delete(g.held, ref)
	g.mu.Unlock()
	if ok {
		g.free <- struct{}{}
	}
}
