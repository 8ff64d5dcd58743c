package local

import (
	"context"
	"sync"
	"time"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
)

// How often a host looks for studies, and how long it leaves one alone whose
// trials it could not run.
const (
	hostLook = 2 * time.Second
	hostRest = time.Minute
)

// HostConfig makes a Host. All of its functions must be safe for concurrent use.
type HostConfig struct {
	// Slots is how many trials run at once, of all studies together; at least 1.
	Slots   int
	Backend agent.Backend
	// List calls do for each study that there is.
	List func(ctx context.Context, do func(store.StudySummary)) error
	// Make makes the worker of a study that has none, which leases from b; nil and
	// no error if its trials are not to be run here. After an error the study is
	// left alone for a minute.
	Make func(b agent.Backend, s store.StudySummary) (*Worker, error)
	// Ended is told of a worker that Make made and that is over, Refused of an error
	// of Make, and Trouble of one of List, after which the host goes on.
	Ended   func(st trial.Study, reason string, err error)
	Refused func(st trial.Study, err error)
	Trouble func(err error)
}

// Host runs the trials of several studies on this machine: of each that has some
// for it, with a number of places for all of them.
type Host struct {
	cfg  HostConfig
	gate *gate
	all  sync.WaitGroup

	mu      sync.Mutex
	workers map[int64]*Worker   // nil while one is being made
	resting map[int64]time.Time // until when a study is left alone
	ending  bool
	ended   chan struct{} // closed at the end of the looking
}

// NewHost returns a Host that runs nothing yet.
func NewHost(cfg HostConfig) *Host {
	h := &Host{cfg: cfg, workers: map[int64]*Worker{}, resting: map[int64]time.Time{}, ended: make(chan struct{})}
	h.gate = newGate(cfg.Backend, max(cfg.Slots, 1), h.pause)
	return h
}

// pause is how long a study without a trial waits: all together ask for one
// twenty times a second at most.
func (h *Host) pause() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(gatePause, time.Duration(len(h.workers))*(time.Second/20))
}

// Runs reports whether trials of the study are run here now.
func (h *Host) Runs(study int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.workers[study]
	return ok
}

// Run runs trials until Drain and its like, and returns when all workers have
// ended. The end of ctx is Detach.
func (h *Host) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, h.Detach)()
	look := time.NewTicker(hostLook)
	defer look.Stop()
	for over := false; !over; {
		err := h.cfg.List(ctx, func(s store.StudySummary) { h.visit(ctx, s) })
		if err != nil && ctx.Err() == nil {
			h.cfg.Trouble(err)
		}
		select {
		case <-look.C:
		case <-h.ended:
			over = true
		}
	}
	h.all.Wait()
}

// Drain takes no new trials; it is Worker.Drain for all studies, and so are the
// others.
func (h *Host) Drain() { h.each((*Worker).Drain) }

// Interrupt is Worker.Interrupt.
func (h *Host) Interrupt() { h.each((*Worker).Interrupt) }

// Kill is Worker.Kill.
func (h *Host) Kill() { h.each((*Worker).Kill) }

// Detach is Worker.Detach: what runs goes on under its supervisor, and the next
// host finds it.
func (h *Host) Detach() { h.each((*Worker).Detach) }

func (h *Host) each(end func(*Worker)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ending {
		h.ending = true
		close(h.ended)
	}
	for _, w := range h.workers {
		if w != nil {
			end(w)
		}
	}
}

// visit starts a worker for a study that has none and needs one.
func (h *Host) visit(ctx context.Context, s store.StudySummary) {
	id := s.Study.ID
	h.mu.Lock()
	_, busy := h.workers[id]
	if busy || h.ending || time.Now().Before(h.resting[id]) {
		h.mu.Unlock()
		return
	}
	h.workers[id] = nil
	h.mu.Unlock()
	w, err := h.cfg.Make(h.gate, s)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil:
		h.resting[id] = time.Now().Add(hostRest)
		h.cfg.Refused(s.Study, err)
	case w != nil && h.ending:
		if err := w.Close(); err != nil {
			h.cfg.Trouble(err)
		}
	}
	if w == nil || err != nil || h.ending {
		delete(h.workers, id)
		return
	}
	h.workers[id] = w
	h.all.Go(func() { h.run(ctx, s.Study, w) })
}

func (h *Host) run(ctx context.Context, st trial.Study, w *Worker) {
	// What runs is detached, not killed, when ctx ends.
	reason, err := w.Run(context.WithoutCancel(ctx))
	if e := w.Close(); err == nil {
		err = e
	}
	h.mu.Lock()
	delete(h.workers, st.ID)
	if err != nil || reason == "" { // it was asked to end, by itself or by us
		h.resting[st.ID] = time.Now().Add(hostRest)
	}
	h.mu.Unlock()
	h.cfg.Ended(st, reason, err)
}
