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

func openSpec(algorithm string, trials int64) types.StudySpec {
	return types.StudySpec{Name: "open", Seed: 7, Algorithm: types.Component{Name: algorithm},
		Space:      json.RawMessage(`{"parameters":[{"name":"kind","type":"categorical","choices":["a","b"]}],"open":true}`),
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}},
		Budget:     types.Budget{Trials: trials, MaxFailures: -1}, Retries: 100}
}

// draws asks for the parameters of a program with branches.
func draws(t *testing.T, l *local.Local, le types.Lease) types.Params {
	t.Helper()
	all := le.Params
	get := func(def string) any {
		r, err := l.Engine.Extend(context.Background(), types.ExtendRequest{Ref: le.Ref, Parameters: []json.RawMessage{json.RawMessage(def)}})
		if err != nil {
			t.Error(err)
			return 0.0
		}
		if _, had := all.Get(r.Params[0].Name); !had {
			all = append(slices.Clip(all), r.Params[0])
		}
		return r.Params[0].Value
	}
	get(`{"name":"lr","type":"float","low":1e-5,"high":0.1,"scale":"log"}`)
	if n, _ := get(`{"name":"layers","type":"int","low":1,"high":4}`).(int64); n > 2 {
		get(`{"name":"skip","type":"bool"}`)
	}
	if kind, _ := le.Params.Get("kind"); kind == "a" {
		if opt := get(`{"name":"opt","type":"categorical","choices":["sgd","adam"]}`); opt == "sgd" {
			get(`{"name":"momentum","type":"float","low":0.0,"high":0.99}`)
		}
	}
	return all
}

// TestStoredEventsGiveTheSameDraws runs a program with branches in eight workers
// through several restarts, with trials that are open across them, and then asks
// a new suggester, at the basis of each trial and of each draw, for its values.
func TestStoredEventsGiveTheSameDraws(t *testing.T) {
	for _, algorithm := range []string{"tpe", "random"} {
		t.Run(algorithm, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "tuner.db")
			var mu sync.Mutex
			given := map[int64]types.Params{}
			for restart := range int64(4) {
				l := openDB(t, db)
				st, err := l.Engine.OpenStudy(t.Context(), openSpec(algorithm, 40*(restart+1)))
				if err != nil {
					t.Fatal(err)
				}
				left, err := l.Engine.Adopt(t.Context(), types.AdoptRequest{Study: st.ID, Worker: "w"})
				if err != nil || restart > 0 && len(left) < 8 {
					t.Fatalf("%d trials were left open, %v", len(left), err)
				}
				for _, a := range left {
					finishAt(t, l, a.Lease, given[a.Lease.Ref.Trial], 0.15)
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
							le := r.Leases[0]
							ps := draws(t, l, le)
							mu.Lock()
							for _, p := range given[le.Ref.Trial] { // of an attempt before
								if v, _ := ps.Get(p.Name); v != p.Value {
									t.Errorf("trial %d had %s=%v and now %v", le.Ref.Trial, p.Name, p.Value, v)
								}
							}
							given[le.Ref.Trial] = ps
							n := len(given)
							mu.Unlock()
							if n >= int(40*(restart+1))-8 && restart < 3 {
								return // leaves it open; the next one finds it
							}
							finishAt(t, l, le, ps, rng.Float64())
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
			checkDraws(t, l.Store, given)
		})
	}
}

func finishAt(t *testing.T, l *local.Local, le types.Lease, ps types.Params, fate float64) {
	lr, _ := ps.Get("lr")
	layers, _ := ps.Get("layers")
	loss := types.Float(lr.(float64)*10 + float64(layers.(int64)))
	req := types.FinishRequest{Ref: le.Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": loss}}
	switch {
	case fate < 0.1:
		req.Outcome, req.Reason = types.OutcomeFailed, "exit code 1"
	case fate < 0.2:
		req.Outcome, req.Reason = types.OutcomeInterrupted, "preempted"
	}
	if _, err := l.Engine.Finish(context.Background(), req); err != nil {
		t.Error(err)
	}
}

// redraw is a replay of stored events into a new suggester.
type redraw struct {
	t      *testing.T
	spaces []*space.Space
	now    int // index of the current space
	sg     suggest.Suggester
	points map[int64]space.Point // expected, in the space of made
	made   map[int64]int
	arms   map[string]int
}

type drawDetail struct {
	Param   string       `json:"param"`
	Value   types.Params `json:"value"`
	Arm     string       `json:"arm"`
	Settled bool         `json:"settled"`
	Plan    types.Params `json:"plan"`
}

func (r *redraw) detail(se store.StoredEvent) (d drawDetail) {
	if len(se.Detail) > 0 {
		if err := json.Unmarshal(se.Detail, &d); err != nil {
			r.t.Fatal(err)
		}
	}
	return d
}

// at is the point of a trial in the current space.
func (r *redraw) at(n int64) space.Point {
	p, ok := r.spaces[r.now].Translate(r.spaces[r.made[n]], r.points[n])
	if !ok {
		r.t.Fatalf("trial %d has no place in space version %d", n, r.now+1)
	}
	return p
}

func (r *redraw) created(se store.StoredEvent) space.Point {
	sp, d := r.spaces[r.now], r.detail(se)
	kind, _ := se.Params.Get("kind")
	want, err := sp.FromParams(append(types.Params{{Name: "kind", Value: kind}}, d.Plan...))
	if err != nil {
		r.t.Fatal(err)
	}
	req := suggest.Request{Numbers: []int64{se.Event.Trial}}
	for _, n := range se.Trial.Basis.Pending {
		req.Pending = append(req.Pending, suggest.Pending{Number: n, Point: r.points[n]})
	}
	again, err := r.sg.Suggest(r.t.Context(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	if d := cmp.Diff(want, again[0].Point); d != "" {
		r.t.Errorf("trial %d: stored (-) and replayed (+) points differ:\n%s", se.Event.Trial, d)
	}
	return want
}

func (r *redraw) drawn(se store.StoredEvent, given types.Params) space.Point {
	sp, d, n := r.spaces[r.now], r.detail(se), se.Event.Trial
	p := r.at(n)
	if d.Settled {
		for i := range p {
			if _, had := given.Get(sp.Param(i).Name); !had {
				p[i] = nil
			}
		}
		return p
	}
	i := sp.Index(d.Param)
	if v, _ := given.Get(d.Param); v != d.Value[0].Value {
		r.t.Errorf("trial %d was given %s=%v, and stored is %v", n, d.Param, v, d.Value)
	}
	r.arms[d.Arm]++
	if d.Arm == "plan" {
		if p[i] != d.Value[0].Value {
			r.t.Errorf("trial %d planned %s=%v and drew %v", n, d.Param, p[i], d.Value)
		}
		return p
	}
	x, err := r.sg.(suggest.Extender).Extend(r.t.Context(), suggest.ExtendRequest{Number: n, Param: i, Point: p})
	if err != nil || x.Value != d.Value[0].Value || x.Arm != d.Arm {
		r.t.Errorf("trial %d drew %s=%v (%s), and again %v (%s), %v", n, d.Param, d.Value, d.Arm, x.Value, x.Arm, err)
	}
	p[i] = x.Value
	return p
}

func checkDraws(t *testing.T, db store.Store, given map[int64]types.Params) {
	t.Helper()
	st, err := db.Study(t.Context(), "default", "open")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := db.Spaces(t.Context(), st.ID)
	if err != nil || len(raw) != 6 {
		t.Fatalf("%d space versions, %v", len(raw), err)
	}
	r := &redraw{t: t, points: map[int64]space.Point{}, made: map[int64]int{}, arms: map[string]int{}}
	for _, b := range raw {
		sp, err := space.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		r.spaces = append(r.spaces, sp)
	}
	r.sg, err = builtin.New(st.Spec.Algorithm, suggest.Config{Space: r.spaces[0], Objectives: st.Spec.Objectives, Seed: st.Spec.Seed, Deterministic: "auto"})
	if err != nil {
		t.Fatal(err)
	}
	trials := 0
	err = db.Events(t.Context(), st.ID, 0, func(se store.StoredEvent) error {
		ev := se.Event
		switch ev.Kind {
		case trial.EventSpace:
			r.now++
			ev.Space = r.spaces[r.now]
		case trial.EventCreated:
			trials++
			ev.Point = r.created(se)
		case trial.EventDrawn:
			ev.Point = r.drawn(se, given[ev.Trial])
		case trial.EventFinished:
			if len(se.Trial.Params) != len(given[ev.Trial]) {
				t.Errorf("trial %d is stored at %v, and was given %v", ev.Trial, se.Trial.Params, given[ev.Trial])
			}
			if s := ev.Finish.State; s == types.Completed || s == types.Pruned {
				ev.Finish.Values = []float64{se.Metrics["loss"]}
			}
		case trial.EventStarted, trial.EventReported, trial.EventRequeued, trial.EventPaused, trial.EventStudy:
		}
		if ev.Point != nil {
			r.points[ev.Trial], r.made[ev.Trial] = ev.Point, r.now
		}
		r.sg.Observe([]trial.Event{ev})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if trials < 160 || r.arms["plan"] < 200 || r.arms["plan"] == len(r.arms) {
		t.Errorf("%d trials, arms %v", trials, r.arms)
	}
}
