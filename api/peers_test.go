package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/local"
)

// counted counts what is sent to another server, and can change it.
type counted struct {
	n      atomic.Int64
	change func(*http.Request)
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	if c.change != nil {
		c.change(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// newPair is two servers on one database; sent counts what the second sends to
// the first.
func newPair(t *testing.T) (a, b *fixture, sent *counted) {
	t.Helper()
	dir := t.TempDir()
	sent = &counted{}
	open := func(token string) *fixture {
		f := &fixture{T: t, token: token}
		listen, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f.local, err = local.Open(t.Context(), local.Config{DB: filepath.Join(dir, "t.db"), Dir: filepath.Join(dir, "trials"), Addr: "http://" + listen.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		f.server = New(Config{Engine: f.local.Engine, Store: f.local.Store, Build: "test", Peers: &Peers{Name: f.local.Owner(),
			Reach: func(_, addr string) (*url.URL, http.RoundTripper, bool) {
				u, err := url.Parse(addr)
				return u, sent, err == nil
			}}})
		f.http = httptest.NewUnstartedServer(f.server.Handler())
		f.http.Listener = listen
		f.http.Start()
		t.Cleanup(func() {
			f.http.Close()
			if err := f.local.Close(); err != nil {
				t.Error(err)
			}
		})
		return f
	}
	token := NewToken()
	a, b = open(token), open(token)
	_, err := a.local.Store.AddToken(t.Context(), store.Token{Project: "default", Name: "test", Hash: HashToken(token), Role: store.RoleAdmin, Created: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return a, b, sent
}

// TestTheOwnerAnswers: what changes a study is sent to the server that owns it,
// once; what only reads is not.
func TestTheOwnerAnswers(t *testing.T) {
	a, b, sent := newPair(t)
	a.gets(http.StatusCreated, "POST", studies, studySpec, nil)
	var l types.LeaseReply
	b.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, &l)
	at := fmt.Sprintf("%s/s/trials/%d/attempts/1/", studies, l.Leases[0].Ref.Trial)
	token := l.Leases[0].Ref.Token
	var d types.Decision
	b.gets(http.StatusOK, "POST", at+"reports", `{"token":"`+token+`","reports":[{"metric":"loss","step":0,"value":0.5}]}`, &d)
	if d.Expires.IsZero() {
		t.Error("the answer of the owner was not passed on whole")
	}
	b.refuses(http.StatusConflict, types.Superseded, "POST", at+"reports", `{"token":"x","reports":[]}`, nil)
	b.refuses(http.StatusUnprocessableEntity, types.Invalid, "POST", at+"reports", `{"token":"x","reports":[],"what":1}`, nil)
	b.gets(http.StatusOK, "POST", at+"finish", `{"token":"`+token+`","outcome":"completed","metrics":{"loss":0.5}}`, nil)
	b.gets(http.StatusOK, "POST", studies, studySpec, nil) // opening it, by the name in the body
	b.gets(http.StatusOK, "PATCH", studies+"/s", `{"budget":{"trials":7}}`, nil)
	if n := sent.n.Load(); n != 7 {
		t.Errorf("%d requests were sent to the owner, want 7", n)
	}
	var st types.Study
	b.gets(http.StatusOK, "GET", studies+"/s", "", &st)
	b.gets(http.StatusOK, "GET", studies+"/s/trials", "", nil)
	if n := sent.n.Load(); n != 7 || st.Counts.Completed != 1 || st.Spec.Budget.Trials != 7 {
		t.Errorf("%d requests were sent; the study has %+v, %+v", n, st.Counts, st.Spec.Budget)
	}
	// One of its own, and one that nobody has.
	b.gets(http.StatusCreated, "POST", studies, strings.Replace(studySpec, `"s"`, `"own"`, 1), nil)
	b.gets(http.StatusOK, "POST", studies+"/own/leases", `{"worker":"w"}`, nil)
	b.refuses(http.StatusNotFound, types.NotFound, "POST", studies+"/none/leases", `{"worker":"w"}`, nil)
	if n := sent.n.Load(); n != 7 {
		t.Errorf("%d requests were sent to the owner, want 7", n)
	}
}

// TestTheOwnerChecksTheCaller: another server is trusted with nothing.
func TestTheOwnerChecksTheCaller(t *testing.T) {
	a, b, sent := newPair(t)
	a.gets(http.StatusCreated, "POST", studies, studySpec, nil)
	sent.change = func(r *http.Request) { r.Header.Set("Authorization", "Bearer tnr_other") }
	b.refuses(http.StatusUnauthorized, types.Unauthenticated, "POST", studies+"/s/leases", `{"worker":"w"}`, nil)
	sent.change = func(r *http.Request) { r.Host = "elsewhere.example" }
	b.refuses(http.StatusForbidden, types.Forbidden, "POST", studies+"/s/leases", `{"worker":"w"}`, nil)
	sent.change = nil
	b.refuses(http.StatusUnauthorized, types.Unauthenticated, "POST", studies+"/s/leases", `{"worker":"w"}`, func(r *http.Request) { r.Header.Del("Authorization") })
	if n := sent.n.Load(); n != 2 {
		t.Errorf("%d requests were sent to the owner, want 2", n)
	}
}

// TestNoRequestGoesInCircles: an address that leads to another server than the
// owner, such as the one that asks, is noticed, and the request goes through
// the database.
func TestNoRequestGoesInCircles(t *testing.T) {
	a, b, sent := newPair(t)
	a.gets(http.StatusCreated, "POST", studies, studySpec, nil)
	sent.change = func(r *http.Request) { r.URL.Host = strings.TrimPrefix(b.http.URL, "http://") }
	var l types.LeaseReply
	b.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, &l)
	if n := sent.n.Load(); n != 1 || len(l.Leases) != 1 || !a.local.Engine.Owns(l.Leases[0].Ref.Study) {
		t.Errorf("%d requests were sent; %d leases", n, len(l.Leases))
	}
	// Who names an owner gets its answer from there or none.
	named := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(ownerHeader, name) }
	}
	b.refuses(http.StatusMisdirectedRequest, types.Unavailable, "GET", "/v1/info", "", named("x"))
	if status, _, body := b.do("POST", studies+"/s/leases", `{"worker":"w"}`, named(b.local.Owner())); status != http.StatusOK {
		t.Errorf("a request that was sent on: %d %s", status, body)
	}
	if n := sent.n.Load(); n != 1 {
		t.Errorf("%d requests were sent on, want 1", n)
	}
}

// TestAnOwnerThatLeaves: its studies are taken over by who is asked next.
func TestAnOwnerThatLeaves(t *testing.T) {
	a, b, sent := newPair(t)
	var st types.Study
	a.gets(http.StatusCreated, "POST", studies, studySpec, &st)
	b.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, nil)
	a.http.Close()
	if err := a.local.Engine.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var l types.LeaseReply
	b.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, &l)
	if len(l.Leases) != 1 || l.Leases[0].Ref.Trial != 1 || !b.local.Engine.Owns(st.ID) || sent.n.Load() > 2 {
		t.Errorf("after %d requests to the owner: %+v", sent.n.Load(), l)
	}
}

// TestAStudyMovesToItsUsers: requests that all come from one other server make
// that server the owner, and a caller of its own keeps a study where it is.
func TestAStudyMovesToItsUsers(t *testing.T) {
	a, b, sent := newPair(t)
	var st types.Study
	a.gets(http.StatusCreated, "POST", studies, strings.Replace(studySpec, `"trials":5`, `"trials":1000`, 1), &st)
	lease := func(f *fixture) {
		t.Helper()
		var l types.LeaseReply
		f.gets(http.StatusOK, "POST", studies+"/s/leases", `{"worker":"w"}`, &l)
		if len(l.Leases) != 1 {
			t.Fatalf("%+v", l)
		}
	}
	for i := range 3 * handoverAfter {
		lease(b)
		if i%(handoverAfter-10) == 0 {
			lease(a)
		}
	}
	if n := sent.n.Load(); n != 3*handoverAfter || !a.local.Engine.Owns(st.ID) {
		t.Fatalf("%d requests were sent to the owner", n)
	}
	before := sent.n.Load()
	for range 3 * handoverAfter {
		lease(b)
	}
	if n := sent.n.Load() - before; n > 2*handoverAfter || !b.local.Engine.Owns(st.ID) {
		t.Errorf("%d more requests were sent to the first server, which owns the study: %t", n, a.local.Engine.Owns(st.ID))
	}
	lease(a)
	if a.local.Engine.Owns(st.ID) {
		t.Error("the first server took it back")
	}
}
