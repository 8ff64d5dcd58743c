package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// TestStoppingLosesNoRequest: clients report as fast as they can while the
// server stops. Whatever is stored was acknowledged and the other way round, and
// who was not served knows it.
func TestStoppingLosesNoRequest(t *testing.T) {
	f := newFixture(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.server.Serve(l) }()
	const clients, before = 8, 100
	f.gets(http.StatusCreated, "POST", studies, strings.Replace(studySpec, `"trials":5`, `"trials":100`, 1), nil)
	var wg sync.WaitGroup
	acked := make([]int, clients)
	busy := make(chan struct{}, clients)
	trials := make([]int64, clients)
	for i := range clients {
		var r types.LeaseReply
		f.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, &r)
		ref := r.Leases[0].Ref
		trials[i] = ref.Trial
		path := fmt.Sprintf("http://%s%s/s/trials/%d/attempts/1/reports", l.Addr(), studies, ref.Trial)
		wg.Go(func() {
			c := http.Client{Transport: &http.Transport{}}
			for step := 0; ; step++ {
				body := fmt.Sprintf(`{"token":%q,"cursor":"%d","reports":[{"metric":"loss","step":%d,"value":1.0}]}`, ref.Token, step+1, step)
				status, text, err := f.post(&c, path, body)
				switch {
				case err == nil && status == http.StatusOK:
					acked[i]++
				case err == nil && status == http.StatusServiceUnavailable:
					return
				case refused(err):
					return
				default:
					t.Errorf("client %d, report %d: %d %s %v", i, step, status, text, err)
					return
				}
				if step == before {
					busy <- struct{}{}
				}
			}
		})
	}
	for range clients {
		<-busy
	}
	if err := f.server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := <-served; err != nil {
		t.Error(err)
	}
	for i, n := range acked {
		rs, err := f.local.Store.Reports(t.Context(), 1, trials[i], "loss", 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) != n {
			t.Errorf("client %d has %d reports acknowledged, %d are stored", i, n, len(rs))
		}
	}
	f.refuses(http.StatusServiceUnavailable, types.Unavailable, "GET", "/readyz", "", nil)
	f.gets(http.StatusOK, "GET", "/healthz", "", nil)
}

// refused reports whether no connection was made, so that nothing was sent: nobody
// listens, or the listener went away while the connection waited in its queue.
func refused(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && op.Op == "dial" &&
		(errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET))
}

func (f *fixture) post(c *http.Client, url, body string) (status int, text []byte, err error) {
	r, err := http.NewRequestWithContext(f.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, errors.Join(err, resp.Body.Close())
}

// TestReadiness: a server is not ready without its database, and does not say
// why to everybody.
func TestReadiness(t *testing.T) {
	f := newFixture(t)
	f.gets(http.StatusOK, "GET", "/readyz", "", nil)
	if err := f.local.Store.Close(); err != nil {
		t.Fatal(err)
	}
	p := f.refuses(http.StatusServiceUnavailable, types.Unavailable, "GET", "/readyz", "", nil)
	if p.Detail != "the database is away" {
		t.Errorf("everybody is told %q", p.Detail)
	}
	f.gets(http.StatusOK, "GET", "/healthz", "", nil)
}

// TestMetrics: the numbers are those of what was done.
func TestMetrics(t *testing.T) {
	f := newFixture(t)
	f.gets(http.StatusCreated, "POST", studies, studySpec, nil)
	f.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, nil)
	f.refuses(http.StatusNotFound, types.NotFound, "GET", studies+"/none", "", nil)
	f.refuses(http.StatusNotFound, types.NotFound, "GET", "/made/up", "", nil)
	ctx, leave := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	go func() { // one that goes away while it waits
		defer close(waiting)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.http.URL+studies+"/s/heartbeat", strings.NewReader(`{"worker":"w","beats":[],"wait":"1m"}`))
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+f.token)
		r.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
			t.Errorf("a heartbeat that waits was answered: %d", resp.StatusCode)
		}
	}()
	look := func() string {
		_, _, text := f.do("GET", "/metrics", "", nil)
		return string(text)
	}
	for !strings.Contains(look(), "tuner_http_requests_open 2\n") {
	}
	leave()
	<-waiting
	for !strings.Contains(look(), "tuner_http_requests_open 1\n") {
	}
	status, header, text := f.do("GET", "/metrics", "", nil)
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Fatalf("%d %s\n%s", status, header.Get("Content-Type"), text)
	}
	for _, want := range []string{
		`tuner_http_requests_total{code="201",method="POST",route="/v1/projects/:project/studies"} 1`,
		`tuner_http_requests_total{code="404",method="GET",route="/v1/projects/:project/studies/:study"} 1`,
		`tuner_http_requests_total{code="404",method="any",route="none"} 1`,
		`tuner_http_request_seconds_count{route="/v1/projects/:project/studies/:study/leases"} 1`,
		`tuner_http_requests_total{code="499",method="POST",route="/v1/projects/:project/studies/:study/heartbeat"} 1`,
		`tuner_trials{state="running"} 1`, `tuner_leases 1`, `tuner_studies_owned 1`, `tuner_event_clients 0`,
		`tuner_suggest_seconds_count{algorithm="random"} 1`, `tuner_studies_taken_total 1`, `tuner_lost_leases_total 0`,
		`tuner_build_info{version="test"} 1`, `tuner_http_requests_open 1`, `process_resident_memory_bytes `, `go_goroutines `,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(string(text), "tuner_commit_batches_count 0\n") {
		t.Error("no commit was counted")
	}
	if t.Failed() {
		t.Logf("%s", text)
	}
}

// TestProfiles: for go tool pprof, and only by known names.
func TestProfiles(t *testing.T) {
	f := newFixture(t)
	if status, _, text := f.do("GET", "/debug/pprof/goroutine?debug=1", "", nil); status != http.StatusOK || !strings.Contains(string(text), "goroutine profile:") {
		t.Errorf("%d %s", status, text)
	}
	for _, path := range []string{"heap", "profile?seconds=1"} {
		if status, _, text := f.do("GET", "/debug/pprof/"+path, "", nil); status != http.StatusOK || !strings.HasPrefix(string(text), "\x1f\x8b") {
			t.Errorf("%s: %d, %d bytes", path, status, len(text))
		}
	}
	f.refuses(http.StatusNotFound, types.NotFound, "GET", "/debug/pprof/cmdline", "", nil)
	f.refuses(http.StatusUnprocessableEntity, types.Invalid, "GET", "/debug/pprof/profile?seconds=100000", "", nil)
	var doc struct{ Paths map[string]any }
	_, _, text := f.do("GET", "/v1/openapi.json", "", nil)
	if err := json.Unmarshal(text, &doc); err != nil || doc.Paths["/metrics"] == nil {
		t.Errorf("the document has no /metrics: %v", err)
	}
}

// TestTheEndIsNotLogged: those who wait for something are told that the server
// stops, each of them, which its log need not say.
func TestTheEndIsNotLogged(t *testing.T) {
	f := newFixture(t)
	var log strings.Builder
	f.server.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) // of Info and what is worse
	f.gets(http.StatusCreated, "POST", studies, studySpec, nil)
	f.refuses(http.StatusNotFound, types.NotFound, "GET", studies+"/none", "", nil)
	if !strings.Contains(log.String(), "status=404") {
		t.Errorf("a refusal is not logged:\n%s", log.String())
	}
	answered := make(chan int)
	go func() {
		status, _, _ := f.do("POST", studies+"/s/heartbeat", `{"worker":"w","beats":[],"wait":"1m"}`, nil)
		answered <- status
	}()
	for open := ""; !strings.Contains(open, "tuner_http_requests_open 2\n"); {
		_, _, text := f.do("GET", "/metrics", "", nil)
		open = string(text)
	}
	if err := f.server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("who waited was answered by %d", status)
	}
	f.http.Close() // all requests are logged
	if strings.Contains(log.String(), "status=503") {
		t.Errorf("the log has\n%s", log.String())
	}
}
