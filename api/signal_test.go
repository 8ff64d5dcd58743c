package api

import (
	"net/http"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

func TestSignal(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	var r types.AskReply
	f.gets(200, http.MethodPost, studies+"/s/ask", `{}`, &r)
	var sig types.Signal
	f.gets(200, http.MethodGet, studies+"/s/trials/0/signal", "", &sig)
	if sig.Stop || sig.Attempt != 1 {
		t.Errorf("nothing to tell: %+v", sig)
	}

	// The token of an attempt is for that attempt's signal.
	own := func(h *http.Request) {
		a := r.Trials[0]
		h.Header.Set("Authorization", "Bearer "+types.AttemptRef{Study: 1, Trial: 0, Attempt: a.Attempt, Token: a.Token}.Bearer())
	}
	if status, _, b := f.do(http.MethodGet, studies+"/s/trials/0/signal", "", own); status != http.StatusOK {
		t.Errorf("with its own token: %d %s", status, b)
	}
	f.refuses(403, types.Forbidden, http.MethodGet, studies+"/s/trials/0/signal?attempt=2", "", own)
	f.refuses(403, types.Forbidden, http.MethodGet, studies+"/s/trials/1/signal", "", own)

	heard := make(chan types.Signal, 1)
	go func() {
		var s types.Signal
		f.gets(200, http.MethodGet, studies+"/s/trials/0/signal?wait=60s", "", &s)
		heard <- s
	}()
	f.gets(200, http.MethodPost, studies+"/s/trials/cancel", `{"numbers":[0],"reason":"enough"}`, nil)
	if s := <-heard; !s.Stop || s.Kind != types.StopCancelled || s.Reason != "enough" {
		t.Errorf("stopped: %+v", s)
	}
	f.refuses(404, types.NotFound, http.MethodGet, studies+"/s/trials/9/signal", "", nil)
	f.refuses(422, types.Invalid, http.MethodGet, studies+"/s/trials/0/signal?wait=-1s", "", nil)
}
