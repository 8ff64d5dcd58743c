package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// Trial implements store.Trials.
func (s *Store) Trial(_ context.Context, id, number int64) (trial.Trial, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st, err := s.find(id)
	if err != nil {
		return trial.Trial{}, err
	}
	if number < 0 || number >= int64(len(st.trials)) {
		return trial.Trial{}, st.noTrial(number)
	}
	return share(&st.trials[number]), nil
}

// ListTrials implements store.Trials. It sorts all trials for a page, which is
// good enough for what fits in memory.
func (s *Store) ListTrials(_ context.Context, id int64, f store.TrialFilter) ([]trial.Trial, string, error) {
	from, err := f.Normalise()
	if err != nil {
		return nil, "", err
	}
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, "", err
	}
	defer unlock()
	var rows []*trialRow
	all := st.rows(-1)
	for i := range all {
		row := &all[i]
		if !f.Match(&row.Trial) {
			continue
		}
		if from.Start && from == f.First() || compare(&f, place(&f, &row.Trial), from) > 0 {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b *trialRow) int {
		return compare(&f, place(&f, &a.Trial), place(&f, &b.Trial))
	})
	next := ""
	if len(rows) > f.Limit {
		rows = rows[:f.Limit]
		next = f.Encode(place(&f, &rows[f.Limit-1].Trial))
	}
	out := make([]trial.Trial, len(rows))
	for i, row := range rows {
		out[i] = share(row)
	}
	return out, next, nil
}

// place is where the listing has t.
func place(f *store.TrialFilter, t *trial.Trial) store.Cursor {
	phase := store.ByNumber
	switch f.Sort {
	case store.SortMetric:
		if v, ok := t.Metrics[f.Metric]; ok && math.IsNaN(v) {
			phase = store.ByNaN
		} else if ok {
			phase = store.ByValue
		}
	case store.SortFinished:
		if !t.Finished.IsZero() {
			phase = store.ByValue
		}
	case store.SortParam:
		if _, ok := t.Params.Get(f.Param); ok {
			phase = store.ByValue
		}
	case store.SortNumber:
	}
	return f.CursorAt(phase, t)
}

func compare(f *store.TrialFilter, a, b store.Cursor) int {
	if a.Phase != b.Phase {
		order := map[store.Phase]int{store.ByValue: 0, store.ByNaN: 1, store.ByNumber: 2}
		return order[a.Phase] - order[b.Phase]
	}
	c := cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Time, b.Time))
	if c == 0 && f.Sort == store.SortParam && a.Phase == store.ByValue {
		c = store.CompareValues(a.Param, b.Param)
	}
	c = cmp.Or(c, cmp.Compare(a.Number, b.Number))
	if f.Desc {
		return -c
	}
	return c
}

// Attempts implements store.Trials.
func (s *Store) Attempts(_ context.Context, id, number int64) ([]trial.Attempt, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var out []trial.Attempt
	for _, row := range st.rows(number) {
		for i := range row.attempts {
			out = append(out, copyAttempt(&row.attempts[i]))
		}
	}
	return out, nil
}

// AttemptFolders implements store.Trials.
func (s *Store) AttemptFolders(_ context.Context, id int64, node string) ([]string, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	found := map[string]bool{}
	for _, row := range st.rows(-1) {
		for i := range row.attempts {
			a := &row.attempts[i]
			if f, ok := strings.CutSuffix(a.Dir, fmt.Sprintf("/%d/%d", a.Trial, a.Number)); ok && a.Node == node {
				found[f] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// rows returns the trial with the number, or all for -1.
func (st *study) rows(number int64) []trialRow {
	switch {
	case st == nil || number < -1 || number >= int64(len(st.trials)):
		return nil
	case number == -1:
		return st.trials
	}
	return st.trials[number : number+1]
}

// Reports implements store.Trials.
func (s *Store) Reports(_ context.Context, id, number int64, metric string, maxPoints int) ([]trial.Report, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if st == nil || number < 0 || number >= int64(len(st.trials)) {
		return nil, nil
	}
	return store.Curve(slices.Clone(st.trials[number].reports), metric, maxPoints), nil
}

// Attributes implements store.Trials.
func (s *Store) Attributes(_ context.Context, id, number int64, namespace string) (map[string][]byte, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := map[string][]byte{}
	if st == nil {
		return out, nil
	}
	for k, v := range st.notes {
		if k.trial == number && k.namespace == namespace {
			out[k.key] = append([]byte{}, v...)
		}
	}
	return out, nil
}

// eventChunk is how many events are copied under one lock.
const eventChunk = 1024

// Events implements store.History.
func (s *Store) Events(_ context.Context, id, from int64, yield func(store.StoredEvent) error) error {
	end := int64(math.MaxInt64)
	var chunk []store.StoredEvent
	for from = max(from, 0); from < end; from += int64(len(chunk)) {
		st, unlock, err := s.read(id)
		if err != nil {
			return err
		}
		if st == nil {
			unlock()
			return nil
		}
		end = min(end, int64(len(st.events)))
		chunk = chunk[:0]
		for seq := from; seq < min(end, from+eventChunk); seq++ {
			chunk = append(chunk, st.storedEvent(seq))
		}
		unlock()
		for _, e := range chunk {
			if err := yield(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (st *study) storedEvent(seq int64) store.StoredEvent {
	in := &st.events[seq]
	e := store.StoredEvent{Event: trial.Event{
		Seq: seq, Kind: in.kind, Trial: in.trial, Time: in.time,
		SpaceVersion: in.spaceVersion, Detail: cloneJSON(in.detail),
	}}
	switch in.kind {
	case trial.EventReported:
		e.Report = st.trials[in.trial].reports[in.report]
	case trial.EventCreated:
		t := share(&st.trials[in.trial])
		e.Trial, e.Params, e.SpaceVersion = &t, t.Params, t.SpaceVersion
	case trial.EventFinished:
		t := share(&st.trials[in.trial])
		e.Trial, e.Metrics = &t, t.Metrics
		e.Finish = store.FinishOf(&t)
	case trial.EventDrawn, trial.EventStarted, trial.EventRequeued, trial.EventPaused, trial.EventSpace, trial.EventStudy:
	}
	return e
}

// Digests implements store.History.
func (s *Store) Digests(_ context.Context, id int64, yield func(store.PutDigest) error) error {
	st, unlock, err := s.read(id)
	if err != nil {
		return err
	}
	var all []store.PutDigest
	if st != nil {
		for _, from := range slices.Sorted(maps.Keys(st.digests)) {
			all = append(all, st.digests[from])
		}
	}
	unlock()
	for _, d := range all {
		d.Data = slices.Clone(d.Data)
		if err := yield(d); err != nil {
			return err
		}
	}
	return nil
}

// SuggesterState implements store.History.
func (s *Store) SuggesterState(_ context.Context, id int64) (store.PutSuggesterState, bool, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return store.PutSuggesterState{}, false, err
	}
	defer unlock()
	if st == nil || st.snapshot == nil {
		return store.PutSuggesterState{}, false, nil
	}
	out := *st.snapshot
	out.State = slices.Clone(out.State)
	return out, true, nil
}

// RequestKey implements store.History.
func (s *Store) RequestKey(_ context.Context, id int64, key string) (store.PutRequestKey, bool, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return store.PutRequestKey{}, false, err
	}
	defer unlock()
	if st == nil {
		return store.PutRequestKey{}, false, nil
	}
	k, ok := st.keys[key]
	k.BodyHash, k.Response = slices.Clone(k.BodyHash), slices.Clone(k.Response)
	return k, ok, nil
}

// Decisions implements store.History.
func (s *Store) Decisions(_ context.Context, id, number int64) ([]store.AddDecision, error) {
	st, unlock, err := s.read(id)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if st == nil {
		return nil, nil
	}
	var out []store.AddDecision
	for _, d := range st.stops {
		if number == -1 || d.Trial == number {
			out = append(out, d)
		}
	}
	return out, nil
}

// AddCommand implements store.Commands.
func (s *Store) AddCommand(_ context.Context, id int64, kind string, payload []byte, key string, now time.Time) (int64, error) {
	st, unlock, err := s.write(id)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if first, ok := st.commands[key]; ok {
		return first, nil
	}
	s.lastCommand++
	s.commands[s.lastCommand] = &command{key: key, Command: store.Command{
		ID: s.lastCommand, Study: id, Kind: kind, Payload: slices.Clone(payload), Time: store.Time(now),
	}}
	if key != "" {
		st.commands[key] = s.lastCommand
	}
	return s.lastCommand, nil
}

// PendingCommands implements store.Commands.
func (s *Store) PendingCommands(_ context.Context, studies []int64, limit int) ([]store.Command, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed()
	}
	var out []store.Command
	for _, c := range s.commands {
		if !c.done && slices.Contains(studies, c.Study) {
			open := c.Command
			open.Payload = slices.Clone(open.Payload)
			out = append(out, open)
		}
	}
	slices.SortFunc(out, func(a, b store.Command) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(len(out), cmp.Or(limit, 1000))], nil
}

// CommandAnswer implements store.Commands.
func (s *Store) CommandAnswer(_ context.Context, id int64) ([]byte, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, false, errClosed()
	}
	c := s.commands[id]
	if c == nil {
		return nil, false, types.Errorf(types.NotFound, "there is no command %d", id)
	}
	return slices.Clone(c.response), c.done, nil
}

// DropRequestKeys implements store.Commands.
func (s *Store) DropRequestKeys(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	for _, st := range s.studies {
		maps.DeleteFunc(st.keys, func(_ string, k store.PutRequestKey) bool { return k.Time.Before(before) })
	}
	return nil
}

// DropCommands implements store.Commands.
func (s *Store) DropCommands(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed()
	}
	for id, c := range s.commands {
		if c.done && c.answered.Before(before) {
			delete(s.commands, id)
			if st := s.studies[c.Study]; st != nil && c.key != "" {
				delete(st.commands, c.key)
			}
		}
	}
	return nil
}
