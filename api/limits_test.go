package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

func TestTheRateOfAToken(t *testing.T) {
	f := newFixture(t)
	start := time.Now()
	var later atomic.Int64
	f.server.cfg.Now = func() time.Time { return start.Add(time.Duration(later.Load())) }
	f.server.limits.rate = 10
	one := f.addToken(store.Token{Name: "one", Role: store.RoleViewer})
	two := f.addToken(store.Token{Name: "two", Role: store.RoleViewer})
	get := func(secret string) (int, http.Header, []byte) {
		return f.do(http.MethodGet, "/v1/info", "", bearer(secret))
	}
	for i := range burst * 10 {
		if got, _, text := get(one); got != http.StatusOK {
			t.Fatalf("request %d: %d %s", i, got, text)
		}
	}
	got, header, text := get(one)
	var p types.Problem
	if err := json.Unmarshal(text, &p); err != nil || got != http.StatusTooManyRequests || header.Get("Retry-After") != "1" || p.Code != types.Unavailable || p.Remedy == "" {
		t.Errorf("too many: %d %q %s", got, header.Get("Retry-After"), text)
	}
	if got, _, _ := get(two); got != http.StatusOK {
		t.Errorf("another token: %d", got)
	}
	for range 100 { // an admin has no rate
		if got, _, _ := get(f.token); got != http.StatusOK {
			t.Fatalf("an admin: %d", got)
		}
	}
	later.Store(int64(250 * time.Millisecond)) // two and a half more
	for _, want := range []int{200, 200, 429} {
		if got, _, _ := get(one); got != want {
			t.Errorf("a quarter of a second later: %d, want %d", got, want)
		}
	}
	later.Store(0) // a clock that goes back takes nothing and gives nothing
	if got, _, _ := get(one); got != http.StatusTooManyRequests {
		t.Errorf("earlier: %d", got)
	}
}

func TestRequestsAtOnce(t *testing.T) {
	f := newFixture(t)
	f.server.limits.atOnce = 2
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.gets(200, http.MethodPatch, studies+"/s", `{"state":"paused"}`, nil)
	one := f.addToken(store.Token{Name: "one", Role: store.RoleWorker})
	// A stream that has left net/http counts as well.
	x := f.tail(studies+"/s/events?after=latest", bearer(one))
	x.next()
	answered := make(chan int, 1)
	go func() {
		got := http.StatusTooManyRequests // as long as one of those below is under way
		for got == http.StatusTooManyRequests {
			got, _, _ = f.do(http.MethodPost, studies+"/s/leases", `{"worker":"w","wait":"1m"}`, bearer(one))
		}
		answered <- got
	}()
	deadline := time.After(2 * time.Minute)
	for {
		got, _, _ := f.do(http.MethodGet, "/v1/info", "", bearer(one))
		if got == http.StatusTooManyRequests {
			break
		}
		select {
		case <-deadline:
			t.Fatal("a third request at once is answered")
		default:
		}
	}
	if got, _, _ := f.do(http.MethodGet, "/v1/info", "", nil); got != http.StatusOK {
		t.Errorf("another token: %d", got)
	}
	f.gets(200, http.MethodPatch, studies+"/s", `{"state":"active"}`, nil)
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the lease: %d", got)
	}
	if got, _, _ := f.do(http.MethodGet, "/v1/info", "", bearer(one)); got != http.StatusOK {
		t.Errorf("after the lease was given: %d", got)
	}
}

// TestBatchesAreBounded: a body that says too much is refused as a whole, and
// names the limit.
func TestBatchesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("sends hundreds of thousands of items")
	}
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	var leased types.LeaseReply
	f.gets(200, http.MethodPost, studies+"/s/leases", `{"worker":"w","ttl":"1h"}`, &leased) // a slow machine takes a while for what follows
	l := leased.Leases[0]
	many := func(n int, item string) string { return strings.Repeat(item+",", n-1) + item }
	report := `{"metric":"loss","step":1,"value":1}`
	metrics := make([]string, 2000)
	for i := range metrics {
		metrics[i] = fmt.Sprintf(`"m%d":1`, i)
	}
	attempt := studies + "/s/trials/0/attempts/1"
	beat := `{"trial":0,"attempt":1,"token":"x","state":"running"}`
	for path, body := range map[string]string{
		attempt + "/reports":         `{"token":"` + l.Ref.Token + `","reports":[` + many(types.MostReports+1, report) + `]}`,
		attempt + "/finish":          `{"token":"` + l.Ref.Token + `","outcome":"completed","reports":[` + many(types.MostReports+1, report) + `]}`,
		attempt + "/finish?":         `{"token":"` + l.Ref.Token + `","outcome":"completed","metrics":{` + strings.Join(metrics, ",") + `}}`,
		studies + "/s/trials":        `{"points":[` + many(types.MostTrials+1, `{"x":0.5}`) + `]}`,
		studies + "/s/trials/import": `{"trials":[` + many(types.MostTrials+1, `{"params":{"x":0.5},"state":"completed","metrics":{"loss":1}}`) + `]}`,
		studies + "/s/trials/cancel": `{"numbers":[` + many(types.MostTrials+1, "0") + `]}`,
		studies + "/s/heartbeat":     `{"worker":"w","beats":[` + many(types.MostTrials+1, beat) + `]}`,
		studies + "/s/leases":        `{"worker":"w","max":1001}`,
		attempt + "/reports?":        `{"token":"` + l.Ref.Token + `","reports":[{"metric":"` + strings.Repeat("m", 1000) + `","step":1,"value":1}]}`,
	} {
		f.refuses(422, types.Invalid, http.MethodPost, path, body, nil)
	}
	f.gets(200, http.MethodPost, attempt+"/reports", `{"token":"`+l.Ref.Token+`","reports":[`+many(types.MostReports, report)+`]}`, nil)
}
