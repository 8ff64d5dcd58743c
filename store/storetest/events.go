package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var eventTests = map[string]func(t *testing.T, s store.Store){
	"the whole story":         wholeStory,
	"from everywhere":         fromEverywhere,
	"an error ends the call":  yieldError,
	"writing while reading":   writeWhileReading,
	"details":                 details,
	"many interleaved trials": interleaved,
}

func wholeStory(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "story")
	tr, a, b := f.Start()
	check(t, s.Commit(ctx, b))
	first := report(t, f, trial.Report{Step: 1, Value: 0.5})
	requeue := f.event(0, trial.EventRequeued, 0)
	space := f.event(1, trial.EventSpace, -1)
	space.SpaceVersion = 2
	check(t, s.Commit(ctx, f.Batch(store.AddSpace{Version: 2, JSON: []byte("{}")},
		store.AddEvents{Events: []trial.Event{requeue, space}})))
	b = f.Finish(tr, a, 2)
	check(t, s.Commit(ctx, b))

	now, err := s.Trial(ctx, f.Study.ID, 0)
	check(t, err)
	got := events(t, s, f.Study.ID, 0)
	reports := b.Mutations[2].(store.PutReports).Reports
	start := epochTime
	want := []store.StoredEvent{
		{Event: trial.Event{Kind: trial.EventCreated, SpaceVersion: 1}, Params: tr.Params, Trial: &now},
		{Event: trial.Event{Seq: 1, Kind: trial.EventStarted}},
		{Event: trial.Event{Seq: 2, Kind: trial.EventReported, Report: first[0]}},
		{Event: requeue},
		{Event: space},
		{Event: trial.Event{Seq: 5, Kind: trial.EventReported, Report: reports[0]}},
		{Event: trial.Event{Seq: 6, Kind: trial.EventReported, Report: reports[1]}},
		{
			Event: trial.Event{Seq: 7, Kind: trial.EventFinished, Finish: &trial.Finish{
				State: types.Completed, Step: 1, Duration: tr.Finished.Sub(tr.Started),
			}},
			Metrics: tr.Metrics, Trial: &now,
		},
		{Event: trial.Event{Seq: 8, Kind: trial.EventStudy, Trial: -1}},
	}
	if len(got) != len(want) {
		t.Fatalf("there are %d events, want %d", len(got), len(want))
	}
	for i := range want {
		if !got[i].Time.After(start) && got[i].Kind != trial.EventReported {
			t.Fatalf("event %d is at %v", i, got[i].Time)
		}
		want[i].Time = got[i].Time
		same(t, fmt.Sprint("event ", i), want[i], got[i])
	}
	same(t, "the time of a report's event", reports[0].Time, got[5].Time)
}

func fromEverywhere(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "from")
	// Overlapping trials: two run while the third ends.
	var open []func()
	for i := range 7 {
		tr, a, b := f.Start()
		check(t, s.Commit(ctx, b))
		open = append(open, func() { check(t, s.Commit(ctx, f.Finish(tr, a, 3))) })
		if i >= 2 {
			open[i-2]()
		}
	}
	all := events(t, s, f.Study.ID, 0)
	same(t, "the number of events", f.Seq, int64(len(all)))
	for from := range f.Seq + 2 {
		same(t, fmt.Sprint("the events from ", from), all[min(from, f.Seq):], events(t, s, f.Study.ID, from))
	}
}

func yieldError(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "error")
	check(t, f.RunTrials(context.Background(), 2, 2))
	enough := errors.New("enough")
	n := 0
	err := s.Events(context.Background(), f.Study.ID, 0, func(store.StoredEvent) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Fatalf("got %v after %d events", err, n)
	}
}

func writeWhileReading(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "both")
	check(t, f.RunTrials(ctx, 3, 2))
	end, next := f.Seq, int64(0)
	check(t, s.Events(ctx, f.Study.ID, 0, func(e store.StoredEvent) error {
		if e.Seq != next {
			return fmt.Errorf("seq %d comes where %d is next", e.Seq, next)
		}
		next++
		return f.RunTrials(ctx, 1, 1)
	}))
	same(t, "the number of events", end, next)
}

func details(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "details")
	add(t, f, fullTrial())
	first := f.Seq
	reports := []trial.Report{{Seq: first, Attempt: 1, Metric: "m", Step: 1, Value: 1, Time: f.Now()}}
	list := []trial.Event{
		f.event(0, trial.EventReported, 0), f.event(1, trial.EventStudy, -1), f.event(2, trial.EventStudy, -1),
	}
	list[0].Detail = json.RawMessage(`{"why":"it reported"}`)
	list[1].Detail = json.RawMessage(`{"state" : "finished", "ü":1.0}`)
	check(t, s.Commit(ctx, f.Batch(store.PutReports{Reports: reports}, store.AddEvents{Events: list})))
	got := events(t, s, f.Study.ID, first)
	list[0].Report, list[0].Time = reports[0], reports[0].Time
	for i, e := range list {
		same(t, fmt.Sprint("event ", i), store.StoredEvent{Event: e}, got[i])
	}
	if got[2].Detail != nil {
		t.Fatalf("no detail became %q", got[2].Detail)
	}
}

// interleaved runs more events than are read at a time, of trials that last
// long, with reports in batches of several trials.
func interleaved(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "long")
	r := rand.New(rand.NewPCG(5, 6))
	type running struct {
		t *trial.Trial
		a *trial.Attempt
	}
	open := map[int64]running{}
	var answers []<-chan error
	var kinds []string
	note := func(kind trial.EventKind, number int64) { kinds = append(kinds, fmt.Sprint(kind, number)) }
	for f.Number < 600 {
		switch {
		case len(open) < 5:
			tr, a, b := f.Start()
			answers = append(answers, s.Submit(b))
			open[tr.Number] = running{tr, a}
			note(trial.EventCreated, tr.Number)
			note(trial.EventStarted, tr.Number)
		case r.IntN(3) == 0:
			n := slices.Sorted(maps.Keys(open))[r.IntN(len(open))]
			answers = append(answers, s.Submit(f.Finish(open[n].t, open[n].a, 1)))
			delete(open, n)
			note(trial.EventReported, n)
			note(trial.EventFinished, n)
			note(trial.EventStudy, -1)
		default:
			var reports []trial.Report
			for _, n := range slices.Sorted(maps.Keys(open)) {
				reports = append(reports, trial.Report{
					Seq: f.Seq + int64(len(reports)), Trial: n, Attempt: 1, Metric: "m", Step: f.Seq, Time: epochTime.Add(time.Duration(f.Seq)),
				})
				note(trial.EventReported, n)
			}
			answers = append(answers, s.Submit(f.Batch(store.PutReports{Reports: reports})))
		}
	}
	for _, a := range answers {
		check(t, <-a)
	}
	var got []string
	for i, e := range events(t, s, f.Study.ID, 0) {
		if e.Seq != int64(i) {
			t.Fatalf("event %d has the seq %d", i, e.Seq)
		}
		got = append(got, fmt.Sprint(e.Kind, e.Event.Trial))
	}
	same(t, "the events", kinds, got)
	from := f.Seq / 2
	same(t, "the second half", len(kinds)-int(from), len(events(t, s, f.Study.ID, from)))
}
