package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/engine"
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
	draw := `{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`
	may := map[string]string{"info": "", "openapi": "", "trial": "", "reports": "", "signal": "", "docs": "", "report": body, "extend": draw}
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

// addToken stores a token and returns it.
func (f *fixture) addToken(k store.Token) string {
	f.Helper()
	secret := NewToken()
	k.Project, k.Hash, k.Created = "default", HashToken(secret), time.Now()
	if _, err := f.local.Store.AddToken(f.Context(), k); err != nil {
		f.Fatal(err)
	}
	return secret
}

// TestRoles walks every route with every method and every role. What is allowed
// gets as far as the handler, which may find fault with the request; what is not
// is answered by 403, whatever the body.
func TestRoles(t *testing.T) {
	f := newFixture(t)
	one := []string{"default"}
	secrets := map[string]string{
		"admin":         f.token,
		"project admin": f.addToken(store.Token{Name: "pa", Role: store.RoleAdmin, Projects: one}),
		"submit":        f.addToken(store.Token{Name: "s", Role: store.RoleSubmit, Owner: "me", Projects: one}),
		"submit of all": f.addToken(store.Token{Name: "sa", Role: store.RoleSubmit, Owner: "me"}),
		"worker":        f.addToken(store.Token{Name: "w", Role: store.RoleWorker, Projects: one}),
		"viewer":        f.addToken(store.Token{Name: "v", Role: store.RoleViewer, Projects: one}),
	}
	// Studies: mine and theirs here, and one of nobody; mine in another project.
	open := func(who, project, name string) {
		body := strings.Replace(studySpec, `"s"`, `"`+name+`"`, 1)
		if got, _, text := f.do(http.MethodPost, "/v1/projects/"+project+"/studies", body, bearer(secrets[who])); got != http.StatusCreated {
			t.Fatalf("%s cannot make %s: %d %s", who, name, got, text)
		}
	}
	open("submit", "default", "mine")
	open("submit of all", "other", "mine")
	open("admin", "default", "theirs")
	spec, err := f.local.Engine.OpenStudy(t.Context(), specOf(t, strings.Replace(studySpec, `"s"`, `"nobodys"`, 1)))
	if err != nil || spec.CreatedBy != "" {
		t.Fatalf("%+v, %v", spec, err)
	}
	may := func(role, project, study string, needs right) bool {
		mine := study == "mine"
		switch role {
		case "admin":
			return true
		case "project admin":
			return needs == hello || (needs != administer && project == "default")
		case "submit":
			return needs == hello || project == "default" && (needs == read || needs == create || mine && (needs == run || needs == change))
		case "submit of all":
			return needs == hello || project != "" && (needs == read || needs == create || mine && (needs == run || needs == change))
		case "worker":
			return needs == hello || project == "default" && (needs == read || needs == run)
		case "viewer":
			return needs == hello || project == "default" && needs == read
		}
		panic(role)
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "MADEUP"}
	checked := 0
	for _, route := range f.server.echo.Routes() {
		for _, at := range [][2]string{{"default", "mine"}, {"default", "theirs"}, {"default", "nobodys"}, {"other", "mine"}} {
			to := strings.NewReplacer(":project", at[0], ":study", at[1], ":number", "7", ":attempt", "1").Replace(route.Path)
			project, study := at[0], at[1]
			if !strings.Contains(route.Path, ":project") {
				project = ""
			}
			if !strings.Contains(route.Path, ":study") {
				study = "none"
			}
			for _, method := range methods {
				need, routed := f.server.needs[method+" "+route.Path]
				if need.needs == noToken && routed || !routed && f.isRoute(method, to) || method == http.MethodDelete && need.needs == change {
					continue // public, a route of its own, or has its turn below
				}
				send := ""
				if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions}, method) {
					send = "{}"
				}
				for role, secret := range secrets {
					checked++
					got, _, text := f.do(method, to, send, bearer(secret))
					allowed := may(role, project, study, need.needs)
					switch {
					case !routed && got != http.StatusMethodNotAllowed && got != http.StatusNotFound && !(method == http.MethodOptions && got == http.StatusNoContent):
						t.Errorf("%s: %s %s: %d, want 404 or 405\n%s", role, method, to, got, text)
					case routed && allowed == (got == http.StatusForbidden), got == http.StatusUnauthorized, got >= http.StatusInternalServerError:
						t.Errorf("%s: %s %s: %d, allowed is %v\n%s", role, method, to, got, allowed, text)
					}
				}
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d requests were made", checked)
	}

	// What removes goes last, from the weakest.
	for _, role := range []string{"viewer", "worker", "submit", "project admin"} {
		for _, study := range []string{"nobodys", "theirs", "mine"} {
			got, _, text := f.do(http.MethodDelete, studies+"/"+study, "", bearer(secrets[role]))
			if allowed := may(role, "default", study, change); allowed == (got == http.StatusForbidden) {
				t.Errorf("%s: DELETE %s: %d, allowed is %v\n%s", role, study, got, allowed, text)
			}
		}
	}
}

// isRoute reports whether a route takes a path.
func (f *fixture) isRoute(method, to string) bool {
	parts := strings.Split(to, "/")
	for key := range f.server.needs {
		m, path, _ := strings.Cut(key, " ")
		pattern := strings.Split(path, "/")
		if m == method && slices.EqualFunc(pattern, parts, func(p, s string) bool { return p == s || strings.HasPrefix(p, ":") }) {
			return true
		}
	}
	return false
}

// TestSubmitHasItsOwnStudies: names lead to no study of another, not even for a
// moment.
func TestSubmitHasItsOwnStudies(t *testing.T) {
	f := newFixture(t)
	me := f.addToken(store.Token{Name: "me", Role: store.RoleSubmit, Owner: "me", Projects: []string{"default"}})
	laptop := f.addToken(store.Token{Name: "laptop", Role: store.RoleSubmit, Owner: "me", Projects: []string{"default"}})
	you := f.addToken(store.Token{Name: "you", Role: store.RoleSubmit, Owner: "you", Projects: []string{"default"}})
	as := func(status int, secret, method, path, body string) []byte {
		t.Helper()
		got, _, text := f.do(method, path, body, bearer(secret))
		if got != status {
			t.Fatalf("%s %s: %d, want %d\n%s", method, path, got, status, text)
		}
		return text
	}
	if text := as(201, me, http.MethodPost, studies, studySpec); !strings.Contains(string(text), `"created_by":"me"`) {
		t.Errorf("the study is %s", text)
	}
	as(200, laptop, http.MethodPost, studies, studySpec) // the same owner continues it
	as(200, laptop, http.MethodPatch, studies+"/s", `{"budget":{"trials":9}}`)
	for _, check := range []string{"", "?check=true"} {
		if text := as(403, you, http.MethodPost, studies+check, studySpec); !strings.Contains(string(text), "belongs to me") {
			t.Errorf("the refusal is %s", text)
		}
	}
	as(403, you, http.MethodPatch, studies+"/s", `{"budget":{"trials":10}}`)
	as(200, you, http.MethodGet, studies+"/s/trials", "")

	// The study goes, and yours takes its name: what the server knew of the name
	// helps me no more.
	as(200, me, http.MethodPatch, studies+"/s", `{"budget":{"trials":9}}`)
	st, err := f.local.Store.Study(t.Context(), "default", "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.local.Engine.Control(t.Context(), types.ControlRequest{Study: st.ID, Kind: types.RemoveStudy}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.local.Engine.Open(t.Context(), specOf(t, studySpec), engine.Opening{User: "you"}); err != nil {
		t.Fatal(err)
	}
	as(403, me, http.MethodPatch, studies+"/s", `{"state":"stopped"}`)
	as(403, me, http.MethodPost, studies+"/s/leases", `{"worker":"w"}`)
	as(200, you, http.MethodPatch, studies+"/s", `{"state":"stopped"}`)
}

func specOf(t *testing.T, text string) (spec types.StudySpec) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}
