// Package agent runs trials: it leases them from a Backend, starts them on an
// Executor, turns their output into reports, carries out the decisions that the
// Backend answers with, and finishes them. The same agent serves a sweep on
// this machine, a worker on another, and functions run by the Go SDK.
//
// It keeps nothing that matters: killed at any moment, the next agent under the
// same worker name adopts what still runs.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// Backend hands out trials and takes their results. All methods are safe for
// concurrent use and idempotent. Errors are *types.Error: Superseded means that
// the attempt is somebody else's now, Unavailable that the same call may
// succeed later.
type Backend interface {
	Lease(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error)
	Report(ctx context.Context, req types.ReportRequest) (types.Decision, error)
	Heartbeat(ctx context.Context, req types.HeartbeatRequest) (types.HeartbeatReply, error)
	Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error)
	Adopt(ctx context.Context, req types.AdoptRequest) ([]types.Adopted, error)
}

// Launcher prepares attempts for an executor.
type Launcher interface {
	// Launch prepares a newly leased attempt, or one whose handle was never
	// stored. An error fails the trial with its text.
	Launch(l types.Lease, slot int) (*Job, error)
	// Resume prepares the watching of an attempt that an earlier agent started.
	Resume(a types.Adopted) (*Job, error)
}

// Job is an attempt as the agent runs it.
type Job struct {
	Spec executor.Spec
	// Output is read while the attempt runs; nil if it has none.
	Output Output
	// Timeout bounds the attempt; 0 is no bound.
	Timeout time.Duration
	// StopSignal and Grace are how it is ended.
	StopSignal string
	Grace      time.Duration
	// Finish says how the attempt ended. Ref, Reports and Cursor are filled in
	// by the agent.
	Finish func(executor.Status) types.FinishRequest
}

// Output is the readable side of an attempt. It is used by one goroutine.
type Output interface {
	// Poll reads what is new and returns it as reports with their cursor; final
	// says that nothing more will come.
	Poll(final bool) (reports []types.Report, cursor string, err error)
	Close() error
}

// Config makes an Agent.
type Config struct {
	Backend  Backend
	Executor executor.Executor
	Launcher Launcher
	Study    int64
	// Worker is the name under which the agent leases; after a restart the same
	// name adopts what ran before.
	Worker string
	Node   string
	// ExecutorName is stored with the attempts ("local", "inproc").
	ExecutorName string
	// Slots is how many trials run at once; 0 means 1.
	Slots int
	// Texts asks for the texts of the values, which commands need.
	Texts bool
	// NewKey draws an idempotency key for a lease; nil where calls cannot be
	// repeated.
	NewKey func() string
	// Poll is how often output is read; 0 is 50 ms.
	Poll time.Duration
	// Beat is how often leases are renewed; 0 is 5 s.
	Beat time.Duration
	// Until ends the handing out of new trials; nil never fires.
	Until  <-chan struct{}
	Hooks  Hooks
	Logger *slog.Logger
}

// Hooks tell an observer what happens. Any may be nil. They are called from
// several goroutines at once and must return quickly.
type Hooks struct {
	Started  func(l types.Lease, slot int, adopted bool)
	Reported func(l types.Lease, rs []types.Report)
	// Stopping is called when an attempt is asked to stop.
	Stopping func(l types.Lease, d types.Decision)
	Ended    func(l types.Lease, req types.FinishRequest, reply types.FinishReply)
	// Trouble is called for faults that the agent goes on after.
	Trouble func(err error)
}

// Agent runs the trials of one study. Run is called once; the other methods are
// safe for concurrent use.
type Agent struct {
	cfg Config

	mu    sync.Mutex
	runs  map[*run]struct{}
	level level

	drained chan struct{} // closed at drain: no new trials
	halted  chan struct{} // closed at Interrupt
	killed  chan struct{} // closed at Kill
	left    chan struct{} // closed at Detach
	kick    chan struct{} // a beat is due now
}

// level is how urgently the agent was asked to end.
type level int

const (
	running level = iota
	draining
	interrupting
	killing
	detaching
)

// New returns an Agent.
func New(cfg Config) *Agent {
	if cfg.Slots == 0 {
		cfg.Slots = 1
	}
	if cfg.Poll == 0 {
		cfg.Poll = 50 * time.Millisecond
	}
	if cfg.Beat == 0 {
		cfg.Beat = 5 * time.Second
	}
	if cfg.NewKey == nil {
		cfg.NewKey = func() string { return "" }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Agent{cfg: cfg, runs: map[*run]struct{}{}, drained: make(chan struct{}), halted: make(chan struct{}),
		killed: make(chan struct{}), left: make(chan struct{}), kick: make(chan struct{}, 1)}
}

// Drain lets running trials end and takes no new ones.
func (a *Agent) Drain() { a.raise(draining) }

// Interrupt sends the stop signal to what runs; those trials go back to the
// queue. It includes Drain.
func (a *Agent) Interrupt() { a.raise(interrupting) }

// Kill ends what runs without grace. It includes Interrupt.
func (a *Agent) Kill() { a.raise(killing) }

// Detach returns from Run and lets running trials go on where the executor can
// find them again; elsewhere it is Interrupt.
func (a *Agent) Detach() { a.raise(detaching) }

func (a *Agent) raise(l level) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.level < l && l != detaching || a.level == running && l == detaching {
		switch a.level++; a.level {
		case draining:
			close(a.drained)
		case interrupting:
			close(a.halted)
		case killing:
			close(a.killed)
		}
		a.urge()
	}
	if l == detaching && a.level < detaching {
		a.level = detaching
		close(a.left)
		a.urge()
	}
}

// urge passes the level on to the attempts; the caller holds mu.
func (a *Agent) urge() {
	for r := range a.runs {
		r.urge(a.level)
	}
}

// Run takes and runs trials until the study hands out no more, the agent is
// asked to end, or ctx is done (which interrupts what runs). It returns why the
// study ended, "" if the agent was asked to.
func (a *Agent) Run(ctx context.Context) (reason string, err error) {
	stop := context.AfterFunc(ctx, a.Interrupt)
	defer stop()
	if a.cfg.Until != nil {
		quit := make(chan struct{})
		defer close(quit)
		go func() {
			select {
			case <-a.cfg.Until:
				a.Drain()
			case <-quit:
			}
		}()
	}
	// Calls to the backend outlive ctx: what ended must be told.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	adopted, err := a.cfg.Backend.Adopt(work, types.AdoptRequest{Study: a.cfg.Study, Worker: a.cfg.Worker})
	if err != nil {
		return "", err
	}
	beats := make(chan struct{})
	go func() { defer close(beats); a.beatLoop(work) }()
	defer func() { cancel(); <-beats }()

	var slots sync.WaitGroup
	reasons := make([]string, a.cfg.Slots)
	errs := make([]error, a.cfg.Slots)
	for i := range a.cfg.Slots {
		var mine []types.Adopted
		for k, ad := range adopted {
			if k%a.cfg.Slots == i {
				mine = append(mine, ad)
			}
		}
		slots.Go(func() {
			reasons[i], errs[i] = a.slot(work, i, mine)
			if errs[i] != nil {
				a.Drain()
			}
		})
	}
	slots.Wait()
	for _, r := range reasons {
		if r != "" {
			reason = r
		}
	}
	return reason, errors.Join(errs...)
}

// slot runs one trial after the other, first what an earlier agent left.
func (a *Agent) slot(ctx context.Context, slot int, adopted []types.Adopted) (string, error) {
	var early sync.WaitGroup
	for _, ad := range adopted {
		early.Go(func() { a.resume(ctx, ad, slot) })
	}
	early.Wait()
	var next *types.LeaseReply
	for !a.ending(a.drained) {
		if next == nil {
			reply, err := a.lease(ctx, slot)
			if err != nil {
				return "", err
			}
			next = &reply
		}
		switch next.Status {
		case types.LeaseDone:
			return next.Reason, nil
		case types.LeaseWait:
			next = nil
			continue
		case types.LeaseGranted:
		}
		next = a.start(ctx, next.Leases[0], slot)
	}
	return "", nil
}

func (a *Agent) ending(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-a.left:
		return true
	default:
		return false
	}
}

func (a *Agent) leaseRequest() types.LeaseRequest {
	return types.LeaseRequest{Study: a.cfg.Study, Worker: a.cfg.Worker, Key: a.cfg.NewKey(),
		Executor: a.cfg.ExecutorName, Node: a.cfg.Node, Texts: a.cfg.Texts}
}

// lease waits for a trial until there is one, there will be none, or the agent
// is to end.
func (a *Agent) lease(ctx context.Context, slot int) (types.LeaseReply, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-a.drained:
		case <-a.left:
		case <-ctx.Done():
		}
		cancel()
	}()
	req := a.leaseRequest()
	req.Wait = types.Duration(30 * time.Second)
	var reply types.LeaseReply
	err := a.persist(ctx, func() (err error) {
		reply, err = a.cfg.Backend.Lease(ctx, req)
		return err
	})
	if a.ending(a.drained) && err != nil {
		return types.LeaseReply{Status: types.LeaseWait}, nil
	}
	return reply, err
}

// persist repeats a call while the backend is unavailable, with growing pauses
// up to 5 s, until ctx is done.
func (a *Agent) persist(ctx context.Context, call func() error) error {
	pause := 50 * time.Millisecond
	for {
		err := call()
		if types.CodeOf(err) != types.Unavailable {
			return err
		}
		a.trouble(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (a *Agent) trouble(err error) {
	if a.cfg.Hooks.Trouble != nil {
		a.cfg.Hooks.Trouble(err)
	}
	a.cfg.Logger.Warn("trouble", "error", err)
}
