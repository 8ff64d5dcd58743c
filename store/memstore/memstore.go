// Package memstore keeps studies in memory, for tests and for sweeps that need
// not outlive their process. It keeps the same contract as a database, which
// storetest checks.
package memstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// Store is a store.Store in memory. Every mutation takes constant time, amortised. The
// zero value is not usable; call New.
type Store struct {
	mu     sync.RWMutex
	closed bool

	studies map[int64]*study
	byName  map[name]*study
	// lastStudy, lastTrial and lastCommand are the IDs given last; IDs are
	// never used again.
	lastStudy, lastTrial, lastCommand int64
	commands                          map[int64]*command
	tokens                            []store.Token
	lastToken                         int64
	workers                           map[name]store.Worker
	projects                          map[string]time.Time // when each was made
}

var _ store.Store = (*Store)(nil)

type name struct{ project, study string }

// study is everything that belongs to one study.
type study struct {
	row    trial.Study
	spaces [][]byte
	// trials are indexed by number, events by seq: both are without gap.
	trials   []trialRow
	events   []event
	counts   map[types.State]int64
	notes    map[attribute][]byte
	stops    []store.AddDecision
	snapshot *store.PutSuggesterState
	digests  map[int64]store.PutDigest // by From
	keys     map[string]store.PutRequestKey
	commands map[string]int64 // by key
}

type trialRow struct {
	trial.Trial
	attempts []trial.Attempt // by number
	reports  []trial.Report  // in the order they came
}

// event keeps the report's place instead of a copy.
type event struct {
	kind         trial.EventKind
	trial        int64
	time         time.Time
	spaceVersion int
	report       int
	detail       []byte
}

type attribute struct {
	trial          int64
	namespace, key string
}

type command struct {
	store.Command
	key      string
	response []byte
	answered time.Time
	done     bool
}

// New returns an empty store.
func New() *Store {
	return &Store{
		studies:  map[int64]*study{},
		byName:   map[name]*study{},
		commands: map[int64]*command{},
		workers:  map[name]store.Worker{},
	}
}

// Close implements store.Store; the store is empty and unusable afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.studies, s.byName, s.commands, s.tokens = nil, nil, nil, nil
	return nil
}

// write locks the store and returns the study.
func (s *Store) write(id int64) (*study, func(), error) {
	s.mu.Lock()
	st, err := s.find(id)
	if err != nil {
		s.mu.Unlock()
		return nil, nil, err
	}
	return st, s.mu.Unlock, nil
}

// read locks the store for reading; the study is nil if there is none.
func (s *Store) read(id int64) (*study, func(), error) {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, nil, errClosed()
	}
	return s.studies[id], s.mu.RUnlock, nil
}

func (s *Store) find(id int64) (*study, error) {
	if s.closed {
		return nil, errClosed()
	}
	st := s.studies[id]
	if st == nil {
		return nil, types.Errorf(types.NotFound, "there is no study with the ID %d", id)
	}
	return st, nil
}

func errClosed() error {
	return types.Errorf(types.Unavailable, "the memory store is closed")
}

// CreateStudy implements store.Writer.
func (s *Store) CreateStudy(_ context.Context, in trial.Study) (trial.Study, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return trial.Study{}, errClosed()
	}
	key := name{in.Spec.Project, in.Spec.Name}
	if s.byName[key] != nil {
		return trial.Study{}, types.Errorf(types.Conflict, "project %q has a study %q already", key.project, key.study).
			WithField("name").WithRemedy("continue it, or choose another name")
	}
	s.makeProject(key.project, in.Created)
	s.lastStudy++
	row := trial.Study{
		ID: s.lastStudy, Spec: copySpec(in.Spec), SpaceVersion: 1,
		State: in.State, Reason: store.Text(in.Reason), Created: store.Time(in.Created), CreatedBy: store.Text(in.CreatedBy),
	}
	st := &study{
		row:    row,
		spaces: [][]byte{slices.Clone([]byte(row.Spec.Space))},
		counts: map[types.State]int64{}, notes: map[attribute][]byte{},
		keys: map[string]store.PutRequestKey{}, commands: map[string]int64{},
	}
	s.studies[row.ID], s.byName[key] = st, st
	return st.copyRow(), nil
}

// Acquire implements store.Writer.
func (s *Store) Acquire(_ context.Context, id int64, owner, addr string, now time.Time, ttl time.Duration) (trial.Study, error) {
	st, unlock, err := s.write(id)
	if err != nil {
		return trial.Study{}, err
	}
	defer unlock()
	o := &st.row.Ownership
	if o.Owner != "" && o.Owner != owner && o.LeaseUntil.After(store.Time(now)) {
		return st.copyRow(), types.Errorf(types.Conflict, "study %q is owned by %s until %s",
			st.row.Spec.Name, o.Owner, o.LeaseUntil.Format(time.RFC3339))
	}
	*o = trial.Ownership{Owner: owner, OwnerAddr: addr, Epoch: o.Epoch + 1, LeaseUntil: store.Time(now.Add(ttl))}
	return st.copyRow(), nil
}

// Renew implements store.Writer.
func (s *Store) Renew(_ context.Context, id, epoch int64, now time.Time, ttl time.Duration) error {
	st, unlock, err := s.write(id)
	if err != nil {
		return err
	}
	defer unlock()
	if st.row.Epoch != epoch || st.row.Owner == "" {
		return st.superseded(epoch)
	}
	st.row.LeaseUntil = store.Time(now.Add(ttl))
	return nil
}

// Release implements store.Writer.
func (s *Store) Release(_ context.Context, id, epoch int64) error {
	st, unlock, err := s.write(id)
	if err != nil {
		return err
	}
	defer unlock()
	if st.row.Epoch == epoch {
		st.row.Ownership = trial.Ownership{Epoch: epoch}
	}
	return nil
}

// DeleteStudy implements store.Writer.
func (s *Store) DeleteStudy(_ context.Context, id, epoch int64) error {
	st, unlock, err := s.write(id)
	if err != nil {
		return err
	}
	defer unlock()
	if st.row.Epoch != epoch {
		return st.superseded(epoch)
	}
	delete(s.studies, id)
	delete(s.byName, name{st.row.Spec.Project, st.row.Spec.Name})
	for i, c := range s.commands {
		if c.Study == id {
			delete(s.commands, i)
		}
	}
	return nil
}

func (st *study) superseded(epoch int64) error {
	e := types.Errorf(types.Superseded, "study %q is at epoch %d, not %d any more",
		st.row.Spec.Name, st.row.Epoch, epoch)
	if st.row.Owner != "" {
		e.Message += ": " + st.row.Owner + " owns it"
	}
	return e
}

// Study implements store.Studies.
func (s *Store) Study(_ context.Context, project, study string) (trial.Study, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return trial.Study{}, errClosed()
	}
	st := s.byName[name{project, study}]
	if st == nil {
		return trial.Study{}, types.Errorf(types.NotFound, "project %q has no study %q", project, study).WithField("name")
	}
	return st.copyRow(), nil
}

// StudyByID implements store.Studies.
func (s *Store) StudyByID(_ context.Context, id int64) (trial.Study, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st, err := s.find(id)
	if err != nil {
		return trial.Study{}, err
	}
	return st.copyRow(), nil
}

// ListStudies implements store.Studies.
func (s *Store) ListStudies(_ context.Context, project, after string, limit int) ([]store.StudySummary, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	afterProject, afterName := project, after
	if project == "" {
		afterProject, afterName, _ = strings.Cut(after, "/")
	}
	place := func(n name, project, study string) int {
		return cmp.Or(strings.Compare(n.project, project), strings.Compare(n.study, study))
	}
	var names []name
	for n := range s.byName {
		if (project == "" || n.project == project) && (after == "" || place(n, afterProject, afterName) > 0) {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b name) int { return place(a, b.project, b.study) })
	names = names[:min(len(names), cmp.Or(limit, 1000))]
	var out []store.StudySummary
	for _, n := range names {
		st := s.byName[n]
		out = append(out, store.StudySummary{Study: st.copyRow(), Counts: st.count()})
	}
	return out, nil
}

// Spaces implements store.Studies.
func (s *Store) Spaces(_ context.Context, id int64) ([][]byte, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if st == nil {
		return nil, nil
	}
	out := make([][]byte, len(st.spaces))
	for i, b := range st.spaces {
		out[i] = slices.Clone(b)
	}
	return out, nil
}

// Counts implements store.Studies.
func (s *Store) Counts(_ context.Context, id int64) (types.Counts, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return types.Counts{}, err
	}
	defer unlock()
	if st == nil {
		return types.Counts{}, nil
	}
	return st.count(), nil
}

func (st *study) count() types.Counts {
	c := st.counts
	return types.Counts{
		Queued: c[types.Queued], Running: c[types.Running], Paused: c[types.Paused],
		Completed: c[types.Completed], Pruned: c[types.Pruned], Failed: c[types.Failed],
		Infeasible: c[types.Infeasible], Cancelled: c[types.Cancelled],
	}
}
