package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"math"
	"slices"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// eventChunk is how many events are read at a time.
const eventChunk = 2048

// reports reads reports without the reflection of gorm: they are the one kind
// of row that comes by the ten thousand.
func (s *Store) reports(db *gorm.DB, where string, args ...any) (_ []trial.Report, err error) {
	rows, err := db.Raw("SELECT trial, seq, attempt, step, created, kind, value, metric FROM reports WHERE "+where, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	var out []trial.Report
	for rows.Next() {
		var r reportRow
		if err := rows.Scan(&r.Trial, &r.Seq, &r.Attempt, &r.Step, &r.Created, &r.Kind, &r.Value, &r.Metric); err != nil {
			return nil, err
		}
		out = append(out, r.report())
	}
	return out, rows.Err()
}

// replay is the state of one call of Events.
//
// Reports have no rows in events and no index by seq, which would double the
// work of storing them. But they come only between the creation and the end of
// their trial: so a chunk of events needs the reports of the trials that were
// open in it, and those the primary key finds.
type replay struct {
	store    *Store
	study    int64
	next     int64 // the event to be yielded next
	end      int64
	open     map[int64]bool // trials that may have reports from next on
	everyone bool           // read the reports of all trials: open was not enough
}

// Events implements store.History.
func (s *Store) Events(ctx context.Context, study, from int64, yield func(store.StoredEvent) error) error {
	r := &replay{store: s, study: study, next: max(from, 0), open: map[int64]bool{}}
	if err := s.read(ctx, r.begin); err != nil {
		return err
	}
	for r.next < r.end {
		var chunk []store.StoredEvent
		err := s.read(ctx, func(db *gorm.DB) (err error) {
			chunk, err = r.chunk(db)
			return err
		})
		if err != nil {
			return err
		}
		for i := range chunk {
			if err := yield(chunk[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin finds the end of the replay and the trials that are open at its start:
// those that end later or have not ended yet.
func (r *replay) begin(db *gorm.DB) error {
	var row studyRow
	err := db.Select("next_seq").Where("id = ?", r.study).Find(&row).Error
	if err != nil {
		return err
	}
	r.end = row.NextSeq
	if r.next == 0 || r.next >= r.end {
		return nil
	}
	// Trials are created in the order of their numbers, so the first to be created
	// from here on tells which were there before. Those of them that end later are
	// looked for by the time at which they end; should the clock have gone back,
	// the hole that this leaves is noticed.
	var first, created []eventRow
	if err := db.Where("study_id = ? AND seq >= ?", r.study, r.next).Order("seq").Limit(1).Find(&first).Error; err != nil {
		return err
	}
	if err := db.Where("study_id = ? AND seq >= ? AND kind = ?", r.study, r.next, trial.EventCreated).Order("seq").Limit(1).Find(&created).Error; err != nil {
		return err
	}
	var open []int64
	if err := db.Raw("SELECT number FROM trials WHERE study_id = ? AND finished IS NULL", r.study).Scan(&open).Error; err != nil {
		return err
	}
	if len(first) > 0 {
		before := int64(math.MaxInt64)
		if len(created) > 0 {
			before = created[0].Trial
		}
		var later []int64
		err := db.Raw("SELECT number FROM trials WHERE study_id = ? AND finished IS NOT NULL AND finished >= ? AND number < ?",
			r.study, first[0].Created, before).Scan(&later).Error
		if err != nil {
			return err
		}
		open = append(open, later...)
	}
	for _, n := range open {
		r.open[n] = true
	}
	return nil
}

// chunk reads the next events and moves on behind them.
func (r *replay) chunk(db *gorm.DB) ([]store.StoredEvent, error) {
	var rows []eventRow
	err := db.Where("study_id = ? AND seq >= ? AND seq < ?", r.study, r.next, r.end).
		Order("seq").Limit(eventChunk).Find(&rows).Error
	if err != nil {
		return nil, err
	}
	end := r.end
	if len(rows) == eventChunk {
		end = rows[len(rows)-1].Seq + 1
	}
	open := maps.Clone(r.open)
	for i := range rows {
		if trial.EventKind(rows[i].Kind) == trial.EventCreated {
			open[rows[i].Trial] = true
		}
	}
	reports, err := r.reports(db, open, end)
	if err != nil {
		return nil, err
	}
	out := merge(rows, reports)
	if hole, ok := r.hole(out, end); ok {
		if r.everyone {
			var row studyRow
			if err := one(db.Select("id").Take(&row, r.study).Error, func() error { return noStudy(r.study) }); err != nil {
				return nil, err // deleted meanwhile
			}
			return nil, types.Errorf(types.Invalid, "event %d of study %d is missing", hole, r.study).
				WithRemedy("restore a backup")
		}
		r.everyone = true
		return r.chunk(db)
	}
	if err := r.fill(db, out); err != nil {
		return nil, err
	}
	for i := range out {
		if out[i].Kind == trial.EventFinished {
			delete(open, out[i].Event.Trial)
		}
	}
	r.open, r.next = open, end
	return out, nil
}

// reports returns the reports of the open trials with a seq in [next, end),
// ascending.
func (r *replay) reports(db *gorm.DB, open map[int64]bool, end int64) ([]trial.Report, error) {
	var out []trial.Report
	if r.everyone {
		var err error
		if out, err = r.store.reports(db, "study_id = ? AND seq >= ? AND seq < ?", r.study, r.next, end); err != nil {
			return nil, err
		}
	} else {
		for some := range slices.Chunk(slices.Sorted(maps.Keys(open)), maxIn) {
			list, err := r.store.reports(db, "study_id = ? AND trial IN ? AND seq >= ? AND seq < ?", r.study, some, r.next, end)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	slices.SortFunc(out, func(a, b trial.Report) int { return cmp.Compare(a.Seq, b.Seq) })
	return out, nil
}

// merge puts reports among the other events.
func merge(rows []eventRow, reports []trial.Report) []store.StoredEvent {
	out := make([]store.StoredEvent, 0, len(rows)+len(reports))
	for len(rows) > 0 || len(reports) > 0 {
		if len(rows) == 0 || len(reports) > 0 && reports[0].Seq < rows[0].Seq {
			out = append(out, reported(&reports[0]))
			reports = reports[1:]
			continue
		}
		row := &rows[0]
		rows = rows[1:]
		e := store.StoredEvent{Event: trial.Event{
			Seq: row.Seq, Kind: trial.EventKind(row.Kind), Trial: row.Trial, Time: timeAt(row.Created),
			SpaceVersion: int(row.SpaceVersion),
		}}
		if len(reports) > 0 && reports[0].Seq == row.Seq {
			e = reported(&reports[0])
			reports = reports[1:]
		} else if e.Kind == trial.EventReported {
			continue // without its report: that leaves a hole
		}
		if row.Payload != nil {
			e.Detail = json.RawMessage(*row.Payload)
		}
		out = append(out, e)
	}
	return out
}

func reported(r *trial.Report) store.StoredEvent {
	return store.StoredEvent{Event: trial.Event{
		Seq: r.Seq, Kind: trial.EventReported, Trial: r.Trial, Time: r.Time, Report: *r,
	}}
}

// hole returns the first number from next to end that out lacks.
func (r *replay) hole(out []store.StoredEvent, end int64) (int64, bool) {
	for i := range out {
		if out[i].Seq != r.next+int64(i) {
			return r.next + int64(i), true
		}
	}
	return r.next + int64(len(out)), r.next+int64(len(out)) != end
}

// fill adds the trials of the events that show one.
func (r *replay) fill(db *gorm.DB, events []store.StoredEvent) error {
	var numbers []int64
	for i := range events {
		if k := events[i].Kind; k == trial.EventCreated || k == trial.EventFinished {
			numbers = append(numbers, events[i].Event.Trial)
		}
	}
	slices.Sort(numbers)
	trials := make(map[int64]*trial.Trial, len(numbers))
	for some := range slices.Chunk(slices.Compact(numbers), maxIn) {
		var rows []trialRow
		if err := db.Where("study_id = ? AND number IN ?", r.study, some).Find(&rows).Error; err != nil {
			return err
		}
		list, err := r.store.trials(db, r.study, rows)
		if err != nil {
			return err
		}
		for i := range list {
			trials[list[i].Number] = &list[i]
		}
	}
	for i := range events {
		e := &events[i]
		t := trials[e.Event.Trial]
		switch {
		case t == nil:
		case e.Kind == trial.EventCreated:
			own := *t
			e.Trial, e.Params, e.SpaceVersion = &own, slices.Clone(t.Params), t.SpaceVersion
		case e.Kind == trial.EventFinished:
			own := *t
			own.Metrics = maps.Clone(t.Metrics)
			e.Trial, e.Metrics, e.Finish = &own, own.Metrics, store.FinishOf(t)
		}
	}
	return nil
}

// Digests implements store.History.
func (s *Store) Digests(ctx context.Context, study int64, yield func(store.PutDigest) error) error {
	for from := int64(0); ; {
		var rows []digestRow
		err := s.read(ctx, func(db *gorm.DB) error {
			rows = nil
			return db.Where("study_id = ? AND from_seq >= ?", study, from).Order("from_seq").Limit(1).Find(&rows).Error
		})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := yield(store.PutDigest{From: rows[0].FromSeq, To: rows[0].ToSeq, Data: rows[0].Data}); err != nil {
			return err
		}
		from = rows[0].FromSeq + 1
	}
}

// SuggesterState implements store.History.
func (s *Store) SuggesterState(ctx context.Context, study int64) (out store.PutSuggesterState, ok bool, err error) {
	var rows []stateRow
	err = s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("study_id = ?", study).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return out, false, err
	}
	r := rows[0]
	return store.PutSuggesterState{Seq: r.Seq, Name: r.Name, Version: int(r.Version), State: r.State}, true, nil
}

// RequestKey implements store.History.
func (s *Store) RequestKey(ctx context.Context, study int64, key string) (out store.PutRequestKey, ok bool, err error) {
	var rows []requestKeyRow
	err = s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return db.Where("study_id = ? AND key = ?", study, store.Text(key)).Find(&rows).Error
	})
	if err != nil || len(rows) == 0 {
		return out, false, err
	}
	r := rows[0]
	return store.PutRequestKey{Key: r.Key, BodyHash: r.BodyHash, Response: r.Response, Time: timeAt(r.Created)}, true, nil
}

// Decisions implements store.History.
func (s *Store) Decisions(ctx context.Context, study, number int64) ([]store.AddDecision, error) {
	var rows []decisionRow
	err := s.read(ctx, func(db *gorm.DB) error {
		rows = nil
		return ofTrial(db, study, number).Order("seq, trial").Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	var out []store.AddDecision
	for _, r := range rows {
		out = append(out, store.AddDecision{
			Seq: r.Seq, Trial: r.Trial, Step: r.Step, Kind: types.StopKind(r.Kind), Reason: r.Reason, Time: timeAt(r.Created),
		})
	}
	return out, nil
}
