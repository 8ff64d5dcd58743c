package sqlstore_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/trial"
)

// TestColumnsAreMadeAndKept: the blocks of a study are stored when somebody
// wants them, are used from then on, made anew when they cannot be read, and go
// with the study.
func TestColumnsAreMadeAndKept(t *testing.T) {
	s := sqlstore.SmallBlocks(open(t, sqlstore.Config{DSN: newFile(t)}))
	f := storetest.NewFeed(t, s, "s")
	add := func(n int) {
		t.Helper()
		for range n {
			_, _, b := f.Start()
			if err := s.Commit(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(first int64, blocks int64) {
		t.Helper()
		filter := store.TrialFilter{Sort: store.SortParam, Param: "layers", Desc: true, Limit: 4, Params: []store.ParamFilter{{Name: "lr", Min: new(0.0)}}}
		page, next, err := s.ListTrials(t.Context(), f.Study.ID, filter)
		if err != nil || next == "" {
			t.Fatal(next, err)
		}
		var numbers []int64
		for i := range page {
			numbers = append(numbers, page[i].Number)
		}
		if !slices.Equal(numbers, []int64{first, first - 8, first - 16, first - 24}) {
			t.Errorf("the page is %v, want it to begin at %d", numbers, first)
		}
		if n := sqlstore.BlocksOf(t, s, f.Study.ID); n != blocks {
			t.Errorf("%d blocks are stored, want %d", n, blocks)
		}
	}
	add(40)
	for end := time.Now().Add(2 * time.Minute); sqlstore.BlocksOf(t, s, f.Study.ID) == 0; {
		if time.Now().After(end) {
			t.Fatal("no block is made before somebody wants it")
		}
		<-time.After(5 * time.Millisecond)
	}
	want(39, 5*6) // five whole blocks of five parameters and the time
	add(1)
	want(39, 5*6)
	add(9)
	want(47, 7*6)
	for _, data := range []string{"", "\x01", "\x02" + strings.Repeat("x", 80), "\x01" + strings.Repeat("\x00", 63) + "\xff", "\x01\x03\x03\x03\x03\x03\x03\x03" + strings.Repeat("\x00", 56)} {
		sqlstore.SpoilBlocks(t, s, data)
		want(47, 7*6)
		want(47, 7*6)
	}
	if err := s.DeleteStudy(t.Context(), f.Study.ID, f.Study.Epoch); err != nil {
		t.Fatal(err)
	}
	if n := sqlstore.BlocksOf(t, s, f.Study.ID); n != 0 {
		t.Errorf("%d blocks are left of a study that is gone", n)
	}
}

// TestColumnsOfResults: what columns tell is what rows tell, whether the columns
// are stored, made ahead of time by a later process, or half of the trials are not
// finished yet.
func TestColumnsOfResults(t *testing.T) {
	path := newFile(t)
	rows := open(t, sqlstore.Config{DSN: path})
	f := storetest.NewFeed(t, rows, "s")
	if err := f.RunTrials(t.Context(), 40, 1); err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n < 40; n += 3 { // some end in another way
		tr, err := rows.Trial(t.Context(), f.Study.ID, n)
		if err != nil {
			t.Fatal(err)
		}
		tr.State, tr.Metrics = types.Failed, map[string]float64{"loss": []float64{math.NaN(), math.Inf(-1), 0.5}[n%9/3]}
		if err := rows.Commit(t.Context(), f.Batch(store.UpdateTrial{Trial: &tr})); err != nil {
			t.Fatal(err)
		}
	}
	one, err := rows.Trial(t.Context(), f.Study.ID, 30)
	if err != nil {
		t.Fatal(err)
	}
	made := sqlstore.OpenAhead(t, path)
	if n := sqlstore.BlocksOf(t, made, f.Study.ID); n != 5*(6+3) {
		t.Errorf("%d blocks were made ahead, want those of six and three columns of five blocks", n)
	}
	if _, _, b := f.Start(); rows.Commit(t.Context(), b) != nil {
		t.Fatal("the last trial could not be started")
	}
	for _, sort := range []store.TrialFilter{{}, {Sort: store.SortMetric, Metric: "loss"}, {Sort: store.SortFinished}, {Sort: store.SortParam, Param: "layers"}} {
		for _, where := range []store.TrialFilter{
			{}, {States: []types.State{types.Failed}}, {States: []types.State{types.Running, types.Completed}}, {States: []types.State{types.Queued}},
			{Metrics: []store.MetricFilter{{Name: "loss", Max: new(0.1)}}}, {FinishedAfter: one.Finished}, {FinishedBefore: one.Finished, States: []types.State{types.Failed}},
			{Params: []store.ParamFilter{{Name: "optimizer", Equal: []any{"adam"}}, {Name: "layers", Min: new(3.0)}}},
		} {
			where.Sort, where.Metric, where.Param, where.Limit = sort.Sort, sort.Metric, sort.Param, 5
			for _, where.Desc = range []bool{false, true} {
				want, got := numbersOf(t, rows, f.Study.ID, where), numbersOf(t, made, f.Study.ID, where)
				if !slices.Equal(want, got) {
					t.Errorf("%+v lists\n%v by columns and\n%v by rows", where, got, want)
				}
			}
		}
	}
}

func numbersOf(t *testing.T, s store.Store, study int64, f store.TrialFilter) (out []int64) {
	t.Helper()
	err := store.EachTrial(t.Context(), s, study, f, func(tr *trial.Trial) error { out = append(out, tr.Number); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestColumnsOfAnOpenSpace: a point that still grows is read where it grows.
func TestColumnsOfAnOpenSpace(t *testing.T) {
	s := sqlstore.SmallBlocks(open(t, sqlstore.Config{DSN: newFile(t)}))
	in := storetest.StudyOf(types.StudySpec{Project: "default", Name: "s", Space: json.RawMessage(`{"parameters":[],"open":true}`)})
	st, err := s.CreateStudy(t.Context(), in)
	if err == nil {
		st, err = s.Acquire(t.Context(), st.ID, "me", "", time.Now(), time.Hour)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := &storetest.Feed{Store: s, Study: st}
	if err := f.RunTrials(t.Context(), 10, 1); err != nil {
		t.Fatal(err)
	}
	tr, _, b := f.Start()
	if err := errors.Join(s.Commit(t.Context(), b), f.RunTrials(t.Context(), 10, 1)); err != nil {
		t.Fatal(err)
	}
	late := store.TrialFilter{Params: []store.ParamFilter{{Name: "late", Min: new(0.0)}}}
	if got := numbersOf(t, s, st.ID, late); len(got) != 0 {
		t.Errorf("trials %v have a parameter that nobody drew", got)
	}
	tr.Params = append(tr.Params, types.Param{Name: "late", Value: 1.0})
	if err := s.Commit(t.Context(), f.Batch(store.UpdatePoint{Trial: tr})); err != nil {
		t.Fatal(err)
	}
	if got := numbersOf(t, s, st.ID, late); !slices.Equal(got, []int64{tr.Number}) {
		t.Errorf("trials %v have the parameter, want %d", got, tr.Number)
	}
}
