package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var listingTests = map[string]func(t *testing.T, s store.Store){
	"every order and filter":        everyOrder,
	"every condition":               everyCondition,
	"stable while trials are added": stablePages,
	"bad requests":                  badListing,
}

// variety stores trials of all states, with equal values and without values.
func variety(t *testing.T, f *Feed, n int) []trial.Trial {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	states := []types.State{
		types.Completed, types.Completed, types.Completed, types.Pruned, types.Failed, types.Infeasible, types.Cancelled,
		types.Queued, types.Running, types.Paused,
	}
	values := []float64{0.5, 0.5, -1, math.Inf(1), math.Inf(-1), math.NaN(), 1e-300, 0.25, 7, 7}
	var out []trial.Trial
	var answers []<-chan error
	for range n {
		in := fullTrial()
		in.Number, in.State, in.Metrics = f.Number, states[r.IntN(len(states))], nil
		in.Params = someParams(r)
		in.Created = epochTime.Add(time.Duration(r.IntN(n)) * time.Second)
		in.Finished = time.Time{}
		if in.State.Finished() {
			in.Finished = epochTime.Add(time.Duration(r.IntN(n/2+1)) * time.Second)
		}
		// What still runs or waits may have reported.
		if r.IntN(4) > 0 {
			in.Metrics = map[string]float64{"loss": values[r.IntN(len(values))], "other": 1}
		}
		answers = append(answers, f.Store.Submit(f.Batch(store.AddTrial{Trial: &in},
			store.AddEvents{Events: []trial.Event{f.event(0, trial.EventCreated, in.Number)}})))
		out = append(out, in)
	}
	for _, a := range answers {
		check(t, <-a)
	}
	return out
}

// someParams are values of all types, some equal, some inactive, and one whose
// type is not always the same.
func someParams(r *rand.Rand) types.Params {
	p := types.Params{{Name: "lr", Value: float64(r.IntN(6)) / 4}, {Name: "n", Value: int64(r.IntN(5)) - 2}}
	if r.IntN(3) > 0 {
		p = append(p, types.Param{Name: "opt", Value: []string{"sgd", "adam", "", "ä"}[r.IntN(4)]}, types.Param{Name: "on", Value: r.IntN(2) == 0})
	}
	return append(p, types.Param{Name: "any", Value: []any{int64(1), 1.0, "1", true, int64(math.MaxInt64), 1.5, "a:b", false}[r.IntN(8)]})
}

// expected is the listing worked out without a store.
func expected(all []trial.Trial, f store.TrialFilter) []int64 {
	class := func(t trial.Trial) int {
		v, ok := t.Metrics[f.Metric]
		_, active := t.Params.Get(f.Param)
		switch {
		case f.Sort == store.SortParam && !active:
			return 2
		case f.Sort == store.SortMetric && !ok, f.Sort == store.SortFinished && t.Finished.IsZero():
			return 2
		case f.Sort == store.SortMetric && math.IsNaN(v):
			return 1
		}
		return 0
	}
	var picked []trial.Trial
	for _, t := range all {
		if (len(f.States) == 0 || slices.Contains(f.States, t.State)) && selected(f, t) {
			picked = append(picked, t)
		}
	}
	slices.SortFunc(picked, func(a, b trial.Trial) int {
		if c := cmp.Compare(class(a), class(b)); c != 0 {
			return c
		}
		c := 0
		if class(a) == 0 && f.Sort == store.SortMetric {
			c = cmp.Compare(a.Metrics[f.Metric], b.Metrics[f.Metric])
		}
		if class(a) == 0 && f.Sort == store.SortFinished {
			c = a.Finished.Compare(b.Finished)
		}
		if class(a) == 0 && f.Sort == store.SortParam {
			x, _ := a.Params.Get(f.Param)
			y, _ := b.Params.Get(f.Param)
			c = store.CompareValues(x, y)
		}
		c = cmp.Or(c, cmp.Compare(a.Number, b.Number))
		if f.Desc {
			return -c
		}
		return c
	})
	var numbers []int64
	for _, t := range picked {
		numbers = append(numbers, t.Number)
	}
	return numbers
}

// selected says by itself what the conditions of f say of t, but for its state.
func selected(f store.TrialFilter, t trial.Trial) bool {
	for _, p := range f.Params {
		v, ok := t.Params.Get(p.Name)
		if !ok {
			return false
		}
		equal := len(p.Equal) == 0
		for _, w := range p.Equal {
			equal = equal || v == w || fmt.Sprint(v) == fmt.Sprint(w) && fmt.Sprintf("%T", v)[0] != 's' && fmt.Sprintf("%T", w)[0] != 's'
		}
		x, isNumber := v.(float64)
		if i, ok := v.(int64); ok {
			x, isNumber = float64(i), true
		}
		if !equal || (p.Min != nil || p.Max != nil) && !isNumber || p.Min != nil && x < *p.Min || p.Max != nil && x > *p.Max {
			return false
		}
	}
	for _, m := range f.Metrics {
		v, ok := t.Metrics[m.Name]
		if !ok || math.IsNaN(v) || m.Min != nil && v < *m.Min || m.Max != nil && v > *m.Max {
			return false
		}
	}
	for _, x := range []struct{ t, after, before time.Time }{{t.Created, f.CreatedAfter, f.CreatedBefore}, {t.Finished, f.FinishedAfter, f.FinishedBefore}} {
		if !x.after.IsZero() && !x.t.After(x.after) || !x.before.IsZero() && (x.t.IsZero() || !x.t.Before(x.before)) {
			return false
		}
	}
	return true
}

// conditions are those of listings besides the states.
func conditions() []store.TrialFilter {
	at := func(s float64) time.Time { return epochTime.Add(time.Duration(s * float64(time.Second))) }
	return []store.TrialFilter{
		{Params: []store.ParamFilter{{Name: "lr", Min: new(0.25), Max: new(1.0)}}},
		{Params: []store.ParamFilter{{Name: "n", Equal: []any{int64(-2), 1.0}}, {Name: "lr", Max: new(1.1)}}},
		{Params: []store.ParamFilter{{Name: "opt", Equal: []any{"adam", "ä", ""}}}},
		{Params: []store.ParamFilter{{Name: "on", Equal: []any{true}}}},
		{Params: []store.ParamFilter{{Name: "any", Equal: []any{int64(1), "a:b"}}}},
		{Params: []store.ParamFilter{{Name: "any", Min: new(1.25)}}},
		{Params: []store.ParamFilter{{Name: "nobody has it", Min: new(0.0)}}},
		{Metrics: []store.MetricFilter{{Name: "loss", Min: new(-1.0), Max: new(0.5)}, {Name: "other", Min: new(1.0)}}},
		{Metrics: []store.MetricFilter{{Name: "loss", Max: new(math.Inf(1))}}},
		{CreatedAfter: at(3), CreatedBefore: at(20.5)},
		{FinishedAfter: at(2), Params: []store.ParamFilter{{Name: "n", Min: new(0.0)}}},
		{FinishedBefore: at(9)},
	}
}

func everyCondition(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "conditions")
	all := variety(t, f, 40)
	variety(t, NewFeed(t, s, "beside"), 10)
	rare := 3
	if testing.Short() {
		rare = 13
	}
	for i, order := range orders() {
		for k, c := range conditions() {
			if (i+k)%rare != 0 && (len(order.States) > 0 || testing.Short()) {
				continue // enough of each with each
			}
			c.Sort, c.Desc, c.States, c.Metric, c.Param = order.Sort, order.Desc, order.States, order.Metric, order.Param
			want := expected(all, c)
			for _, limit := range []int{0, 3} {
				c.Limit = limit
				same(t, fmt.Sprintf("the listing %+v", c), want, walk(t, s, f.Study.ID, c, func() {}))
			}
		}
	}
}

// walk reads all pages; between runs between two of them.
func walk(t *testing.T, s store.Store, study int64, f store.TrialFilter, between func()) []int64 {
	t.Helper()
	var numbers []int64
	for {
		page, next, err := s.ListTrials(context.Background(), study, f)
		check(t, err)
		if f.Limit > 0 && len(page) > f.Limit || next != "" && len(page) != f.Limit {
			t.Fatalf("a page of %d has %d trials", f.Limit, len(page))
		}
		for _, tr := range page {
			numbers = append(numbers, tr.Number)
		}
		if next == "" {
			return numbers
		}
		f.After = next
		between()
	}
}

func orders() []store.TrialFilter {
	var out []store.TrialFilter
	for _, sort := range []store.TrialSort{"", store.SortNumber, store.SortMetric, store.SortFinished, store.SortParam} {
		for _, desc := range []bool{false, true} {
			for _, states := range [][]types.State{
				nil, {types.Completed}, {types.Failed, types.Running, types.Completed, types.Failed}, {types.Queued}, {types.Cancelled, types.Pruned},
			} {
				f := store.TrialFilter{Sort: sort, Desc: desc, States: states}
				if sort == store.SortMetric {
					f.Metric = "loss"
				}
				if sort == store.SortParam {
					f.Param = []string{"lr", "opt", "any", "on", "n"}[len(out)%5]
				}
				out = append(out, f)
			}
		}
	}
	return append(out, store.TrialFilter{Sort: store.SortMetric, Metric: "nobody has it"})
}

func everyOrder(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "orders")
	other := NewFeed(t, s, "beside")
	all := variety(t, f, 30)
	variety(t, other, 10)
	limits := []int{0, 1, 7, 30}
	if testing.Short() {
		limits = []int{7}
	}
	for _, filter := range orders() {
		want := expected(all, filter)
		for _, limit := range limits {
			filter.Limit = limit
			same(t, fmt.Sprintf("the listing %+v", filter), want, walk(t, s, f.Study.ID, filter, func() {}))
		}
	}
}

func stablePages(t *testing.T, s store.Store) {
	for i, filter := range orders() {
		f := NewFeed(t, s, fmt.Sprint("stable", i))
		all := variety(t, f, 12)
		want := expected(all, filter)
		filter.Limit = 3
		got := walk(t, s, f.Study.ID, filter, func() {
			if f.Number < 30 { // faster than the pages go, but not for ever
				variety(t, f, 4)
			}
		})
		// Of the trials that were there from the beginning each comes once, in
		// order, whatever was added meanwhile.
		got = slices.DeleteFunc(got, func(n int64) bool { return n >= int64(len(all)) })
		same(t, fmt.Sprintf("the listing %+v", filter), want, got)
	}
}

func badListing(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "bad")
	variety(t, f, 10)
	_, next, err := s.ListTrials(ctx, f.Study.ID, store.TrialFilter{Limit: 3})
	check(t, err)
	for _, filter := range []store.TrialFilter{
		{Sort: "odd"}, {Sort: store.SortMetric}, {Limit: -1}, {After: "odd"}, {After: "number:n:x"}, {After: "number:v:1:2"},
		{After: next, Desc: true}, {After: next, Sort: store.SortFinished}, {After: "metric:v:1:7ff8000000000001", Sort: store.SortMetric, Metric: "m"},
		{Sort: store.SortParam}, {Sort: store.SortParam, Param: "x", After: "param:v:1:!"}, {Sort: store.SortParam, Param: "x", After: "param:v:1:MSwidyI6MQ"},
		{Params: []store.ParamFilter{{Name: "x"}}}, {Params: []store.ParamFilter{{Equal: []any{true}}}}, {Params: []store.ParamFilter{{Name: "x", Min: new(math.NaN())}}},
		{Metrics: []store.MetricFilter{{Name: "x"}}}, {Metrics: []store.MetricFilter{{Name: "x", Min: new(1.0)}, {Name: "x", Max: new(2.0)}}},
	} {
		_, _, err := s.ListTrials(ctx, f.Study.ID, filter)
		refused(t, err, types.Invalid)
	}
}
