package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// tail is a stream of events as a client without a library reads it.
type tail struct {
	*testing.T

	resp  *http.Response
	lines *bufio.Scanner
}

func (f *fixture) tail(path string, change func(*http.Request)) *tail {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 2*time.Minute)
	f.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.http.URL+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	r.Header.Set("Accept", streamType)
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != streamType {
		f.Fatalf("%s: %s %s", path, resp.Status, resp.Header)
	}
	return &tail{f.T, resp, bufio.NewScanner(resp.Body)}
}

// next is the next block of a stream, nil at its end.
func (t *tail) next() map[string]string {
	t.Helper()
	block := map[string]string{}
	for t.lines.Scan() {
		if t.lines.Text() == "" {
			return block
		}
		k, v, _ := strings.Cut(t.lines.Text(), ":")
		block[k] = strings.TrimPrefix(v, " ")
	}
	if t.lines.Err() != nil {
		t.Fatal(t.lines.Err())
	}
	return nil
}

// event is the next event of a stream.
func (t *tail) event() types.Event {
	t.Helper()
	for {
		b := t.next()
		if b == nil {
			t.Fatal("the stream ended")
		}
		if b["data"] == "" {
			continue
		}
		var e types.Event
		if err := json.Unmarshal([]byte(b["data"]), &e); err != nil {
			t.Fatal(err)
		}
		if b["id"] != fmt.Sprint(e.Seq) || b["event"] != string(e.Kind) {
			t.Fatalf("the event %+v came as %v", e, b)
		}
		return e
	}
}

func (f *fixture) evaluate(value string) {
	f.Helper()
	var r types.AskReply
	f.gets(200, http.MethodPost, studies+"/s/ask", `{}`, &r)
	n := r.Trials[0].Number
	f.gets(200, http.MethodPost, fmt.Sprintf("%s/s/trials/%d/reports", studies, n), `{"step":1,"value":7}`, nil)
	f.gets(200, http.MethodPost, fmt.Sprintf("%s/s/trials/%d/tell", studies, n), `{"value":`+value+`}`, nil)
}

func TestEvents(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.evaluate("0.5")
	whole := f.tail(studies+"/s/events", nil)
	var kinds []types.EventKind
	var page types.EventPage
	f.gets(200, http.MethodGet, studies+"/s/events?limit=3", "", &page)
	if page.Next != "2" || len(page.Events) != 3 {
		t.Errorf("the first page: %+v", page)
	}
	for i := range int64(4) {
		e := whole.event()
		if kinds = append(kinds, e.Kind); e.Seq != i || *e.Trial != 0 {
			t.Errorf("event %d is %+v", i, e)
		}
		if i < 3 && page.Events[i].Kind != e.Kind {
			t.Errorf("event %d of the page is %+v", i, page.Events[i])
		}
		switch e.Kind {
		case types.EventCreated:
			if len(e.Params) != 1 || e.Origin == "" || e.SpaceVersion != 1 {
				t.Errorf("created: %+v", e)
			}
		case types.EventReported:
			if e.Metric != "loss" || *e.Step != 1 || *e.Value != 7 || e.Attempt != 1 {
				t.Errorf("reported: %+v", e)
			}
		case types.EventStarted, types.EventDrawn, types.EventPaused, types.EventRequeued, types.EventSpace, types.EventStudy:
		case types.EventFinished:
			if e.State != types.Completed || e.Metrics["loss"] != 0.5 {
				t.Errorf("finished: %+v", e)
			}
		}
	}
	if fmt.Sprint(kinds) != "[created started reported finished]" {
		t.Errorf("the events are %v", kinds)
	}

	// Those who follow hear of what comes, those of some kinds of these only, and
	// the ID that a client sends when it comes back goes before its query.
	some := f.tail(studies+"/s/events?kind=finished,study&after=latest", nil)
	back := f.tail(studies+"/s/events?after=0", func(r *http.Request) { r.Header.Set("Last-Event-ID", "2") })
	if e := back.event(); e.Seq != 3 {
		t.Errorf("after the event 2: %+v", e)
	}
	f.evaluate("0.25")
	for i := range int64(4) {
		if e, b := whole.event(), back.event(); e.Seq != 4+i || b.Seq != e.Seq {
			t.Errorf("live: %+v and %+v, want %d", e, b, 4+i)
		}
	}
	if e := some.event(); e.Seq != 7 || e.Metrics["loss"] != 0.25 {
		t.Errorf("the first finished one: %+v", e)
	}

	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/events?after=x", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/events?after=-2", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/events?kind=other", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/events?wait=soon", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/events?since=1", "", nil)
	f.refuses(409, types.Conflict, http.MethodGet, studies+"/s/events?after=8", "", nil)
	f.refuses(409, types.Superseded, http.MethodGet, studies+"/s/events?study=99", "", nil)
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/none/events", "", nil)

	// A page that waits gets the first event that comes.
	waited := make(chan types.EventPage, 1)
	go func() {
		var p types.EventPage
		f.gets(200, http.MethodGet, studies+"/s/events?after=7&wait=20s", "", &p)
		waited <- p
	}()
	f.evaluate("0.75")
	if p := <-waited; len(p.Events) == 0 || p.Events[0].Seq != 8 {
		t.Errorf("waited for %+v", p)
	}

	// The study goes, and all streams end.
	f.gets(200, http.MethodDelete, studies+"/s", "", nil)
	for _, x := range []*tail{whole, some, back} {
		var last map[string]string
		for b := x.next(); b != nil; b = x.next() {
			last = b
		}
		if last["event"] != "gone" {
			t.Errorf("a stream ended with %v", last)
		}
	}
	f.server.followers.mu.Lock()
	defer f.server.followers.mu.Unlock()
	if n := len(f.server.followers.list); n > 1 {
		t.Errorf("%d followers are left", n)
	}
}

// TestStreamsBeatAndEnd: an idle stream shows that it lives, and ends cleanly
// when the server stops.
func TestStreamsBeatAndEnd(t *testing.T) {
	f := newFixture(t)
	f.server.pace.beat = 20 * time.Millisecond
	now := time.Now()
	var later atomic.Int64
	f.server.cfg.Now = func() time.Time { return now.Add(time.Duration(later.Load())) }
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	x := f.tail(studies+"/s/events?after=latest", nil)
	if b := x.next(); b["retry"] != "1000" {
		t.Errorf("it begins with %v", b)
	}
	for range 3 {
		if b := x.next(); len(b) != 1 {
			t.Errorf("a heartbeat is %v", b)
		}
	}

	// Whose token is revoked is not told any more.
	good := f.addToken(store.Token{Name: "n", Role: store.RoleViewer})
	y := f.tail(studies+"/s/events", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+good) })
	y.next()
	y.next()
	if err := f.local.Store.DropToken(t.Context(), "default", "n"); err != nil {
		t.Fatal(err)
	}
	later.Store(int64(tokenFresh + time.Second))
	for y.next() != nil {
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := f.server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for x.next() != nil { // fails unless the end is a clean one
	}
}

// TestSlowClientIsCutOff: who takes nothing loses the connection, and others get
// all of it.
func TestSlowClientIsCutOff(t *testing.T) {
	f := newFixture(t)
	f.server.pace.slow = 200 * time.Millisecond
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	address := f.narrow()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET %s/s/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n", studies, f.token)
	x := f.tail(studies+"/s/events?kind=finished", nil)
	var r types.AskReply
	f.gets(200, http.MethodPost, studies+"/s/ask", `{}`, &r)
	a := r.Trials[0]
	const many, times = 1000, 3
	for i := range times {
		var b bytes.Buffer
		fmt.Fprintf(&b, `{"token":%q,"reports":[`, a.Token)
		for k := range many {
			if k > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"metric":"a-metric-whose-name-is-long","step":%d,"value":0.5}`, i*many+k)
		}
		b.WriteString("]}")
		f.gets(200, http.MethodPost, studies+"/s/trials/0/attempts/1/reports", b.String(), nil)
	}
	f.gets(200, http.MethodPost, studies+"/s/trials/0/tell", `{"value":1}`, nil)
	if e := x.event(); e.Seq != 2+many*times {
		t.Errorf("the other client got %+v", e)
	}
	waitFor(t, func() bool {
		f.server.followers.mu.Lock()
		defer f.server.followers.mu.Unlock()
		for _, f := range f.server.followers.list {
			return f.users == 1
		}
		return false
	})
}

// narrow is a second address of the server, where the kernel takes little of what
// a caller does not read.
func (f *fixture) narrow() (address string) {
	f.Helper()
	s := httptest.NewUnstartedServer(f.server.Handler())
	s.Listener = narrowListener{s.Listener}
	s.Start()
	f.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

type narrowListener struct{ net.Listener }

func (l narrowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4096)
	}
	return c, err
}

// waitFor waits until something that happens elsewhere has happened.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatal("it has not happened")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// TestAllKindsCanBeAskedFor: the list of kinds in the document has those that
// there are.
func TestAllKindsCanBeAskedFor(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	for _, k := range []trial.EventKind{trial.EventCreated, trial.EventDrawn, trial.EventStarted, trial.EventReported, trial.EventRequeued,
		trial.EventPaused, trial.EventFinished, trial.EventSpace, trial.EventStudy} {
		f.gets(200, http.MethodGet, studies+"/s/events?kind="+string(k), "", nil)
	}
}
