package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// TestTokensOverHTTP: administrators of all projects make, list and revoke tokens;
// a secret is in the answer to its making and nowhere else.
func TestTokensOverHTTP(t *testing.T) {
	f := newFixture(t)
	var audit, log lines
	f.server.cfg.Audit = slog.New(slog.NewJSONHandler(&audit, nil))
	f.server.cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var made types.Token
	f.gets(201, http.MethodPost, "/v1/tokens", `{"name":"alice","role":"submit","projects":["default","vision"],"for":"1h"}`, &made)
	if !strings.HasPrefix(made.Secret, tokenPrefix) || made.Owner != "alice" || made.Expires == nil || made.Expires.Sub(made.Created).Hours() != 1 {
		t.Fatalf("made %+v", made)
	}
	for _, want := range []string{`"subject":"alice (submit of alice; projects: default vision)"`, `"status":201`, `"token":"test"`} {
		if text := audit.take(); !strings.Contains(text, want) {
			t.Errorf("the audit log has %s, not %s", text, want)
		} else {
			_, _ = audit.Write([]byte(text))
		}
	}
	if got, _, text := f.do(http.MethodPost, studies, studySpec, bearer(made.Secret)); got != http.StatusCreated {
		t.Errorf("with the new token: %d %s", got, text)
	}
	// Of others, nobody may: also no administrator of a project.
	f.gets(201, http.MethodPost, "/v1/tokens", `{"name":"boss","role":"admin","projects":["default"]}`, &made)
	boss := made.Secret
	for _, secret := range []string{boss, f.addToken(store.Token{Name: "w", Role: store.RoleWorker}), f.addToken(store.Token{Name: "v", Role: store.RoleViewer})} {
		f.refuses(403, types.Forbidden, http.MethodGet, "/v1/tokens", "", bearer(secret))
		f.refuses(403, types.Forbidden, http.MethodPost, "/v1/tokens", `{"name":"x","role":"admin"}`, bearer(secret))
		f.refuses(403, types.Forbidden, http.MethodDelete, "/v1/tokens/alice", "", bearer(secret))
	}
	var names []string
	for after := ""; ; {
		var page types.TokenPage
		_, _, text := f.do(http.MethodGet, "/v1/tokens?limit=2&after="+after, "", nil)
		if bytes.Contains(text, []byte(tokenPrefix)) || bytes.Contains(text, []byte("hash")) {
			t.Errorf("the list has a secret: %s", text)
		}
		if err := json.Unmarshal(text, &page); err != nil {
			t.Fatal(err)
		}
		for _, x := range page.Tokens {
			names = append(names, x.Name+":"+x.Role)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "alice:submit boss:admin test:admin v:viewer w:worker" {
		t.Errorf("listed %s", got)
	}
	for body, field := range map[string]string{
		`{"name":"a b","role":"admin"}`:                      "name",
		`{"name":"a","role":"root"}`:                         "role",
		`{"name":"a","role":""}`:                             "role",
		`{"name":"a","role":"worker","owner":"-"}`:           "owner",
		`{"name":"a","role":"worker","projects":["*","b"]}`:  "projects",
		`{"name":"a","role":"worker","projects":["../etc"]}`: "projects",
		`{"name":"a","role":"worker","for":"-1h"}`:           "for",
	} {
		if p := f.refuses(422, types.Invalid, http.MethodPost, "/v1/tokens", body, nil); p.Field != field {
			t.Errorf("%s: %+v", body, p)
		}
	}
	f.refuses(409, types.Conflict, http.MethodPost, "/v1/tokens", `{"name":"alice","role":"admin"}`, nil)
	f.refuses(409, types.Conflict, http.MethodDelete, "/v1/tokens/test", "", nil)
	f.refuses(404, types.NotFound, http.MethodDelete, "/v1/tokens/none", "", nil)
	f.gets(200, http.MethodDelete, "/v1/tokens/boss", "", nil)
	f.refuses(401, types.Unauthenticated, http.MethodGet, "/v1/info", "", bearer(boss)) // at once, here
	for name, l := range map[string]*lines{"audit": &audit, "server's": &log} {
		if text := l.take(); strings.Contains(text, tokenPrefix) {
			t.Errorf("a secret is in the %s log:\n%s", name, text)
		}
	}
}
