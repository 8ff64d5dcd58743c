package problems

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

var update = flag.Bool("update", false, "rewrite testdata/problems.txt")

// allFiles makes a folder in which every data file is there, though empty.
func allFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d := &folder{}
	for _, list := range []func() ([]*Problem, []string){
		d.tabularProblems, d.mootProblems, d.gridProblems, d.yahpoProblems, d.tasksetProblems,
	} {
		_, files := list()
		for _, f := range files {
			writeFile(t, dir, f, nil)
		}
	}
	return dir
}

func writeFile(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	name = filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func catalog(t testing.TB, dir string) *Catalog {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNamesAreStable compares with the committed list: stored results are keyed
// by these names, so none may change or go.
func TestNamesAreStable(t *testing.T) {
	c := catalog(t, allFiles(t))
	if len(c.Skipped) > 0 {
		t.Fatalf("skipped: %v", c.Skipped)
	}
	var b strings.Builder
	seen := map[string]bool{}
	for _, p := range c.Problems {
		if seen[p.Name] {
			t.Errorf("the name %s occurs twice", p.Name)
		}
		seen[p.Name] = true
		b.WriteString(p.Group + " " + p.Name + "\n")
		if p.Doc == "" || len(p.Instances) == 0 {
			t.Errorf("%s has no description or no instances", p.Name)
		}
		if q, err := c.Find(p.Name); err != nil || q != p {
			t.Errorf("%s is not found: %v", p.Name, err)
		}
	}
	const file = "testdata/problems.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the list of problems has changed (-update accepts it):\n%s", d)
	}
	want2 := []string{"bbob5", "bbob20", "classic", "noisy", "mixed", "conditional", "curves", "tables", "surrogates"}
	if d := cmp.Diff(want2, c.Groups()); d != "" {
		t.Error(d)
	}
	if n := len(c.Group("bbob20")); n != bbobFunctions {
		t.Errorf("group bbob20 has %d problems", n)
	}
}

func TestTiers(t *testing.T) {
	full, bare := catalog(t, allFiles(t)), catalog(t, "")
	for _, tt := range []struct {
		tier        string
		all, noData int
		groups      map[string]int
	}{
		{"quick", 30, 20, nil},
		{"dev", 60, 36, map[string]int{"bbob5": 24, "bbob20": 12, "tables": 12, "surrogates": 12}},
	} {
		chosen, skipped, err := full.Tier(tt.tier)
		if err != nil || len(chosen) != tt.all || len(skipped) != 0 {
			t.Errorf("%s: %d problems, %d skipped, %v", tt.tier, len(chosen), len(skipped), err)
		}
		groups, names := map[string]int{}, map[string]bool{}
		for _, p := range chosen {
			groups[p.Group]++
			names[p.Name] = true
		}
		if len(names) != len(chosen) {
			t.Errorf("%s names a problem twice", tt.tier)
		}
		if tt.groups != nil {
			if d := cmp.Diff(tt.groups, groups); d != "" {
				t.Error(d)
			}
		}
		chosen, skipped, err = bare.Tier(tt.tier)
		if err != nil || len(chosen) != tt.noData || len(chosen)+len(skipped) != tt.all {
			t.Errorf("%s without data: %d problems, %d skipped, %v", tt.tier, len(chosen), len(skipped), err)
		}
		for _, s := range skipped {
			if !strings.Contains(s.Reason, "TUNER_BENCH_DATA") {
				t.Errorf("%s is skipped because %q", s.Name, s.Reason)
			}
		}
	}
	chosen, skipped, err := bare.Tier("full")
	if err != nil || len(chosen) != len(bare.Problems) || len(skipped) != len(bare.Skipped) || len(skipped) == 0 {
		t.Errorf("full without data: %d problems, %d skipped, %v", len(chosen), len(skipped), err)
	}
	if _, _, err := bare.Tier("huge"); types.CodeOf(err) != types.Invalid {
		t.Errorf("an unknown tier: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "grids/svm.csv", []byte("1,1,1,0.5,10\n"))
	c := catalog(t, dir)
	tests := []struct {
		name string
		code types.Code
		says string
	}{
		{"grid-lda", types.NotFound, "grids/lda.csv"},
		{"lcbench-7593", types.Invalid, "judge releases"},
		{"rbv2_xgboost-12", types.Invalid, "judge releases"},
		{"hartman6", types.NotFound, "did you mean hartmann6?"},
		{"bbob-f25-d5", types.NotFound, "bbob-f2"},
	}
	for _, tt := range tests {
		if _, err := c.Find(tt.name); types.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// The list decides before any file is looked at.
	d := &folder{dir: dir}
	if _, err := d.yahpo(yahpoScenarios[0], 7593); types.CodeOf(err) != types.Invalid {
		t.Errorf("a task of the test split: %v", err)
	}
	// A problem that is there opens; one of the instances for judging does not.
	p, err := BBOB(15, 10)
	if err != nil {
		t.Fatal(err)
	}
	if in := open(t, p, 15); in.Name() != "bbob-f15-d10-i15" || in.Space().Len() != 10 || in.Number() != 15 || in.Problem() != p {
		t.Errorf("%s with %d parameters", in.Name(), in.Space().Len())
	}
	for _, n := range []int{0, 16} {
		if _, err := p.Open(n); types.CodeOf(err) != types.Invalid {
			t.Errorf("instance %d: %v", n, err)
		}
	}
	for _, dir := range []string{filepath.Join(dir, "absent"), filepath.Join(dir, "grids/svm.csv")} {
		if _, err := Open(dir); types.CodeOf(err) != types.NotFound {
			t.Errorf("%s as data folder: %v", dir, err)
		}
	}
}

func TestInstanceFor(t *testing.T) {
	p := bbobProblem(1, 5)
	for seed, want := range map[int64]int{1: 1, 15: 15, 16: 1, 20: 5, 0: 15, -1: 14} {
		if got := p.InstanceFor(seed); got != want {
			t.Errorf("seed %d takes instance %d, not %d", seed, got, want)
		}
	}
}

func TestCurveAt(t *testing.T) {
	c, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Find("learning")
	if err != nil {
		t.Fatal(err)
	}
	for instance := 1; instance <= 15; instance++ {
		in, err := p.Open(instance)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, uint64(instance)))
		for range 100 {
			q := in.Space().Sample(r)
			curve := in.Curve(nil, q)
			for i, v := range curve {
				if w := in.CurveAt(q, i+1); w != v && (w == w || v == v) {
					t.Fatalf("step %d: %g in the curve, %g alone", i+1, v, w)
				}
			}
			if v, o := in.Evaluate(q), in.optimum; v < o {
				t.Fatalf("%v has %g, the optimum is %g", q, v, o)
			}
		}
	}
}
