package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
)

var update = flag.Bool("update", false, "write testdata/report.md anew")

// invented reads testdata/results, which claim to be of the present version of
// the harness, except for one of version 0.
func invented(t *testing.T) ([]runner.Result, []runner.Latency) {
	t.Helper()
	dir := filepath.Join("testdata", "results")
	results, err := runner.ReadResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := runner.ReadLatencies(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range results {
		if results[i].Harness == "1" {
			results[i].Harness = runner.Version
		}
	}
	for i := range rows {
		rows[i].Harness = runner.Version
	}
	return results, rows
}

func TestGolden(t *testing.T) {
	results, rows := invented(t)
	r, err := Build(results, rows, Config{Title: "Invented results", At: []int{10, 30}, Resamples: 200})
	if err != nil {
		t.Fatal(err)
	}
	// The version of the harness may change without this file.
	got := strings.Replace(string(r.Markdown), "- Harness version "+runner.Version+",", "- Harness version N,", 1)
	path := filepath.Join("testdata", FileName)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the report has changed; see whether it should, then run with -update (-want +got):\n%s", diff)
	}
}

// Each picture that the report shows is written, is well-formed, has a white
// ground and names all contenders.
func TestPictures(t *testing.T) {
	results, rows := invented(t)
	r, err := Build(results, rows, Config{Resamples: 50})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for line := range strings.Lines(string(r.Markdown)) {
		if !strings.HasPrefix(line, "![") {
			continue
		}
		shown++
		_, name, _ := strings.Cut(strings.TrimSpace(line), "](")
		svg, err := os.ReadFile(filepath.Join(dir, strings.TrimSuffix(name, ")")))
		if err != nil {
			t.Fatal(err)
		}
		texts := wellFormed(t, name, svg)
		for _, label := range []string{"optuna-tpe", "tpe"} {
			if !strings.Contains(texts, "\n"+label) {
				t.Errorf("%s does not name %s:\n%s", name, label, texts)
			}
		}
		if ground := bytes.Index(svg, []byte("<path")); !bytes.Contains(svg[ground:ground+120], []byte("fill:#FFFFFF")) {
			t.Errorf("%s has no white ground: %s", name, svg[ground:ground+120])
		}
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s has coordinates that are no numbers", name)
		}
	}
	// The ranks of the tables are of one problem that all have: nothing to draw.
	if shown != len(r.Pictures) || shown != 3+2+1 {
		t.Errorf("%d pictures are shown, %d written; want curves of all and of two groups, ranks of all and of one, and latency", shown, len(r.Pictures))
	}
}

// wellFormed reads the document and returns its texts.
func wellFormed(t *testing.T, name string, svg []byte) string {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	var texts strings.Builder
	in := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts.String()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			in = token.Name.Local == "text"
		case xml.CharData:
			if in {
				texts.WriteString("\n" + string(token))
			}
		case xml.EndElement:
			in = false
		}
	}
}

func TestBuildIsReproducible(t *testing.T) {
	results, rows := invented(t)
	first, err := Build(results, rows, Config{Resamples: 50})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Build(results, rows, Config{Resamples: 50})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestBuildErrors(t *testing.T) {
	results, _ := invented(t)
	for _, c := range []struct {
		name    string
		results []runner.Result
		cfg     Config
		code    types.Code
		says    string
	}{
		{"no results", nil, Config{}, types.Invalid, "there are no results"},
		{"unknown baseline", results, Config{Baseline: "optuna-tp"}, types.NotFound, "did you mean optuna-tpe?"},
		{"workers without runs", results, Config{Workers: 3}, types.Invalid, "84 runs with 1 worker"},
		{"only failures", []runner.Result{{
			Contender: "x", Harness: runner.Version, Workers: 1, Status: runner.Failed, Note: "it broke",
		}}, Config{}, types.Invalid, "it broke"},
	} {
		_, err := Build(c.results, nil, c.cfg)
		if types.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %s", c.name, err, c.code)
			continue
		}
		text := err.Error()
		if e, ok := errors.AsType[*types.Error](err); ok {
			text += e.Remedy
		}
		if !strings.Contains(text, c.says) {
			t.Errorf("%s: %s does not say %q", c.name, text, c.says)
		}
	}
}
