package runner

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/problems"
)

// set is a small one.
func set(t *testing.T, dir string, contenders ...string) *Set {
	t.Helper()
	s := &Set{Seeds: []int64{1, 2}, Budget: 15, Dir: dir}
	for _, name := range []string{"branin", "noisy-branin-additive", "models"} {
		s.Problems = append(s.Problems, problem(t, name))
	}
	for _, c := range contenders {
		s.Contenders = append(s.Contenders, own(t, c))
	}
	return s
}

// numbersOnly leaves out what differs between two runs.
var numbersOnly = cmp.Options{
	cmpopts.IgnoreFields(Result{}, "AskP50", "AskP95", "AskP99", "AskMean", "CPU", "Wall", "Allocs"), cmpopts.EquateNaNs(),
}

func read(t *testing.T, dir string) []Result {
	t.Helper()
	r, err := ReadResults(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSetIsStoredAndResumed(t *testing.T) {
	dir := t.TempDir()
	out, err := set(t, dir, "tpe:above_cap=0", "random").Run(t.Context())
	if err != nil || out.Made != 12 || out.Stored != 0 {
		t.Fatal(out.Made, out.Stored, err)
	}
	all := read(t, dir)
	if len(all) != 12 {
		t.Fatalf("%d results", len(all))
	}
	for _, r := range all {
		if r.Status != Done || r.Best[len(r.Best)-1] < r.Optimum-1e-9 || !(r.AskP50 > 0) || !(r.Wall > 0) || math.IsNaN(r.Allocs) {
			t.Errorf("%+v", r)
		}
	}
	path := filepath.Join(dir, "tpe_above_cap=0.csv")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Cut the file at all kinds of places: after the header, in the header, in a
	// row, before its line end.
	first := bytes.IndexByte(content, '\n') + 1
	second := first + bytes.IndexByte(content[first:], '\n') + 1
	for _, cut := range []struct{ at, kept int }{{0, 0}, {7, 0}, {first, 0}, {first + 50, 0}, {second - 1, 0}, {second, 1}, {len(content) - 3, 5}} {
		if err := os.WriteFile(path, content[:cut.at], 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := set(t, dir, "tpe:above_cap=0", "random").Run(t.Context())
		if err != nil || out.Made != 6-cut.kept || out.Stored != 6+cut.kept || len(out.Results) != 12 {
			t.Errorf("cut at %d: %d made, %d stored, %v", cut.at, out.Made, out.Stored, err)
		}
		if d := cmp.Diff(all, read(t, dir), numbersOnly); d != "" {
			t.Errorf("cut at %d:\n%s", cut.at, d)
		}
	}
	// Another budget is another run.
	more := set(t, dir, "random")
	more.Budget = 20
	if out, err := more.Run(t.Context()); err != nil || out.Made != 6 || out.Stored != 0 {
		t.Errorf("another budget: %d made, %d stored, %v", out.Made, out.Stored, err)
	}
	fresh := set(t, dir, "random")
	fresh.Fresh = true
	if out, err := fresh.Run(t.Context()); err != nil || out.Made != 6 {
		t.Errorf("fresh: %d made, %v", out.Made, err)
	}
	if n := len(read(t, dir)); n != 18 {
		t.Errorf("%d results in the end, want 12 and 6 of the other budget", n)
	}
}

func TestParallelRunsGiveTheSame(t *testing.T) {
	one, three := t.TempDir(), t.TempDir()
	if _, err := set(t, one, "tpe", "random").Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := set(t, three, "tpe", "random")
	s.Parallel = 3
	var seen []int
	s.Progress = func(p Progress) { seen = append(seen, p.Done) }
	if _, err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(read(t, one), read(t, three), numbersOnly); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, seen); d != "" {
		t.Errorf("progress: %s", d)
	}
	for _, r := range read(t, three) {
		if !math.IsNaN(r.Allocs) {
			t.Errorf("allocations were counted beside other runs: %v", r.Allocs)
		}
	}
}

// A set that is interrupted leaves whole rows, and what it left is not made again.
func TestCancelledSetGoesOn(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s := set(t, dir, "random")
	s.Progress = func(p Progress) {
		if p.Done == 2 {
			cancel()
		}
	}
	out, err := s.Run(ctx)
	if !errors.Is(err, context.Canceled) || out.Made != 2 {
		t.Fatalf("%d made, %v", out.Made, err)
	}
	if n := len(read(t, dir)); n != 2 {
		t.Errorf("%d results are stored", n)
	}
	if out, err := set(t, dir, "random").Run(t.Context()); err != nil || out.Made != 4 || out.Stored != 2 {
		t.Errorf("then: %d made, %d stored, %v", out.Made, out.Stored, err)
	}
}

// What a contender cannot take is stored for good, what broke is tried again.
func TestFailuresAreTriedAgain(t *testing.T) {
	dir := t.TempDir()
	opened, broken := 0, true
	flaky := Contender{Name: "flaky", Version: "1", Open: func(ctx context.Context, study Study) (Searcher, error) {
		opened++
		switch {
		case study.Space.Conditional():
			return nil, types.Errorf(types.Unsupported, "it knows no conditions")
		case broken:
			return nil, errors.New("it crashed, \"badly\",\nhere")
		}
		return own(t, "random").Open(ctx, study)
	}}
	closed := 0
	flaky.Close = func() error { closed++; return nil }
	run := func() Outcome {
		s := set(t, dir)
		s.Contenders, s.Seeds = []Contender{flaky}, []int64{1}
		out, err := s.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := run()
	if len(out.Failures()) != 3 || opened != 3 {
		t.Fatalf("%d failures, opened %d times", len(out.Failures()), opened)
	}
	if f := out.Failures(); f[0].Status != Failed || f[2].Status != Unsupported || f[2].Note != "it knows no conditions" {
		t.Errorf("%+v", f)
	}
	if note := read(t, dir)[0].Note; note != `it crashed, "badly", here` {
		t.Errorf("the note was read back as %q", note)
	}
	broken = false
	if out := run(); out.Made != 2 || out.Stored != 1 || len(out.Failures()) != 1 || opened != 5 {
		t.Errorf("then %d made, %d stored, opened %d times", out.Made, out.Stored, opened)
	}
	if out := run(); out.Made != 0 || opened != 5 || closed != 3 {
		t.Errorf("in the end %d made, opened %d times, closed %d times", out.Made, opened, closed)
	}
}

func TestAbsentContendersAreLeftOut(t *testing.T) {
	s := set(t, t.TempDir(), "random")
	absent := own(t, "tpe")
	absent.Check = func(context.Context) error { return errors.New("it is not installed") }
	s.Contenders = append(s.Contenders, absent)
	out, err := s.Run(t.Context())
	if err != nil || out.Made != 6 || len(out.Absent) != 1 || out.Absent[0].Contender != "tpe" {
		t.Errorf("%d made, absent %v, %v", out.Made, out.Absent, err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "tpe.csv")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an absent contender has a file: %v", err)
	}
}

func TestSetRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		change func(*Set)
		want   string
	}{
		{func(s *Set) { s.Contenders = nil }, "no contender"},
		{func(s *Set) { s.Problems = []*problems.Problem{} }, "no problem"},
		{func(s *Set) { s.Seeds = nil }, "no seed"},
		{func(s *Set) { s.Budget = 0 }, "0 trials"},
		{func(s *Set) { s.Dir = "" }, "no folder"},
		{func(s *Set) { s.Contenders = append(s.Contenders, s.Contenders[0]) }, "named twice"},
	} {
		s := set(t, dir, "random")
		tt.change(s)
		if _, err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("want %q: %v", tt.want, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "random.csv"), []byte("a,b\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := set(t, dir, "random").Run(t.Context()); types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("another program's file: %v", err)
	}
	held, err := openFile(t.TempDir(), "random")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := held.close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := set(t, filepath.Dir(held.path), "random").Run(t.Context()); types.CodeOf(err) != types.Conflict {
		t.Errorf("two sets write to one file: %v", err)
	}
	if _, err := ReadResults(filepath.Join(dir, "none")); types.CodeOf(err) != types.NotFound {
		t.Errorf("results of a folder that is not there: %v", err)
	}
}
