package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// replay rebuilds what a study's events make: totals, the best, and what the
// algorithm and the stopper know. Digests give most of a long history, unless
// the stopper wants reports, which they lack; rows give the rest.
func (s *study) replay(ctx context.Context) error {
	r := &replayer{study: s, hidden: map[int64]bool{}, imported: map[int64]bool{}}
	s.plans = map[int64]space.Point{}
	_, blind := s.stopper.(earlystop.Blind)
	if _, promotes := s.stopper.(earlystop.Promoter); promotes {
		s.shadows = shadows{}
	}
	from, err := r.digests(ctx, blind)
	if err != nil {
		return err
	}
	s.digest.from = from
	if !blind {
		from = 0
	}
	err = s.e.cfg.Store.Events(ctx, s.id, from, func(se store.StoredEvent) error {
		rec, err := r.stored(se)
		if err != nil {
			return err
		}
		if rec.Seq >= s.digest.from {
			s.digest.add(rec.Event, rec.origin)
		}
		return r.event(rec)
	})
	r.flush()
	return err
}

// replayer replays the events of one study.
type replayer struct {
	*study

	// Trials whose point is not valid in the current space version stay unknown
	// to the algorithm.
	hidden   map[int64]bool
	imported map[int64]bool
	buf      []trial.Event // for the algorithm
}

// digests feeds the events of the digests, one of which is read and decoded
// while the one before is fed, and returns the seq of the first event behind
// them. One that cannot be read ends them. Without feed it only finds their end.
func (r *replayer) digests(ctx context.Context, feed bool) (end int64, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type part struct {
		records []record
		end     int64
	}
	parts := make(chan part, 1)
	go func() {
		defer close(parts)
		var d digestReader
		var at int64
		err = r.e.cfg.Store.Digests(ctx, r.id, func(m store.PutDigest) error {
			if m.From != at || m.To > r.st.NextSeq {
				return nil
			}
			records, err := d.records(m, make([]record, 0, len(m.Data)/16))
			if err != nil {
				return nil //nolint:nilerr // the rows have what it should have
			}
			select {
			case parts <- part{records, m.To}:
				at = m.To
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	var bad error
	for p := range parts {
		for i := 0; feed && bad == nil && i < len(p.records); i++ {
			if bad = r.event(p.records[i]); bad != nil {
				stop()
			}
		}
		end = p.end
	}
	if bad != nil {
		return 0, bad
	}
	return end, err // the channel was closed after it was set
}

// stored is an event as the rows have it.
func (r *replayer) stored(se store.StoredEvent) (record, error) {
	rec := record{Event: se.Event}
	switch rec.Kind {
	case trial.EventCreated:
		rec.origin, rec.SpaceVersion, rec.Copy = se.Trial.Origin, se.Trial.SpaceVersion, se.Trial.Basis.Copy
		sp, err := r.version(rec.SpaceVersion)
		if err == nil {
			rec.Point, err = planned(sp, se)
		}
		if err != nil {
			return rec, types.Errorf(types.Internal, "stored trial %d: %w", rec.Trial, err)
		}
	case trial.EventDrawn:
		sp, err := r.version(rec.SpaceVersion)
		if err == nil {
			rec.Point, err = expected(sp, rec.Detail)
		}
		if err != nil {
			return rec, types.Errorf(types.Internal, "stored event %d: %w", rec.Seq, err)
		}
	case trial.EventFinished:
		if rec.Finish == nil {
			return rec, types.Errorf(types.Internal, "the event of trial %d's end has no result", rec.Trial)
		}
		if st := rec.Finish.State; st == types.Completed || st == types.Pruned {
			rec.Finish.Values = r.objectives(se.Metrics)
		}
	case trial.EventStarted, trial.EventReported, trial.EventRequeued, trial.EventPaused, trial.EventSpace, trial.EventStudy:
	}
	return rec, nil
}

func (r *replayer) version(v int) (*space.Space, error) {
	if v < 1 || v > len(r.spaces) {
		return nil, fmt.Errorf("space version %d does not exist", v)
	}
	return r.spaces[v-1], nil
}

// event replays one event.
func (r *replayer) event(rec record) error {
	ev := rec.Event
	switch ev.Kind {
	case trial.EventCreated:
		sp, err := r.version(ev.SpaceVersion)
		if err != nil {
			return types.Errorf(types.Internal, "stored trial %d: %w", ev.Trial, err)
		}
		if sp != r.st.Space {
			if p, ok := r.st.Space.Translate(sp, ev.Point); ok {
				ev.Point = p
			} else {
				r.hidden[ev.Trial] = true
			}
		}
		ev.SpaceVersion, ev.Report, ev.Detail = r.st.SpaceVersion, trial.Report{}, nil
		r.expect(ev)
		if rec.origin == trial.FromImport {
			r.imported[ev.Trial] = true
		}
	case trial.EventDrawn:
		sp, err := r.version(ev.SpaceVersion)
		if err != nil {
			return types.Errorf(types.Internal, "stored event %d: %w", ev.Seq, err)
		}
		if ev.Point != nil && sp != r.st.Space {
			var ok bool
			if ev.Point, ok = r.st.Space.Translate(sp, ev.Point); !ok {
				return nil // it stays what it was to the algorithm
			}
		}
		ev.SpaceVersion, ev.Detail = r.st.SpaceVersion, nil
		r.expect(ev)
	case trial.EventStarted:
		if r.started.IsZero() {
			r.started = ev.Time
		}
	case trial.EventFinished:
		delete(r.plans, ev.Trial)
		r.count("", ev.Finish.State)
		origin := trial.FromAlgorithm
		if r.imported[ev.Trial] {
			origin = trial.FromImport
			delete(r.imported, ev.Trial)
		}
		r.tally(ev.Trial, ev.Finish, origin)
	case trial.EventStudy:
		return r.state(ev)
	case trial.EventSpace:
		return nil
	case trial.EventPaused:
		d, err := restedOf(ev)
		if err != nil {
			return err
		}
		ev.Finish = d.finish()
	case trial.EventReported, trial.EventRequeued:
	}
	if err := r.shadows.follow(ev, r.primary()); err != nil {
		return err
	}
	r.stopper.Observe(ev) // curves can be compared whatever the space
	if ev.Kind != trial.EventReported && !r.hidden[ev.Trial] {
		const chunk = 1024
		if r.buf = append(r.buf, r.rests.told(ev)...); len(r.buf) >= chunk {
			r.flush()
		}
	}
	return nil
}

func (r *replayer) flush() {
	r.suggest.Observe(r.buf)
	clear(r.buf)
	r.buf = r.buf[:0]
}

// state does what become does for those after the event.
func (r *replayer) state(ev trial.Event) error {
	var d struct {
		State types.StudyState `json:"state"`
	}
	if err := json.Unmarshal(ev.Detail, &d); err != nil {
		return types.Errorf(types.Internal, "stored event %d: %w", ev.Seq, err)
	}
	if d.State == types.StudyActive {
		r.beginAnew()
	}
	return nil
}
