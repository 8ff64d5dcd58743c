package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
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
