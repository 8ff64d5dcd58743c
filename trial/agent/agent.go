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

// Aheader is a Backend that can hand out the next trial before the end of the
// last one is stored. FinishAhead calls ahead at most once, before it returns,
// with what FinishReply.Next would be; should the end not be stored, that lease
// is void, and its next call is answered by Superseded or NotFound.
type Aheader interface {
	FinishAhead(ctx context.Context, req types.FinishRequest, ahead func(types.LeaseReply)) (types.FinishReply, error)
}

// Launcher prepares attempts for an executor.
type Launcher interface {
	// Launch prepares a newly leased attempt, or one whose handle was never
	// stored. An error fails the trial with its text, unless it is of code
	// Unavailable: then it is tried again, for the trial is not at fault; or
	// Conflict: then the trial is not for this agent, which gives it back and
	// ends with that error.
	Launch(l types.Lease, slot int) (*Job, error)
	// Resume prepares the watching of an attempt that an earlier agent started.
	Resume(a types.Adopted) (*Job, error)
}

// Clearer is a Launcher that makes room for an attempt that nobody has tried to
// start: whatever is in its place is not of this attempt. Errors mean what those of
// Launch do. It is not called for attempts that are adopted.
type Clearer interface {
	Clear(l types.Lease) error
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
	// Finish says how the attempt ended, with reports that did not come through
	// Output. Ref and Cursor are filled in by the agent, and what is left of
	// Output is added to the reports.
	Finish func(executor.Status) types.FinishRequest
	// Told is called once the end is told, with what became of the trial, before
	// the slot goes on; may be nil.
	Told func(types.FinishReply)
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
	// Labels are what this machine has, such as gpu=a100; a study that requires
	// others gives it no trials.
	Labels map[string]string
	// Estate are attempts of another worker that is gone, as Backend.Adopt
	// returned them. If there are any, the agent runs these to their end instead
	// of asking for its own, and takes no other trials.
	Estate []types.Adopted
	// ExecutorName is stored with the attempts ("local", "inproc").
	ExecutorName string
	// Slots is how many trials run at once; 0 means 1.
	Slots int
	// Place says in which of so many slots each adopted attempt runs: a slot takes
	// the next trial when all that it adopted have ended. nil is one after the
	// other.
	Place func(adopted []types.Adopted, slots int) []int
	// Texts asks for the texts of the values, which commands need.
	Texts bool
	// NewKey draws an idempotency key for a lease; nil where calls cannot be
	// repeated.
	NewKey func() string
	// Poll is how often output is read; 0 is 50 ms.
	Poll time.Duration
	// Beat is how often leases are renewed; 0 is 5 s.
	Beat time.Duration
	// Ahead lets a slot start its next trial while the end of the last one is
	// being stored, if the Backend is an Aheader: for functions, which end with
	// the process. A process is started only once its trial is stored.
	Ahead bool
	// Now is the clock; nil is the system's.
	Now func() time.Time
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
	// Stopping is called before an attempt is asked to stop.
	Stopping func(l types.Lease, d types.Decision)
	Ended    func(l types.Lease, req types.FinishRequest, reply types.FinishReply)
	// Trouble is called for faults that the agent goes on after.
	Trouble func(err error)
}

// Agent runs the trials of one study. Run is called once; the other methods are
// safe for concurrent use.
type Agent struct {
	cfg Config

	mu     sync.Mutex
	runs   map[*run]struct{}
	level  level
	untold []error                       // results that could not be told
	misfit error                         // a trial that is not for this agent
	voided map[types.AttemptRef]struct{} // leases that were not stored, of attempts not begun yet

	drained chan struct{} // closed at drain: no new trials
	halted  chan struct{} // closed at Interrupt
	killed  chan struct{} // closed at Kill
	left    chan struct{} // closed at Detach
	kick    chan struct{} // a beat is due now
	// hurry is done at Kill and Detach: nothing is waited for.
	hurry     context.Context //nolint:containedctx // it lives as long as the agent and is done by its own methods
	hurryDone context.CancelFunc
}

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
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the default of an injected clock
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Agent{cfg: cfg, runs: map[*run]struct{}{}, voided: map[types.AttemptRef]struct{}{}, drained: make(chan struct{}), halted: make(chan struct{}),
		killed: make(chan struct{}), left: make(chan struct{}), kick: make(chan struct{}, 1)}
	a.hurry, a.hurryDone = context.WithCancel(context.Background())
	return a
}

// Run takes and runs trials until the study hands out no more, the agent is
// asked to end, or ctx is done (which interrupts what runs). It returns why the
// study ended, "" if the agent was asked to. The error says also which results
// the backend did not take before the agent had to end.
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
	adopted := a.cfg.Estate
	if len(adopted) == 0 {
		err = a.persist(work, func() (err error) {
			adopted, err = a.cfg.Backend.Adopt(work, types.AdoptRequest{Study: a.cfg.Study, Worker: a.cfg.Worker})
			return err
		})
		if err != nil {
			return "", err
		}
	}
	beats := make(chan struct{})
	go func() { defer close(beats); a.beatLoop(work) }()
	defer func() { cancel(); <-beats }()

	mine := make([][]types.Adopted, a.cfg.Slots)
	for k, slot := range a.place(adopted) {
		mine[slot] = append(mine[slot], adopted[k])
	}
	var slots sync.WaitGroup
	reasons := make([]string, a.cfg.Slots)
	errs := make([]error, a.cfg.Slots)
	for i := range a.cfg.Slots {
		slots.Go(func() {
			reasons[i], errs[i] = a.slot(work, i, mine[i])
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
	a.mu.Lock()
	defer a.mu.Unlock()
	return reason, errors.Join(errors.Join(errs...), errors.Join(a.untold...), a.misfit)
}

// place is the slot of each adopted attempt.
func (a *Agent) place(adopted []types.Adopted) []int {
	if a.cfg.Place != nil {
		return a.cfg.Place(adopted, a.cfg.Slots)
	}
	places := make([]int, len(adopted))
	for i := range places {
		places[i] = i % a.cfg.Slots
	}
	return places
}

// slot runs one trial after the other, first what an earlier agent left.
func (a *Agent) slot(ctx context.Context, slot int, adopted []types.Adopted) (string, error) {
	var early sync.WaitGroup
	for _, ad := range adopted {
		early.Go(func() { a.resume(ctx, ad, slot) })
	}
	early.Wait()
	if len(a.cfg.Estate) > 0 {
		return "", nil
	}
	var next *types.LeaseReply
	var ends ends
	defer ends.wait()
	for !a.ending(a.drained) {
		if next == nil {
			reply, err := a.lease(ctx)
			if err != nil {
				return "", err
			}
			next = &reply
			continue // the agent may have been asked to end meanwhile
		}
		switch next.Status {
		case types.LeaseDone:
			return next.Reason, nil
		case types.LeaseWait:
			next = nil
			continue
		case types.LeaseGranted:
		}
		if next = a.ahead(ctx, next.Leases[0], slot, &ends); next == nil {
			ends.wait() // the study may be over
		}
	}
	if next != nil {
		a.giveBack(ctx, next.Leases)
	}
	return "", nil
}

// giveBack returns trials that were leased but will not be started.
func (a *Agent) giveBack(ctx context.Context, ls []types.Lease) {
	for _, l := range ls {
		req := types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeInterrupted, Reason: "the agent ended before it could start it"}
		_, _ = a.tell(ctx, req, nil) // Run returns what is wrong
	}
}

func (a *Agent) leaseRequest() types.LeaseRequest {
	return types.LeaseRequest{Study: a.cfg.Study, Worker: a.cfg.Worker, Labels: a.cfg.Labels, Key: a.cfg.NewKey(),
		Executor: a.cfg.ExecutorName, Node: a.cfg.Node, Texts: a.cfg.Texts}
}

// lease waits for a trial until there is one, there will be none, or the agent
// is to end.
func (a *Agent) lease(ctx context.Context) (types.LeaseReply, error) {
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

// lastTries is how often a call is tried again after an interruption.
const lastTries = 8

// The pauses between two tries of what the machine or the backend refuses.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

// persist repeats a call while the backend is unavailable, with growing pauses:
// until ctx is done, or a few times more once the agent is interrupted, and
// those quickly once it is killed or detached.
func (a *Agent) persist(ctx context.Context, call func() error) error {
	pause := firstPause
	for left := lastTries; ; {
		err := call()
		if types.CodeOf(err) != types.Unavailable {
			return err
		}
		a.trouble(err)
		if a.ending(a.halted) {
			left--
		}
		if left == 0 {
			return err
		}
		hurry := a.hurry.Done()
		if a.hurry.Err() != nil {
			hurry, pause = nil, firstPause
		}
		select {
		case <-time.After(pause):
		case <-hurry:
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

func (a *Agent) trouble(err error) {
	if a.cfg.Hooks.Trouble != nil {
		a.cfg.Hooks.Trouble(err)
	}
	a.cfg.Logger.Warn("trouble", "error", err)
}
