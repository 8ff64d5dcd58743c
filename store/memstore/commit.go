package memstore

import (
	"context"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// Commit implements store.Writer. It never waits, so ctx does not matter.
func (s *Store) Commit(_ context.Context, b store.Batch) error { return s.commit(&b) }

// Submit implements store.Writer; the batch is applied before it returns.
func (s *Store) Submit(b store.Batch) <-chan error {
	done := make(chan error, 1)
	done <- s.commit(&b)
	return done
}

// commit checks everything that can fail before it changes anything: that is
// how a batch is applied all or not at all.
func (s *Store) commit(b *store.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	st, unlock, err := s.write(b.Study)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.check(st, b); err != nil {
		return err
	}
	st.row.NextSeq, st.row.NextNumber = b.ToSeq, b.ToNumber
	st.events = slices.Grow(st.events, int(b.ToSeq-b.FromSeq))[:b.ToSeq]
	for _, m := range b.Mutations {
		s.apply(st, m)
	}
	return nil
}

func (s *Store) check(st *study, b *store.Batch) error {
	switch {
	case st.row.Epoch != b.Epoch:
		return st.superseded(b.Epoch)
	case st.row.NextSeq != b.FromSeq || st.row.NextNumber != b.FromNumber:
		return types.Errorf(types.Conflict, "study %q is at seq %d and number %d, not %d and %d",
			st.row.Spec.Name, st.row.NextSeq, st.row.NextNumber, b.FromSeq, b.FromNumber)
	}
	spaces := st.row.SpaceVersion
	answered := map[int64]bool{}
	for _, m := range b.Mutations {
		switch m := m.(type) {
		case store.PutStudy:
			if m.Spec.Project != st.row.Spec.Project || m.Spec.Name != st.row.Spec.Name {
				return types.Errorf(types.Invalid, "study %q cannot change its name or project", st.row.Spec.Name).WithField("name")
			}
		case store.AddSpace:
			if m.Version != spaces+1 {
				return types.Errorf(types.Conflict, "study %q has %d space versions, so %d cannot be added", st.row.Spec.Name, spaces, m.Version)
			}
			spaces++
		case store.AnswerCommand:
			c := s.commands[m.ID]
			if c == nil || c.Study != st.row.ID || c.done || answered[m.ID] {
				return types.Errorf(types.Conflict, "study %q has no open command %d", st.row.Spec.Name, m.ID)
			}
			answered[m.ID] = true
		case store.AddTrial, store.UpdateTrial, store.UpdatePoint, store.PutAttempt, store.PutReports, store.AddDecision,
			store.AddEvents, store.PutSuggesterState, store.PutDigest, store.PutAttribute, store.PutRequestKey:
		}
	}
	return nil
}

func (st *study) noTrial(number int64) error {
	return types.Errorf(types.NotFound, "the study has no trial %d", number).WithField("number").WithRemedy("list its trials: they are numbered from 0")
}

func (s *Store) apply(st *study, m store.Mutation) {
	switch m := m.(type) {
	case store.PutStudy:
		st.row.Spec, st.row.State, st.row.Reason = copySpec(m.Spec), m.State, store.Text(m.Reason)
	case store.AddSpace:
		st.spaces = append(st.spaces, slices.Clone(m.JSON))
		st.row.SpaceVersion = m.Version
	case store.AddTrial:
		s.lastTrial++
		t := copyTrial(m.Trial)
		t.ID, t.Study = s.lastTrial, st.row.ID
		st.trials = append(st.trials, trialRow{Trial: t})
		st.counts[t.State]++
	case store.UpdateTrial:
		st.update(m.Trial)
	case store.UpdatePoint:
		row, t := &st.trials[m.Trial.Number].Trial, copyTrial(m.Trial)
		row.Params, row.SpaceVersion, row.Arm = t.Params, t.SpaceVersion, t.Arm
	case store.PutAttempt:
		st.putAttempt(m.Attempt)
	case store.PutReports:
		st.putReports(m.Reports)
	case store.AddDecision:
		m.Reason, m.Time = store.Text(m.Reason), store.Time(m.Time)
		st.stops = append(st.stops, m)
	case store.AddEvents:
		for i := range m.Events {
			st.addEvent(&m.Events[i])
		}
	case store.PutSuggesterState:
		if st.snapshot == nil || st.snapshot.Seq <= m.Seq {
			m.State = slices.Clone(m.State)
			st.snapshot = &m
		}
	case store.PutDigest:
		m.Data = slices.Clone(m.Data)
		if st.digests == nil {
			st.digests = map[int64]store.PutDigest{}
		}
		st.digests[m.From] = m
	case store.PutAttribute:
		key := attribute{m.Trial, store.Text(m.Namespace), store.Text(m.Key)}
		if m.Value == nil {
			delete(st.notes, key)
		} else {
			st.notes[key] = append([]byte{}, m.Value...)
		}
	case store.PutRequestKey:
		m.Key, m.Time = store.Text(m.Key), store.Time(m.Time)
		m.BodyHash, m.Response = slices.Clone(m.BodyHash), slices.Clone(m.Response)
		st.keys[m.Key] = m
	case store.AnswerCommand:
		c := s.commands[m.ID]
		c.response, c.answered, c.done = slices.Clone(m.Response), store.Time(m.Time), true
	}
}

func (st *study) update(t *trial.Trial) {
	row := &st.trials[t.Number].Trial
	st.counts[row.State]--
	st.counts[t.State]++
	row.State, row.Reason, row.Priority = t.State, store.Text(t.Reason), t.Priority
	row.Attempts, row.Lost, row.Step, row.Budget = t.Attempts, t.Lost, t.Step, t.Budget
	row.Started, row.Finished = store.Time(t.Started), store.Time(t.Finished)
	for k, v := range t.Metrics {
		if row.Metrics == nil {
			row.Metrics = make(map[string]float64, len(t.Metrics))
		}
		row.Metrics[store.Text(k)] = v
	}
}

func (st *study) putAttempt(in *trial.Attempt) {
	a := copyAttempt(in)
	a.Study = st.row.ID
	list := &st.trials[a.Trial].attempts
	i, found := slices.BinarySearchFunc(*list, a.Number, func(b trial.Attempt, n int) int { return b.Number - n })
	if found {
		(*list)[i] = a
	} else {
		*list = slices.Insert(*list, i, a)
	}
}

func (st *study) putReports(in []trial.Report) {
	for i := range in {
		r := in[i]
		r.Metric, r.Time = store.Text(r.Metric), store.Time(r.Time)
		row := &st.trials[r.Trial]
		e := &st.events[r.Seq]
		*e = event{kind: trial.EventReported, trial: r.Trial, time: r.Time, report: len(row.reports), detail: e.detail}
		row.reports = append(row.reports, r)
	}
}

func (st *study) addEvent(in *trial.Event) {
	e := &st.events[in.Seq]
	detail := slices.Clone([]byte(in.Detail))
	if in.Kind == trial.EventReported {
		e.detail = detail // the report fills in the rest
		return
	}
	*e = event{kind: in.Kind, trial: in.Trial, time: store.Time(in.Time), spaceVersion: in.SpaceVersion, detail: detail}
}
