package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
)

// described is all operations of the document by ID, as "METHOD /path".
func described(s *Server) map[string]string {
	out := map[string]string{}
	for path, item := range s.api.OpenAPI().Paths {
		for method, id := range map[string]string{
			http.MethodGet: idOf(item.Get), http.MethodPost: idOf(item.Post), http.MethodPatch: idOf(item.Patch),
			http.MethodPut: idOf(item.Put), http.MethodDelete: idOf(item.Delete),
		} {
			if id != "" {
				out[id] = method + " " + path
			}
		}
	}
	return out
}

// TestEachOperationSaysWhatItNeeds: a new route works for administrators only
// until somebody has thought about it.
func TestEachOperationSaysWhatItNeeds(t *testing.T) {
	s := New(Config{})
	all := described(s)
	for id, where := range all {
		if _, ok := operations[id]; !ok {
			t.Errorf("%s (%s) is not in operations (rights.go): say who may use it", id, where)
		}
	}
	for id := range operations {
		if all[id] == "" {
			t.Errorf("operations (rights.go) names %s, which no route has", id)
		}
	}
	for _, r := range s.echo.Routes() {
		if _, ok := s.needs[r.Method+" "+r.Path]; !ok {
			t.Errorf("%s %s needs nothing", r.Method, r.Path)
		}
	}
	var open []string
	for key, a := range s.needs {
		if a.needs == noToken {
			open = append(open, key)
		}
	}
	slices.Sort(open)
	if want := []string{"GET /healthz", "GET /readyz"}; !slices.Equal(open, want) {
		t.Errorf("without a token there are %v, want %v", open, want)
	}
}

// lease takes a trial of the study at path.
func (f *fixture) lease(path, worker string) types.Lease {
	f.Helper()
	var r types.LeaseReply
	f.gets(200, http.MethodPost, path+"/leases", `{"worker":"`+worker+`"}`, &r)
	if r.Status != types.LeaseGranted {
		f.Fatalf("no trial: %+v", r)
	}
	return r.Leases[0]
}

func bearer(secret string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }
}

// TestTheTokenOfAnAttempt walks all operations: the token opens what is of its
// attempt and nothing else, and ends with it.
func TestTheTokenOfAnAttempt(t *testing.T) {
	f := newFixture(t)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.gets(201, http.MethodPost, studies, strings.Replace(studySpec, `"s"`, `"other"`, 1), nil)
	own := f.lease(studies+"/s", "a")
	f.lease(studies+"/s", "b")     // trial 1
	f.lease(studies+"/other", "a") // trial 0 of the other
	secret := own.Ref.Bearer()

	body := `{"reports":[{"metric":"loss","step":1,"value":0.25}]}`
	may := map[string]string{"info": "", "openapi": "", "trial": "", "reports": "", "report": body}
	for id, op := range described(f.server) {
		method, path, _ := strings.Cut(op, " ")
		for _, at := range [][4]string{{"default", "s", "0", "1"}, {"default", "s", "1", "1"}, {"default", "s", "0", "2"}, {"default", "other", "0", "1"}, {"none", "s", "0", "1"}, {"default", "none", "0", "1"}} {
			to := strings.NewReplacer("{project}", at[0], "{study}", at[1], "{number}", at[2], "{attempt}", at[3]).Replace(path)
			send, allowed := may[id]
			isOwn := at == [4]string{"default", "s", "0", "1"} || !strings.Contains(path, "{attempt}") && at == [4]string{"default", "s", "0", "2"} || !strings.Contains(path, "{")
			if !allowed && method != http.MethodGet {
				send = "{}"
			}
			got, _, text := f.do(method, to, send, bearer(secret))
			switch want := http.StatusForbidden; {
			case operations[id].needs == noToken:
			case allowed && isOwn:
				if got != http.StatusOK {
					t.Errorf("%s %s: %d %s", method, to, got, text)
				}
			case got != want && !(at[0] == "none" || at[1] == "none") || got < want:
				t.Errorf("%s %s: %d, want %d\n%s", method, to, got, want, text)
			}
		}
	}
	var curve types.Curve
	f.gets(200, http.MethodGet, studies+"/s/trials/0/reports", "", &curve)
	if len(curve.Reports) != 1 || curve.Reports[0].Value != 0.25 {
		t.Errorf("its report did not arrive: %+v", curve)
	}

	for name, wrong := range map[string]string{
		"another secret":  types.AttemptRef{Study: own.Ref.Study, Trial: 0, Attempt: 1, Token: "x" + own.Ref.Token[1:]}.Bearer(),
		"another attempt": types.AttemptRef{Study: own.Ref.Study, Trial: 1, Attempt: 1, Token: own.Ref.Token}.Bearer(),
		"another study":   types.AttemptRef{Study: own.Ref.Study + 1, Trial: 0, Attempt: 1, Token: own.Ref.Token}.Bearer(),
		"no study":        types.AttemptRef{Study: 99, Trial: 0, Attempt: 1, Token: own.Ref.Token}.Bearer(),
		"none":            "tna_1.2",
		"the lease's":     own.Ref.Token,
	} {
		for _, path := range []string{"/v1/info", studies + "/s/trials/0"} {
			if got, _, text := f.do(http.MethodGet, path, "", bearer(wrong)); got != http.StatusUnauthorized {
				t.Errorf("%s: %s: %d %s", name, path, got, text)
			}
		}
	}

	now := time.Now()
	f.server.cfg.Now = func() time.Time { return now }
	attempt := studies + "/s/trials/0/attempts/1"
	f.gets(200, http.MethodPost, attempt+"/finish", `{"token":"`+own.Ref.Token+`","outcome":"completed"}`, nil)
	f.refuses(409, types.Superseded, http.MethodPost, attempt+"/reports", body, bearer(secret)) // at once
	now = now.Add(tokenFresh + time.Second)
	f.refuses(409, types.Superseded, http.MethodGet, studies+"/s/trials/0", "", bearer(secret))
	f.refuses(409, types.Superseded, http.MethodGet, "/v1/info", "", bearer(secret))
	f.refuses(422, types.Invalid, http.MethodPost, attempt+"/reports", `{"reports":[]}`, nil) // somebody's token does not name the attempt
}

// TestAHeirHasANewToken: what the killed worker's process was given ends when
// another takes its attempts over.
func TestAHeirHasANewToken(t *testing.T) {
	f := newFixture(t)
	now := time.Now()
	f.server.cfg.Now = func() time.Time { return now }
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	old := f.lease(studies+"/s", "a").Ref
	var heir types.AdoptReply
	f.gets(200, http.MethodPost, studies+"/s/adopt", `{"worker":"a"}`, &heir)
	now = now.Add(tokenFresh + time.Second)
	report := studies + "/s/trials/0/attempts/1/reports"
	f.refuses(401, types.Unauthenticated, http.MethodPost, report, `{"reports":[]}`, bearer(old.Bearer()))
	if got, _, text := f.do(http.MethodPost, report, `{"reports":[]}`, bearer(heir.Attempts[0].Lease.Ref.Bearer())); got != http.StatusOK {
		t.Errorf("the heir's token: %d %s", got, text)
	}
}

func idOf(op *huma.Operation) string {
	if op == nil {
		return ""
	}
	return op.OperationID
}
