package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/trial/agent"
	executor "github.com/gotuner/tuner/trial/executor/local"
)

// How often the folders of the study's agents are looked at, and how long one
// that had nothing to inherit is left alone at most.
const (
	heirLook    = time.Second
	heirPatient = 30 * time.Second
)

// heirs goes on with the trials of agents of the same study on this machine that
// were killed or have detached. Their processes run on under their supervisors;
// nobody reads what they write, and their leases would end after a while.
//
// That an agent is gone shows in its state folder: nobody holds its lock. Whoever
// takes the lock is the agent now, and does what the next sweep would do: it
// adopts the attempts under the dead one's name and watches them through the
// dead one's supervisor. So of several survivors one inherits, and no new sweep
// can come between. It takes no new trials for the dead one.
type heirs struct {
	root  string // of the study
	until <-chan struct{}
	now   func() time.Time
	// adopt asks for the attempts that the agent of a state folder held.
	adopt    func(ctx context.Context, state string) ([]types.Adopted, error)
	newAgent func(state string, estate []types.Adopted) (*agent.Agent, *executor.Executor, error)
	trouble  func(error) // may be nil

	mu      sync.Mutex
	ending  bool // nothing is inherited any more
	agents  map[*agent.Agent]struct{}
	empty   map[string]vacancy // folders without anything to inherit
	errs    []error            // of agents that ended
	running sync.WaitGroup
}

// vacancy is how long a folder is left alone.
type vacancy struct {
	pause time.Duration
	until time.Time
}

// Run is agent.Agent.Run, and ends when what was inherited has ended too.
func (w *Worker) Run(ctx context.Context) (reason string, err error) {
	look, stop := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { w.heirs.loop(look, ctx) })
	reason, err = w.Agent.Run(ctx)
	stop()
	looking.Wait()
	w.heirs.running.Wait()
	w.heirs.mu.Lock()
	defer w.heirs.mu.Unlock()
	return reason, errors.Join(append([]error{err}, w.heirs.errs...)...)
}

// Drain is agent.Agent.Drain for all that the worker runs; so are the others.
func (w *Worker) Drain() { w.each((*agent.Agent).Drain) }

// Interrupt is agent.Agent.Interrupt.
func (w *Worker) Interrupt() { w.each((*agent.Agent).Interrupt) }

// Kill is agent.Agent.Kill.
func (w *Worker) Kill() { w.each((*agent.Agent).Kill) }

// Detach is agent.Agent.Detach.
func (w *Worker) Detach() { w.each((*agent.Agent).Detach) }

func (w *Worker) each(end func(*agent.Agent)) {
	end(w.Agent)
	w.heirs.mu.Lock()
	defer w.heirs.mu.Unlock()
	w.heirs.ending = true
	for a := range w.heirs.agents {
		end(a)
	}
}

// loop looks for folders of agents that are gone until ctx is done; what it
// finds is run under work.
func (h *heirs) loop(ctx, work context.Context) {
	t := time.NewTicker(heirLook)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.until:
			return
		case <-t.C:
		}
		// A folder that cannot be listed was made by this worker and removed by
		// somebody: there is nothing in it.
		entries, err := os.ReadDir(filepath.Join(h.root, agentsDir))
		if err != nil {
			continue
		}
		for _, e := range entries {
			h.visit(ctx, work, filepath.Join(h.root, agentsDir, e.Name()))
		}
	}
}

// visit inherits from the agent of a state folder if it is gone.
func (h *heirs) visit(ctx, work context.Context, state string) {
	lock, err := filelock.Try(filepath.Join(state, agentLock))
	h.mu.Lock()
	if err != nil { // it lives, or it is this one; or it is another user's
		delete(h.empty, state)
		h.mu.Unlock()
		return
	}
	leave := h.ending || h.now().Before(h.empty[state].until)
	if !leave {
		h.running.Add(1)
	}
	h.mu.Unlock()
	if leave {
		h.tell(lock.Release())
		return
	}
	go func() {
		defer h.running.Done()
		err := h.inherit(ctx, work, state)
		h.tell(lock.Release())
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil {
			h.errs = append(h.errs, err)
		}
	}()
}

// inherit runs what the agent of a state folder left, whose lock is held.
func (h *heirs) inherit(ctx, work context.Context, state string) error {
	estate, err := h.adopt(ctx, state)
	if err != nil || len(estate) == 0 {
		if ctx.Err() == nil {
			h.tell(err)
		}
		h.nothing(state)
		return nil
	}
	a, exec, err := h.newAgent(state, estate)
	if err != nil {
		h.tell(fmt.Errorf("go on with the trials of an agent that is gone: %w", err))
		h.nothing(state)
		return nil
	}
	h.mu.Lock()
	delete(h.empty, state)
	ending := h.ending // whoever comes next adopts them again
	if h.agents == nil {
		h.agents = map[*agent.Agent]struct{}{}
	}
	h.agents[a] = struct{}{}
	h.mu.Unlock()
	if !ending {
		_, err = a.Run(work)
	}
	h.mu.Lock()
	delete(h.agents, a)
	h.mu.Unlock()
	return errors.Join(err, exec.Close())
}

// nothing notes that a folder had nothing to inherit: it is asked again at
// growing intervals, for a request of the dead may be answered late.
func (h *heirs) nothing(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.empty == nil {
		h.empty = map[string]vacancy{}
	}
	pause := min(max(2*h.empty[state].pause, heirLook), heirPatient)
	h.empty[state] = vacancy{pause, h.now().Add(pause)}
}

func (h *heirs) tell(err error) {
	if err != nil && h.trouble != nil {
		h.trouble(err)
	}
}
