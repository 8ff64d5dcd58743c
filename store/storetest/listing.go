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
		in.Finished = time.Time{}
		if in.State.Finished() {
			in.Finished = epochTime.Add(time.Duration(r.IntN(n/2+1)) * time.Second)
			if r.IntN(4) > 0 {
				in.Metrics = map[string]float64{"loss": values[r.IntN(len(values))], "other": 1}
			}
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

// expected is the listing worked out without a store.
func expected(all []trial.Trial, f store.TrialFilter) []int64 {
	class := func(t trial.Trial) int {
		v, ok := t.Metrics[f.Metric]
		switch {
		case f.Sort == store.SortMetric && !ok, f.Sort == store.SortFinished && t.Finished.IsZero():
			return 2
		case f.Sort == store.SortMetric && math.IsNaN(v):
			return 1
		}
		return 0
	}
	var picked []trial.Trial
	for _, t := range all {
		if len(f.States) == 0 || slices.Contains(f.States, t.State) {
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
	for _, sort := range []store.TrialSort{"", store.SortNumber, store.SortMetric, store.SortFinished} {
		for _, desc := range []bool{false, true} {
			for _, states := range [][]types.State{
				nil, {types.Completed}, {types.Failed, types.Running, types.Completed, types.Failed}, {types.Queued}, {types.Cancelled, types.Pruned},
			} {
				f := store.TrialFilter{Sort: sort, Desc: desc, States: states}
				if sort == store.SortMetric {
					f.Metric = "loss"
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
	for _, filter := range orders() {
		want := expected(all, filter)
		for _, limit := range []int{0, 1, 7, 30} {
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
	} {
		_, _, err := s.ListTrials(ctx, f.Study.ID, filter)
		refused(t, err, types.Invalid)
	}
}
