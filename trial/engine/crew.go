package engine

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// DefaultWorkerFailures is how many trials in a row a worker may fail where those
// of others do not fail.
const DefaultWorkerFailures = 3

// unlikely is the chance, by the share of failures at the other workers, below
// which a row of failures is taken to be the worker's own.
const unlikely = 0.01

// How often the database hears of a worker that goes on asking, how often it is
// read for those that people put aside or let back, and when one that does not
// come any more is forgotten.
const (
	crewSeen   = time.Minute
	crewFresh  = 5 * time.Second
	crewMemory = time.Hour
	crewKept   = 30 * 24 * time.Hour
)

// crew is what an engine knows of the workers that ask it for trials. That a
// worker is put aside holds for its project, whichever process decided it: it is
// in the database, and read from there.
type crew struct {
	mu      sync.Mutex
	known   map[crewName]*member
	read    map[string]time.Time // projects, and when their workers were read
	dropped time.Time            // when old rows were
}

type crewName struct{ project, name string }

// member is a worker. Its fields are guarded by the crew's mu.
type member struct {
	info types.WorkerInfo
	seen time.Time
	told time.Time // what seen was when the database heard of it
	news bool      // it was put aside here, and the database has not heard of it
	// pardons counts how often it was let back: what was counted before is void.
	pardons int
}

// workRecord is how the trials of a worker went in one study, since this process has
// it.
type workRecord struct {
	row, failed, ended int64 // row: failures since the last that was none
	pardons            int
}

func (c *crew) member(n crewName) *member {
	m := c.known[n]
	if m == nil {
		m = &member{}
		c.known[n] = m
	}
	return m
}

// nameless reports whether a worker is no more than the process that it runs in,
// or stands for whoever asks: neither can be put aside, for the name would not
// come again, or is everybody's.
func nameless(req types.LeaseRequest) bool {
	return req.Executor == types.ExecutorAsk || strings.Contains(req.Worker, "|")
}

// refuse is the error for a worker that is put aside.
func (s *study) refuse(req types.LeaseRequest) error {
	if nameless(req) {
		return nil
	}
	c := &s.e.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.known[crewName{s.st.Spec.Project, req.Worker}]
	if m == nil || m.info.Aside == "" {
		return nil
	}
	return types.Errorf(types.Forbidden, "the worker %s is put aside: %s", req.Worker, m.info.Aside).
		WithRemedy("mend what is wrong there, and let it back: tuner worker allow '%s', or PATCH workers with \"aside\": false", req.Worker)
}

// greet notes that a worker got a trial.
func (s *study) greet(tx *txn, req types.LeaseRequest) {
	if strings.Contains(req.Worker, "|") {
		return
	}
	c := &s.e.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.member(crewName{s.st.Spec.Project, req.Worker})
	m.info.Node, m.info.Executor, m.info.Study = req.Node, req.Executor, s.st.Spec.Name
	m.seen = tx.now
}

// rate counts how a worker's trial ended, and puts the worker aside if so many
// failures in a row are its own.
func (s *study) rate(tx *txn, a *trial.Attempt, lt *liveTrial) {
	k := s.e.cfg.WorkerFailures
	if k < 0 || nameless(types.LeaseRequest{Worker: a.Worker, Executor: a.Executor}) || lt.State == types.Cancelled {
		return
	}
	c := &s.e.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.member(crewName{s.st.Spec.Project, a.Worker})
	r := s.records[a.Worker]
	if r == nil || r.pardons != m.pardons {
		r = &workRecord{pardons: m.pardons}
		s.records[a.Worker] = r
	}
	r.ended++
	if lt.State != types.Failed {
		r.row = 0
		return
	}
	r.row++
	r.failed++
	var failed, ended int64
	for name, o := range s.records {
		if name != a.Worker {
			failed, ended = failed+o.failed, ended+o.ended
		}
	}
	chance := math.Pow(float64(failed+1)/float64(ended+2), float64(r.row)) // by Laplace's rule of succession
	if r.row < int64(k) || ended == 0 || chance > unlikely || m.info.Aside != "" {
		return
	}
	m.info.Aside = fmt.Sprintf("its last %d trials all failed, and of the %d of other workers %d did; the last was trial %d of %s: %s",
		r.row, ended, failed, lt.Number, s.st.Spec.Name, lt.Reason)
	m.info.AsideSince, m.news = tx.now, true
	s.e.cfg.Logger.Warn("a worker is put aside", "worker", a.Worker, "node", m.info.Node, "reason", m.info.Aside)
	s.emit(trial.Event{Kind: trial.EventStudy, Trial: -1, Time: tx.now, Detail: detail("aside", a.Worker, "reason", m.info.Aside)})
}

// tend tells the database of the workers, and hears from it who was put aside or
// let back elsewhere.
func (e *Engine) tend(ctx context.Context) {
	if err := e.tellCrew(ctx); err != nil && ctx.Err() == nil {
		e.cfg.Logger.Warn("could not store who runs trials", "error", err)
	}
	now := e.cfg.Now()
	projects := map[string]bool{}
	for _, s := range e.ownedStudies() {
		projects[s.project] = true
	}
	for p := range projects {
		e.crew.mu.Lock()
		due := now.Sub(e.crew.read[p]).Abs() >= crewFresh // a clock that goes back, too
		e.crew.mu.Unlock()
		if !due {
			continue
		}
		if err := e.readCrew(ctx, p); err != nil && ctx.Err() == nil {
			e.cfg.Logger.Warn("could not read who is put aside", "project", p, "error", err)
		}
	}
}

// tellCrew stores what is new of the workers.
func (e *Engine) tellCrew(ctx context.Context) error {
	now := e.cfg.Now()
	c := &e.crew
	c.mu.Lock()
	due := map[crewName]member{}
	for n, m := range c.known {
		switch {
		case m.news || m.told.IsZero() && !m.seen.IsZero() || m.seen.Sub(m.told) >= crewSeen:
			due[n] = *m
		case now.Sub(m.seen) > crewMemory && m.info.Aside == "":
			delete(c.known, n)
		}
	}
	drop := now.Sub(c.dropped) >= crewMemory && len(due) > 0
	if drop {
		c.dropped = now
	}
	c.mu.Unlock()
	for n, m := range due {
		err := e.cfg.Store.ChangeWorker(ctx, n.project, n.name, func(w *store.Worker) error {
			if w.Created.IsZero() {
				w.Created = now
			}
			w.Seen = m.seen
			w.Info.Node, w.Info.Executor, w.Info.Study = m.info.Node, m.info.Executor, m.info.Study
			if m.news {
				w.Info.Aside, w.Info.AsideSince = m.info.Aside, m.info.AsideSince
			}
			return nil
		})
		if err != nil {
			return err
		}
		c.mu.Lock()
		if k := c.known[n]; k != nil {
			k.told = m.seen
			k.news = k.news && !m.news
		}
		c.mu.Unlock()
	}
	if drop {
		return e.cfg.Store.DropWorkers(ctx, now.Add(-crewKept))
	}
	return nil
}

// meet reads who is put aside in a project that was not read yet.
func (e *Engine) meet(ctx context.Context, project string) error {
	e.crew.mu.Lock()
	_, known := e.crew.read[project]
	e.crew.mu.Unlock()
	if known {
		return nil
	}
	return e.readCrew(ctx, project)
}

// readCrew takes over who is put aside in a project.
func (e *Engine) readCrew(ctx context.Context, project string) error {
	now := e.cfg.Now()
	ws, err := e.cfg.Store.ListWorkers(ctx, project)
	if err != nil {
		return err
	}
	c := &e.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read[project] = now
	for _, w := range ws {
		n := crewName{w.Project, w.Name}
		m := c.known[n]
		if m == nil && w.Info.Aside == "" {
			continue
		}
		if m == nil {
			m = c.member(n)
			m.info, m.seen, m.told = w.Info, w.Seen, w.Seen
		}
		switch {
		case m.news: // the database hears of it next
		case w.Info.Aside == "" && m.info.Aside != "":
			m.pardons++
			fallthrough
		default:
			m.info.Aside, m.info.AsideSince = w.Info.Aside, w.Info.AsideSince
		}
	}
	return nil
}

// SetAside puts a worker aside by hand, or lets it back. Engines hear of it within
// some seconds.
func SetAside(ctx context.Context, db store.Workers, project string, p types.WorkerPatch, now time.Time) (types.Worker, error) {
	var out types.Worker
	err := db.ChangeWorker(ctx, project, p.Worker, func(w *store.Worker) error {
		if w.Created.IsZero() {
			return store.NoWorker(project, p.Worker)
		}
		switch {
		case !p.Aside:
			w.Info.Aside, w.Info.AsideSince = "", time.Time{}
		case p.Reason != "":
			w.Info.Aside, w.Info.AsideSince = p.Reason, now
		default:
			w.Info.Aside, w.Info.AsideSince = "put aside by hand", now
		}
		out = WorkerView(*w)
		return nil
	})
	if err != nil { // the change may be under way still, and out written to
		return types.Worker{}, err
	}
	return out, nil
}

// WorkerView is a worker as a client sees it.
func WorkerView(w store.Worker) types.Worker {
	return types.Worker{Name: w.Name, Owner: w.Owner, Seen: w.Seen, WorkerInfo: w.Info}
}
