package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/store"
)

// lines is a log in memory.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

func TestAudit(t *testing.T) {
	f := newFixture(t)
	var log lines
	f.server.cfg.Audit = slog.New(slog.NewJSONHandler(&log, nil))
	me := f.addToken(store.Token{Name: "me", Role: store.RoleSubmit, Owner: "my group", Projects: []string{"default"}})
	look := f.addToken(store.Token{Name: "look", Role: store.RoleViewer, Owner: "you", Projects: []string{"default"}})
	with := strings.Replace(studySpec, `"seed":7`, `"seed":7,"run":{"command":["python","train.py","{args}"],"env":["SECRET=x"]}`, 1)
	lease := `{"worker":"w"}`
	for _, c := range []struct {
		secret, method, path, body string
		want                       string // token, role, status and more; "" is no line
	}{
		{me, http.MethodPost, studies + "?check=true", with, ""},
		{me, http.MethodPost, studies, with, "me submit 201 study 1 [python train.py {args}]"},
		{me, http.MethodPost, studies, strings.Replace(with, "train", "other", 1), "me submit 409 [python other.py {args}]"},
		{me, http.MethodGet, studies + "/s", "", ""},
		{me, http.MethodPost, studies + "/s/leases", lease, ""},
		{me, http.MethodPatch, studies + "/s", `{"budget":{"trials":7}}`, "me submit 200 study 1"},
		{me, http.MethodPost, studies + "/s/trials", `{"points":[{"x":0.5}]}`, "me submit 201 study 1"},
		{me, http.MethodPost, studies + "/s/trials", `{`, "me submit 400 study 1"},
		{look, http.MethodDelete, studies + "/s", "", "look viewer 403"},
		{look, http.MethodPost, studies + "/s/leases", lease, "look viewer 403"},
		{look, http.MethodPost, "/v1/projects/other/studies", with, "look viewer 403"},
		{"tnr_none", http.MethodGet, studies + "/s", "", "401"},
		{me, http.MethodPost, "/v1/nothing", "{}", ""},
		{f.token, http.MethodDelete, studies + "/s", "", "test admin 409 study 1"},
	} {
		f.do(c.method, c.path, c.body, bearer(c.secret))
		text := log.take()
		if c.want == "" {
			if text != "" {
				t.Errorf("%s %s is noted: %s", c.method, c.path, text)
			}
			continue
		}
		var e struct {
			Time, Request, Token, Owner, Role, From, Method, Path string
			Status                                                int
			Study                                                 int64
			Command                                               []string
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil || strings.Count(text, "\n") != 1 {
			t.Fatalf("%s %s: %v in %q", c.method, c.path, err, text)
		}
		path, _, _ := strings.Cut(c.path, "?")
		if e.Request == "" || e.Time == "" || !strings.HasPrefix(e.From, "127.0.0.1:") || e.Method != c.method || e.Path != path {
			t.Errorf("%s %s: %s", c.method, c.path, text)
		}
		if e.Role == "submit" && e.Owner != "my group" {
			t.Errorf("the owner is %q", e.Owner)
		}
		for _, secret := range []string{me, look, f.token, "SECRET", "tnr_"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", text, secret)
			}
		}
		got := strings.TrimSpace(fmt.Sprintf("%s %s %d", e.Token, e.Role, e.Status))
		if e.Study != 0 {
			got += fmt.Sprintf(" study %d", e.Study)
		}
		if e.Command != nil {
			got += " [" + strings.Join(e.Command, " ") + "]"
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %s: %s", c.method, c.path, diff)
		}
	}
}
