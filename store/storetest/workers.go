package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

var workerTests = map[string]func(t *testing.T, s store.Store){
	"kept":    workersAreKept,
	"one":     workerByName,
	"at once": workersAtOnce,
}

func workersAreKept(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	want := []store.Worker{
		{Project: "a", Name: "box:/x", Owner: "alice", Created: at, Seen: at.Add(time.Minute), Info: types.WorkerInfo{Node: "box", Executor: "local", Study: "s"}},
		{Project: "a", Name: "far", Created: at, Seen: at, Info: types.WorkerInfo{Aside: `it said "no"`, AsideSince: at}},
		{Project: "b", Name: "far", Created: at, Seen: at.Add(time.Hour)},
	}
	for i := range want {
		check(t, s.ChangeWorker(ctx, want[i].Project, want[i].Name, func(w *store.Worker) error {
			same(t, "a new worker", store.Worker{Project: want[i].Project, Name: want[i].Name}, *w)
			*w = want[i]
			return nil
		}))
	}
	all, err := s.ListWorkers(ctx, "")
	check(t, err)
	same(t, "all workers", want, all)
	some, err := s.ListWorkers(ctx, "a")
	check(t, err)
	same(t, "the workers of a project", want[:2], some)

	want[1].Seen = at.Add(time.Second)
	check(t, s.ChangeWorker(ctx, "a", "far", func(w *store.Worker) error {
		same(t, "a worker that is there", at, w.Seen)
		w.Seen = want[1].Seen
		return nil
	}))
	no := errors.New("no")
	for _, name := range []string{"far", "nobody"} {
		if err := s.ChangeWorker(ctx, "a", name, func(w *store.Worker) error { w.Seen = at.Add(9 * time.Hour); return no }); !errors.Is(err, no) {
			t.Fatalf("a change that failed: %v", err)
		}
	}
	all, err = s.ListWorkers(ctx, "")
	check(t, err)
	same(t, "all workers", want, all)

	check(t, s.DropWorkers(ctx, at.Add(2*time.Minute)))
	all, err = s.ListWorkers(ctx, "")
	check(t, err)
	same(t, "who is aside or was seen lately", want[1:], all)
}

func workersAtOnce(t *testing.T, s store.Store) {
	ctx := t.Context()
	const n = 20
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			check(t, s.ChangeWorker(ctx, "p", "w", func(w *store.Worker) error {
				w.Created = time.Unix(1, 0)
				w.Info.Study += "x"
				return nil
			}))
		})
	}
	all.Wait()
	got, err := s.ListWorkers(ctx, "p")
	check(t, err)
	if len(got) != 1 || len(got[0].Info.Study) != n {
		t.Errorf("after %d changes at once there are %+v", n, got)
	}
}

func workerByName(t *testing.T, s store.Store) {
	ctx := t.Context()
	wants := func(code types.Code, err error) {
		t.Helper()
		if types.CodeOf(err) != code {
			t.Errorf("got %v, want %s", err, code)
		}
	}
	_, err := s.Worker(ctx, "p", "w")
	wants(types.NotFound, err)
	wants(types.NotFound, s.DropWorker(ctx, "p", "w"))

	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	want := store.Worker{Project: "p", Name: "w", Owner: "alice", Created: at, Seen: at, Info: types.WorkerInfo{Node: "box", Aside: "it is old", AsideSince: at}}
	for _, project := range []string{"p", "q"} {
		check(t, s.ChangeWorker(ctx, project, "w", func(w *store.Worker) error {
			*w = want
			return nil
		}))
	}
	got, err := s.Worker(ctx, "p", "w")
	check(t, err)
	same(t, "the worker", want, got)
	wants(types.Conflict, s.DropWorker(ctx, "p", "w"))
	check(t, s.ChangeWorker(ctx, "p", "w", func(w *store.Worker) error {
		same(t, "its owner", "alice", w.Owner)
		w.Info.Aside, w.Info.AsideSince = "", time.Time{}
		return nil
	}))
	check(t, s.DropWorker(ctx, "p", "w"))
	_, err = s.Worker(ctx, "p", "w")
	wants(types.NotFound, err)
	want.Project = "q"
	got, err = s.Worker(ctx, "q", "w")
	check(t, err)
	same(t, "that of the other project", want, got)
}
