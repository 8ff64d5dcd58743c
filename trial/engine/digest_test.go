package engine_test

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
)

// digested is a store that shows its digests as change wants them, and notes
// from where on events are read instead.
type digested struct {
	store.Store

	change func(i int, d *store.PutDigest) (show bool)
	seen   int
	from   int64
}

func (s *digested) Digests(ctx context.Context, study int64, yield func(store.PutDigest) error) error {
	return s.Store.Digests(ctx, study, func(d store.PutDigest) error {
		s.seen++
		if s.change != nil && !s.change(s.seen-1, &d) {
			return nil
		}
		return yield(d)
	})
}

func (s *digested) Events(ctx context.Context, study, from int64, yield func(store.StoredEvent) error) error {
	s.from = from
	return s.Store.Events(ctx, study, from, yield)
}

// diary is an algorithm that keeps what it observes.
type diary struct {
	suggest.Suggester

	events *[]trial.Event
}

func (d diary) Observe(events []trial.Event) {
	*d.events = append(*d.events, events...)
	d.Suggester.Observe(events)
}

// loaded is what an engine knows of a study once it has loaded it.
func loaded(t *testing.T, db store.Store, study int64) (v types.Study, events []trial.Event) {
	t.Helper()
	e := start(t, db, func(c *engine.Config) {
		c.NewSuggester = func(c types.Component, sc suggest.Config) (suggest.Suggester, error) {
			s, err := suggest.New(suggest.Registry{random.Algorithm()}, c, sc)
			return diary{s, &events}, err
		}
	})
	if _, err := e.Adopt(t.Context(), types.AdoptRequest{Study: study, Worker: "nobody"}); err != nil {
		t.Fatal(err)
	}
	v = info(t, e, study)
	closed(t, e)
	return v, events
}

// manyResults are n finished trials of all kinds, whose reasons fill digests.
func manyResults(n int) (out []types.FinishedTrial) {
	states := []types.State{types.Completed, types.Pruned, types.Completed, types.Failed, types.Completed, types.Infeasible}
	for i := range n {
		f := types.FinishedTrial{State: states[i%len(states)], Reason: strings.Repeat("why ", 100),
			Params: types.Params{{Name: "x", Value: float64(i%100)/10 - 5}, {Name: "n", Value: int64(1 + i%8)}}}
		switch f.State {
		case types.Completed:
			f.Metrics = map[string]types.Float{"loss": types.Float(i)}
		case types.Pruned:
			f.Metrics = map[string]types.Float{"loss": types.Float(math.Inf(-1)), "other": types.Float(math.NaN())}
		default:
			f.Reason = ""
		}
		out = append(out, f)
	}
	return out
}

func TestAStudyIsLoadedFromItsDigests(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 100_000))
	control := func(req types.ControlRequest) {
		t.Helper()
		req.Study = st.ID
		if _, err := e.Control(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	live := func() {
		t.Helper()
		finish(t, e, lease(t, e, st.ID), 3)
		l := lease(t, e, st.ID)
		if _, err := e.Report(t.Context(), types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Step: 4, Value: 2}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Finish(t.Context(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeInterrupted, Reason: "again"}); err != nil {
			t.Fatal(err)
		}
		finish(t, e, lease(t, e, st.ID), math.NaN())
		control(types.ControlRequest{Kind: types.PauseStudy, Reason: "for a moment"})
		control(types.ControlRequest{Kind: types.ResumeStudy})
		fail(t, e, lease(t, e, st.ID))
		lease(t, e, st.ID) // runs on
	}
	control(types.ControlRequest{Kind: types.Import, Trials: manyResults(2000)})
	live()
	narrow := spec("a", 100_000)
	narrow.Space, narrow.Extend = json.RawMessage(strings.Replace(plane, "-5.0", "-2.0", 1)), true
	open(t, e, narrow)
	within := slices.DeleteFunc(manyResults(2000), func(f types.FinishedTrial) bool { return f.Params[0].Value.(float64) < -2 })
	control(types.ControlRequest{Kind: types.Import, Trials: within})
	live()
	control(types.ControlRequest{Kind: types.Import, Trials: within[:10]})
	closed(t, e)

	rows := &digested{Store: db, change: func(int, *store.PutDigest) bool { return false }}
	want, wantEvents := loaded(t, rows, st.ID)
	if rows.seen < 3 || rows.from != 0 {
		t.Fatalf("there are %d digests, and events were read from %d on", rows.seen, rows.from)
	}
	if n := want.Counts; n.Completed == 0 || n.Pruned == 0 || n.Failed == 0 || n.Infeasible == 0 || n.Running != 2 {
		t.Fatalf("the study has %+v", n)
	}
	compare := func(how string, s store.Store) {
		t.Helper()
		got, events := loaded(t, s, st.ID)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s the study differs:\n%s", how, d)
		}
		if d := cmp.Diff(wantEvents, events, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s the events differ:\n%s", how, d)
		}
	}
	all := &digested{Store: db}
	compare("from digests", all)
	if all.from == 0 {
		t.Error("the digests were not used")
	}
	torn := &digested{Store: db, change: func(i int, d *store.PutDigest) bool {
		if i == 1 {
			d.Data[len(d.Data)/2] ^= 1
		}
		return true
	}}
	compare("with a torn digest", torn)
	if torn.from == 0 || torn.from >= all.from {
		t.Errorf("with the second of %d digests torn, events were read from %d on", torn.seen, torn.from)
	}
	missing := &digested{Store: db, change: func(i int, _ *store.PutDigest) bool { return i != 0 }}
	compare("without the first digest", missing)
	if missing.from != 0 {
		t.Errorf("without the first digest events were read from %d on", missing.from)
	}
}

// TestDigestsAreMadeOfOldStudies: those that have none, for they were made by an
// earlier version, get them.
func TestDigestsAreMadeOfOldStudies(t *testing.T) {
	db := memstore.New()
	old := start(t, &forgetful{db})
	st := open(t, old, spec("a", 100_000))
	if _, err := old.Control(t.Context(), types.ControlRequest{Study: st.ID, Kind: types.Import, Trials: manyResults(4000)}); err != nil {
		t.Fatal(err)
	}
	closed(t, old)
	first := &digested{Store: db}
	e := start(t, first)
	for range 5 { // each commit takes one along
		finish(t, e, lease(t, e, st.ID), 1)
	}
	closed(t, e)
	if first.seen != 0 || first.from != 0 {
		t.Fatalf("%d digests at first", first.seen)
	}
	again := &digested{Store: db}
	loaded(t, again, st.ID)
	if again.seen < 3 || again.from == 0 {
		t.Errorf("%d digests were made, and events were read from %d on", again.seen, again.from)
	}
}

// forgetful stores no digests.
type forgetful struct{ store.Store }

func (s *forgetful) Submit(b store.Batch) <-chan error {
	b.Mutations = slices.DeleteFunc(slices.Clone(b.Mutations), func(m store.Mutation) bool {
		_, digest := m.(store.PutDigest)
		return digest
	})
	return s.Store.Submit(b)
}

// TestStoppersSeeAllReports: digests have none, so a stopper that looks at
// reports is not given digests.
func TestStoppersSeeAllReports(t *testing.T) {
	db := &digested{Store: memstore.New()}
	e := start(t, db)
	s := spec("a", 100_000)
	s.Stopper = types.Component{Name: "median"}
	st := open(t, e, s)
	if _, err := e.Control(t.Context(), types.ControlRequest{Study: st.ID, Kind: types.Import, Trials: manyResults(2000)}); err != nil {
		t.Fatal(err)
	}
	closed(t, e)
	db.from, db.seen = -1, 0
	loaded(t, db, st.ID)
	if db.seen == 0 || db.from != 0 {
		t.Errorf("%d digests, and events were read from %d on", db.seen, db.from)
	}
}

// TestCloseGivesUpAStudyThatLeftTheMemory: a study that waits to be loaded again
// is nobody's once its process has ended.
func TestCloseGivesUpAStudyThatLeftTheMemory(t *testing.T) {
	db := memstore.New()
	e := start(t, db)
	st := open(t, e, spec("a", 10))
	finish(t, e, lease(t, e, st.ID), 1)
	wider := spec("a", 10)
	wider.Space, wider.Extend = json.RawMessage(strings.Replace(plane, "-5.0", "-6.0", 1)), true
	open(t, e, wider)
	closed(t, e)
	row, err := db.StudyByID(t.Context(), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	if row.Owner != "" || !row.LeaseUntil.IsZero() {
		t.Errorf("it belongs to %q until %v", row.Owner, row.LeaseUntil.Format(time.TimeOnly))
	}
}

// TestImportsCostNoPatienceAfterARestart: what was imported says nothing of how
// this search goes, also when it is read again from digests or rows.
func TestImportsCostNoPatienceAfterARestart(t *testing.T) {
	for _, digests := range []bool{true, false} {
		db := &digested{Store: memstore.New(), change: func(int, *store.PutDigest) bool { return digests }}
		e := start(t, db)
		s := spec("a", 100_000)
		s.Budget.Patience = 5
		st := open(t, e, s)
		finish(t, e, lease(t, e, st.ID), -1)
		if _, err := e.Control(t.Context(), types.ControlRequest{Study: st.ID, Kind: types.Import, Trials: manyResults(2000)}); err != nil {
			t.Fatal(err)
		}
		closed(t, e)
		e = start(t, db)
		finish(t, e, lease(t, e, st.ID), 1)
		if v := info(t, e, st.ID); v.State != types.StudyActive {
			t.Errorf("with digests %t: after one trial the study is %s: %s", digests, v.State, v.Reason)
		}
		if (db.from > 0) != digests {
			t.Errorf("with digests %t events were read from %d on", digests, db.from)
		}
	}
}
