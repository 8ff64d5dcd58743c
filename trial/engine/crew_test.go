package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

// shift lets a worker run a trial to an outcome.
func shift(t *testing.T, e *engine.Engine, study int64, worker string, o types.Outcome) error {
	t.Helper()
	ctx := context.Background()
	r, err := e.Lease(ctx, types.LeaseRequest{Study: study, Worker: worker, Node: "node of " + worker, Executor: "local"})
	if err != nil {
		return err
	}
	req := types.FinishRequest{Ref: r.Leases[0].Ref, Outcome: o, Metrics: map[string]types.Float{"loss": 1}}
	if o != types.OutcomeCompleted {
		req.Reason = "exit code 1: no GPU"
	}
	_, err = e.Finish(ctx, req)
	return err
}

func patient(name string, budget int64) types.StudySpec {
	s := spec(name, budget)
	s.Budget.MaxFailures = -1
	return s
}

// TestAWorkerThatFailsIsPutAside: failures in a row that the others do not have
// are the worker's own; it gets no trials in the whole project, over a restart
// and at other owners too, until somebody lets it back.
func TestAWorkerThatFailsIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		e := start(t, db)
		st, other := open(t, e, patient("a", 500)), open(t, e, patient("b", 500))
		for range 8 {
			if err := shift(t, e, st.ID, "good", types.OutcomeCompleted); err != nil {
				t.Fatal(err)
			}
		}
		outcomes := []types.Outcome{types.OutcomeFailed, types.OutcomeFailed, types.OutcomeCompleted,
			types.OutcomeFailed, types.OutcomeFailed, types.OutcomeInfeasible, types.OutcomeFailed, types.OutcomeFailed, types.OutcomeFailed}
		for i, o := range outcomes {
			if err := shift(t, e, st.ID, "bad", o); err != nil {
				t.Fatalf("trial %d: %v", i, err)
			}
		}
		aside := func(e *engine.Engine) {
			t.Helper()
			for _, id := range []int64{st.ID, other.ID} {
				err := shift(t, e, id, "bad", types.OutcomeCompleted)
				if types.CodeOf(err) != types.Forbidden || !strings.Contains(err.Error(), "its last 3 trials all failed, and of the 8 of other workers 0 did") ||
					!strings.Contains(err.Error(), "trial 16 of a: exit code 1: no GPU") {
					t.Fatalf("the worker that is put aside: %v", err)
				}
			}
		}
		aside(e)
		if err := shift(t, e, st.ID, "good", types.OutcomeCompleted); err != nil {
			t.Errorf("the other worker: %v", err)
		}
		time.Sleep(2 * time.Second)
		ws, err := db.ListWorkers(t.Context(), "default")
		if err != nil || len(ws) != 2 || ws[0].Name != "bad" || ws[0].Info.Aside == "" || ws[0].Info.Node != "node of bad" ||
			ws[0].Info.Study != "a" || ws[0].Seen.IsZero() || ws[1].Info.Aside != "" {
			t.Fatalf("the database has %+v, %v", ws, err)
		}
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		e = start(t, db)
		aside(e)

		// Back, it is judged anew.
		if _, err := engine.SetAside(t.Context(), db, "default", types.WorkerPatch{Worker: "bad"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Second)
		for range 2 {
			if err := shift(t, e, st.ID, "bad", types.OutcomeFailed); err != nil {
				t.Fatalf("a worker that was let back: %v", err)
			}
		}
		// Put aside by hand it is at once.
		if w, err := engine.SetAside(t.Context(), db, "default", types.WorkerPatch{Worker: "bad", Aside: true}, time.Now()); err != nil || w.Aside != "put aside by hand" {
			t.Fatalf("%+v, %v", w, err)
		}
		time.Sleep(7 * time.Second)
		if err := shift(t, e, other.ID, "bad", types.OutcomeCompleted); types.CodeOf(err) != types.Forbidden {
			t.Errorf("put aside by hand: %v", err)
		}
		if _, err := engine.SetAside(t.Context(), db, "default", types.WorkerPatch{Worker: "nobody"}, time.Now()); types.CodeOf(err) != types.NotFound {
			t.Errorf("an unknown worker: %v", err)
		}
	})
}

// TestFailuresOfAllAreNoWorkers: where others fail as well, or there are none, it
// is the study's affair.
func TestFailuresOfAllAreNoWorkers(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, e *engine.Engine, study int64){
		"alone": func(*testing.T, *engine.Engine, int64) {},
		"half of the others' fail": func(t *testing.T, e *engine.Engine, study int64) {
			t.Helper()
			for i := range 20 {
				o := types.OutcomeCompleted
				if i%2 == 0 {
					o = types.OutcomeFailed
				}
				if err := shift(t, e, study, "other", o); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, memstore.New())
			st := open(t, e, patient("a", 500))
			before(t, e, st.ID)
			for range 6 {
				if err := shift(t, e, st.ID, "unlucky", types.OutcomeFailed); err != nil {
					t.Fatal(err)
				}
			}
			if err := shift(t, e, st.ID, "unlucky", types.OutcomeCompleted); err != nil {
				t.Errorf("after six failures: %v", err)
			}
		})
	}
}

// TestNobodyIsPutAsideUnderEverybodysName: what is asked for by hand, and by a
// process that has no name of its own.
func TestNobodyIsPutAsideUnderEverybodysName(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, patient("a", 500))
	for range 8 {
		if err := shift(t, e, st.ID, "good", types.OutcomeCompleted); err != nil {
			t.Fatal(err)
		}
	}
	for range 9 {
		if err := shift(t, e, st.ID, "host|process", types.OutcomeFailed); err != nil {
			t.Fatal(err)
		}
		l := ask(t, e, types.LeaseRequest{Study: st.ID, Worker: "ask"}).Leases[0]
		if _, err := e.Tell(t.Context(), types.TellRequest{Study: st.ID, Trial: l.Ref.Trial, TellBody: types.TellBody{Outcome: types.OutcomeFailed}}); err != nil {
			t.Fatal(err)
		}
	}
}

var _ store.Workers = (*memstore.Store)(nil)

// TestFirstFailuresOfOneWorkerWait: what another worker still runs may show that
// the failures are the worker's own; it gets no more until then.
func TestFirstFailuresOfOneWorkerWait(t *testing.T) {
	for name, c := range map[string]struct {
		end  types.Outcome
		next types.LeaseStatus
	}{
		"it completes":   {types.OutcomeCompleted, types.LeaseGranted},
		"it fails too":   {types.OutcomeFailed, types.LeaseDone},
		"it is put back": {types.OutcomeInterrupted, types.LeaseGranted},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, memstore.New())
			st := open(t, e, spec("a", 10))
			ctx := t.Context()
			good := lease(t, e, st.ID)
			for range engine.FirstFailures {
				if err := shift(t, e, st.ID, "bad", types.OutcomeFailed); err != nil {
					t.Fatal(err)
				}
			}
			r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "bad"})
			if err != nil || r.Status != types.LeaseWait || !strings.Contains(r.Reason, "the first 3 trials all failed") {
				t.Fatalf("while another runs: %+v, %v", r, err)
			}
			if _, err := e.Finish(ctx, types.FinishRequest{Ref: good.Ref, Outcome: c.end, Reason: "so", Metrics: map[string]types.Float{"loss": 1}}); err != nil {
				t.Fatal(err)
			}
			if r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "bad"}); err != nil || r.Status != c.next {
				t.Errorf("then: %+v, %v", r, err)
			}
		})
	}
}
