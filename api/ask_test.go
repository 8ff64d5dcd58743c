package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// TestAskAndTell is a loop of curl that knows of no leases.
func TestAskAndTell(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	var r types.AskReply
	for range 2 {
		f.gets(200, http.MethodPost, studies+"/s/ask", `{"n":2,"key":"k","wait":"1s"}`, &r)
		if r.Status != types.LeaseGranted || len(r.Trials) != 2 || r.Trials[1].Number != 1 || len(r.Trials[1].Params) != 1 {
			t.Fatalf("asked: %+v", r)
		}
	}
	var d types.Decision
	f.gets(200, http.MethodPost, studies+"/s/trials/0/reports", `{"step":1,"value":0.7}`, &d)
	if d.Stop {
		t.Errorf("told to stop: %+v", d)
	}
	var end types.FinishReply
	for range 2 {
		f.gets(200, http.MethodPost, studies+"/s/trials/0/tell", `{"value":0.5}`, &end)
		if end.State != types.Completed || *end.Value != 0.5 {
			t.Fatalf("told: %+v", end)
		}
	}
	f.refuses(409, types.Conflict, http.MethodPost, studies+"/s/trials/0/tell", `{"value":0.4}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/trials/1/tell", `{}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/trials/1/tell", `{"valeu":1}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/ask", `{"n":1001}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/ask", `{"ttl":"8760h"}`, nil)
	f.refuses(422, types.Invalid, http.MethodPost, studies+"/s/ask", `{"ttl":"-1s"}`, nil)
	f.refuses(409, types.Superseded, http.MethodPost, studies+"/s/ask", `{"study":99}`, nil)
	f.gets(200, http.MethodPost, studies+"/s/trials/1/tell", `{"outcome":"failed","reason":"no data"}`, &end)
	for n := int64(2); ; n++ {
		f.gets(200, http.MethodPost, studies+"/s/ask", `{}`, &r)
		if r.Status == types.LeaseDone {
			break
		}
		if len(r.Trials) != 1 || r.Trials[0].Number != n {
			t.Fatalf("trial %d: %+v", n, r)
		}
		f.gets(200, http.MethodPost, fmt.Sprintf("%s/s/trials/%d/tell", studies, n), `{"value":0.5}`, nil)
	}
	if r.Reason == "" || r.Trials == nil {
		t.Errorf("at the end: %+v", r)
	}
}
