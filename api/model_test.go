package api

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
)

// The property test of the API: random calls of the client, jumps of the clock
// and restarts of the server, next to a model that knows what must follow.

const (
	modelTTL     = 35 * time.Second
	modelRetries = 1
)

// modelTrial is what the model knows of a trial.
type modelTrial struct {
	state     types.State
	attempts  []*modelAttempt
	lost      int
	cancelled bool // asked to stop
	value     types.Float
}

// running is the attempt that holds the lease, nil if there is none.
func (t *modelTrial) running() *modelAttempt {
	if t.state != types.Running {
		return nil
	}
	return t.attempts[len(t.attempts)-1]
}

type modelAttempt struct {
	ref     types.AttemptRef
	worker  string
	expires time.Time
	ended   *types.FinishRequest // how its holder ended it
}

// world is the server, the client and the model.
type world struct {
	*rapid.T
	ctx    context.Context
	store  *memstore.Store
	engine *engine.Engine
	server *Server
	client *client.Client
	token  string
	owner  int
	serial atomic.Int64

	study  int64
	trials []*modelTrial
	budget int64
	paused bool
	keys   map[string][]int64
}

// direct sends requests to the handler, without a network, which a bubble of
// synctest cannot have.
type direct struct{ w *world }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	r.Host = r.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	d.w.server.Handler().ServeHTTP(rec, r)
	return rec.Result(), nil
}

func newWorld(ctx context.Context, t *rapid.T) *world {
	w := &world{T: t, ctx: ctx, store: memstore.New(), token: NewToken(), keys: map[string][]int64{}, budget: 6}
	_, err := w.store.AddToken(ctx, store.Token{Project: "default", Name: "test", Hash: HashToken(w.token), Role: store.RoleAdmin, Created: time.Now()})
	w.must(err)
	w.client, err = client.New(client.Config{URL: "http://127.0.0.1:1", Token: w.token, Patience: -1, HTTP: &http.Client{Transport: direct{w}}})
	w.must(err)
	w.start()
	st, err := w.client.OpenStudy(ctx, types.StudySpec{
		Project: "default", Name: "s", Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`), Seed: 7,
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"},
		Budget: types.Budget{Trials: w.budget, MaxFailures: 1000}, Retries: modelRetries,
	})
	w.must(err)
	w.study = st.ID
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v", err)
	}
}

// start makes an engine and a server over the store, as a process would.
func (w *world) start() {
	w.owner++
	w.engine = engine.New(engine.Config{
		Store: w.store, Owner: fmt.Sprint("server-", w.owner), Addr: "here", Now: time.Now, NewStopper: earlystop.New,
		NewSuggester: func(c types.Component, sc suggest.Config) (suggest.Suggester, error) {
			return suggest.New(builtin.Algorithms(), c, sc)
		},
		NewSeed:  func() int64 { return 1 },
		NewToken: func() string { return fmt.Sprint("t", w.serial.Add(1)) },
	})
	w.server = New(Config{Engine: w.engine, Store: w.store, Build: "test"})
}

func (w *world) end() {
	w.must(w.server.Stop(w.ctx))
	w.must(w.engine.Close(w.ctx))
}

// pick draws one of all attempts that there ever were.
func (w *world) pick() (*modelTrial, *modelAttempt) {
	var all [][2]int
	for i, t := range w.trials {
		for j := range t.attempts {
			all = append(all, [2]int{i, j})
		}
	}
	if len(all) == 0 {
		w.Skip("there is no attempt")
	}
	at := rapid.SampledFrom(all).Draw(w.T, "attempt")
	return w.trials[at[0]], w.trials[at[0]].attempts[at[1]]
}

// count is how many trials are in one of the states.
func (w *world) count(states ...types.State) (n int64) {
	for _, t := range w.trials {
		if slices.Contains(states, t.state) {
			n++
		}
	}
	return n
}

// refused checks an answer to somebody who holds no lease.
func (w *world) refused(what string, err error) {
	w.Helper()
	if code := types.CodeOf(err); code != types.Superseded && code != types.NotFound {
		w.Fatalf("%s: %v", what, err)
	}
}

func (w *world) lease() {
	worker := rapid.SampledFrom([]string{"a", "b"}).Draw(w.T, "worker")
	key := fmt.Sprint("lease-", w.serial.Add(1))
	req := types.LeaseRequest{Study: w.study, Worker: worker, Key: key, TTL: types.Duration(modelTTL)}
	r, err := w.client.Lease(w.ctx, req)
	w.must(err)
	queued, spent := w.count(types.Queued), w.count(types.Completed, types.Pruned, types.Failed, types.Infeasible)
	open := queued > 0 || spent+w.count(types.Running) < w.budget
	switch {
	case w.paused:
		w.expectf(r.Status == types.LeaseWait, "paused: %+v", r)
		return
	case !open && w.count(types.Running) > 0:
		w.expectf(r.Status == types.LeaseWait, "the last trials run: %+v", r)
		return
	case !open:
		w.expectf(r.Status == types.LeaseDone, "all is done: %+v", r)
		return
	}
	w.expectf(r.Status == types.LeaseGranted && len(r.Leases) == 1, "%d queued, %d spent of %d: %+v", queued, spent, w.budget, r)
	w.granted(r.Leases[0], worker, queued > 0)
	again, err := w.client.Lease(w.ctx, req)
	w.must(err)
	w.expectf(len(again.Leases) == 1 && again.Leases[0].Ref == r.Leases[0].Ref, "the same key was answered by %+v, then %+v", r, again)
}

// granted takes a lease into the model.
func (w *world) granted(l types.Lease, worker string, old bool) {
	n := l.Ref.Trial
	if !old {
		w.expectf(n == int64(len(w.trials)), "the new trial has the number %d after %d trials", n, len(w.trials))
		w.trials = append(w.trials, &modelTrial{state: types.Queued})
	}
	w.expectf(n < int64(len(w.trials)) && w.trials[n].state == types.Queued, "trial %d is handed out", n)
	t := w.trials[n]
	w.expectf(l.Ref.Attempt == len(t.attempts)+1, "attempt %d follows %d attempts", l.Ref.Attempt, len(t.attempts))
	t.state = types.Running
	t.attempts = append(t.attempts, &modelAttempt{ref: l.Ref, worker: worker, expires: time.Now().Add(modelTTL)})
}

func (w *world) expectf(ok bool, format string, args ...any) {
	w.Helper()
	if !ok {
		w.Fatalf(format, args...)
	}
}

func (w *world) report() {
	t, a := w.pick()
	d, err := w.client.Report(w.ctx, types.ReportRequest{Ref: a.ref, Reports: []types.Report{{
		Metric: "loss", Step: rapid.Int64Range(0, 3).Draw(w.T, "step"), Value: types.Float(rapid.Float64Range(-1, 1).Draw(w.T, "value")),
	}}})
	if t.running() != a {
		w.refused("a report without a lease", err)
		return
	}
	w.must(err)
	w.expectf(d.Stop == t.cancelled, "the decision is %+v, cancelled is %v", d, t.cancelled)
	a.expires = time.Now().Add(modelTTL)
}

func (w *world) heartbeat() {
	t, a := w.pick()
	r, err := w.client.Heartbeat(w.ctx, types.HeartbeatRequest{Worker: a.worker, Beats: []types.Beat{{Ref: a.ref, State: types.AttemptRunning}}})
	w.must(err)
	w.expectf(len(r.Decisions) == 1, "%d decisions", len(r.Decisions))
	d := r.Decisions[0]
	if t.running() != a {
		w.expectf(d.Stop && d.Kind == types.StopSuperseded, "a beat without a lease is answered by %+v", d)
		return
	}
	w.expectf(d.Stop == t.cancelled, "the decision is %+v, cancelled is %v", d, t.cancelled)
	a.expires = time.Now().Add(modelTTL)
}

func (w *world) finish() {
	t, a := w.pick()
	if a.ended != nil { // the answer was lost on its way
		again := *a.ended
		r, err := w.client.Finish(w.ctx, again)
		w.late(t, a, again.Outcome, r, err)
		again.Metrics = map[string]types.Float{"loss": 0.25} // which nobody has told
		if _, err := w.client.Finish(w.ctx, again); again.Outcome == types.OutcomeCompleted && !t.cancelled {
			// Refused because it contradicts, or as what is late for a trial that runs again.
			w.expectf(types.CodeOf(err) == types.Conflict || types.CodeOf(err) == types.Superseded || types.CodeOf(err) == types.NotFound,
				"another value for a trial that is over: %v", err)
		}
		return
	}
	outcome := rapid.SampledFrom([]types.Outcome{types.OutcomeCompleted, types.OutcomeFailed, types.OutcomeInfeasible, types.OutcomeInterrupted, types.OutcomeLost}).Draw(w.T, "outcome")
	req := types.FinishRequest{Ref: a.ref, Outcome: outcome, Reason: "so"}
	value := types.Float(rapid.SampledFrom([]float64{0.5, -3, math.NaN()}).Draw(w.T, "value"))
	if outcome == types.OutcomeCompleted {
		req.Metrics = map[string]types.Float{"loss": value}
	}
	r, err := w.client.Finish(w.ctx, req)
	if t.running() != a {
		w.late(t, a, outcome, r, err)
		return
	}
	w.must(err)
	a.ended = &req
	w.ended(t, outcome, value)
	w.expectf(r.State == t.state, "%s is answered by %+v, want %s", outcome, r, t.state)
}

// late checks the answer to an end by somebody who holds no lease. It changes
// nothing: who told it before, or holds what was cancelled, is told how the trial
// ended, who wanted it back in the queue has got that, and everybody else is
// refused.
func (w *world) late(t *modelTrial, a *modelAttempt, o types.Outcome, r types.FinishReply, err error) {
	last := t.attempts[len(t.attempts)-1] == a
	switch {
	case last && t.state.Finished() && (t.cancelled || a.ended != nil), o == types.OutcomeInterrupted, o == types.OutcomeLost:
		w.must(err)
		w.expectf(r.State == t.state, "a late end is answered by %+v, the trial is %s", r, t.state)
	default:
		w.refused("an end without a lease", err)
	}
}

// ended says what becomes of a trial.
func (w *world) ended(t *modelTrial, o types.Outcome, value types.Float) {
	switch {
	case t.cancelled:
		t.state = types.Cancelled
	case o == types.OutcomeLost:
		if t.lost++; t.lost > modelRetries {
			t.state = types.Failed
		} else {
			t.state = types.Queued
		}
	case o == types.OutcomeInterrupted:
		t.state = types.Queued
	case o == types.OutcomeFailed:
		t.state = types.Failed
	case o == types.OutcomeInfeasible || math.IsNaN(float64(value)):
		t.state = types.Infeasible
	default:
		t.state, t.value = types.Completed, value
	}
}

func (w *world) enqueue() {
	key := rapid.SampledFrom([]string{"k1", "k2", "k3"}).Draw(w.T, "key")
	r, err := w.client.Control(w.ctx, types.ControlRequest{Study: w.study, Kind: types.Enqueue, Key: key, Points: []types.Params{{{Name: "x", Value: 0.25}}}})
	w.must(err)
	if known, ok := w.keys[key]; ok {
		w.expectf(slices.Equal(known, r.Numbers), "the key %s gave %v, then %v", key, known, r.Numbers)
		return
	}
	w.expectf(slices.Equal(r.Numbers, []int64{int64(len(w.trials))}), "the new trial is %v after %d", r.Numbers, len(w.trials))
	w.keys[key] = r.Numbers
	w.trials = append(w.trials, &modelTrial{state: types.Queued})
}

func (w *world) cancel() {
	if len(w.trials) == 0 {
		w.Skip("there is no trial")
	}
	n := rapid.Int64Range(0, int64(len(w.trials)-1)).Draw(w.T, "trial")
	t := w.trials[n]
	_, err := w.client.Control(w.ctx, types.ControlRequest{Study: w.study, Kind: types.StopTrial, Numbers: []int64{n}})
	switch t.state {
	case types.Queued:
		w.must(err)
		t.state = types.Cancelled
	case types.Running:
		w.must(err)
		t.cancelled = true
	default:
		w.expectf(types.CodeOf(err) == types.Conflict, "a trial that is %s was cancelled: %v", t.state, err)
	}
}

func (w *world) pause() {
	kind := rapid.SampledFrom([]types.ControlKind{types.PauseStudy, types.ResumeStudy}).Draw(w.T, "kind")
	_, err := w.client.Control(w.ctx, types.ControlRequest{Study: w.study, Kind: kind})
	w.must(err)
	w.paused = kind == types.PauseStudy
}

func (w *world) edit() {
	w.budget += rapid.Int64Range(0, 3).Draw(w.T, "more")
	_, err := w.client.Control(w.ctx, types.ControlRequest{Study: w.study, Kind: types.Edit, Budget: &types.Budget{Trials: w.budget, MaxFailures: 1000}})
	w.must(err)
}

// wait lets time pass: leases end that nobody renewed.
func (w *world) wait() {
	time.Sleep(time.Duration(rapid.IntRange(1, 4).Draw(w.T, "tens")) * 10 * time.Second) //nolint:forbidigo // the bubble's clock
	synctest.Wait()
	for _, t := range w.trials {
		if a := t.running(); a != nil && !a.expires.After(time.Now()) {
			w.ended(t, types.OutcomeLost, 0)
		}
	}
}

// restart ends the server and starts another: no lease ends because of it.
func (w *world) restart() {
	w.end()
	time.Sleep(time.Duration(rapid.IntRange(0, 9).Draw(w.T, "tens")) * 10 * time.Second) //nolint:forbidigo // the bubble's clock
	w.start()
	// A study is taken over, and its leases begin anew, when it is first needed.
	_, err := w.client.Control(w.ctx, types.ControlRequest{Study: w.study, Kind: types.Edit, Budget: &types.Budget{Trials: w.budget, MaxFailures: 1000}})
	w.must(err)
	for _, t := range w.trials {
		if a := t.running(); a != nil {
			a.expires = time.Now().Add(modelTTL)
		}
	}
}

// check compares the server with the model.
func (w *world) check() {
	st, err := w.client.Study(w.ctx, w.study)
	w.must(err)
	want := map[types.State]int64{}
	for _, t := range w.trials {
		want[t.state]++
	}
	c := st.Counts
	got := map[types.State]int64{
		types.Queued: c.Queued, types.Running: c.Running, types.Completed: c.Completed, types.Failed: c.Failed,
		types.Infeasible: c.Infeasible, types.Cancelled: c.Cancelled, types.Pruned: c.Pruned, types.Paused: c.Paused,
	}
	maps.DeleteFunc(got, func(_ types.State, n int64) bool { return n == 0 })
	w.expectf(maps.Equal(got, want), "the counts are %v, the model has %v", got, want)
	page, err := w.client.ListTrials(w.ctx, w.study, client.TrialQuery{Limit: 1000})
	w.must(err)
	w.expectf(len(page.Trials) == len(w.trials), "%d trials, the model has %d", len(page.Trials), len(w.trials))
	for i, tr := range page.Trials {
		t := w.trials[i]
		w.expectf(tr.Number == int64(i) && tr.State == t.state, "trial %d is %s, the model has %d: %s", tr.Number, tr.State, i, t.state)
		if t.state == types.Completed {
			w.expectf(tr.Metrics["loss"] == t.value, "trial %d has %v, the model %v", i, tr.Metrics, t.value)
		}
	}
}

// noDeadline hides the deadline of a test, for which one may not ask in a bubble.
type noDeadline struct{ rapid.TB }

func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(noDeadline{t}, func(r *rapid.T) {
			w := newWorld(t.Context(), r)
			defer w.end()
			r.Repeat(map[string]func(*rapid.T){
				"lease": w.do((*world).lease), "report": w.do((*world).report), "heartbeat": w.do((*world).heartbeat),
				"finish": w.do((*world).finish), "enqueue": w.do((*world).enqueue), "cancel": w.do((*world).cancel),
				"pause": w.do((*world).pause), "edit": w.do((*world).edit), "wait": w.do((*world).wait),
				"restart": w.do((*world).restart), "": w.do((*world).check),
			})
		})
	})
}

// do lets a step draw from the T of its own.
func (w *world) do(step func(*world)) func(*rapid.T) {
	return func(t *rapid.T) {
		w.T = t
		step(w)
	}
}
