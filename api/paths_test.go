package api

import (
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheServerOpensNoFiles: nothing that a request says can become a path here,
// because nothing here opens any.
func TestTheServerOpensNoFiles(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			switch path := strings.Trim(i.Path.Value, `"`); path {
			case "os", "os/exec", "io/fs", "io/ioutil", "path/filepath", "plugin", "syscall":
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// bodies makes requests out of schemas: every text is the payload, as far as the
// schema allows.
type bodies struct {
	schemas map[string]map[string]any
	payload string
}

func (b bodies) value(schema map[string]any, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		return b.value(b.schemas[filepath.Base(ref)], depth+1)
	}
	if all, ok := schema["enum"].([]any); ok {
		return all[0]
	}
	kind := schema["type"]
	if kinds, ok := kind.([]any); ok { // or null
		kind = kinds[0]
	}
	switch kind {
	case "object":
		out := map[string]any{}
		props, ok := schema["properties"].(map[string]any)
		for name, p := range props {
			if depth < 8 {
				out[name] = b.value(p.(map[string]any), depth+1)
			}
		}
		if more, isMap := schema["additionalProperties"].(map[string]any); isMap && !ok {
			out[b.payload] = b.value(more, depth+1)
		}
		return out
	case "array":
		return []any{b.value(schema["items"].(map[string]any), depth+1)}
	case "string":
		if strings.Contains(fmt.Sprint(schema["description"]), "duration") {
			return "1s"
		}
		return b.payload
	case "integer", "number":
		return 1
	case "boolean":
		return false
	}
	return b.payload
}

// TestNoPathOfARequestReachesTheDisk sends paths in every text of every request.
// No file appears or goes, and none that the server could read is answered.
func TestNoPathOfARequestReachesTheDisk(t *testing.T) {
	f := newFixture(t)
	home := filepath.Dir(f.local.StudyDir("p", "s")) // .../trials/p
	home = filepath.Dir(filepath.Dir(home))
	canary := filepath.Join(home, "canary")
	const secret = "the canary's secret"
	if err := os.MkdirAll(canary, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stdout.log", "exit.json", "handle.json", "params.json"} {
		if err := os.WriteFile(filepath.Join(canary, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	shape := func() (out []string) {
		err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
			if !strings.HasPrefix(d.Name(), "t.db") { // the database and its helpers
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	f.gets(201, http.MethodPost, studies, studySpec, nil)
	f.lease(studies+"/s", "w")
	before := shape()

	doc, err := f.server.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths      map[string]map[string]map[string]any
		Components struct {
			Schemas map[string]map[string]any
		}
	}
	if err := json.Unmarshal(doc, &api); err != nil {
		t.Fatal(err)
	}
	sent := 0
	payloads := []string{canary, "../../canary", "..", "/", "file://" + canary, canary + "\x00", "..\\canary", "%2e%2e/canary", "~/canary", "s/../../canary"}
	if testing.Short() {
		payloads = payloads[:2]
	}
	for _, payload := range payloads {
		for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
			for method, op := range api.Paths[path] {
				body := ""
				if rb, ok := op["requestBody"].(map[string]any); ok {
					schema := map[string]any{"$ref": "#/components/schemas/FinishedTrial"} // what a line has
					if in, ok := rb["content"].(map[string]any)["application/json"].(map[string]any); ok {
						schema = in["schema"].(map[string]any)
					}
					b, err := json.Marshal(bodies{api.Components.Schemas, payload}.value(schema, 0))
					if err != nil {
						t.Fatal(err)
					}
					body = string(b)
				}
				query := url.Values{}
				if ps, ok := op["parameters"].([]any); ok {
					for _, p := range ps {
						if p := p.(map[string]any); p["in"] == "query" && p["name"] != "wait" && p["name"] != "seconds" {
							query.Set(p["name"].(string), payload)
						}
					}
				}
				study := url.PathEscape(payload)
				for _, names := range [][2]string{{"default", "s"}, {"default", study}, {study, "s"}} {
					to := strings.NewReplacer("{project}", names[0], "{study}", names[1], "{number}", "0", "{attempt}", "1").Replace(path)
					for _, q := range []string{"", "?" + query.Encode()} {
						if strings.Contains(to, "{") { // a name of its own
							to = to[:strings.Index(to, "{")] + study
						}
						if method == "delete" && names == [2]string{"default", "s"} {
							continue // the study is needed
						}
						sent++
						status, _, text := f.do(strings.ToUpper(method), to+q, body, func(r *http.Request) {
							for _, h := range []string{"X-Request-ID", "Last-Event-ID", "X-Forwarded-For", "Idempotency-Key"} {
								r.Header.Set(h, strings.ReplaceAll(payload, "\x00", ""))
							}
							if op["operationId"] == any("importLines") {
								asLines(r)
							}
						})
						if strings.Contains(string(text), secret) || status >= 500 && status != 501 && status != 503 {
							t.Errorf("%s %s with %q: %d %.300s", method, to+q, payload, status, text)
						}
					}
				}
			}
		}
	}
	if after := shape(); !slices.Equal(before, after) {
		t.Errorf("the files were %v and are %v", before, after)
	}
	if b, err := os.ReadFile(filepath.Join(canary, "stdout.log")); err != nil || string(b) != secret {
		t.Errorf("the canary has %q, %v", b, err)
	}
	if sent < 300 {
		t.Errorf("only %d requests were sent", sent)
	}
}
