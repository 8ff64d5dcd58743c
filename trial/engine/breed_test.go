package engine_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
)

// herdSpec is a population of four of nine steps, compared every three.
func herdSpec(name string, n int64) types.StudySpec {
	s := spec(name, n)
	s.Stopper = types.Component{Name: "pbt", Settings: map[string]any{"population": 4, "max_step": 9, "interval": 3, "quantile": 0.25}}
	return s
}

// raise trains a population, three trials at once, and returns what was handed
// out. Now and then an attempt is lost, and between makes another engine.
func raise(t *testing.T, study int64, between func() *engine.Engine) (log []string) {
	t.Helper()
	ctx := context.Background()
	at := map[int64]int64{}
	var held []types.Lease
	lost := map[int64]bool{}
	for range 300 {
		e := between()
		for len(held) < 3 {
			r, err := e.Lease(ctx, types.LeaseRequest{Study: study, Worker: "w"})
			if err != nil {
				t.Fatal(err)
			}
			if r.Status == types.LeaseDone {
				return append(log, r.Reason)
			}
			if r.Status == types.LeaseWait {
				break
			}
			l := r.Leases[0]
			if l.Copy != nil && at[l.Ref.Trial] == 0 {
				at[l.Ref.Trial] = l.Copy.Step
			}
			log = append(log, fmt.Sprintf("%d/%d to %g %+v %v", l.Ref.Trial, l.Ref.Attempt, l.Budget, l.Copy, l.Params))
			held = append(held, l)
		}
		l := held[0]
		held = held[1:]
		n := l.Ref.Trial
		end := types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted}
		if n%3 == 1 && !lost[n] {
			lost[n], end.Outcome = true, types.OutcomeLost
		}
		for s := at[n]; s < int64(l.Budget); s++ {
			v := types.Float(lossOf(l.Params)) / types.Float(s+2)
			if d, err := e.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Step: s + 1, Value: v}}}); err != nil || d.Stop {
				t.Fatalf("trial %d at step %d: %+v, %v", n, s+1, d, err)
			}
		}
		if end.Outcome == types.OutcomeCompleted {
			at[n] = int64(l.Budget)
		}
		if _, err := e.Finish(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the study does not end")
	return nil
}

func TestPopulation(t *testing.T) {
	ctx := context.Background()
	var logs [][]string
	for _, restarts := range []bool{false, true} {
		db := memstore.New()
		e := start(t, db)
		st := open(t, e, herdSpec("a", 0))
		log := raise(t, st.ID, func() *engine.Engine {
			if restarts {
				if err := e.Close(ctx); err != nil {
					t.Fatal(err)
				}
				e = start(t, db)
			}
			return e
		})
		logs = append(logs, log)
		v, err := e.Study(ctx, st.ID)
		if err != nil || v.Counts != (types.Counts{Completed: 4, Pruned: 2}) || v.State != types.StudyFinished || v.Reason != "the whole population has trained" {
			t.Errorf("%+v, %v", v, err)
		}
		for _, n := range []int64{4, 5} {
			tr, err := e.Trial(ctx, st.ID, n)
			if err != nil || tr.Copy == nil || tr.Arm != "copy" || !strings.HasPrefix(string(tr.Explain), `{"changed":{`) {
				t.Fatalf("%+v, %v", tr, err)
			}
			c := *tr.Copy
			old, err := e.Trial(ctx, st.ID, c.For)
			of, err2 := e.Trial(ctx, st.ID, c.Of)
			if err != nil || err2 != nil || old.State != types.Pruned || *old.Step != c.Step || c.Step != []int64{3, 6}[n-4] ||
				!strings.Contains(old.Reason, fmt.Sprintf("replaced by trial %d, a changed copy of trial %d (", n, c.Of)) {
				t.Errorf("%+v is a copy of %+v for %+v", tr, of, old)
			}
			row, err := db.Trial(ctx, st.ID, n)
			if err != nil || row.Parent != c.Of || !reflect.DeepEqual(row.Basis.Copy, &c) || row.Basis.Seq == 0 {
				t.Errorf("%+v, %v", row, err)
			}
			if reflect.DeepEqual(tr.Params, of.Params) {
				t.Errorf("trial %d did not explore: %v", n, tr.Params)
			}
		}
		afterwards(t, db, st.ID)
	}
	if !slices.Equal(logs[0], logs[1]) {
		t.Errorf("without restarts:\n%s\nwith restarts:\n%s", strings.Join(logs[0], "\n"), strings.Join(logs[1], "\n"))
	}
}

// afterwards checks what the events tell: whoever is replaced ends after the copy
// is created, in the same commit.
func afterwards(t *testing.T, db store.Store, study int64) {
	t.Helper()
	var last trial.Event
	pairs := 0
	err := db.Events(context.Background(), study, 0, func(se store.StoredEvent) error {
		if se.Kind == trial.EventFinished && se.Trial.State == types.Pruned {
			if last.Kind != trial.EventCreated || last.Trial < 4 || last.Time != se.Time {
				t.Errorf("before the end of trial %d came %+v", se.Event.Trial, last)
			}
			pairs++
		}
		last = se.Event
		return nil
	})
	if err != nil || pairs != 2 {
		t.Errorf("%d were replaced, %v", pairs, err)
	}
}

// Without room for copies the population trains on as it is.
func TestPopulationWithinItsBudget(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, herdSpec("a", 5))
	log := raise(t, st.ID, func() *engine.Engine { return e })
	v, err := e.Study(t.Context(), st.ID)
	if err != nil || v.Counts != (types.Counts{Completed: 4, Pruned: 1}) || !strings.Contains(v.Reason, "budget of 5 trials") {
		t.Errorf("%+v, %v\n%s", v, err, strings.Join(log, "\n"))
	}
}

func TestPopulationsAreChecked(t *testing.T) {
	ctx := t.Context()
	e := start(t, memstore.New())
	small := herdSpec("small", 0)
	small.Space = []byte(`{"parameters":[{"name":"x","type":"int","low":1,"high":3}]}`)
	opened := herdSpec("open", 0)
	opened.Space = []byte(`{"open":true,"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`)
	for _, tt := range []struct {
		spec types.StudySpec
		want string
	}{
		{opened, "stopper: a population needs a space that is known from the start, and this one is open; declare the parameters without open"},
		{herdSpec("few", 3), "a population of 4 does not fit into a budget of 3 trials"},
		{small, "a population of 4 does not fit into a space of 3 points"},
	} {
		if _, err := e.OpenStudy(ctx, tt.spec); types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	a := open(t, e, herdSpec("a", 0))
	for _, by := range []string{types.ExecutorAsk, types.ExecutorInProcess} {
		if _, err := e.Lease(ctx, types.LeaseRequest{Study: a.ID, Worker: "w", Executor: by}); types.CodeOf(err) != types.Unsupported {
			t.Errorf("%s: %v", by, err)
		}
	}
	other := herdSpec("a", 0)
	other.Stopper = types.Component{Name: "median"}
	if _, err := e.OpenStudy(ctx, other); types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "one rule from its start to its end") {
		t.Errorf("another stopper: %v", err)
	}
	if again := open(t, e, herdSpec("a", 9)); !again.Continued {
		t.Errorf("%+v", again)
	}
}
