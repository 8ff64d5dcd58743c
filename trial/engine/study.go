package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// study is a study that this process owns. Memory holds the unfinished trials,
// the totals and what the algorithm keeps; finished trials live in the store.
//
// Every change is made in memory under mu and submitted to the store before mu
// is released, so that the store applies the changes in the order in which they
// were made; the caller is answered when its change is durable. If a commit
// fails the whole study is dropped and loaded again: the later commits, whose
// sequence numbers then do not fit, fail with it.
type study struct {
	e     *Engine
	id    int64
	epoch int64

	mu      sync.Mutex
	err     error // set once the study was dropped
	st      trial.Study
	spaces  []*space.Space // by version - 1
	counts  types.Counts
	best    bestSet
	live    map[int64]*liveTrial // by number: queued, running, paused
	queue   []int64              // queued numbers, next first
	suggest suggest.Suggester
	stopper earlystop.Stopper
	// exhausted is the suggester's last word on a space without further points.
	exhausted bool

	// pending is what memory has and the store has not been given yet. It points
	// to the live rows, so that each is written once a commit, as it is then;
	// touched are those rows' owners.
	pending             []store.Mutation
	touched             []*liveTrial
	buffered            int
	fromSeq, fromNumber int64

	started      time.Time // of the first attempt
	sinceBest    int64     // finished trials since the best improved
	finishedHere int64     // finished since this process continued the study
	failedHere   int64
	changed      chan struct{} // closed and replaced at every change
	stops        chan struct{} // closed and replaced when an attempt has to end
}

// liveTrial is an unfinished trial.
type liveTrial struct {
	trial.Trial
	point   space.Point
	attempt *trial.Attempt // nil unless running
	series  map[string]*series
	stop    types.Decision // Stop is set once it has to end

	// Which of its rows study.pending holds already.
	trialPending   bool
	attemptPending *trial.Attempt
}

// series is what is kept of the reports of one metric in the current attempt.
type series struct {
	last     float64
	lastStep int64
	min, max float64
	n        int64
}

// wake tells those who wait for a decision that there is one.
func (s *study) wake() {
	close(s.stops)
	s.stops = make(chan struct{})
}

// txn is one change of a study; mutations go straight to study.pending.
type txn struct {
	now      time.Time
	buffered bool  // may be committed later
	command  int64 // the mailbox command that asks, 0 none
}

func (s *study) put(m ...store.Mutation) { s.pending = append(s.pending, m...) }

// emit numbers an event, shows it to the algorithm and the stopper, and stores
// it. Reports are stored as rows only.
func (s *study) emit(ev trial.Event) trial.Event {
	ev.Seq = s.st.NextSeq
	s.st.NextSeq++
	if ev.Kind == trial.EventReported {
		ev.Report.Seq = ev.Seq
		if k := len(s.pending) - 1; k >= 0 {
			if last, ok := s.pending[k].(store.PutReports); ok {
				last.Reports = append(last.Reports, ev.Report)
				s.pending[k] = last
				s.observe(ev)
				return ev
			}
		}
		s.put(store.PutReports{Reports: []trial.Report{ev.Report}})
	} else {
		s.put(store.AddEvents{Events: []trial.Event{ev}})
	}
	s.observe(ev)
	return ev
}

func (s *study) observe(ev trial.Event) {
	s.suggest.Observe([]trial.Event{ev})
	s.stopper.Observe(ev)
}

// change runs op under the lock and commits what it did. An op that returns an
// error must have changed nothing.
func change[R any](ctx context.Context, s *study, tx txn, op func(*study, *txn) (R, error)) (R, error) {
	var zero R
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return zero, errDropped
	}
	tx.now = store.Time(s.e.cfg.Now())
	reply, err := op(s, &tx)
	if tx.command != 0 {
		s.answer(tx, reply, err)
		err = nil
	}
	if err != nil {
		s.mu.Unlock()
		return zero, err
	}
	if len(s.pending) == 0 || (tx.buffered && s.buffered < bufferedReports) {
		s.mu.Unlock()
		return reply, nil
	}
	committed := s.submit()
	s.mu.Unlock()
	if err := s.await(ctx, committed); err != nil {
		return zero, err
	}
	return reply, nil
}

// submit hands the pending mutations to the store; the caller holds mu.
func (s *study) submit() <-chan error {
	s.e.cfg.Failpoints.Hit("engine.before_commit")
	b := store.Batch{
		Study: s.id, Epoch: s.epoch,
		FromSeq: s.fromSeq, ToSeq: s.st.NextSeq,
		FromNumber: s.fromNumber, ToNumber: s.st.NextNumber,
		Mutations: s.pending,
	}
	committed := s.e.cfg.Store.Submit(b)
	for _, lt := range s.touched {
		lt.trialPending, lt.attemptPending = false, nil
	}
	clear(s.pending)
	clear(s.touched)
	s.pending, s.touched, s.buffered = s.pending[:0], s.touched[:0], 0
	s.fromSeq, s.fromNumber = s.st.NextSeq, s.st.NextNumber
	close(s.changed)
	s.changed = make(chan struct{})
	return committed
}

func (s *study) await(ctx context.Context, committed <-chan error) error {
	select {
	case err := <-committed:
		s.e.cfg.Failpoints.Hit("engine.after_commit")
		if err != nil {
			s.e.drop(s, err)
		}
		return err
	case <-ctx.Done():
		// The commit goes on. Whoever waits next learns of its failure, because
		// the next commit of the study cannot succeed after it.
		return context.Cause(ctx)
	}
}

// flush commits what is buffered.
func (s *study) flush(ctx context.Context) error {
	_, err := change(ctx, s, txn{}, func(*study, *txn) (struct{}, error) { return struct{}{}, nil })
	if err == errDropped {
		return nil
	}
	return err
}

func (s *study) answer(tx txn, reply any, err error) {
	b := encodeAnswer(reply, err)
	s.put(store.AnswerCommand{ID: tx.command, Response: b, Time: tx.now})
}

// enqueue puts a queued trial in its place: by priority, then by number.
func (s *study) enqueue(lt *liveTrial) {
	i, _ := slices.BinarySearchFunc(s.queue, lt, func(n int64, lt *liveTrial) int {
		o := s.live[n]
		if c := cmp.Compare(lt.Priority, o.Priority); c != 0 {
			return c
		}
		return cmp.Compare(n, lt.Number)
	})
	s.queue = slices.Insert(s.queue, i, lt.Number)
}

func (s *study) dequeue(n int64) {
	if i := slices.Index(s.queue, n); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
}

// running counts the trials with an attempt.
func (s *study) runningTrials() int64 { return s.counts.Running }

// pendingPoints are the unfinished trials in the order of their numbers.
func (s *study) pendingPoints() []suggest.Pending {
	p := make([]suggest.Pending, 0, len(s.live))
	for n, lt := range s.live {
		p = append(p, suggest.Pending{Number: n, Point: lt.point})
	}
	slices.SortFunc(p, func(a, b suggest.Pending) int { return cmp.Compare(a.Number, b.Number) })
	return p
}

// count moves one trial between states in the totals.
func (s *study) count(from, to types.State) {
	if p := counter(&s.counts, from); p != nil {
		*p--
	}
	if p := counter(&s.counts, to); p != nil {
		*p++
	}
}

func counter(c *types.Counts, st types.State) *int64 {
	switch st {
	case types.Queued:
		return &c.Queued
	case types.Running:
		return &c.Running
	case types.Paused:
		return &c.Paused
	case types.Completed:
		return &c.Completed
	case types.Pruned:
		return &c.Pruned
	case types.Failed:
		return &c.Failed
	case types.Infeasible:
		return &c.Infeasible
	case types.Cancelled:
		return &c.Cancelled
	}
	return nil
}

// step applies an action to a live trial and keeps the totals.
func (s *study) step(lt *liveTrial, a trial.Action) error {
	from := lt.State
	if err := lt.Apply(a); err != nil {
		return err
	}
	s.count(from, lt.State)
	return nil
}

// setState changes the state of the study.
func (s *study) setState(tx *txn, st types.StudyState, reason string) {
	if s.st.State == st && s.st.Reason == reason {
		return
	}
	s.st.State, s.st.Reason = st, reason
	s.put(store.PutStudy{Spec: s.st.Spec, State: st, Reason: reason})
	detail, err := json.Marshal(map[string]string{"state": string(st), "reason": reason})
	if err != nil {
		panic(err) // two strings always encode
	}
	s.emit(trial.Event{Kind: trial.EventStudy, Trial: -1, Time: tx.now, Detail: detail})
}
