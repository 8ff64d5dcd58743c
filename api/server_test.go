package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/docs/guide"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/local"
)

var update = flag.Bool("update", false, "write the golden files")

// fixture is a server on a real socket over a SQLite file.
type fixture struct {
	*testing.T

	local  *local.Local
	server *Server
	http   *httptest.Server
	token  string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	m := NewMetrics()
	l, err := local.Open(t.Context(), local.Config{DB: filepath.Join(dir, "t.db"), Dir: filepath.Join(dir, "trials"), Probe: m.Probe(), Wrote: m.Wrote})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, local: l, token: NewToken()}
	_, err = l.Store.AddToken(t.Context(), store.Token{Project: "default", Name: "test", Hash: HashToken(f.token), Role: store.RoleAdmin, Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	f.server = New(Config{Engine: l.Engine, Store: l.Store, Build: "test", Metrics: m})
	f.http = httptest.NewServer(f.server.Handler())
	t.Cleanup(func() {
		if err := f.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		f.http.Close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// do sends a request; change may alter it first.
func (f *fixture) do(method, path, body string, change func(*http.Request)) (status int, header http.Header, text []byte) {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), method, f.http.URL+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	text, err = io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		f.Fatal(err)
	}
	return resp.StatusCode, resp.Header, text
}

// gets sends a request that must be answered with a status, and decodes the
// answer into out if that is not nil.
func (f *fixture) gets(status int, method, path, body string, out any) {
	f.Helper()
	got, _, b := f.do(method, path, body, nil)
	if got != status {
		f.Fatalf("%s %s: %d, want %d\n%s", method, path, got, status, b)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(b, out); err != nil {
		f.Fatalf("%s %s: %v\n%s", method, path, err, b)
	}
}

// refuses sends a request that must be answered with a problem.
func (f *fixture) refuses(status int, code types.Code, method, path, body string, change func(*http.Request)) types.Problem {
	f.Helper()
	got, header, b := f.do(method, path, body, change)
	var p types.Problem
	if err := json.Unmarshal(b, &p); err != nil {
		f.Fatalf("%s %s: %d is no problem: %s", method, path, got, b)
	}
	if got != status || p.Status != status || p.Code != code || header.Get("Content-Type") != problemType || p.Detail == "" {
		f.Fatalf("%s %s: %d %q\n%s\nwant %d %s", method, path, got, header.Get("Content-Type"), b, status, code)
	}
	if p.Request == "" || header.Get("X-Request-ID") != p.Request {
		f.Errorf("%s %s: the problem names the request %q, the header %q", method, path, p.Request, header.Get("X-Request-ID"))
	}
	return p
}

const studySpec = `{"name":"s","space":{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]},"objectives":[{"metric":"loss","goal":"min"}],"algorithm":{"name":"random"},"seed":7,"budget":{"trials":5}}`

const studies = "/v1/projects/default/studies"

var param = regexp.MustCompile(`:[a-z]+`)

// TestNoRouteWithoutToken walks every route with every method, those that do not
// exist too.
func TestNoRouteWithoutToken(t *testing.T) {
	f := newFixture(t)
	paths := []string{"/", "/nothing", "/v1", "/debug/pprof/", "/metrics", "/healthz/", "/readyz/x", "//healthz", "/v1/../healthz", "/%68ealthz", "/healthz%2f"}
	for _, r := range f.server.echo.Routes() {
		paths = append(paths, param.ReplaceAllString(r.Path, "1"))
	}
	slices.Sort(paths)
	methods := []string{http.MethodGet, "HEAD", http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, "OPTIONS", "TRACE", "PROPFIND", "MADEUP"}
	for _, path := range slices.Compact(paths) {
		for _, method := range methods {
			isPublic := (path == "/healthz" || path == "/readyz") && (method == http.MethodGet || method == http.MethodHead)
			for name, header := range map[string][]string{
				"none": nil, "empty": {""}, "basic": {"Basic " + f.token}, "bare": {f.token}, "unknown": {"Bearer " + NewToken()},
				"blank": {"Bearer "}, "hash": {"Bearer " + hex.EncodeToString(HashToken(f.token))}, "two": {"Bearer " + f.token, "Bearer " + f.token},
			} {
				w := httptest.NewRecorder()
				r := httptest.NewRequest(method, "http://localhost/", nil)
				u, err := r.URL.Parse(path)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(path, "//") || strings.Contains(path, "..") {
					u = r.URL
					u.Path = path
				}
				r.URL, r.Header["Authorization"] = u, header
				f.server.Handler().ServeHTTP(w, r)
				if isPublic {
					if method == http.MethodGet && w.Code != http.StatusOK {
						t.Errorf("%s %s with token %s: %d, want 200", method, path, name, w.Code)
					}
					continue
				}
				if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s with token %s: %d, want 401", method, path, name, w.Code)
				}
			}
		}
	}
}

func TestTokens(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	add := func(name string, expires time.Time) string {
		return f.addToken(store.Token{Name: name, Role: store.RoleAdmin, Expires: expires})
	}
	with := func(secret string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }
	}
	f.refuses(401, types.Unauthenticated, http.MethodGet, "/v1/info", "", with(add("old", time.Now().Add(-time.Second))))
	good := add("good", time.Now().Add(time.Hour))
	if got, _, b := f.do(http.MethodGet, "/v1/info", "", with(good)); got != http.StatusOK {
		t.Errorf("a good token: %d %s", got, b)
	}

	// A revoked token works as long as it is fresh at most.
	now := time.Now()
	f.server.cfg.Now = func() time.Time { return now }
	if err := f.local.Store.DropToken(ctx, "default", "good"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(tokenFresh + time.Second)
	f.refuses(401, types.Unauthenticated, http.MethodGet, "/v1/info", "", with(good))

	all, err := f.local.Store.ListTokens(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if bytes.Contains(k.Hash, []byte(f.token)) || len(k.Hash) != 32 {
			t.Errorf("the token %s is stored as %q", k.Name, k.Hash)
		}
	}
}

func TestHostAndOrigin(t *testing.T) {
	f := newFixture(t)
	for _, host := range []string{"evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example:7070", "", "10.0.0.1"} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, "OPTIONS"} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, "/healthz", nil)
			r.Host = host
			r.Header.Set("Authorization", "Bearer "+f.token)
			f.server.Handler().ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Errorf("%s to the host %q: %d, want 403", method, host, w.Code)
			}
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:9", "127.0.0.1:1", "[::1]:7070", "[::1]"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Host = host
		f.server.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("the host %q: %d, want 200", host, w.Code)
		}
	}
	for _, origin := range []string{"null", "http://evil.example", "http://localhost", "http://127.0.0.1:1", "", "http://"} {
		f.refuses(403, types.Forbidden, http.MethodGet, "/v1/info", "", func(r *http.Request) { r.Header["Origin"] = []string{origin} })
		f.refuses(403, types.Forbidden, http.MethodDelete, studies+"/s", "", func(r *http.Request) { r.Header["Origin"] = []string{origin} })
	}
	if got, _, _ := f.do(http.MethodGet, "/v1/info", "", func(r *http.Request) { r.Header.Set("Origin", f.http.URL) }); got != http.StatusOK {
		t.Errorf("its own origin: %d", got)
	}
}

func TestProblems(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.refuses(404, types.NotFound, http.MethodGet, "/v1/nothing", "", nil)
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/none", "", nil)
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/s/trials/99", "", nil)
	f.refuses(405, types.Invalid, http.MethodPut, studies, "{}", nil)
	f.refuses(400, types.Invalid, http.MethodPost, studies, "{", nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies, "[]", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials?limit=0", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials?limit=x", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials?colour=red", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials?after=nonsense", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials/one", "", nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies, studySpec, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
	f.refuses(422, types.Invalid, http.MethodPost, studies, studySpec, func(r *http.Request) { r.Header.Del("Content-Type") })
	f.refuses(422, types.Invalid, http.MethodPatch, studies+"/s", `{"state":"finished"}`, nil)
	f.refuses(422, types.Invalid, http.MethodPatch, studies+"/s", `{"state":"paused","parallelism":3}`, nil)
	if p := f.refuses(422, types.Invalid, http.MethodPost, studies, strings.Replace(studySpec, `"seed"`, `"sed"`, 1), nil); !strings.Contains(p.Field+p.Detail, "sed") {
		t.Errorf("an unknown field: %+v does not name it", p)
	}
	if p := f.refuses(422, types.Invalid, http.MethodPost, studies, strings.Replace(studySpec, `"high"`, `"hihg"`, 1), nil); !strings.Contains(p.Field+p.Detail, "hihg") {
		t.Errorf("an unknown field of the space: %+v does not name it", p)
	}
	if p := f.refuses(409, types.Conflict, http.MethodPost, studies, strings.Replace(studySpec, `1.0}`, `2.0}`, 1), nil); !strings.Contains(p.Detail, "2") || p.Remedy == "" {
		t.Errorf("another space: %+v does not tell the difference", p)
	}
	f.refuses(422, types.Invalid, http.MethodPost, studies, strings.Replace(studySpec, `{"name":"s"`, `{"project":"other","name":"s"`, 1), nil)
	f.refuses(409, types.Superseded, http.MethodPost, studies+"/s/leases", `{"worker":"w","study":999}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/leases", `{"worker":"host|/etc/passwd"}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/adopt", `{"worker":""}`, nil)

	for _, x := range []struct{ path, body, field string }{
		{studies, `{"name":"t","objectives":[{"metric":"loss","goal":"minimize"}]}`, "space"},
		{studies + "/s/leases", `{}`, "worker"},
		{studies + "/s/adopt", `{}`, "worker"},
	} {
		if p := f.refuses(422, types.Invalid, http.MethodPost, x.path, x.body, nil); p.Field != x.field || !strings.Contains(p.Detail, "is missing") || !strings.Contains(p.Remedy, "give ") {
			t.Errorf("%s without %s: %+v", x.path, x.field, p)
		}
	}

	big := `{"points":[` + strings.Repeat(`{"x":0.5},`, 2<<20) + `{"x":0.5}]}`
	f.refuses(413, types.Invalid, http.MethodPost, studies+"/s/trials", big, nil)

	var st types.Study
	f.gets(200, http.MethodGet, studies+"/s", "", &st)
	if st.Counts.Total() != 0 {
		t.Errorf("refused requests made %d trials", st.Counts.Total())
	}
}

// TestByHand is the life of a study as a person with curl would lead it.
func TestByHand(t *testing.T) {
	f := newFixture(t)
	var st types.Study
	f.gets(200, http.MethodPost, studies+"?check=true", studySpec, nil)
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/s", "", nil)
	f.gets(201, http.MethodPost, studies, studySpec, &st)
	f.gets(200, http.MethodPost, studies, studySpec, &st)
	if !st.Continued {
		t.Error("the second time the study is not continued")
	}
	var queued types.ControlReply
	f.gets(201, http.MethodPost, studies+"/s/trials", `{"points":[{"x":0.25}],"key":"k"}`, &queued)
	f.gets(201, http.MethodPost, studies+"/s/trials", `{"points":[{"x":0.25}],"key":"k"}`, &queued)
	if diff := cmp.Diff([]int64{0}, queued.Numbers); diff != "" {
		t.Errorf("queued: %s", diff)
	}
	for i := range 5 {
		var r types.LeaseReply
		f.gets(200, http.MethodPost, studies+"/s/leases", `{"worker":"me","node":"box"}`, &r)
		if r.Status != types.LeaseGranted {
			t.Fatalf("trial %d: %+v", i, r)
		}
		l := r.Leases[0]
		if v, _ := l.Params.Get("x"); i == 0 && v != 0.25 {
			t.Errorf("the queued point came as %v", l.Params)
		}
		attempt := studies + "/s/trials/" + string(rune('0'+i)) + "/attempts/1"
		f.refuses(409, types.Superseded, http.MethodPost, attempt+"/reports", `{"token":"another","reports":[]}`, nil)
		var d types.Decision
		f.gets(200, http.MethodPost, attempt+"/reports", `{"token":"`+l.Ref.Token+`","reports":[{"metric":"loss","step":1,"value":"NaN"},{"metric":"loss","step":2,"value":0.5}]}`, &d)
		if d.Stop || !d.Expires.After(time.Now()) {
			t.Errorf("the decision is %+v", d)
		}
		var beats types.HeartbeatReply
		f.gets(200, http.MethodPost, studies+"/s/heartbeat", `{"worker":"me","beats":[{"trial":`+string(rune('0'+i))+`,"attempt":1,"token":"`+l.Ref.Token+`","state":"running"}]}`, &beats)
		if len(beats.Decisions) != 1 || beats.Decisions[0].Stop {
			t.Errorf("the heartbeat answers %+v", beats)
		}
		if p := f.refuses(422, types.Invalid, http.MethodPost, attempt+"/finish", `{"token":"`+l.Ref.Token+`","outcome":"done"}`, nil); p.Field != "outcome" || !strings.Contains(p.Remedy, "completed, ") {
			t.Errorf("an unknown outcome: %+v", p)
		}
		var end types.FinishReply
		for range 2 { // the second time answers as the first
			f.gets(200, http.MethodPost, attempt+"/finish", `{"token":"`+l.Ref.Token+`","outcome":"completed"}`, &end)
			if end.State != types.Completed || end.Value == nil || *end.Value != 0.5 {
				t.Errorf("the end is %+v", end)
			}
		}
	}
	var done types.LeaseReply
	f.gets(200, http.MethodPost, studies+"/s/leases", `{"worker":"me","wait":"1m"}`, &done)
	if done.Status != types.LeaseDone || done.Reason == "" {
		t.Errorf("after the last trial: %+v", done)
	}
	f.gets(200, http.MethodPatch, studies+"/s", `{"budget":{"trials":6}}`, &st)
	if st.State != types.StudyActive {
		t.Errorf("after its budget was raised the study is %s", st.State)
	}
	for range 2 {
		f.gets(200, http.MethodPatch, studies+"/s", `{"space":{"parameters":[{"name":"x","type":"float","low":0.0,"high":2.0}]},"key":"wider"}`, &st)
		if st.SpaceVersion != 2 || !strings.Contains(string(st.Spec.Space), "2.0") {
			t.Errorf("the wider space: %+v", st)
		}
	}
	f.refuses(422, types.Invalid, http.MethodPatch, studies+"/s", `{"space":{"parameters":[{"name":"x","type":"float","low":0.0}]}}`, nil)
	f.gets(200, http.MethodPatch, studies+"/s", `{"state":"paused"}`, &st)
	if st.State != types.StudyPaused || len(st.Best) != 1 || st.Counts.Completed != 5 {
		t.Errorf("the study is %+v", st)
	}

	var numbers []int64
	path := studies + "/s/trials?limit=2&sort=metric&metric=loss&state=completed,failed"
	for after := ""; ; {
		var page types.TrialPage
		f.gets(200, http.MethodGet, path+after, "", &page)
		for _, x := range page.Trials {
			numbers = append(numbers, x.Number)
		}
		if page.Next == "" {
			break
		}
		after = "&after=" + page.Next
	}
	if diff := cmp.Diff([]int64{0, 1, 2, 3, 4}, numbers); diff != "" {
		t.Errorf("pages: %s", diff)
	}
	var x types.Trial
	f.gets(200, http.MethodGet, studies+"/s/trials/3", "", &x)
	if len(x.Attempts) != 1 || x.Attempts[0].Node != "box"+types.OutsideNode || x.Metrics["loss"] != 0.5 {
		t.Errorf("trial 3 is %+v", x)
	}
	var curve types.Curve
	f.gets(200, http.MethodGet, studies+"/s/trials/3/reports", "", &curve)
	if len(curve.Reports) != 2 || curve.Reports[1].Value != 0.5 {
		t.Errorf("its reports are %+v", curve)
	}
	var list types.StudyPage
	f.gets(200, http.MethodGet, studies, "", &list)
	if len(list.Studies) != 1 || list.Studies[0].Counts.Completed != 5 {
		t.Errorf("the studies are %+v", list)
	}
	f.gets(200, http.MethodDelete, studies+"/s", "", nil)
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/s", "", nil)
	f.refuses(404, types.NotFound, http.MethodPost, studies+"/s/leases", `{"worker":"me"}`, nil)
	f.gets(201, http.MethodPost, studies, studySpec, &st)
	f.gets(200, http.MethodGet, studies+"/s", "", &st)
	if st.Counts.Total() != 0 {
		t.Errorf("a new study of that name has %d trials", st.Counts.Total())
	}
}

// TestStopEndsTheWaiting: a long poll is answered when the server stops.
func TestStopEndsTheWaiting(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.gets(200, http.MethodPatch, studies+"/s", `{"state":"paused"}`, nil)
	answered := make(chan string, 1)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.http.URL+studies+"/s/leases", strings.NewReader(`{"worker":"w","wait":"1m"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			answered <- err.Error()
			return
		}
		_ = resp.Body.Close()
		answered <- resp.Status + " " + resp.Header.Get("Retry-After")
	}()
	select { // it does wait
	case got := <-answered:
		t.Fatalf("answered at once: %s", got)
	case <-time.After(300 * time.Millisecond):
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := f.server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-answered:
		if got != "503 Service Unavailable 1" {
			t.Errorf("answered %s", got)
		}
	case <-ctx.Done():
		t.Fatal("the request still waits")
	}
	f.refuses(503, types.Unavailable, http.MethodGet, "/readyz", "", nil)
}

// TestOpenAPI compares the document with the golden file, and its paths with the
// routes that there are.
func TestOpenAPI(t *testing.T) {
	s := New(Config{})
	doc, err := s.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	doc = append(doc, '\n')
	if *update {
		if err := os.WriteFile("openapi.json", doc, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), string(doc)); diff != "" {
		t.Errorf("openapi.json is not the document; go test ./api -update writes it, and a change that breaks clients needs a new version of the paths\n%s", diff)
	}
	var d struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(golden, &d); err != nil {
		t.Fatal(err)
	}
	var documented, routed []string
	for path, ops := range d.Paths {
		for method := range ops {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	for _, r := range s.echo.Routes() {
		routed = append(routed, r.Method+" "+param.ReplaceAllStringFunc(r.Path, func(p string) string { return "{" + p[1:] + "}" }))
	}
	slices.Sort(documented)
	slices.Sort(routed)
	if diff := cmp.Diff(documented, routed); diff != "" || len(routed) < 15 || d.OpenAPI != "3.1.0" {
		t.Errorf("documented and routed differ: %s", diff)
	}
	if strings.Contains(string(golden), "ErrorModel") || strings.Contains(string(golden), "$schema") {
		t.Error("the document has huma's own error or links")
	}
}

// TestGuideHasAllRoutes: the table of requests in the guide is whole.
func TestGuideHasAllRoutes(t *testing.T) {
	page, err := guide.Page("api")
	if err != nil {
		t.Fatal(err)
	}
	short := strings.NewReplacer(studiesPath, "studies", projectPath, "..", "{study}", "S", "{number}", "N", "{attempt}", "A", "{profile}", "PROFILE", "{token}", "NAME")
	for id, op := range described(New(Config{})) {
		if !strings.Contains(page.Text, "`"+short.Replace(op)+"`") {
			t.Errorf("the guide lacks %s: `%s`", id, short.Replace(op))
		}
	}
}
