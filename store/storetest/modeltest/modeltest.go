// Package modeltest runs random batches against a store and against a model
// that is too simple to be wrong, and compares them. It stands apart from
// storetest because it needs rapid.
package modeltest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rounds is how many random histories a test tries unless -rapid.checks says
// otherwise: a step of one costs half a dozen queries.
const rounds = "25"

// Run checks the store that open makes, which may hold other studies.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	s := open(t)
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "rapid.checks" })
	if f := flag.Lookup("rapid.checks"); !chosen && f != nil {
		if err := f.Value.Set(rounds); err != nil {
			t.Fatal(err)
		}
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		m := newMachine(rt, s, fmt.Sprint("round", round))
		rt.Repeat(map[string]func(*rapid.T){
			"commit":  m.commit,
			"refused": m.refused,
			"acquire": m.acquire,
			"":        m.compare,
		})
	})
}

// machine is the model of one study with the store beside it.
type machine struct {
	store store.Store
	study trial.Study

	trials   []trial.Trial
	attempts map[[2]int64]trial.Attempt
	reports  []trial.Report
	events   []trial.Event // with the reported ones
	notes    map[int64]map[string][]byte
}

func newMachine(t *rapid.T, s store.Store, name string) *machine {
	st, err := s.CreateStudy(context.Background(), trial.Study{
		Spec: types.StudySpec{Project: "model", Name: name, Space: json.RawMessage(`{}`)}, State: types.StudyActive, Created: start,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &machine{store: s, study: st, attempts: map[[2]int64]trial.Attempt{}, notes: map[int64]map[string][]byte{}}
}

var (
	states  = []types.State{types.Queued, types.Running, types.Paused, types.Completed, types.Pruned, types.Failed, types.Infeasible, types.Cancelled}
	floats  = rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1}))
	texts   = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "a", "\x00", "\xff"}))
	metrics = rapid.SampledFrom([]string{"loss", "acc", "ü"})
	// Microseconds around the start.
	instants = rapid.Custom(func(t *rapid.T) time.Time {
		return start.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, "µs")) * time.Microsecond)
	})
	values = rapid.OneOf(
		rapid.Map(rapid.Int64(), func(v int64) any { return v }),
		rapid.Map(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64), func(v float64) any { return v }),
		rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.StringMatching(`[a-zü<>&"\\]{0,8}`), func(v string) any { return v }),
	)
)

// draft is a batch while it grows, with what the model will be if it is stored.
type draft struct {
	batch store.Batch
	model machine
}

func (m *machine) draft() *draft {
	next := *m
	next.trials = slices.Clone(m.trials)
	next.attempts = maps.Clone(m.attempts)
	next.notes = map[int64]map[string][]byte{}
	for k, v := range m.notes {
		next.notes[k] = maps.Clone(v)
	}
	next.reports, next.events = slices.Clip(m.reports), slices.Clip(m.events)
	return &draft{model: next, batch: store.Batch{
		Study: m.study.ID, Epoch: m.study.Epoch, FromSeq: m.study.NextSeq, FromNumber: m.study.NextNumber,
	}}
}

// grow adds random mutations.
func (d *draft) grow(t *rapid.T) {
	for range rapid.IntRange(0, 6).Draw(t, "mutations") {
		kinds := []func(*rapid.T){d.addTrial}
		if len(d.model.trials) > 0 {
			kinds = append(kinds, d.updateTrial, d.putAttempt, d.putReports, d.addEvent, d.putNote)
		}
		rapid.SampledFrom(kinds).Draw(t, "kind")(t)
	}
	d.batch.ToSeq, d.batch.ToNumber = int64(len(d.model.events)), int64(len(d.model.trials))
	d.model.study.NextSeq, d.model.study.NextNumber = d.batch.ToSeq, d.batch.ToNumber
}

func (d *draft) add(m store.Mutation) { d.batch.Mutations = append(d.batch.Mutations, m) }

func (d *draft) number(t *rapid.T) int64 {
	return rapid.Int64Range(0, int64(len(d.model.trials))-1).Draw(t, "number")
}

// change draws the columns of a trial that may change.
func change(t *rapid.T, tr *trial.Trial) {
	tr.State = rapid.SampledFrom(states).Draw(t, "state")
	tr.Reason = texts.Draw(t, "reason")
	tr.Attempts = rapid.IntRange(0, 9).Draw(t, "attempts")
	tr.Step = rapid.Int64().Draw(t, "step")
	tr.Finished = time.Time{}
	if tr.State.Finished() {
		tr.Finished = instants.Draw(t, "finished")
	}
	tr.Metrics = rapid.MapOfN(metrics, floats, 0, 3).Draw(t, "metrics")
}

func (d *draft) addTrial(t *rapid.T) {
	tr := trial.Trial{
		Number: int64(len(d.model.trials)), SpaceVersion: 1, Origin: trial.FromUser, Created: instants.Draw(t, "created"),
		Parent: -1, Params: types.Params{}, Arm: texts.Draw(t, "arm"),
		Basis: trial.Basis{Seq: d.batch.FromSeq, Pending: rapid.SliceOfN(rapid.Int64(), 0, 3).Draw(t, "pending")},
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "params") {
		tr.Params = append(tr.Params, types.Param{Name: fmt.Sprint("p", 9-i), Value: values.Draw(t, "value")})
	}
	change(t, &tr)
	d.add(store.AddTrial{Trial: &tr})
	kept := tr
	kept.Study, kept.Reason, kept.Arm = d.model.study.ID, store.Text(tr.Reason), store.Text(tr.Arm)
	kept.Metrics = maps.Clone(tr.Metrics)
	d.model.trials = append(d.model.trials, kept)
	d.event(t, trial.EventCreated, tr.Number)
}

func (d *draft) updateTrial(t *rapid.T) {
	tr := d.model.trials[d.number(t)]
	old := tr.Metrics
	change(t, &tr)
	given := tr
	d.add(store.UpdateTrial{Trial: &given})
	tr.Reason = store.Text(tr.Reason)
	tr.Metrics = maps.Clone(old)
	for k, v := range given.Metrics {
		if tr.Metrics == nil {
			tr.Metrics = map[string]float64{}
		}
		tr.Metrics[k] = v
	}
	d.model.trials[tr.Number] = tr
}

func (d *draft) putAttempt(t *rapid.T) {
	a := trial.Attempt{
		Trial: d.number(t), Number: rapid.IntRange(1, 3).Draw(t, "attempt"), State: types.Leased,
		Handle: texts.Draw(t, "handle"), Leased: instants.Draw(t, "leased"),
	}
	if rapid.Bool().Draw(t, "exited") {
		exit := rapid.IntRange(-1, 255).Draw(t, "exit")
		a.Exit, a.Ended = &exit, instants.Draw(t, "ended")
	}
	given := a
	d.add(store.PutAttempt{Attempt: &given})
	a.Study, a.Handle = d.model.study.ID, store.Text(a.Handle)
	d.model.attempts[[2]int64{a.Trial, int64(a.Number)}] = a
}

func (d *draft) putReports(t *rapid.T) {
	var reports []trial.Report
	var listed []trial.Event
	for range rapid.IntRange(0, 20).Draw(t, "reports") {
		r := trial.Report{
			Seq: int64(len(d.model.events)), Trial: d.number(t), Attempt: rapid.IntRange(1, 2).Draw(t, "attempt"),
			Metric: metrics.Draw(t, "metric"), Step: rapid.Int64Range(0, 3).Draw(t, "step"), Value: floats.Draw(t, "value"),
			Time: instants.Draw(t, "time"),
		}
		reports = append(reports, r)
		e := trial.Event{Seq: r.Seq, Kind: trial.EventReported, Trial: r.Trial, Time: r.Time, Report: r}
		d.model.events = append(d.model.events, e)
		if rapid.Bool().Draw(t, "listed") {
			listed = append(listed, e)
		}
	}
	d.model.reports = append(d.model.reports, reports...)
	d.add(store.PutReports{Reports: reports})
	d.add(store.AddEvents{Events: listed})
}

func (d *draft) addEvent(t *rapid.T) {
	kind := rapid.SampledFrom([]trial.EventKind{trial.EventStarted, trial.EventRequeued, trial.EventStudy}).Draw(t, "kind")
	d.event(t, kind, d.number(t))
}

func (d *draft) event(t *rapid.T, kind trial.EventKind, number int64) {
	e := trial.Event{Seq: int64(len(d.model.events)), Kind: kind, Trial: number, Time: instants.Draw(t, "time"), SpaceVersion: 1}
	d.model.events = append(d.model.events, e)
	d.add(store.AddEvents{Events: []trial.Event{e}})
}

func (d *draft) putNote(t *rapid.T) {
	number := rapid.Int64Range(-1, int64(len(d.model.trials))-1).Draw(t, "number")
	key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
	value := rapid.SampledFrom([][]byte{nil, {}, {0}, []byte("x")}).Draw(t, "value")
	d.add(store.PutAttribute{Trial: number, Namespace: "n", Key: key, Value: value})
	if d.model.notes[number] == nil {
		d.model.notes[number] = map[string][]byte{}
	}
	if value == nil {
		delete(d.model.notes[number], key)
	} else {
		d.model.notes[number][key] = value
	}
}

// commit stores a random batch.
func (m *machine) commit(t *rapid.T) {
	d := m.draft()
	d.grow(t)
	if err := m.store.Commit(context.Background(), d.batch); err != nil {
		t.Fatal(err)
	}
	*m = d.model
}

// refused offers a random batch that must not be stored.
func (m *machine) refused(t *rapid.T) {
	d := m.draft()
	d.grow(t)
	want := types.Conflict
	switch rapid.IntRange(0, 2).Draw(t, "fault") {
	case 0:
		d.batch.Epoch += rapid.SampledFrom([]int64{-1, 1}).Draw(t, "epoch")
		want = types.Superseded
	case 1:
		d.batch.Mutations = append(d.batch.Mutations, store.AddSpace{Version: 7, JSON: []byte(`{}`), Time: start})
	case 2:
		d.batch.Mutations = append(d.batch.Mutations, store.AnswerCommand{ID: math.MaxInt64})
	}
	if err := m.store.Commit(context.Background(), d.batch); types.CodeOf(err) != want {
		t.Fatalf("got %v, want code %s", err, want)
	}
}

// acquire starts a new epoch.
func (m *machine) acquire(t *rapid.T) {
	st, err := m.store.Acquire(context.Background(), m.study.ID, "me", "", start, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	m.study.Ownership = st.Ownership
}

// compare checks that the store has what the model has.
func (m *machine) compare(t *rapid.T) {
	ctx := context.Background()
	row, err := m.store.StudyByID(ctx, m.study.ID)
	m.equal(t, "the study", err, m.study, row)
	trials, _, err := m.store.ListTrials(ctx, m.study.ID, store.TrialFilter{Limit: len(m.trials) + 1})
	m.equal(t, "the trials", err, m.trials, trials)
	attempts, err := m.store.Attempts(ctx, m.study.ID, -1)
	var want []trial.Attempt
	for n := range m.trials {
		for i := range int64(4) {
			if a, ok := m.attempts[[2]int64{int64(n), i}]; ok {
				want = append(want, a)
			}
		}
	}
	m.equal(t, "the attempts", err, want, attempts)
	// One trial a time is enough: the next comparison draws another.
	n := rapid.Int64Range(-1, int64(len(m.trials))-1).Draw(t, "looked at")
	reports, err := m.store.Reports(ctx, m.study.ID, n, "", 0)
	m.equal(t, "the reports", err, m.curve(n), reports)
	notes, err := m.store.Attributes(ctx, m.study.ID, n, "n")
	m.equal(t, "the attributes", err, m.notes[n], notes)
	from := rapid.Int64Range(0, int64(len(m.events))).Draw(t, "from")
	var list []trial.Event
	err = m.store.Events(ctx, m.study.ID, from, func(e store.StoredEvent) error {
		list = append(list, e.Event)
		return nil
	})
	m.equal(t, "the events", err, m.events[from:], list)
}

// curve is what Reports gives, worked out the slow way.
func (m *machine) curve(number int64) []trial.Report {
	last := 0
	for _, r := range m.reports {
		if r.Trial == number {
			last = max(last, r.Attempt)
		}
	}
	var out []trial.Report
	for _, metric := range []string{"acc", "loss", "ü"} {
		for step := range int64(4) {
			var found *trial.Report
			for i, r := range m.reports {
				if r.Trial == number && r.Attempt == last && r.Metric == metric && r.Step == step {
					found = &m.reports[i]
				}
			}
			if found != nil {
				out = append(out, *found)
			}
		}
	}
	return out
}

func (m *machine) equal(t *rapid.T, what string, err error, want, got any) {
	if err != nil {
		t.Fatal(err)
	}
	diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), cmpopts.IgnoreFields(trial.Trial{}, "ID", "Ran", "Since"),
		cmpopts.IgnoreFields(trial.Study{}, "Space"))
	if diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}
