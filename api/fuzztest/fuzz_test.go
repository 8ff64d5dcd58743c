// Package fuzztest has the fuzz target of the API's requests. It is apart from the
// tests of package api, for these link SQLite, which takes minutes to be built for
// fuzzing.
package fuzztest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
)

const (
	studies   = "/v1/projects/default/studies"
	studySpec = `{"name":"s","space":{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]},"objectives":[{"metric":"loss","goal":"min"}],"algorithm":{"name":"random"},"seed":7,"budget":{"trials":1000000}}`
)

// FuzzRequests: whatever a request of any route holds, the answer is no fault of
// the server's, and a refusal is a problem that says what is wrong.
func FuzzRequests(f *testing.F) {
	db := memstore.New()
	e := engine.New(engine.Config{Store: db, Owner: "me", NewSuggester: builtin.New, NewStopper: earlystop.New, Now: time.Now,
		NewSeed: func() int64 { return 1 }, NewToken: api.NewToken})
	f.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	token := api.NewToken()
	if _, err := db.AddToken(f.Context(), store.Token{Project: "default", Name: "t", Hash: api.HashToken(token), Role: store.RoleAdmin, Created: time.Now()}); err != nil {
		f.Fatal(err)
	}
	server := api.New(api.Config{Engine: e, Store: db, MaxWait: time.Millisecond})
	send := func(method, path, query, body, last string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://localhost/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, r)
		return w
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	text, err := server.OpenAPI()
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		f.Fatal(err)
	}
	var routes []string
	for path, ops := range doc.Paths {
		for method := range ops {
			if !strings.Contains(path, "pprof") { // a profile takes its time
				routes = append(routes, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(routes)
	fill := strings.NewReplacer("{project}", "default", "{study}", "s", "{number}", "0", "{attempt}", "1")
	for i := range routes {
		for _, seed := range [][3]string{
			{"", studySpec, ""}, {"limit=2&sort=param&param=x&params=x=0.1..&metrics=loss=..1", `{"worker":"w","key":"k"}`, "1"},
			{"after=number:n:1&desc=true&state=completed", `{"points":[{"x":0.5}],"reports":[{"metric":"loss","step":1,"value":"NaN"}],"token":"t"}`, "-1"},
			{"after=param:v:1:MS4w&sort=param&param=x", `{"trials":[{"params":{"x":0.5},"state":"completed","metrics":{"loss":1}}]}`, "latest"},
			{"format=md&created_after=2026-01-01T00:00:00Z", `{"space":{"parameters":[{"name":"x","type":"float","low":0.0,"high":2.0}]},"key":"k"}`, "x"},
			{"wait=1s&attempt=1", `{"value":0.5,"metrics":{"loss":1e999},"outcome":"failed","attempt":1}`, "99999999999999999999"},
			{"kind=finished&limit=1", `{"n":2,"ttl":"1h","labels":{"a":"b"},"budget":{"trials":-1},"parallelism":1,"require":{}}`, "0"},
		} {
			f.Add(uint8(i), seed[0], seed[1], seed[2])
		}
	}
	f.Fuzz(func(t *testing.T, route uint8, query, body, last string) {
		method, path, _ := strings.Cut(routes[int(route)%len(routes)], " ")
		if w := send(http.MethodGet, studies+"/s", "", "", ""); w.Code == http.StatusNotFound { // it was removed
			if w := send(http.MethodPost, studies, "", studySpec, ""); w.Code != http.StatusCreated {
				t.Fatalf("a new study: %d %s", w.Code, w.Body)
			}
		}
		w := send(method, fill.Replace(path), query, body, last)
		if w.Code >= http.StatusInternalServerError {
			t.Fatalf("%s %s?%s with %q: %d %s", method, path, query, body, w.Code, w.Body)
		}
		if w.Code < http.StatusBadRequest {
			return
		}
		var p types.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Detail == "" || p.Code == "" || p.Code == types.Internal {
			t.Fatalf("%s %s?%s with %q: %d is no problem that says what is wrong: %s", method, path, query, body, w.Code, w.Body)
		}
	})
}
