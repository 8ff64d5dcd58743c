package engine

import (
	"cmp"
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
	e       *Engine
	id      int64
	project string
	epoch   int64

	mu      sync.Mutex
	err     error // set once the study was dropped
	st      trial.Study
	spaces  []*space.Space // by version - 1
	counts  types.Counts
	best    bestSet
	live    map[int64]*liveTrial // by number: queued, running, paused
	running map[int64]*liveTrial // those of live that have an attempt
	queue   []int64              // queued numbers, next first
	suggest suggest.Suggester
	stopper earlystop.Stopper
	// plans are, while the study is loaded, the expected points of unfinished
	// trials of an open space, in the current version.
	plans map[int64]space.Point
	// exhausted is the suggester's last word on a space without further points.
	exhausted bool

	// pending is what memory has and the store has not been given yet. It points
	// to the live rows, so that each is written once a commit, as it is then;
	// touched are those rows' owners.
	pending             []store.Mutation
	touched             []*liveTrial
	buffered            int
	fromSeq, fromNumber int64
	last                *commitment // the latest; nil if there was none yet
	digest              digester
	rests               rests
	shadows             shadows // while it is loaded
	// keys are the requests with a key that were answered since loading.
	keys map[string]store.PutRequestKey

	// records are those of the workers, by name.
	records map[string]*workRecord
	// failers are the workers that failed a trial since the study became active
	// and this process has it.
	failers map[string]bool

	started time.Time // of the first attempt
	// Trials that finished since the best improved, those that finished and those
	// of them that failed; each since the study became active.
	sinceBest, finished, failed int64

	prospect trial.Prospect
	// cost is the sum of the metric of Budget.Cost; unpriced says which trial
	// completed without it.
	cost     float64
	unpriced string

	changed chan struct{} // closed and replaced at every change
	stops   chan struct{} // closed and replaced when an attempt has to end
	stored  chan struct{} // closed when a commit is durable; nil unless somebody watches
}

// liveTrial is an unfinished trial.
type liveTrial struct {
	trial.Trial
	// point is in the space of SpaceVersion. Of dynamic parameters it has what the
	// program asked for, which is in Params too, and what it will get if it asks.
	point   space.Point
	attempt *trial.Attempt // nil unless running
	series  map[string]*series
	// base is the series at the last pause, from which its next attempt goes on.
	base map[string]*series
	// spent is what its earlier attempts add to the summed metrics, paid what the
	// study's cost has of it already.
	spent map[string]float64
	paid  float64
	// primary is the metric of the first objective.
	primary string
	stop    types.Decision // Stop is set once the engine wants it to end
	// ttl and expires are its lease; renewals are not stored.
	ttl     time.Duration
	expires time.Time
	// ending: its lease is over, and what runs of it is being killed.
	ending bool

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

func (s *study) put(m ...store.Mutation) { s.pending = append(s.pending, m...) }

// emit numbers an event, shows it to the algorithm and the stopper, and stores
// it. Reports are stored as rows only.
func (s *study) emit(ev trial.Event) trial.Event { return s.emitOf(ev, "") }

// emitOf is emit for the creation of a trial, which has an origin.
func (s *study) emitOf(ev trial.Event, origin trial.Origin) trial.Event {
	ev.Seq = s.st.NextSeq
	s.st.NextSeq++
	s.digest.add(ev, origin)
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
	if ev.Kind != trial.EventReported {
		s.suggest.Observe(s.rests.told(ev))
	}
	s.stopper.Observe(ev)
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
	switch i := slices.Index(s.queue, n); {
	case i == 0: // the usual case, whatever the length of the queue
		s.queue = s.queue[1:]
	case i > 0:
		s.queue = slices.Delete(s.queue, i, i+1)
	}
}

// pendingPoints are the unfinished trials in the order of their numbers.
func (s *study) pendingPoints() []suggest.Pending {
	p := make([]suggest.Pending, 0, len(s.live))
	for n, lt := range s.live {
		if lt.State == types.Paused {
			continue // the algorithm knows its value so far
		}
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

// mustStep applies an action to a live trial and keeps the totals. Callers have
// checked the trial's state.
func (s *study) mustStep(lt *liveTrial, a trial.Action) {
	from := lt.State
	if err := lt.Apply(a); err != nil {
		panic(err)
	}
	s.count(from, lt.State)
}

// setState changes the state of the study.
func (s *study) setState(tx *txn, st types.StudyState, reason string) {
	if s.st.State != st || s.st.Reason != reason {
		s.become(tx, st, reason)
	}
}

// become is setState with an event in any case: with that of becoming active,
// patience and the limit of failures begin anew, also when it is replayed.
func (s *study) become(tx *txn, st types.StudyState, reason string) {
	s.st.State, s.st.Reason = st, reason
	if st == types.StudyActive {
		s.beginAnew()
	}
	if st == types.StudyFinished || st == types.StudyStopped {
		s.prunePaused(tx, reason)
	}
	s.put(store.PutStudy{Spec: s.st.Spec, State: st, Reason: reason})
	s.emit(trial.Event{Kind: trial.EventStudy, Trial: -1, Time: tx.now, Detail: detail("state", string(st), "reason", reason)})
}

func (s *study) beginAnew() {
	s.sinceBest, s.finished, s.failed, s.unpriced = 0, 0, 0, ""
	s.failers = map[string]bool{}
	s.prospect.BeginAnew()
}
