// Package storetest is the conformance suite of store.Store: every
// implementation passes Run. It is an ordinary package, so that stores outside
// this repository can use it as well.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// epochTime is the time at which all tests begin.
var epochTime = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

const (
	me  = "me"
	ttl = time.Minute
)

// newStudy returns a study to be created.
func newStudy(name string) trial.Study {
	return trial.Study{
		Spec: types.StudySpec{
			Project: "default", Name: name,
			Space:      json.RawMessage(`{"params":[{"name":"lr","kind":"float","low":0.0,"high":1.0}]}`),
			Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
			Algorithm:  types.Component{Name: "random"},
			Stopper:    types.Component{Name: "none"},
			Budget:     types.Budget{Trials: 100},
			Seed:       7,
		},
		State:   types.StudyActive,
		Created: epochTime,
	}
}

// Feed makes the batches of one study as its owner would, and counts sequence
// and trial numbers for them. It is for one goroutine.
type Feed struct {
	Store store.Store
	Study trial.Study
	// Seq and Number are the next ones.
	Seq, Number int64
	clock       time.Time
}

// NewFeed creates a study and acquires it.
func NewFeed(tb testing.TB, s store.Store, name string) *Feed {
	tb.Helper()
	st, err := s.CreateStudy(context.Background(), newStudy(name))
	if err == nil {
		st, err = s.Acquire(context.Background(), st.ID, me, "", epochTime, ttl)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return &Feed{Store: s, Study: st, clock: epochTime}
}

// Now is a time later than all before it.
func (f *Feed) Now() time.Time {
	if f.clock.IsZero() {
		f.clock = epochTime
	}
	f.clock = f.clock.Add(time.Millisecond)
	return f.clock
}

// Batch makes a batch of the mutations, takes the numbers that they use, and
// moves on behind them.
func (f *Feed) Batch(ms ...store.Mutation) store.Batch {
	b := store.Batch{
		Study: f.Study.ID, Epoch: f.Study.Epoch, FromSeq: f.Seq, FromNumber: f.Number,
		Mutations: ms,
	}
	for _, m := range ms {
		switch m := m.(type) {
		case store.AddTrial:
			f.Number = m.Trial.Number + 1
		case store.AddEvents:
			for _, e := range m.Events {
				f.Seq = max(f.Seq, e.Seq+1)
			}
		case store.PutReports:
			for _, r := range m.Reports {
				f.Seq = max(f.Seq, r.Seq+1)
			}
		}
	}
	b.ToSeq, b.ToNumber = f.Seq, f.Number
	return b
}

// event is an event at the offset from the feed's next one.
func (f *Feed) event(offset int64, kind trial.EventKind, number int64) trial.Event {
	return trial.Event{Seq: f.Seq + offset, Kind: kind, Trial: number, Time: f.Now()}
}

// Start is the batch that adds and leases a trial: AddTrial, PutAttempt and two
// events.
func (f *Feed) Start() (*trial.Trial, *trial.Attempt, store.Batch) {
	now := f.Now()
	t := &trial.Trial{
		Number: f.Number, State: types.Running, SpaceVersion: 1, Origin: trial.FromAlgorithm, Arm: "random",
		Params: types.Params{
			{Name: "lr", Value: 0.001 * float64(f.Number%97+1)}, {Name: "layers", Value: f.Number % 8},
			{Name: "dropout", Value: 0.25}, {Name: "optimizer", Value: "adam"}, {Name: "nesterov", Value: true},
		},
		Basis:   trial.Basis{Seq: f.Seq, Pending: []int64{max(f.Number-1, 0)}},
		Explain: json.RawMessage(`{"ei":0.125}`),
		Parent:  -1, Attempts: 1, Created: now, Started: now, Step: -1,
	}
	a := &trial.Attempt{
		Trial: f.Number, Number: 1, State: types.Leased, Token: "0123456789abcdef0123456789abcdef", Worker: "host-1",
		Executor: "inproc", Node: "host", Leased: now, Expires: now.Add(ttl),
	}
	return t, a, f.Batch(store.AddTrial{Trial: t}, store.PutAttempt{Attempt: a}, store.AddEvents{Events: []trial.Event{
		f.event(0, trial.EventCreated, t.Number), f.event(1, trial.EventStarted, t.Number),
	}})
}

// Finish is the batch that completes a trial of Start: UpdateTrial with one
// metric, PutAttempt, PutReports with so many reports, and two events.
func (f *Feed) Finish(t *trial.Trial, a *trial.Attempt, reports int) store.Batch {
	now := f.Now()
	exit := 0
	a.State, a.Exit, a.Ended, a.Cursor = types.Exited, &exit, now, "1234"
	t.State, t.Finished, t.Step = types.Completed, now, int64(reports-1)
	t.Metrics = map[string]float64{"loss": 1 / float64(t.Number%1009+1)}
	list := make([]trial.Report, reports)
	for i := range list {
		list[i] = trial.Report{
			Seq: f.Seq + int64(i), Trial: t.Number, Attempt: a.Number, Metric: "loss", Step: int64(i),
			Value: 1 / float64(i+1), Time: now,
		}
	}
	return f.Batch(store.UpdateTrial{Trial: t}, store.PutAttempt{Attempt: a}, store.PutReports{Reports: list},
		store.AddEvents{Events: []trial.Event{
			f.event(int64(reports), trial.EventFinished, t.Number), f.event(int64(reports)+1, trial.EventStudy, -1),
		}})
}

// RunTrials stores n complete trials, each by the two batches.
func (f *Feed) RunTrials(ctx context.Context, n, reports int) error {
	for range n {
		t, a, b := f.Start()
		if err := f.Store.Commit(ctx, b); err != nil {
			return fmt.Errorf("start of trial %d: %w", t.Number, err)
		}
		if err := f.Store.Commit(ctx, f.Finish(t, a, reports)); err != nil {
			return fmt.Errorf("end of trial %d: %w", t.Number, err)
		}
	}
	return nil
}

// BenchmarkTrial measures whole trials of ten reports: two commits each, from
// as many goroutines as b.RunParallel starts, each with a study of its own.
func BenchmarkTrial(b *testing.B, open func(tb testing.TB) store.Store) {
	s := open(b)
	var feeds = make(chan *Feed, 64)
	for i := range cap(feeds) {
		feeds <- NewFeed(b, s, fmt.Sprint("bench", i))
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		f := <-feeds
		for pb.Next() {
			if err := f.RunTrials(b.Context(), 1, 10); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "trials/s")
}

// StudyOf is a study to be created from the specification.
func StudyOf(spec types.StudySpec) trial.Study {
	return trial.Study{Spec: spec, State: types.StudyActive, Created: epochTime}
}
