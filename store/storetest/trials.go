package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var trialTests = map[string]func(t *testing.T, s store.Store){
	"every column":          everyColumn,
	"an update":             update,
	"a point that grows":    growingPoint,
	"metrics of every kind": metricsOfEveryKind,
	"parameter values":      parameterValues,
	"awkward texts":         awkwardTexts,
	"attempts":              attempts,
	"times":                 times,
	"a large trial":         largeTrial,
	"what it took":          ran,
	"IDs grow":              idsGrow,
}

// add commits one trial with its created event, and gives back what is stored.
func add(t *testing.T, f *Feed, tr trial.Trial) trial.Trial {
	t.Helper()
	tr.Number = f.Number
	check(t, f.Store.Commit(context.Background(), f.Batch(store.AddTrial{Trial: &tr},
		store.AddEvents{Events: []trial.Event{f.event(0, trial.EventCreated, tr.Number)}})))
	got, err := f.Store.Trial(context.Background(), f.Study.ID, tr.Number)
	check(t, err)
	return got
}

// stored is tr as the store of f gives it back.
func stored(f *Feed, tr trial.Trial, like trial.Trial) trial.Trial {
	tr.ID, tr.Study, tr.Number = like.ID, f.Study.ID, like.Number
	return tr
}

func fullTrial() trial.Trial {
	return trial.Trial{
		ID: 12345, State: types.Completed, Reason: "all good", SpaceVersion: 3,
		Params: types.Params{
			{Name: "z", Value: 0.5}, {Name: "a", Value: int64(-3)}, {Name: "weight-decay", Value: "x"}, {Name: "on", Value: false},
		},
		Origin: trial.FromTry, Basis: trial.Basis{Seq: 1 << 50, Pending: []int64{0, 7, 1 << 40},
			Copy: &types.Copy{Of: 1 << 41, Attempt: 3, Step: 1 << 42, For: 7}}, Arm: "tpe",
		Explain: json.RawMessage(`{"near":[1,2], "x" : 1.0}`), Priority: -5, Parent: 0, Budget: 0.1,
		Attempts: 3, Lost: 2, Created: epochTime, Started: epochTime.Add(time.Second), Finished: epochTime.Add(time.Minute),
		Metrics: map[string]float64{"loss": 0.25}, Step: 1 << 40,
	}
}

func growingPoint(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "points")
	in := fullTrial()
	in.State, in.Finished, in.Metrics = types.Running, time.Time{}, nil
	got := add(t, f, in)
	other := add(t, f, in)
	got.Params = append(types.Params{{Name: "new", Value: 1.0}}, got.Params...)
	got.SpaceVersion, got.Arm = 4, "tpe,random"
	changed := got
	changed.Reason, changed.Attempts = "not stored by this", 9
	drawn := f.event(0, trial.EventDrawn, got.Number)
	drawn.Detail = json.RawMessage(`{"param":"new"}`)
	check(t, s.Commit(context.Background(), f.Batch(store.UpdatePoint{Trial: &changed}, store.AddEvents{Events: []trial.Event{drawn}})))
	for _, want := range []trial.Trial{got, other} {
		now, err := s.Trial(context.Background(), f.Study.ID, want.Number)
		check(t, err)
		same(t, "the trial", want, now)
	}
	var last store.StoredEvent
	check(t, s.Events(context.Background(), f.Study.ID, 0, func(e store.StoredEvent) error { last = e; return nil }))
	if last.Kind != trial.EventDrawn || string(last.Detail) != string(drawn.Detail) || last.Event.Trial != got.Number {
		t.Errorf("the event is %+v", last)
	}
	bad := got
	bad.Number = 77
	refused(t, s.Commit(context.Background(), f.Batch(store.UpdatePoint{Trial: &bad})), types.Internal)
}

func everyColumn(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "columns")
	for _, in := range []trial.Trial{
		fullTrial(),
		{State: types.Queued, Params: types.Params{}, Parent: -1, Step: -1, Created: epochTime, Origin: trial.FromAlgorithm},
	} {
		got := add(t, f, in)
		same(t, "the trial", stored(f, in, got), got)
		list, _, err := s.ListTrials(context.Background(), f.Study.ID, store.TrialFilter{})
		check(t, err)
		same(t, "the trial in the list", got, list[got.Number])
	}
	got, err := s.Trial(context.Background(), f.Study.ID, 1)
	check(t, err)
	if got.Explain != nil || got.Metrics != nil || got.Params == nil {
		t.Fatalf("want no explanation, no metrics and an empty list of parameters, got %+v", got)
	}
	for _, number := range []int64{-1, 2, math.MaxInt64} {
		_, err = s.Trial(context.Background(), f.Study.ID, number)
		refused(t, err, types.NotFound)
	}
}

func update(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "update")
	before := add(t, f, trial.Trial{
		State: types.Queued, Params: types.Params{{Name: "x", Value: int64(1)}}, Created: epochTime, Parent: -1, Step: -1,
		Explain: json.RawMessage(`{"a":1}`), Arm: "grid", Origin: trial.FromAlgorithm, Budget: 9,
	})
	// What may not change is given other values, which must not arrive.
	change := fullTrial()
	change.Number = 0
	check(t, s.Commit(ctx, f.Batch(store.UpdateTrial{Trial: &change})))
	want := before
	want.State, want.Reason, want.Priority, want.Attempts, want.Lost = change.State, change.Reason, change.Priority, 3, 2
	want.Started, want.Finished, want.Step, want.Metrics = change.Started, change.Finished, change.Step, change.Metrics
	want.Budget = change.Budget
	got, err := s.Trial(ctx, f.Study.ID, 0)
	check(t, err)
	same(t, "the updated trial", want, got)

	change.Metrics = nil // keeps them
	change.Reason = "again"
	check(t, s.Commit(ctx, f.Batch(store.UpdateTrial{Trial: &change})))
	change.Metrics = map[string]float64{"loss": 0.125, "f1": 2} // adds one and replaces one
	check(t, s.Commit(ctx, f.Batch(store.UpdateTrial{Trial: &change})))
	want.Reason, want.Metrics = "again", change.Metrics
	got, err = s.Trial(ctx, f.Study.ID, 0)
	check(t, err)
	same(t, "the trial updated again", want, got)
	counts, err := s.Counts(ctx, f.Study.ID)
	check(t, err)
	same(t, "the counts", types.Counts{Completed: 1}, counts)

	// Adding and changing in one batch, and back to the queue.
	tr, a, b := f.Start()
	back := *tr
	back.State, back.Started = types.Queued, time.Time{}
	b.Mutations = append(b.Mutations, store.UpdateTrial{Trial: &back}, store.PutAttempt{Attempt: a})
	check(t, s.Commit(ctx, b))
	got, err = s.Trial(ctx, f.Study.ID, 1)
	check(t, err)
	back.Since = a.Leased
	same(t, "the trial queued again", stored(f, back, got), got)
	counts, err = s.Counts(ctx, f.Study.ID)
	check(t, err)
	same(t, "the counts", types.Counts{Completed: 1, Queued: 1}, counts)
}

func metricsOfEveryKind(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "metrics")
	in := fullTrial()
	in.Metrics = map[string]float64{
		"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1), "max": math.MaxFloat64, "tiny": math.SmallestNonzeroFloat64,
		"-max": -math.MaxFloat64, "zero": 0, "third": 1.0 / 3, "int": 3, "ü b/c": 1e-300, "pi": math.Pi, "big": 1 << 60,
	}
	got := add(t, f, in)
	same(t, "the trial", stored(f, in, got), got)
}

func parameterValues(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "values")
	in := fullTrial()
	in.Params = nil
	for i, v := range []any{
		int64(math.MaxInt64), int64(math.MinInt64), int64(1<<53 + 1), int64(0), 1.0, -0.5, 1e300, 5e-324, 0.1, 1e15, 123456789.0,
		math.MaxFloat64, true, false, "", "1.0", "true", "null", "ünïcödé 日本 🎉", `quote " back \ slash`, "line\nfeed\ttab", "<b>&amp;",
		"\u2028", "nul \x00 inside",
	} {
		in.Params = append(in.Params, types.Param{Name: fmt.Sprint("p", 99-i), Value: v})
	}
	in.Params = append(in.Params, types.Param{Name: "größe/x y", Value: "name"})
	got := add(t, f, in)
	same(t, "the parameters and their order", in.Params, got.Params)
}

func awkwardTexts(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "texts")
	for name, c := range map[string]struct{ in, out string }{
		"unicode":       {"日本 ü 🎉 \"'`; DROP TABLE trials; --", "日本 ü 🎉 \"'`; DROP TABLE trials; --"},
		"invalid UTF-8": {"a\xff\xfeb", "a\uFFFDb"},
		"NUL":           {"a\x00b", "a\uFFFDb"},
		"long":          {strings.Repeat("x", 100_000), strings.Repeat("x", 100_000)},
		"placeholders":  {"? $1 :x @y %s {}", "? $1 :x @y %s {}"},
	} {
		in := fullTrial()
		in.Reason, in.Arm = c.in, c.in
		in.Metrics = map[string]float64{c.in: 1}
		got := add(t, f, in)
		want := stored(f, in, got)
		want.Reason, want.Arm, want.Metrics = c.out, c.out, map[string]float64{c.out: 1}
		same(t, "the trial with "+name, want, got)
		a := trial.Attempt{
			Trial: got.Number, Number: 1, State: types.Lost, Reason: c.in, Node: c.in, Handle: c.in, Dir: c.in, Cursor: c.in, Key: c.in,
			Leased: epochTime,
		}
		check(t, s.Commit(ctx, f.Batch(store.PutAttempt{Attempt: &a})))
		list, err := s.Attempts(ctx, f.Study.ID, got.Number)
		check(t, err)
		a.Study = f.Study.ID
		a.Reason, a.Node, a.Handle, a.Dir, a.Cursor, a.Key = c.out, c.out, c.out, c.out, c.out, c.out
		same(t, "the attempt with "+name, []trial.Attempt{a}, list)
	}
}

func attempts(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "attempts")
	add(t, f, fullTrial())
	add(t, f, fullTrial())
	exit := -9
	full := trial.Attempt{
		Trial: 1, Number: 2, State: types.Exited, Token: "t", Worker: "w", Executor: "local", Node: "n", Handle: `{"pid":1}`,
		HandleVersion: 2, Dir: "/x/y", Stopping: types.StopPruned, Reason: "r", Cursor: "c", Exit: &exit, Signal: "SIGKILL",
		Leased: epochTime, Expires: epochTime.Add(1), Ended: epochTime.Add(time.Hour), Key: "k",
	}
	full.Expires = epochTime.Add(time.Second)
	bare := trial.Attempt{Trial: 1, Number: 1, State: types.Leased, Leased: epochTime}
	zero := 0
	other := trial.Attempt{Trial: 0, Number: 1, State: types.AttemptRunning, Leased: epochTime, Exit: &zero}
	check(t, s.Commit(ctx, f.Batch(
		store.PutAttempt{Attempt: &full}, store.PutAttempt{Attempt: &bare}, store.PutAttempt{Attempt: &other},
	)))
	for _, a := range []*trial.Attempt{&full, &bare, &other} {
		a.Study = f.Study.ID
	}
	got, err := s.Attempts(ctx, f.Study.ID, 1)
	check(t, err)
	same(t, "the attempts", []trial.Attempt{bare, full}, got)
	got, err = s.Attempts(ctx, f.Study.ID, -1)
	check(t, err)
	same(t, "all attempts", []trial.Attempt{other, bare, full}, got)
	// The last of several in one batch counts.
	first := bare
	first.Token, first.Ended = "first", epochTime
	bare.State, bare.Token, bare.Exit = types.Lost, "second", &exit
	check(t, s.Commit(ctx, f.Batch(store.PutAttempt{Attempt: &first}, store.PutAttempt{Attempt: &bare})))
	got, err = s.Attempts(ctx, f.Study.ID, 1)
	check(t, err)
	same(t, "the replaced attempt", []trial.Attempt{bare, full}, got)
	got, err = s.Attempts(ctx, f.Study.ID, 7)
	check(t, err)
	same(t, "the attempts of no trial", 0, len(got))
	// Folders are found by the numbers at their end, as they are written.
	for i, dir := range []string{"/b/1/3", "/a/1/4", "/a%_/1/5", "/a/1/61", "/a/01/7", "1/8", "/a/1/9"} {
		a := trial.Attempt{Trial: 1, Number: 3 + i, State: types.Leased, Leased: epochTime, Node: "folders", Dir: dir}
		if dir == "/a/1/9" {
			a.Node = "elsewhere"
		}
		check(t, s.Commit(ctx, f.Batch(store.PutAttempt{Attempt: &a})))
	}
	folders, err := s.AttemptFolders(ctx, f.Study.ID, "folders")
	check(t, err)
	same(t, "the folders", []string{"/a", "/a%_", "/b"}, folders)
	folders, err = s.AttemptFolders(ctx, f.Study.ID, "nowhere")
	check(t, err)
	same(t, "the folders of no attempt", 0, len(folders))
}

func times(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "times")
	in := fullTrial()
	zone := time.FixedZone("there", -7*3600)
	in.Created = epochTime.Add(999 * time.Nanosecond).In(zone)
	in.Started = time.Date(1969, 12, 31, 23, 59, 59, 1000, time.UTC)
	in.Finished = time.Date(2999, 1, 1, 0, 0, 0, 0, zone)
	got := add(t, f, in)
	want := stored(f, in, got)
	want.Created, want.Finished = epochTime, in.Finished.UTC()
	same(t, "the trial", want, got)
	same(t, "store.Time", got.Created, store.Time(in.Created))
}

func largeTrial(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "large")
	in := fullTrial()
	in.Params, in.Basis.Pending, in.Metrics = nil, nil, map[string]float64{}
	for i := range 1000 {
		in.Params = append(in.Params, types.Param{Name: fmt.Sprint("parameter", i), Value: float64(i) + 0.5})
		in.Basis.Pending = append(in.Basis.Pending, int64(i))
		in.Metrics[fmt.Sprint("m", i)] = float64(i)
	}
	in.Explain = json.RawMessage(`"` + strings.Repeat("e", 50_000) + `"`)
	got := add(t, f, in)
	same(t, "the trial", stored(f, in, got), got)
}

func idsGrow(t *testing.T, s store.Store) {
	last := int64(0)
	feeds := []*Feed{NewFeed(t, s, "a"), NewFeed(t, s, "b")}
	for i := range 6 {
		got := add(t, feeds[i%2], fullTrial())
		if got.ID <= last {
			t.Fatalf("the ID %d comes after %d", got.ID, last)
		}
		last = got.ID
	}
	check(t, s.DeleteStudy(context.Background(), feeds[1].Study.ID, feeds[1].Study.Epoch))
	if got := add(t, feeds[0], fullTrial()); got.ID <= last {
		t.Fatalf("the ID %d of a deleted trial is given again", got.ID)
	}
}

// ran is what a trial took, which its attempts tell and not its own times.
func ran(t *testing.T, s store.Store) {
	at := func(minutes int) time.Time { return epochTime.Add(time.Duration(minutes) * time.Minute) }
	attempt := func(number, leased, ended int) trial.Attempt {
		a := trial.Attempt{Number: number, State: types.Leased, Leased: at(leased), Expires: at(1000)}
		if ended != 0 {
			a.State, a.Ended = types.Exited, at(ended)
		}
		return a
	}
	f := NewFeed(t, s, "ran")
	for name, c := range map[string]struct {
		state    types.State
		finished int
		attempts []trial.Attempt
		ran      int
		since    time.Time
	}{
		"in the queue":              {state: types.Queued},
		"cancelled there":           {state: types.Cancelled, finished: 5},
		"at once":                   {types.Completed, 4, []trial.Attempt{attempt(1, 1, 4)}, 3, time.Time{}},
		"running":                   {types.Running, 0, []trial.Attempt{attempt(1, 1, 0)}, 0, at(1)},
		"again":                     {types.Running, 0, []trial.Attempt{attempt(1, 1, 3), attempt(2, 60, 0)}, 2, at(60)},
		"after two":                 {types.Completed, 70, []trial.Attempt{attempt(1, 1, 3), attempt(2, 60, 70)}, 12, time.Time{}},
		"waiting":                   {types.Paused, 0, []trial.Attempt{attempt(1, 1, 3)}, 2, time.Time{}},
		"pruned after it waited":    {types.Pruned, 90, []trial.Attempt{attempt(1, 1, 3)}, 2, time.Time{}},
		"cancelled after it waited": {types.Cancelled, 90, []trial.Attempt{attempt(1, 1, 3)}, 2, time.Time{}},
		"over before it began":      {types.Pruned, 2, []trial.Attempt{attempt(1, 3, 1), attempt(2, 1, 2)}, 1, time.Time{}}, // a clock was set back
	} {
		tr := trial.Trial{State: c.state, Number: f.Number, Params: types.Params{}, Parent: -1, Step: -1, Created: epochTime, Origin: trial.FromAlgorithm,
			Attempts: len(c.attempts)}
		if c.finished != 0 {
			tr.Finished = at(c.finished)
		}
		b := f.Batch(store.AddTrial{Trial: &tr})
		for i := range c.attempts {
			c.attempts[i].Trial = tr.Number
			tr.Started = c.attempts[0].Leased
			b.Mutations = append(b.Mutations, store.PutAttempt{Attempt: &c.attempts[i]})
		}
		check(t, s.Commit(context.Background(), b))
		got, err := s.Trial(context.Background(), f.Study.ID, tr.Number)
		check(t, err)
		if want := time.Duration(c.ran) * time.Minute; got.Ran != want || !got.Since.Equal(c.since) {
			t.Errorf("%s: it ran for %v and since %v, want %v and %v", name, got.Ran, got.Since, want, c.since)
		}
		list, _, err := s.ListTrials(context.Background(), f.Study.ID, store.TrialFilter{})
		check(t, err)
		same(t, name+", in the list", got, list[tr.Number])
	}
}
