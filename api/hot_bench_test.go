package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/local"
)

// The routes that trials use most, without sockets and with everything in
// memory: what the server itself costs.

// quiet is a ResponseWriter that keeps the answer only.
type quiet struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (q *quiet) Header() http.Header         { return q.header }
func (q *quiet) WriteHeader(status int)      { q.status = status }
func (q *quiet) Write(b []byte) (int, error) { return q.body.Write(b) }

// hot sends one request after another.
type hot struct {
	server *Server
	token  string
	w      quiet
}

func newHot(b *testing.B) *hot {
	b.Helper()
	l, err := local.Open(b.Context(), local.Config{DB: local.Memory})
	if err != nil {
		b.Fatal(err)
	}
	h := &hot{token: NewToken(), w: quiet{header: http.Header{}}, server: New(Config{Engine: l.Engine, Store: l.Store, Build: "test"})}
	_, err = l.Store.AddToken(b.Context(), store.Token{Project: "default", Name: "test", Hash: HashToken(h.token), Role: store.RoleAdmin, Created: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(h.server.Stop(context.Background()), l.Close()); err != nil {
			b.Error(err)
		}
	})
	return h
}

func (h *hot) post(b *testing.B, path string, body []byte) []byte {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Authorization", "Bearer "+h.token)
	r.Header.Set("Content-Type", "application/json")
	clear(h.w.header)
	h.w.status = 200
	h.w.body.Reset()
	h.server.Handler().ServeHTTP(&h.w, r)
	if h.w.status != http.StatusOK && h.w.status != http.StatusCreated {
		b.Fatalf("%s: %d %s", path, h.w.status, h.w.body.Bytes())
	}
	return h.w.body.Bytes()
}

func BenchmarkHotRoutes(b *testing.B) {
	h := newHot(b)
	h.post(b, studies, []byte(studySpec[:len(studySpec)-len(`"budget":{"trials":5}}`)]+`"budget":{"trials":1000000000}}`))
	lease := func(b *testing.B) types.Lease {
		var reply types.LeaseReply
		if err := json.Unmarshal(h.post(b, studies+"/s/leases", []byte(`{"worker":"w"}`)), &reply); err != nil {
			b.Fatal(err)
		}
		return reply.Leases[0]
	}
	const report = `{"metric":"loss","step":3,"value":0.25}`
	for name, reports := range map[string]string{"report": report, "batch": report + strings.Repeat(","+report, 99)} {
		b.Run(name, func(b *testing.B) {
			l := lease(b)
			path := fmt.Sprintf("%s/s/trials/%d/attempts/1/reports", studies, l.Ref.Trial)
			body := []byte(`{"token":"` + l.Ref.Token + `","reports":[` + reports + `]}`)
			b.ReportAllocs()
			for b.Loop() {
				h.post(b, path, body)
			}
		})
	}
	b.Run("finish", func(b *testing.B) {
		l := lease(b)
		b.ReportAllocs()
		for b.Loop() {
			body := h.post(b, fmt.Sprintf("%s/s/trials/%d/attempts/1/finish", studies, l.Ref.Trial),
				[]byte(`{"token":"`+l.Ref.Token+`","outcome":"completed","metrics":{"loss":0.25},"next":{"worker":"w"}}`))
			var reply types.FinishReply
			if err := json.Unmarshal(body, &reply); err != nil {
				b.Fatal(err)
			}
			l = reply.Next.Leases[0]
		}
	})
}
