// Package engine is the coordinator of studies: it proposes trials, leases
// them, counts their reports, decides when to stop them, finishes them, keeps
// budgets, and recovers after any crash.
//
// It starts nothing and knows no executor: whoever runs trials talks to it
// through the methods of Engine, in this process or over a wire. It is the only
// writer of the studies it owns; for a study that another process owns it
// forwards each call to the owner through the store's mailbox, and takes the
// study over when that owner is gone.
package engine

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/failpoint"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// Defaults of Config and of a study's zero values.
const (
	DefaultLeaseTTL  = 30 * time.Second
	DefaultOwnerTTL  = 10 * time.Second
	DefaultRetries   = 2
	FirstFailures    = 3 // a study stops if so many trials failed and none did not
	bufferedReports  = 4096
	mailboxBusy      = 10 * time.Millisecond
	mailboxIdle      = 100 * time.Millisecond
	mailboxBeat      = time.Second // how soon a guest hears of a decision
	mailboxRetention = 10 * time.Minute
	// keyRetention is how long the keys of requests are remembered.
	keyRetention = 7 * 24 * time.Hour
)

// Config makes an Engine. Store, Owner, NewSuggester, NewStopper, Now, NewSeed
// and NewToken are required.
type Config struct {
	Store store.Store
	// Owner names this process among all that use the store; it is new at every
	// start.
	Owner string
	// Addr tells where the owner is: the URL of a server, to which others send
	// the requests for its studies, or something for people ("host, process 7").
	Addr string

	NewSuggester func(types.Component, suggest.Config) (suggest.Suggester, error)
	NewStopper   func(types.Component, earlystop.Config) (earlystop.Stopper, error)

	Now func() time.Time
	// NewSeed draws the seed of a study that names none; positive.
	NewSeed func() int64
	// NewToken draws a lease token.
	NewToken func() string

	// LeaseTTL is how long a lease lasts without a sign of life; 0 is 30 s.
	LeaseTTL time.Duration
	// OwnerTTL is how long a study stays with an owner without a sign of life;
	// 0 is 10 s.
	OwnerTTL time.Duration

	// WorkerFailures is how many trials in a row a worker may fail, where those of
	// others do not, before it is put aside; 0 is 3, negative any number.
	WorkerFailures int

	// OwnerDead tells that the named owner certainly does not run any more, so
	// that its studies can be taken over before its lease ends. May be nil.
	OwnerDead func(owner string) bool
	// Reclaim makes sure that nothing of an attempt whose lease is over runs
	// any more where this process can reach it, before its trial is handed out
	// again. May be nil.
	Reclaim func(ctx context.Context, a trial.Attempt) error

	Failpoints *failpoint.Set
	Probe      Probe
	Logger     *slog.Logger // nil: none
}

// Engine coordinates studies. All methods are safe for concurrent use. It
// implements the Backend of agents and of the Go SDK.
type Engine struct {
	cfg Config

	mu      sync.Mutex
	owned   map[int64]*study
	dropped map[int64]int64 // epochs of studies that may still be ours in the store
	loading map[int64]chan struct{}
	closed  bool

	crew crew

	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a running Engine; Close stops it.
func New(cfg Config) *Engine {
	if cfg.LeaseTTL == 0 {
		cfg.LeaseTTL = DefaultLeaseTTL
	}
	if cfg.OwnerTTL == 0 {
		cfg.OwnerTTL = DefaultOwnerTTL
	}
	if cfg.WorkerFailures == 0 {
		cfg.WorkerFailures = DefaultWorkerFailures
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &Engine{cfg: cfg, owned: map[int64]*study{}, loading: map[int64]chan struct{}{}, dropped: map[int64]int64{}, stop: stop,
		crew: crew{known: map[crewName]*member{}, read: map[string]time.Time{}}}
	for _, loop := range []func(context.Context){e.renewLoop, e.expireLoop, e.mailboxLoop} {
		e.done.Go(func() { loop(ctx) })
	}
	return e
}

// Close writes what is buffered, gives up all studies and stops. Leases stay:
// the next owner keeps them. After an error studies may still be this owner's
// in the store.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.stop()
	e.done.Wait()
	if err := e.tellCrew(ctx); err != nil {
		e.cfg.Logger.Warn("could not store who ran trials", "error", err)
	}
	var first error
	for _, s := range e.ownedStudies() {
		if err := s.retire(ctx); err != nil && first == nil {
			first = err
		}
		if err := e.cfg.Store.Release(ctx, s.id, s.epoch); err != nil && first == nil {
			first = err
		}
	}
	e.mu.Lock()
	dropped := maps.Clone(e.dropped)
	e.mu.Unlock()
	for id, epoch := range dropped {
		err := e.cfg.Store.Release(ctx, id, epoch)
		if types.CodeOf(err) != types.NotFound && first == nil { // one that was removed is nobody's
			first = err
		}
	}
	return first
}

// Lease hands out a trial to run; see types.LeaseRequest.
func (e *Engine) Lease(ctx context.Context, req types.LeaseRequest) (types.LeaseReply, error) {
	return lease(ctx, e, kindLease, req, (*study).lease)
}

// Report counts reports of a running attempt and answers whether it goes on.
func (e *Engine) Report(ctx context.Context, req types.ReportRequest) (types.Decision, error) {
	return call(ctx, e, req.Ref.Study, kindReport, req, func(s *study, tx *txn) (types.Decision, error) {
		return s.report(tx, req)
	})
}

// Finish ends an attempt. It is idempotent.
func (e *Engine) Finish(ctx context.Context, req types.FinishRequest) (types.FinishReply, error) {
	return e.FinishAhead(ctx, req, nil)
}

// FinishAhead is Finish, but calls ahead, if it is not nil, with the next lease
// as soon as there is one: before that and the end of the attempt are stored.
// It is called at most once, and not at all where another process owns the
// study. If nothing can be stored, the lease is void and its trial was never
// created: whoever has it is told so at the next call.
func (e *Engine) FinishAhead(ctx context.Context, req types.FinishRequest, ahead func(types.LeaseReply)) (types.FinishReply, error) {
	reply, err := call(ctx, e, req.Ref.Study, kindFinish, req, func(s *study, tx *txn) (types.FinishReply, error) {
		reply, err := s.finish(tx, req)
		if next := reply.Next; err == nil && ahead != nil && next != nil && next.Status == types.LeaseGranted {
			tx.ahead = func() {
				ahead(*next)
				ahead, req.Next = nil, nil // a second try asks for no other
			}
		}
		return reply, err
	})
	if c := types.CodeOf(err); c == types.NotFound || c == types.Superseded {
		return e.finishedBefore(ctx, req, err)
	}
	return reply, err
}

// Adopt returns the open attempts of a worker that restarted or has an heir, and
// renews them under new tokens: what comes under the old ones is superseded.
func (e *Engine) Adopt(ctx context.Context, req types.AdoptRequest) ([]types.Adopted, error) {
	return call(ctx, e, req.Study, kindAdopt, req, func(s *study, tx *txn) ([]types.Adopted, error) {
		return s.adopt(tx, req), nil
	})
}

// Control changes a study by hand.
func (e *Engine) Control(ctx context.Context, req types.ControlRequest) (types.ControlReply, error) {
	if req.Kind == types.RemoveStudy {
		return e.remove(ctx, req)
	}
	return call(ctx, e, req.Study, kindControl, req, func(s *study, tx *txn) (types.ControlReply, error) {
		return s.control(ctx, tx, req)
	})
}

// Study returns a study as it is now.
func (e *Engine) Study(ctx context.Context, id int64) (types.Study, error) {
	if s := e.ownedStudy(id); s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.view(), nil
	}
	return e.storedView(ctx, id)
}

// Trial returns a trial with its attempts and the decisions to end it, as it is
// stored.
func (e *Engine) Trial(ctx context.Context, study, number int64) (types.Trial, error) {
	t, err := e.cfg.Store.Trial(ctx, study, number)
	if err != nil {
		return types.Trial{}, err
	}
	as, err := e.cfg.Store.Attempts(ctx, study, number)
	if err != nil {
		return types.Trial{}, err
	}
	v := t.View(as)
	versions, err := StoredVersions(ctx, e.cfg.Store, study)
	if err != nil {
		return v, err
	}
	if v.OutsideSpace, err = versions.Outside(&t); err != nil {
		return v, err
	}
	ds, err := e.cfg.Store.Decisions(ctx, study, number)
	for _, d := range ds {
		v.Decisions = append(v.Decisions, types.Stop{Step: d.Step, Kind: d.Kind, Reason: d.Reason, Time: d.Time})
	}
	return v, err
}
