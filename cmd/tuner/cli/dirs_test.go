package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

// Only a path of the layout that tuner makes leads to a folder that is removed.
func TestIsStudyDir(t *testing.T) {
	spec := types.StudySpec{Project: "p", Name: "s"}
	for folder, want := range map[string]bool{
		"/data/p/s": true, "/p/s": true, "/data/p/other": false, "/data/q/s": false, "/data/p/s/12": false,
		"p/s": false, "/s": false, ".": false, "/": false,
	} {
		if got := isStudyDir(spec, folder); got != want {
			t.Errorf("isStudyDir(%q) = %v, want %v", folder, got, want)
		}
	}
}

func TestTrialDirsIn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"10", "2", ".agents", "x", "-1", "007", "3"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "4"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := trialDirsIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []trialDir{{2, filepath.Join(dir, "2")}, {3, filepath.Join(dir, "3")}, {10, filepath.Join(dir, "10")}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(trialDir{})); d != "" {
		t.Error(d)
	}
	if got, err := trialDirsIn(filepath.Join(dir, "absent")); err != nil || got != nil {
		t.Errorf("a folder that is not there: %v, %v", got, err)
	}
}

func TestParseKeep(t *testing.T) {
	for text, want := range map[string]retention{"": {all: true}, "all": {all: true}, "none": {}, "best": {best: -1}, "0": {}, "3": {best: 3}} {
		if got, err := parseKeep(text); err != nil || got != want {
			t.Errorf("parseKeep(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"-1", "some", "1.5"} {
		if _, err := parseKeep(text); types.CodeOf(err) != types.Invalid {
			t.Errorf("parseKeep(%q): %v", text, err)
		}
	}
}

// The start of the last lines is found over the edges of the chunks in which
// the file is read.
func TestLastLines(t *testing.T) {
	long := strings.Repeat("x", 64<<10)
	for _, tt := range []struct {
		name, text string
		n          int
		want       string
	}{
		{"all", "a\nb\n", 5, "a\nb\n"},
		{"some", "a\nb\nc\n", 2, "b\nc\n"},
		{"without an end", "a\nb\nc", 2, "b\nc"},
		{"empty lines", "a\n\n\n", 2, "\n\n"},
		{"nothing", "", 3, ""},
		{"one empty line", "\n", 1, "\n"},
		{"long", long + "\n" + long + "\nend\n", 2, long + "\nend\n"},
		{"line end at an edge", "a\n" + long[:len(long)-1] + "\n", 1, long[:len(long)-1] + "\n"},
		{"line end before an edge", "a\n" + long, 1, long},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			at, err := lastLines(f, tt.n)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.text[at:]; got != tt.want {
				t.Errorf("%d bytes from %d on, want %d", len(got), at, len(tt.want))
			}
		})
	}
}
