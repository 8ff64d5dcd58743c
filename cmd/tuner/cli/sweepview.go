package cli

import (
	"fmt"
	"sync"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/agent"
)

// display shows a sweep under way. Its methods are called from several
// goroutines.
type display interface {
	note(text string)
	// hooks are what the agent calls; ended is called with each end as well.
	hooks(ended func(types.Lease, types.FinishReply)) agent.Hooks
	close()
}

type lines struct {
	mu sync.Mutex
	st *State
}

func newDisplay(st *State, _ *sweepFlags, _ types.Study) (display, error) { return &lines{st: st}, nil }

func (d *lines) note(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintln(d.st.Stderr, text)
}
func (d *lines) close() {}
func (d *lines) hooks(ended func(types.Lease, types.FinishReply)) agent.Hooks {
	return agent.Hooks{
		Ended: func(l types.Lease, req types.FinishRequest, reply types.FinishReply) {
			ended(l, reply)
			d.note(fmt.Sprintf("trial %d %s %s", l.Ref.Trial, reply.State, reply.Reason))
		},
		Trouble: func(err error) { d.note("trouble: " + err.Error()) },
	}
}
