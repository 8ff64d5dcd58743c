package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

func TestProjects(t *testing.T) {
	f := newFixture(t)
	var p types.Project
	f.gets(201, http.MethodPost, "/v1/projects", `{"name":"vision"}`, &p)
	f.gets(200, http.MethodPost, "/v1/projects", `{"name":"vision"}`, &p)
	if p.Name != "vision" || p.Created.IsZero() {
		t.Errorf("made: %+v", p)
	}
	f.refuses(422, types.Invalid, http.MethodPost, "/v1/projects", `{"name":"a/b"}`, nil)
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	var names []string
	for after := ""; ; {
		var page types.ProjectPage
		f.gets(200, http.MethodGet, "/v1/projects?limit=1"+after, "", &page)
		for _, p := range page.Projects {
			names = append(names, p.Name)
			if p.Name == "default" && p.Studies != 1 {
				t.Errorf("listed: %+v", p)
			}
		}
		if page.Next == "" {
			break
		}
		after = "&after=" + page.Next
	}
	if len(names) != 2 || names[0] != "default" || names[1] != "vision" {
		t.Errorf("the projects are %v", names)
	}
	// A token for some projects sees those.
	secret := NewToken()
	if _, err := f.local.Store.AddToken(t.Context(), store.Token{Project: "default", Name: "few", Hash: HashToken(secret), Role: store.RoleViewer,
		Projects: []string{"vision"}, Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	status, _, text := f.do(http.MethodGet, "/v1/projects?limit=1", "", bearer(secret))
	if want := `{"projects":[{"name":"vision",`; status != http.StatusOK || len(text) < len(want) || string(text[:len(want)]) != want {
		t.Errorf("with a token for one: %d %s", status, text)
	}
	f.refuses(403, types.Forbidden, http.MethodPost, "/v1/projects", `{"name":"vision"}`, bearer(secret))
}

// TestComponents: what the lists say of a setting is what a study takes.
func TestComponents(t *testing.T) {
	f := newFixture(t)
	for what, path := range map[string]string{"algorithm": "/v1/algorithms", "stopper": "/v1/stoppers"} {
		var list types.ComponentList
		f.gets(200, http.MethodGet, path, "", &list)
		defaults := 0
		for _, c := range list.Components {
			if c.Doc == "" || c.Settings == nil {
				t.Errorf("%s: %+v", path, c)
			}
			if c.Default {
				defaults++
			}
			spec := types.StudySpec{Name: "s", Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0},{"name":"y","type":"float","low":0.0,"high":1.0}]}`),
				Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}}
			given := types.Component{Name: c.Name, Settings: map[string]any{}}
			for _, s := range c.Settings {
				if s.Doc == "" || s.Type == "" {
					t.Errorf("%s of %s: %+v", s.Name, c.Name, s)
				}
				given.Settings[s.Name] = s.Default
			}
			if what == "algorithm" {
				spec.Algorithm = given
			} else {
				spec.Stopper = given
			}
			if _, err := f.local.Engine.Check(t.Context(), spec); err != nil && what == "algorithm" {
				t.Errorf("%s with its defaults: %v", c.Name, err)
			}
		}
		if defaults != 1 || len(list.Components) < 4 {
			t.Errorf("%s: %d components, %d of them the default", path, len(list.Components), defaults)
		}
	}
}

// TestDocs: the page names every operation and every schema that it links to,
// and loads nothing.
func TestDocs(t *testing.T) {
	f := newFixture(t)
	status, header, b := f.do(http.MethodGet, "/docs", "", nil)
	page := string(b)
	csp := header.Get("Content-Security-Policy")
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !strings.HasPrefix(csp, "default-src 'none'; style-src 'sha256-") {
		t.Fatalf("%d %s", status, header)
	}
	style := page[strings.Index(page, "<style>")+len("<style>") : strings.Index(page, "</style>")]
	hash := sha256.Sum256([]byte(style))
	if !strings.Contains(csp, "'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'") {
		t.Error("the browser would not apply the style")
	}
	for id := range described(f.server) {
		if !strings.Contains(page, `id="`+id+`"`) {
			t.Errorf("the page lacks %s", id)
		}
	}
	for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if to, ok := strings.CutPrefix(link[1], "#"); !ok || !strings.Contains(page, `id="`+strings.ReplaceAll(to, "%20", " ")+`"`) {
			t.Errorf("the link %s leads nowhere on the page", link[1])
		}
	}
	for _, bad := range []string{"<script", "src=", "http://", "https://", "@import", "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
}
