package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var studyTests = map[string]func(t *testing.T, s store.Store){
	"create and read":    createAndRead,
	"a name is unique":   nameIsUnique,
	"unknown studies":    unknownStudies,
	"list in pages":      listStudies,
	"change a study":     changeStudy,
	"space versions":     spaceVersions,
	"delete everything":  deleteEverything,
	"closed store fails": closedStore,
}

// fullSpec uses every field of a specification.
func fullSpec(name string) types.StudySpec {
	spec := newStudy(name).Spec
	target := 0.5
	spec.Objectives = append(spec.Objectives, types.Objective{Metric: "größe", Goal: types.Maximize})
	spec.Algorithm = types.Component{Name: "tpe", Settings: map[string]any{"gamma": 0.25, "mode": "exact"}}
	spec.Budget = types.Budget{
		Trials: 1 << 40, Time: types.Duration(time.Hour), Target: &target, Patience: 3, MaxFailures: -1,
	}
	spec.Seed = -1 << 63
	spec.Parallelism, spec.Deterministic, spec.Strategy, spec.Retries = 4, "no", "min", -1
	spec.Try = []types.Params{
		{{Name: "z", Value: int64(1<<63 - 1)}, {Name: "a", Value: 1.0}}, {{Name: "opt", Value: "<&>"}, {Name: "on", Value: true}},
	}
	spec.Run = &types.RunSpec{
		Command: []string{"python", "train.py", "{args}"}, Env: []string{"A=ü"}, Grace: types.Duration(time.Second), InfeasibleExit: 3,
	}
	spec.Attributes = map[string]string{"who": "日本 \"x\" \\ \x1b"}
	return spec
}

func createAndRead(t *testing.T, s store.Store) {
	ctx := context.Background()
	in := trial.Study{
		ID: 99, NextSeq: 5, NextNumber: 6, Spec: fullSpec("all"), State: types.StudyPaused, Reason: "for now",
		CreatedBy: "zoë",
		Created:   epochTime.Add(789 * time.Nanosecond).In(time.FixedZone("x", 3600)),
		Ownership: trial.Ownership{Owner: "nobody yet", Epoch: 7},
	}
	made, err := s.CreateStudy(ctx, in)
	check(t, err)
	want := trial.Study{
		ID: made.ID, Spec: in.Spec, SpaceVersion: 1, State: types.StudyPaused, Reason: "for now", Created: epochTime, CreatedBy: "zoë",
		Ownership: trial.Ownership{LeaseUntil: time.Time{}},
	}
	same(t, "the new study", want, made)
	got, err := s.Study(ctx, "default", "all")
	check(t, err)
	same(t, "the study by name", want, got)
	got, err = s.StudyByID(ctx, made.ID)
	check(t, err)
	same(t, "the study by ID", want, got)
	spaces, err := s.Spaces(ctx, made.ID)
	check(t, err)
	same(t, "the spaces", [][]byte{in.Spec.Space}, spaces)
	// What a caller got is the caller's.
	got.Spec.Objectives[0].Metric = "changed"
	spaces[0][0] = 'X'
	again, err := s.StudyByID(ctx, made.ID)
	check(t, err)
	same(t, "the study after a reader changed its copy", want, again)
}

func nameIsUnique(t *testing.T, s store.Store) {
	ctx := context.Background()
	first, err := s.CreateStudy(ctx, newStudy("one"))
	check(t, err)
	_, err = s.CreateStudy(ctx, newStudy("one"))
	refused(t, err, types.Conflict)
	other := newStudy("one")
	other.Spec.Project = "elsewhere"
	second, err := s.CreateStudy(ctx, other)
	check(t, err)
	if second.ID <= first.ID {
		t.Fatalf("IDs %d, %d do not grow", first.ID, second.ID)
	}
	got, err := s.Study(ctx, "elsewhere", "one")
	check(t, err)
	same(t, "the ID in the other project", second.ID, got.ID)
	got, err = s.Study(ctx, "default", "one")
	check(t, err)
	same(t, "the ID in the first project", first.ID, got.ID)
}

func unknownStudies(t *testing.T, s store.Store) {
	ctx := context.Background()
	const none = 404
	_, err := s.Study(ctx, "default", "none")
	refused(t, err, types.NotFound)
	_, err = s.StudyByID(ctx, none)
	refused(t, err, types.NotFound)
	_, err = s.Trial(ctx, none, 0)
	refused(t, err, types.NotFound)
	_, err = s.Acquire(ctx, none, me, "", epochTime, ttl)
	refused(t, err, types.NotFound)
	refused(t, s.Renew(ctx, none, 0, epochTime, ttl), types.NotFound)
	refused(t, s.Release(ctx, none, 0), types.NotFound)
	refused(t, s.DeleteStudy(ctx, none, 0), types.NotFound)
	refused(t, s.Commit(ctx, store.Batch{Study: none}), types.NotFound)
	_, err = s.AddCommand(ctx, none, "stop", nil, "", epochTime)
	refused(t, err, types.NotFound)
	counts, err := s.Counts(ctx, none)
	check(t, err)
	same(t, "the counts of no study", types.Counts{}, counts)
	list, next, err := s.ListTrials(ctx, none, store.TrialFilter{})
	check(t, err)
	if len(list) > 0 || next != "" || len(events(t, s, none, 0)) > 0 {
		t.Fatalf("a study that does not exist has trials %v, next %q, or events", list, next)
	}
}

func listStudies(t *testing.T, s store.Store) {
	ctx := context.Background()
	var want []string
	for _, project := range []string{"a", "b", "ä"} {
		for i := range 5 {
			in := newStudy(fmt.Sprint("study", 9-i))
			in.Spec.Project = project
			_, err := s.CreateStudy(ctx, in)
			check(t, err)
			want = append(want, fmt.Sprint(project, "/study", 5+i))
		}
	}
	f := NewFeed(t, s, "counted") // project "default", between b and ä
	check(t, f.RunTrials(ctx, 2, 1))
	_, _, b := f.Start()
	check(t, s.Commit(ctx, b))
	want = append(want[:10:10], append([]string{"default/counted"}, want[10:]...)...)
	var got []string
	for after := ""; ; {
		page, err := s.ListStudies(ctx, "", after, 4)
		check(t, err)
		for _, p := range page {
			after = p.Study.Spec.Project + "/" + p.Study.Spec.Name
			got = append(got, after)
			counts := types.Counts{}
			if after == "default/counted" {
				counts = types.Counts{Running: 1, Completed: 2}
			}
			same(t, "the counts of "+after, counts, p.Counts)
		}
		if len(page) < 4 {
			break
		}
	}
	same(t, "the list of all studies", want, got)
	page, err := s.ListStudies(ctx, "b", "study6", 2)
	check(t, err)
	if len(page) != 2 || page[0].Study.Spec.Name != "study7" || page[1].Study.Spec.Name != "study8" {
		t.Fatalf("the page of project b is %v", page)
	}
	all, err := s.ListStudies(ctx, "", "", 0)
	check(t, err)
	same(t, "the number of all studies", len(want), len(all))
}

func changeStudy(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "change")
	spec := fullSpec("change")
	check(t, s.Commit(ctx, f.Batch(
		store.PutStudy{Spec: spec, State: types.StudyStopped, Reason: "x"},
		store.PutStudy{Spec: spec, State: types.StudyFinished, Reason: "enough"},
	)))
	got, err := s.StudyByID(ctx, f.Study.ID)
	check(t, err)
	want := f.Study
	want.Spec, want.State, want.Reason = spec, types.StudyFinished, "enough"
	same(t, "the changed study", want, got)
	for _, change := range []func(*types.StudySpec){
		func(s *types.StudySpec) { s.Name = "other" }, func(s *types.StudySpec) { s.Project = "other" },
	} {
		renamed := fullSpec("change")
		change(&renamed)
		unchanged(t, s, f.Study.ID, func() {
			refused(t, s.Commit(ctx, f.Batch(store.PutStudy{Spec: renamed})), types.Invalid)
		})
	}
}

func spaceVersions(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "spaces")
	check(t, s.Commit(ctx, f.Batch(
		store.AddSpace{Version: 2, JSON: []byte(`{"v":2}`), Time: epochTime},
		store.AddSpace{Version: 3, JSON: []byte(`{"v":3}`), Time: epochTime},
	)))
	for _, version := range []int{3, 5, 1, 0} {
		unchanged(t, s, f.Study.ID, func() {
			refused(t, s.Commit(ctx, f.Batch(store.AddSpace{Version: version, JSON: []byte(`{}`)})), types.Conflict)
		})
	}
	got, err := s.StudyByID(ctx, f.Study.ID)
	check(t, err)
	same(t, "the space version", 3, got.SpaceVersion)
	spaces, err := s.Spaces(ctx, f.Study.ID)
	check(t, err)
	same(t, "the spaces", [][]byte{f.Study.Spec.Space, []byte(`{"v":2}`), []byte(`{"v":3}`)}, spaces)
}

func deleteEverything(t *testing.T, s store.Store) {
	ctx := context.Background()
	f, other := NewFeed(t, s, "gone"), NewFeed(t, s, "stays")
	for _, f := range []*Feed{f, other} {
		check(t, f.RunTrials(ctx, 2, 3))
		check(t, s.Commit(ctx, f.Batch(
			store.PutSuggesterState{Seq: 1, State: []byte("x")}, store.PutAttribute{Trial: 0, Namespace: "n", Key: "k", Value: []byte("v")},
			store.PutRequestKey{Key: "k", Response: []byte("r")}, store.AddDecision{Seq: 1, Trial: 0, Kind: types.StopPruned},
		)))
	}
	command, err := s.AddCommand(ctx, f.Study.ID, "stop", nil, "key", epochTime)
	check(t, err)
	unchanged(t, s, f.Study.ID, func() {
		refused(t, s.DeleteStudy(ctx, f.Study.ID, f.Study.Epoch-1), types.Superseded)
	})
	unchanged(t, s, other.Study.ID, func() {
		check(t, s.DeleteStudy(ctx, f.Study.ID, f.Study.Epoch))
	})
	_, err = s.Study(ctx, "default", "gone")
	refused(t, err, types.NotFound)
	_, _, err = s.CommandAnswer(ctx, command)
	refused(t, err, types.NotFound)
	id := f.Study.ID
	attempts, err := s.Attempts(ctx, id, -1)
	check(t, err)
	reports, err := s.Reports(ctx, id, 0, "", 0)
	check(t, err)
	stops, err := s.Decisions(ctx, id, -1)
	check(t, err)
	_, key, err := s.RequestKey(ctx, id, "k")
	check(t, err)
	_, state, err := s.SuggesterState(ctx, id)
	check(t, err)
	notes, err := s.Attributes(ctx, id, 0, "n")
	check(t, err)
	spaces, err := s.Spaces(ctx, id)
	check(t, err)
	if len(attempts)+len(reports)+len(stops)+len(notes)+len(spaces) > 0 || key || state {
		t.Fatal("something of the deleted study is left")
	}
	// The name is free again, the ID is not.
	again := NewFeed(t, s, "gone")
	if again.Study.ID <= other.Study.ID {
		t.Fatalf("the ID %d is used again", again.Study.ID)
	}
	check(t, again.RunTrials(ctx, 1, 1))
}

func closedStore(t *testing.T, s store.Store) {
	ctx := context.Background()
	f := NewFeed(t, s, "closing")
	_, _, b := f.Start()
	last := s.Submit(b)
	check(t, s.Close())
	check(t, <-last) // Close waits for what is under way
	refused(t, s.Commit(ctx, f.Batch()), types.Unavailable)
	_, err := s.StudyByID(ctx, f.Study.ID)
	refused(t, err, types.Unavailable)
	_, err = s.CreateStudy(ctx, newStudy("late"))
	refused(t, err, types.Unavailable)
	check(t, s.Close())
}
