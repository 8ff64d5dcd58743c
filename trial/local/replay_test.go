package local_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/local"
)

const mixed = `{"parameters":[
	{"name":"lr","type":"float","low":1e-5,"high":0.1,"scale":"log"},
	{"name":"layers","type":"int","low":1,"high":6},
	{"name":"opt","type":"categorical","choices":["sgd","adam"]},
	{"name":"momentum","type":"float","low":0.0,"high":0.99,"when":{"param":"opt","in":["sgd"]}}]}`

func mixedSpec(trials int64) types.StudySpec {
	return types.StudySpec{Name: "replay", Space: json.RawMessage(mixed), Seed: 11,
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
		Algorithm:  types.Component{Name: "tpe"}, Stopper: types.Component{Name: "median"},
		Budget: types.Budget{Trials: trials, MaxFailures: -1}, Retries: 100}
}

func openDB(t *testing.T, db string) *local.Local {
	t.Helper()
	l, err := local.Open(t.Context(), local.Config{DB: db, Dir: filepath.Dir(db)})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func lossAt(p types.Params, step int64) float64 {
	lr, _ := p.Get("lr")
	layers, _ := p.Get("layers")
	v := lr.(float64)*10 + float64(layers.(int64))
	if m, ok := p.Get("momentum"); ok {
		v -= m.(float64)
	}
	return v + 1/float64(step+1)
}

// evaluate runs one trial as a worker of rough manners: it reports, obeys
// decisions, and now and then fails, gives up, or has nothing to show.
func evaluate(t *testing.T, l *local.Local, le types.Lease, fate float64) {
	t.Helper()
	req := types.FinishRequest{Ref: le.Ref, Outcome: types.OutcomeCompleted}
	for step := range int64(4) {
		d, err := l.Engine.Report(context.Background(), types.ReportRequest{Ref: le.Ref,
			Reports: []types.Report{{Metric: "loss", Step: step, Value: types.Float(lossAt(le.Params, step))}}})
		if err != nil {
			t.Error(err)
			return
		}
		if d.Stop {
			req.Outcome = types.OutcomePruned
			break
		}
	}
	switch {
	case fate < 0.05:
		req.Outcome, req.Reason = types.OutcomeFailed, "exit code 1"
	case fate < 0.1:
		req.Outcome, req.Reason = types.OutcomeInfeasible, "too large"
	case fate < 0.2:
		req.Outcome, req.Reason = types.OutcomeInterrupted, "preempted"
	}
	if _, err := l.Engine.Finish(context.Background(), req); err != nil {
		t.Error(err)
	}
}

// TestStoredEventsGiveTheSamePoints runs eight workers through several restarts
// and then asks a new suggester, at each trial's basis, for the trial's point.
func TestStoredEventsGiveTheSamePoints(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tuner.db")
	for restart := range int64(4) {
		l := openDB(t, db)
		st, err := l.Engine.OpenStudy(t.Context(), mixedSpec(40*(restart+1)))
		if err != nil {
			t.Fatal(err)
		}
		var workers sync.WaitGroup
		for w := range 8 {
			rng := rand.New(rand.NewPCG(uint64(restart), uint64(w)))
			workers.Go(func() {
				for {
					r, err := l.Engine.Lease(context.Background(), types.LeaseRequest{Study: st.ID, Worker: "w", Wait: types.Duration(time.Minute)})
					if err != nil {
						t.Error(err)
						return
					}
					if r.Status != types.LeaseGranted {
						return
					}
					evaluate(t, l, r.Leases[0], rng.Float64())
				}
			})
		}
		workers.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := openDB(t, db)
	defer l.Close()
	checkReplay(t, l.Store)
}

// checkReplay feeds the stored events to a new suggester and compares.
func checkReplay(t *testing.T, db store.Store) {
	t.Helper()
	ctx := t.Context()
	st, err := db.Study(ctx, "default", "replay")
	if err != nil {
		t.Fatal(err)
	}
	sp, err := space.Parse(st.Spec.Space)
	if err != nil {
		t.Fatal(err)
	}
	sg, err := builtin.New(st.Spec.Algorithm, suggest.Config{Space: sp, Objectives: st.Spec.Objectives, Seed: st.Spec.Seed, Deterministic: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	points := map[int64]space.Point{}
	arms := map[string]int{}
	err = db.Events(ctx, st.ID, 0, func(se store.StoredEvent) error {
		ev := se.Event
		switch ev.Kind {
		case trial.EventCreated:
			p, err := sp.FromParams(se.Params)
			if err != nil {
				return err
			}
			points[ev.Trial], ev.Point = p, p
			if se.Trial.Basis.Seq != ev.Seq {
				t.Errorf("trial %d has basis %d and event %d", ev.Trial, se.Trial.Basis.Seq, ev.Seq)
			}
			req := suggest.Request{Numbers: []int64{ev.Trial}}
			for _, n := range se.Trial.Basis.Pending {
				req.Pending = append(req.Pending, suggest.Pending{Number: n, Point: points[n]})
			}
			again, err := sg.Suggest(ctx, req)
			if err != nil {
				return err
			}
			if d := cmp.Diff(p, again[0].Point); d != "" {
				t.Errorf("trial %d: stored (-) and replayed (+) points differ:\n%s", ev.Trial, d)
			}
			arms[again[0].Arm]++
		case trial.EventFinished:
			if s := ev.Finish.State; s == types.Completed || s == types.Pruned {
				ev.Finish.Values = []float64{se.Metrics["loss"]}
			}
		case trial.EventDrawn, trial.EventStarted, trial.EventReported, trial.EventRequeued, trial.EventPaused, trial.EventSpace, trial.EventStudy:
		}
		sg.Observe([]trial.Event{ev})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if arms["tpe"] < 100 {
		t.Errorf("the arms were %v: the model hardly took part", arms)
	}
}

func TestOneWorkerRepeatsExactly(t *testing.T) {
	run := func() (out []types.Params) {
		l := openDB(t, filepath.Join(t.TempDir(), "tuner.db"))
		defer l.Close()
		st, err := l.Engine.OpenStudy(t.Context(), mixedSpec(40))
		if err != nil {
			t.Fatal(err)
		}
		for {
			r, err := l.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w"})
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != types.LeaseGranted {
				return out
			}
			out = append(out, r.Leases[0].Params)
			evaluate(t, l, r.Leases[0], 1)
		}
	}
	first, second := run(), run()
	if len(first) != 40 || !slices.EqualFunc(first, second, slices.Equal[types.Params]) {
		t.Errorf("%d trials; the second run differs:\n%s", len(first), cmp.Diff(first, second))
	}
}
