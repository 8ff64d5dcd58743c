package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

func TestWorkers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := f.server.cfg.Now()
	for i := range 5 {
		err := f.local.Store.ChangeWorker(t.Context(), "default", fmt.Sprintf("w%d", i), func(w *store.Worker) error {
			w.Created, w.Seen, w.Info.Node = now, now, "box/url"
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const path = "/v1/projects/default/workers"
	var names []string
	for after := ""; ; {
		var page types.WorkerPage
		f.gets(http.StatusOK, http.MethodGet, path+"?limit=2&after="+after, "", &page)
		for _, w := range page.Workers {
			names = append(names, w.Name)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if got := fmt.Sprint(names); got != "[w0 w1 w2 w3 w4]" {
		t.Errorf("page by page: %s", got)
	}
	var w types.Worker
	f.gets(http.StatusOK, http.MethodPatch, path, `{"worker":"w3","aside":true,"reason":"it is old"}`, &w)
	if w.Name != "w3" || w.Aside != "it is old" || w.AsideSince.IsZero() {
		t.Errorf("put aside: %+v", w)
	}
	w = types.Worker{}
	f.gets(http.StatusOK, http.MethodPatch, path, `{"worker":"w3","aside":false}`, &w)
	if w.Aside != "" || !w.AsideSince.IsZero() {
		t.Errorf("let back: %+v", w)
	}
	f.refuses(http.StatusNotFound, types.NotFound, http.MethodPatch, path, `{"worker":"w9","aside":true}`, nil)
	f.refuses(http.StatusUnprocessableEntity, types.Invalid, http.MethodPatch, path, `{"worker":"w3"}`, nil)
}
