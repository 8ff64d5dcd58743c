package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/local"
)

// home is a server over a SQLite file, which can be killed and started again at
// the same address.
type home struct {
	*testing.T

	dir, token, addr string
	local            *local.Local
	server           *api.Server
	ended            chan error
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{T: t, dir: t.TempDir(), token: api.NewToken(), addr: "127.0.0.1:0"}
	h.start()
	_, err := h.local.Store.AddToken(t.Context(), store.Token{Project: "default", Name: "t", Hash: api.HashToken(h.token),
		Role: store.RoleAdmin, Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	return h
}

func (h *home) start() {
	h.Helper()
	var err error
	h.local, err = local.Open(context.Background(), local.Config{DB: filepath.Join(h.dir, "t.db"), Dir: filepath.Join(h.dir, "trials")})
	if err != nil {
		h.Fatal(err)
	}
	l, err := net.Listen("tcp", h.addr)
	if err != nil {
		h.Fatal(err)
	}
	h.addr = l.Addr().String()
	h.server = api.New(api.Config{Engine: h.local.Engine, Store: h.local.Store})
	h.ended = make(chan error, 1)
	server, ended := h.server, h.ended
	go func() { ended <- server.Serve(l) }()
}

func (h *home) stop() {
	h.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := errors.Join(h.server.Stop(ctx), <-h.ended, h.local.Close()); err != nil {
		h.Error(err)
	}
}

func (h *home) config() client.Config {
	return client.Config{URL: "http://" + h.addr, Token: h.token, Patience: 20 * time.Second}
}

func (h *home) client(cfg client.Config) *client.Client {
	h.Helper()
	c, err := client.New(cfg)
	if err != nil {
		h.Fatal(err)
	}
	return c
}

// bowl is a study whose best loss is 0.
type bowl struct {
	space tuner.Space
	x     tuner.Param[float64]
	n     tuner.Param[int]
	kind  tuner.Param[string]
}

func newBowl() *bowl {
	b := &bowl{}
	b.x = tuner.Range(&b.space, "x", -5.0, 5.0)
	b.n = tuner.Range(&b.space, "n", 1, 16, tuner.Log())
	b.kind = tuner.Choice(&b.space, "kind", "flat", "steep")
	return b
}

func (b *bowl) config(trials int64) tuner.Config {
	return tuner.Config{Name: "bowl", Space: &b.space, Seed: 1, Trials: trials, Objectives: []tuner.Objective{tuner.Minimize("loss")}}
}

func (b *bowl) loss(t *tuner.Trial) float64 {
	v := b.x.Of(t)*b.x.Of(t) + math.Abs(float64(b.n.Of(t))-4)
	if b.kind.Of(t) == "steep" {
		v *= 2
	}
	return v
}

const reports = 3

// run runs the bowl and notes what was acknowledged.
func (b *bowl) run(ctx context.Context, c *tuner.Client, trials int64, workers int, each func(*tuner.Trial)) (map[int64]float64, error) {
	study, err := c.Study(ctx, b.config(trials))
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	seen := map[int64]float64{}
	err = study.Run(ctx, func(ctx context.Context, t *tuner.Trial) (float64, error) {
		if each != nil {
			each(t)
		}
		v := b.loss(t)
		for step := range reports {
			if err := t.Report(ctx, int64(step), v+float64(reports-step)); err != nil {
				return 0, err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		seen[t.Number()] = v
		return v, nil
	}, tuner.RunOptions{Workers: workers})
	return seen, err
}

// whole compares what the server has with what the functions returned.
func (h *home) whole(trials int, seen map[int64]float64) {
	h.Helper()
	c := h.client(h.config())
	st, err := c.StudyByName(h.Context(), "default", "bowl")
	if err != nil {
		h.Fatal(err)
	}
	page, err := c.ListTrials(h.Context(), st.ID, client.TrialQuery{Limit: 1000})
	if err != nil {
		h.Fatal(err)
	}
	if len(page.Trials) != trials || len(seen) != trials {
		h.Errorf("%d trials are stored and %d were run, want %d", len(page.Trials), len(seen), trials)
	}
	best := math.Inf(1)
	for i, t := range page.Trials {
		if t.Number != int64(i) || t.State != types.Completed || float64(t.Metrics["loss"]) != seen[t.Number] {
			h.Errorf("trial %d of the listing is %d, %s, %v; the function returned %v", i, t.Number, t.State, t.Metrics, seen[t.Number])
		}
		best = min(best, seen[t.Number])
		rs, err := c.Reports(h.Context(), st.ID, t.Number, "loss", 100)
		if err != nil {
			h.Fatal(err)
		}
		if len(rs) != reports {
			h.Errorf("trial %d has %d reports, want %d: %v", t.Number, len(rs), reports, rs)
		}
	}
	if len(st.Best) != 1 || seen[st.Best[0]] != best {
		h.Errorf("best is %v, want the trial of %v", st.Best, best)
	}
}

func TestTheSDKOverHTTP(t *testing.T) {
	h := newHome(t)
	c, err := client.Connect(t.Context(), h.config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	b := newBowl()
	seen, err := b.run(t.Context(), c, 40, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.whole(40, seen)
	study, err := c.Study(t.Context(), b.config(41))
	if err != nil {
		t.Fatal(err)
	}
	if err := study.Enqueue(t.Context(), tuner.Params{{Name: "x", Value: 0.125}}); err != nil {
		t.Fatal(err)
	}
	var x float64
	if err := study.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) { x = b.x.Of(tr); return 0, nil }, tuner.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	if best, err := study.Best(t.Context()); err != nil || x != 0.125 || best.Value != 0 {
		t.Errorf("the queued point came as x=%v, best is %+v, %v", x, best, err)
	}
}

// TestTheServerGoesAway: functions go on while the server is away, and nothing
// of what they report is lost.
func TestTheServerGoesAway(t *testing.T) {
	h := newHome(t)
	c, err := client.Connect(t.Context(), h.config())
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	restarted := make(chan struct{})
	b := newBowl()
	seen, err := b.run(t.Context(), c, 30, 3, func(tr *tuner.Trial) {
		if tr.Number() == 8 {
			once.Do(func() {
				h.stop()
				go func() { defer close(restarted); h.start() }()
			})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	<-restarted
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	h.whole(30, seen)
}

// lossy loses requests before and answers after they had their effect, and sends
// some requests twice.
type lossy struct {
	mu             sync.Mutex
	rng            *rand.Rand
	lost, repeated atomic.Int64
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	dice := l.rng.IntN(12)
	l.mu.Unlock()
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	send := func() (*http.Response, error) {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultTransport.RoundTrip(again)
	}
	switch dice {
	case 0:
		l.lost.Add(1)
		return nil, errors.New("the request was lost")
	case 1:
		l.lost.Add(1)
		resp, err := send()
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			err = errors.New("the answer was lost")
		}
		return nil, err
	case 2:
		l.repeated.Add(1)
		resp, err := send()
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return send()
}

// TestALossyNetwork: lost and repeated calls change nothing.
func TestALossyNetwork(t *testing.T) {
	h := newHome(t)
	net := &lossy{rng: rand.New(rand.NewPCG(1, 2))}
	cfg := h.config()
	cfg.HTTP = &http.Client{Transport: net}
	c := tuner.NewClient(h.client(cfg), "lossy")
	seen, err := newBowl().run(t.Context(), c, 40, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if net.lost.Load() < 10 || net.repeated.Load() < 5 {
		t.Errorf("only %d calls were lost and %d repeated", net.lost.Load(), net.repeated.Load())
	}
	h.whole(40, seen)
}

// TestManyReports sends more reports than fit into one body.
func TestManyReports(t *testing.T) {
	if testing.Short() {
		t.Skip("stores tens of thousands of reports")
	}
	h := newHome(t)
	c := h.client(h.config())
	b := newBowl()
	text, err := b.space.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.OpenStudy(t.Context(), types.StudySpec{Name: "many", Space: text, Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := c.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w", Key: "k"})
	if err != nil || lease.Status != types.LeaseGranted {
		t.Fatal(lease, err)
	}
	ref := lease.Leases[0].Ref
	again, err := c.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w", Key: "k"})
	if err != nil || len(again.Leases) != 1 || again.Leases[0].Ref != ref {
		t.Errorf("the same key leases %+v, %v", again, err)
	}
	const n = 45_000
	rs := make([]types.Report, n)
	for i := range rs {
		rs[i] = types.Report{Metric: "loss", Step: int64(i), Value: types.Float(i)}
	}
	if _, err := c.Report(t.Context(), types.ReportRequest{Ref: ref, Reports: rs[:n/2], Cursor: "half"}); err != nil {
		t.Fatal(err)
	}
	end := types.FinishRequest{Ref: ref, Outcome: types.OutcomeCompleted, Reports: rs[n/2:], Cursor: "all"}
	for range 2 {
		if r, err := c.Finish(t.Context(), end); err != nil || r.State != types.Completed || *r.Value != n-1 {
			t.Fatal(r, err)
		}
	}
	got, err := c.Reports(t.Context(), st.ID, 0, "loss", 100_000)
	if err != nil || len(got) != n || got[n-1].Value != n-1 {
		t.Errorf("%d reports are stored, %v, want %d", len(got), err, n)
	}
}

func TestErrors(t *testing.T) {
	h := newHome(t)
	impatient := h.config()
	impatient.Patience = -1
	call := func(cfg client.Config) error {
		c, err := client.New(cfg)
		if err == nil {
			_, err = c.Info(t.Context())
		}
		return err
	}
	expect := func(what string, err error, code types.Code, words string) {
		t.Helper()
		e, ok := errors.AsType[*types.Error](err)
		if !ok || e.Code != code || !strings.Contains(e.Error(), words) || e.Remedy == "" {
			t.Errorf("%s: %v, want %s with %q and a remedy", what, err, code, words)
		}
	}
	for _, url := range []string{"", "127.0.0.1:7070", "ftp://127.0.0.1", "http://", "http://user:pw@127.0.0.1", "http://127.0.0.1/x", "http://127.0.0.1?x=y"} {
		expect(url, call(client.Config{URL: url, Token: "t"}), types.Invalid, "no address")
	}
	for _, url := range []string{"http://example.org", "http://10.0.0.1:7070", "http://localhost.example.org"} {
		expect(url, call(client.Config{URL: url, Token: "t"}), types.Invalid, "show the token")
	}
	for _, token := range []string{"", "a b", "a\nb", "ä"} {
		expect("token "+token, call(client.Config{URL: "http://127.0.0.1:1", Token: token}), types.Invalid, "token")
	}
	wrong := impatient
	wrong.Token = api.NewToken()
	expect("another token", call(wrong), types.Unauthenticated, "not known")
	c := h.client(impatient)
	_, err := c.Study(t.Context(), 77)
	expect("a study never seen", err, types.NotFound, "77")
	_, err = c.StudyByName(t.Context(), "default", "none")
	expect("no study", err, types.NotFound, "none")
	_, err = c.StudyByName(t.Context(), "default", "../tokens")
	expect("a path", err, types.Invalid, "no name")
	_, err = c.OpenStudy(t.Context(), types.StudySpec{Name: "x", Space: []byte(`{}`)})
	expect("no space", err, types.Invalid, "parameters")

	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if _, err := c.Info(ctx); !errors.Is(err, cause) {
		t.Errorf("a cancelled call: %v", err)
	}

	// Strangers at the address.
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+h.addr, http.StatusTemporaryRedirect)
		},
		"page":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"not found": http.NotFound,
	} {
		var asked atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); answer(w, r) }))
		expect(name, call(client.Config{URL: s.URL, Token: "t"}), types.Internal, "")
		if asked.Load() != 1 {
			t.Errorf("%s: asked %d times", name, asked.Load())
		}
		s.Close()
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer proxy.Close()
	expect("a proxy without a server", call(client.Config{URL: proxy.URL, Token: "t"}), types.Unavailable, "502")
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	tls.Config.ErrorLog = nil
	expect("a strange certificate", call(client.Config{URL: tls.URL, Token: "t"}), types.Invalid, "certificate")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	expect("nobody", call(client.Config{URL: free, Token: "t"}), types.Unavailable, "tuner serve")
}

// Who links the client links nothing but the standard library and what is light.
func TestTheClientNeedsTheStandardLibraryOnly(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "github.com/gotuner/tuner/api/client").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		if !strings.HasPrefix(path, "github.com/gotuner/tuner") {
			t.Errorf("package client depends on %s", path)
		}
	}
}
