package runner

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/builtin"
)

func ofCurves(t *testing.T, text string, workers int) Result {
	t.Helper()
	c, err := Stopped(builtin.Algorithms(), text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c, problem(t, "learning"), Config{Seed: 3, Budget: 30, Workers: workers})
	if err != nil || r.Status != Done {
		t.Fatalf("%s: %v %s %s", text, err, r.Status, r.Note)
	}
	return r
}

var noteForm = regexp.MustCompile(`^(\d+) trials, of which (\d+) completed, (\d+) pruned, (\d+) diverged`)

func counts(t *testing.T, r Result) (asked, completed, pruned, diverged int) {
	t.Helper()
	m := noteForm.FindStringSubmatch(r.Note)
	if m == nil {
		t.Fatalf("the note is %q", r.Note)
	}
	n := make([]int, 4)
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	return n[0], n[1], n[2], n[3]
}

// A budget is spent in steps: whoever ends trials early sees more of them.
func TestCurvesSpendSteps(t *testing.T) {
	whole := ofCurves(t, "random+none", 4)
	asked, completed, pruned, diverged := counts(t, whole)
	if pruned != 0 || completed+4 < 30-diverged || asked > 40 {
		t.Errorf("without a stopper: %s", whole.Note)
	}
	early := ofCurves(t, "random+median", 4)
	more, done, pruned, _ := counts(t, early)
	if more <= asked || done >= completed || pruned == 0 {
		t.Errorf("with median: %s; without: %s", early.Note, whole.Note)
	}
	if again := ofCurves(t, "random+median", 4); !cmp.Equal(early.Best, again.Best, cmpopts.EquateNaNs()) || early.Note != again.Note {
		t.Error("the same run came out differently")
	}
	for i, b := range early.Best {
		if i > 0 && b > early.Best[i-1] || b < early.Optimum {
			t.Errorf("the best values are %v, the optimum is %g", early.Best, early.Optimum)
		}
	}
}

// Trials that wait go on from where they were: no step is spent twice, and the
// best comes as far as the end.
func TestCurvesPromote(t *testing.T) {
	whole := ofCurves(t, "random+none", 4)
	waits := ofCurves(t, "random+asha:mode=promote,max_step=50", 4)
	asked, completed, pruned, diverged := counts(t, waits)
	if all := whole.Budget; asked < 2*all || pruned != 0 || completed < 2 || completed+diverged > all {
		t.Errorf("with promotions: %s; without a stopper: %s", waits.Note, whole.Note)
	}
	c, err := Stopped(builtin.Algorithms(), "random+asha:mode=promote,max_step=50")
	if err != nil {
		t.Fatal(err)
	}
	in, err := problem(t, "learning").Open(1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(t.Context(), Study{Space: in.Space(), Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	p := s.(Pauser)
	first := int64(0)
	for n := range int64(3) { // they wait at the first rung
		if _, ok := p.Promote(); ok {
			t.Fatalf("a trial goes on with %d at the rung", n)
		}
		if _, err := s.Ask(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		rung, waits := p.Budget(n)
		if !waits || rung < 1 {
			t.Fatalf("the first budget is %d, %v", rung, waits)
		}
		first = rung
		if stop, err := p.Report(t.Context(), n, rung, float64((n+1)%3)); stop || err != nil {
			t.Fatal(stop, err)
		}
		if err := p.Pause(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	n, ok := p.Promote() // the best of them
	if next, waits := p.Budget(n); !ok || n != 2 || !waits || next <= first {
		t.Errorf("trial %d goes on (%v), to step %d", n, ok, next)
	}
}

// A stopper that watches changes nothing, and says what it would have done.
func TestCurvesWatched(t *testing.T) {
	whole, watched := ofCurves(t, "tpe+none", 4), ofCurves(t, "tpe~median", 4)
	if d := cmp.Diff(whole.Best, watched.Best, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("watching changed the run: %s", d)
	}
	if !strings.Contains(watched.Note, "; it would have ended ") || strings.Contains(whole.Note, "would") {
		t.Errorf("the notes are %q and %q", watched.Note, whole.Note)
	}
}

// Problems without curves, and contenders without reports, cannot take part.
func TestCurvesUnsupported(t *testing.T) {
	c, err := Stopped(builtin.Algorithms(), "random+median")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c, problem(t, "branin"), Config{Seed: 1, Budget: 3})
	if err != nil || r.Status != Unsupported {
		t.Errorf("branin: %v %s %s", err, r.Status, r.Note)
	}
	plain := own(t, "random")
	plain.Curves = true
	open := plain.Open
	plain.Open = func(ctx context.Context, s Study) (Searcher, error) {
		in, err := open(ctx, s)
		return struct{ Searcher }{in}, err
	}
	r, err = Run(t.Context(), plain, problem(t, "learning"), Config{Seed: 1, Budget: 3})
	if err != nil || r.Status != Unsupported {
		t.Errorf("without reports: %v %s %s", err, r.Status, r.Note)
	}
	for _, text := range []string{"random+medain", "random+median:warmup=-1", "rnadom+median"} {
		if _, err := Stopped(builtin.Algorithms(), text); types.CodeOf(err) != types.Invalid {
			t.Errorf("%s: %v", text, err)
		}
	}
}
