package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// importLines are n finished trials as JSON lines, with one of them replaced if there
// is a line for it.
func importLines(n, at int, line string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		if i == at {
			b.WriteString(line + "\n")
			continue
		}
		fmt.Fprintf(&b, `{"params":{"x":%.6f},"state":"completed","metrics":{"loss":%d}}`+"\n", float64(i)/1e6, i)
	}
	return b.String()
}

func asLines(r *http.Request) { r.Header.Set("Content-Type", "application/x-ndjson") }

// imports sends lines that must be taken.
func (f *fixture) imports(path, body string) (out types.ImportResult) {
	f.Helper()
	status, _, text := f.do(http.MethodPost, path, body, asLines)
	if status != http.StatusCreated {
		f.Fatalf("%s: %d %s", path, status, text)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		f.Fatal(err)
	}
	return out
}

func (f *fixture) count(path string) int64 {
	f.Helper()
	var st types.Study
	f.gets(200, http.MethodGet, path, "", &st)
	return st.Counts.Completed
}

// TestImportLines: what export writes comes back the same, over any limit of
// bodies, and is not doubled when it comes again.
func TestImportLines(t *testing.T) {
	n := 2500
	if testing.Short() { // two batches instead of three
		n = 1100
	}
	f := newFixture(t)
	small := httptest.NewServer(New(Config{Engine: f.local.Engine, Store: f.local.Store, MaxBody: 4096}).Handler())
	t.Cleanup(small.Close)
	defer func(url string) { f.http.URL = url }(f.http.URL)
	f.http.URL = small.URL
	for _, name := range []string{"a", "b"} {
		f.gets(201, http.MethodPost, studies, strings.Replace(studySpec, `"s"`, `"`+name+`"`, 1), nil)
	}
	if got := f.imports(studies+"/a/import?key=k", importLines(n, 0, "")); got.Added != int64(n) || len(got.Numbers) != 1 || got.Numbers[0] != (types.NumberRange{First: 0, Last: int64(n - 1)}) {
		t.Fatalf("added %+v", got)
	}
	f.refuses(413, types.Invalid, http.MethodPost, studies+"/a/trials/import", `{"trials":[`+strings.Repeat(" ", 5000)+`]}`, nil)
	export := func(name string) []byte {
		_, _, text := f.do(http.MethodGet, studies+"/"+name+"/export?format=jsonl", "", nil)
		return text
	}
	all := string(export("a"))
	if got := f.imports(studies+"/b/import?key=k", all+`{"params":{"x":0.5},"state":"running"}`); got.Added != int64(n) || got.LeftOut != 1 {
		t.Fatalf("of the export %+v", got)
	}
	strip := func(b []byte) (out []string) {
		for line := range bytes.Lines(b) {
			var v types.Trial
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprint(v.Number, v.State, v.Params, v.Metrics))
		}
		return out
	}
	if a, b := strip([]byte(all)), strip(export("b")); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("the copy differs: %d and %d trials", len(a), len(b))
	}
	if got := f.imports(studies+"/b/import?key=k", all); got.Added != 0 || got.Repeated != int64(n) || got.Numbers[0].Last != int64(n-1) {
		t.Errorf("once more: %+v", got)
	}
	if got := f.count(studies + "/b"); got != int64(n) {
		t.Errorf("%d trials", got)
	}
}

// TestImportLinesGoesOn: an upload that breaks, or has a wrong line, leaves whole
// batches, and the next with its key goes on behind them.
func TestImportLinesGoesOn(t *testing.T) {
	if testing.Short() {
		t.Skip("stores thousands of trials")
	}
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	path := studies + "/s/import?key=k"
	good := importLines(2500, 0, "")

	// The connection breaks in the third batch.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.http.URL+path, io.MultiReader(strings.NewReader(good[:len(good)-100]), broken{}))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+f.token)
	asLines(r)
	if resp, err := http.DefaultClient.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Fatalf("the broken upload was answered with %d", resp.StatusCode)
	}
	// A wrong line, in the second batch and in the first of another key.
	wrong := func(key, line string, at int) types.Problem {
		return f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/import?key="+key, importLines(2500, at, line), asLines)
	}
	p := wrong("other", `{"params":{"x":1.5},"metrics":{"loss":1}}`, 1500)
	if p.Field != "line 1500" || !strings.Contains(p.Detail, "x: it is 1.5, which is above the high end 1.0") ||
		!strings.Contains(p.Remedy, "the trials up to line 1000 are stored: send all again with the same key") {
		t.Errorf("the wrong line: %+v", p)
	}
	if got := f.imports(studies+"/s/import?key=other", good); got.Added != 1500 || got.Repeated != 1000 {
		t.Errorf("after it was corrected: %+v", got)
	}
	for line, want := range map[string]string{
		`{"params":{"x":0.5},"metrics":{}}`:                        "a completed trial needs the metric loss",
		`{"params":{"x":0.5},"metrics":{"loss":"NaN"}}`:            "loss of a completed trial is NaN",
		`{"params":{"x":0.5},"metrics":{"loss":1,"loss":2}}`:       "metrics.loss: it is given twice",
		`{"params":{"x":0.5},"metric":{"loss":1}}`:                 `unknown field "metric"`,
		`{"params":{"x":0.5},`:                                     "invalid character",
		`{"params":{"x":0.5},"state":"done"}`:                      `"done" is no state of a trial`,
		`{"reason":"` + strings.Repeat("x", 1<<20) + `"}`:          "longer than 1024 KiB",
		"\n\n" + `{"params":{"y":0.5},"metrics":{"loss":1}}`:       `y: the space has no parameter "y"`,
		`{"params":{"x":0.5},"metrics":{"loss":1}} {"params":"x"}`: "parameters must be a JSON object",
	} {
		p := wrong("bad", line, 7)
		at := "line 7"
		if strings.HasPrefix(line, "\n") {
			at = "line 9"
		}
		if p.Field != at || !strings.Contains(p.Detail, want) || !strings.Contains(p.Remedy, "nothing is stored yet") {
			t.Errorf("%.60s: %.300q, want %s", line, fmt.Sprint(p), want)
		}
	}
	before := f.count(studies + "/s")
	if got := f.imports(path, good); got.Added+got.Repeated != 2500 || f.count(studies+"/s") != before+got.Added || before+got.Added != 5000 {
		t.Errorf("after the broken upload: %+v, %d trials before", got, before)
	}
	f.refuses(409, types.Conflict, http.MethodPost, path, importLines(10, 0, ""), asLines)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/import", good, asLines)
	f.refuses(422, types.Invalid, http.MethodPost, path, `{}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies, studySpec, asLines)
	f.refuses(404, types.NotFound, http.MethodPost, studies+"/none/import?key=k", good, asLines)

	f.server.drain(errors.New("end"))
	f.refuses(503, types.Unavailable, http.MethodPost, studies+"/s/import?key=late", good, asLines)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, context.Canceled }
