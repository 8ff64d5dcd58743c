package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// TestListTrials: conditions and orders come through the query as they are.
func TestListTrials(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, strings.Replace(studySpec, `]}`, `,{"name":"opt","type":"categorical","choices":["sgd","a,b"]}]}`, 1), nil)
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, `,{"params":{"x":%.2f,"opt":%q},"state":"completed","metrics":{"loss":%d}}`, float64(i*7%20)/20, []string{"sgd", "a,b"}[i%2], 100-i)
	}
	began := time.Now()
	f.gets(201, http.MethodPost, studies+"/s/trials/import", `{"trials":[`+b.String()[1:]+`]}`, nil)
	list := func(query string) (out []int64) {
		t.Helper()
		for after := ""; ; {
			var page types.TrialPage
			f.gets(200, http.MethodGet, studies+"/s/trials?limit=3&"+query+after, "", &page)
			for _, x := range page.Trials {
				out = append(out, x.Number)
			}
			if page.Next == "" {
				return out
			}
			after = "&after=" + url.QueryEscape(page.Next)
		}
	}
	at := func(t time.Time) string { return url.QueryEscape(t.Format(time.RFC3339Nano)) }
	for query, want := range map[string][]int64{
		"params=x=0.0..0.1": {0, 3, 6},
		"params=x=..0.1&params=" + url.QueryEscape(`opt:=["a,b"]`): {3},
		"sort=param&param=x&params=x=0.8..":                        {8, 11, 14, 17},
		"sort=param&param=x&desc=true&params=x=0.8..":              {17, 14, 11, 8},
		"metrics=loss=..83&sort=metric&metric=loss":                {19, 18, 17},
		"metrics=loss=..83&params=opt=sgd":                         {18},
		"finished_before=" + at(began):                             nil,
		"created_after=" + at(began) + "&metrics=loss=100..":       {0},
		"state=failed&sort=param&param=x":                          nil,
	} {
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, bad := range []string{"params=x", "params=x=", "params=x=1&param=x", "sort=param", "sort=metric", "metric=loss", "metrics=loss", "metrics=loss=..", "created_after=yesterday",
		"sort=param&param=x&after=number:n:1", "sort=colour", "parameter=x"} {
		f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials?"+bad, "", nil)
	}
}

// TestOutsideOfThePresentSpace: the best trial stays the best in a space that was
// narrowed, and is marked wherever it is shown.
func TestOutsideOfThePresentSpace(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.gets(201, http.MethodPost, studies+"/s/trials/import", `{"trials":[{"params":{"x":0.1},"metrics":{"loss":1}},
		{"params":{"x":0.9},"state":"completed","metrics":{"loss":2}}]}`, nil)
	outside := func() (out []int64) {
		t.Helper()
		var page types.TrialPage
		f.gets(200, http.MethodGet, studies+"/s/trials", "", &page)
		for _, x := range page.Trials {
			var alone types.Trial
			f.gets(200, http.MethodGet, fmt.Sprint(studies, "/s/trials/", x.Number), "", &alone)
			if alone.OutsideSpace != x.OutsideSpace {
				t.Errorf("trial %d is outside: %t in the list, %t alone", x.Number, x.OutsideSpace, alone.OutsideSpace)
			}
			if x.OutsideSpace {
				out = append(out, x.Number)
			}
		}
		return out
	}
	if got := outside(); got != nil {
		t.Errorf("in the first space %v are outside", got)
	}
	var st types.Study
	f.gets(200, http.MethodPatch, studies+"/s", `{"space":{"parameters":[{"name":"x","type":"float","low":0.5,"high":1.0}]}}`, &st)
	if got := outside(); !slices.Equal(got, []int64{0}) || !slices.Equal(st.Best, got) {
		t.Errorf("in the narrow space %v are outside, and the best is %v", got, st.Best)
	}
}

func TestExport(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.gets(201, http.MethodPost, studies+"/s/trials/import", `{"trials":[{"params":{"x":0.5},"state":"completed","metrics":{"loss":1}},
		{"params":{"x":0.25},"state":"failed","reason":"a,b"}]}`, nil)
	for query, want := range map[string]struct{ kind, text string }{
		"":                         {"text/csv; charset=utf-8", "number,state,x,loss,reason,created,started,finished,ran\n0,completed,0.5,1,,"},
		"?format=csv&state=failed": {"text/csv; charset=utf-8", "number,state,x,loss,reason,created,started,finished,ran\n1,failed,0.25,,\"a,b\","},
		"?format=jsonl":            {"application/jsonl", `{"number":0,"state":"completed","params":{"x":0.5},`},
		"?format=json":             {"application/json", "[\n" + `{"number":0,"state":"completed",`},
		"?format=md&params=x=1..":  {"text/markdown; charset=utf-8", "| number | state | x | loss | reason | created | started | finished | ran |\n| --- |"},
	} {
		status, header, text := f.do(http.MethodGet, studies+"/s/export"+query, "", nil)
		if status != http.StatusOK || header.Get("Content-Type") != want.kind || !strings.HasPrefix(string(text), want.text) {
			t.Errorf("%s: %d %s\n%s", query, status, header, text)
		}
	}
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/export?format=xls", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/export?params=x", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/export?params=x=NaN..&limit=3", "", nil)
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/none/export", "", nil)

	// One that breaks off is no whole answer.
	var b strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&b, `,{"params":{"x":%f},"state":"failed"}`, float64(i)/1500)
	}
	f.gets(201, http.MethodPost, studies+"/s/trials/import", `{"trials":[`+b.String()[1:]+`]}`, nil)
	whole := New(Config{Engine: f.local.Engine, Store: f.local.Store})
	broken := New(Config{Engine: f.local.Engine, Store: torn{f.local.Store}})
	for _, x := range []struct {
		server *Server
		whole  bool
	}{{whole, true}, {broken, false}} {
		h := httptest.NewServer(x.server.Handler())
		defer h.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL+studies+"/s/export?format=jsonl", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+f.token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if n := strings.Count(string(text), "\n"); (err == nil) != x.whole || n == 1502 != x.whole {
			t.Errorf("whole %v: %d lines, %v", x.whole, n, err)
		}
		_ = resp.Body.Close()
	}
}

// torn is a store whose second page of trials cannot be read.
type torn struct{ Reader }

func (s torn) ListTrials(ctx context.Context, study int64, f store.TrialFilter) ([]trial.Trial, string, error) {
	if f.After != "" {
		return nil, "", types.Errorf(types.Unavailable, "the database is away")
	}
	return s.Reader.ListTrials(ctx, study, f)
}
