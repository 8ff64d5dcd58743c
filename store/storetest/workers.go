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
	"at once": workersAtOnce,
}

func workersAreKept(t *testing.T, s store.Store) {
	ctx := t.Context()
	at := time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)
	want := []store.Worker{
		{Project: "a", Name: "box:/x", Created: at, Seen: at.Add(time.Minute), Info: types.WorkerInfo{Node: "box", Executor: "local", Study: "s"}},
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
