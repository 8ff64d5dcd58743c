package tuner_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

func openConfig(name string, trials int64) tuner.Config {
	return tuner.Config{Name: name, Seed: 1, Trials: trials, Objectives: []tuner.Objective{tuner.Minimize("loss")}}
}

// search is a program that names its parameters while it runs.
func search(t *tuner.Trial) float64 {
	lr := t.Float("lr", 1e-5, 1e-1, tuner.Log())
	v := 10*lr + float64(t.Int("layers", 1, 6))
	if t.Choice("opt", "adam", "sgd") == "sgd" {
		v += 1 - t.Float("momentum", 0, 0.99)
	}
	if t.Bool("bias") {
		v += 0.1 * float64(tuner.OneOf(t, "width", []int{16, 32, 64})) / 64
	}
	return v
}

func TestDefineByRun(t *testing.T) {
	for _, algorithm := range []string{"tpe", "random", "cmaes", "gp", "qmc", "grid", "goptuna-tpe", "goptuna-cmaes", "goptuna-random"} {
		t.Run(algorithm, func(t *testing.T) {
			cfg := openConfig("open", 60)
			cfg.Algorithm = algorithm
			s := study(t, client(t, local.Memory), cfg)
			var mu sync.Mutex
			seen := map[int64]types.Params{}
			err := s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
				v := search(tr)
				if again := search(tr); again != v {
					t.Errorf("%v: the same names gave %v and then %v", tr, v, again)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[tr.Number()] = tr.Params()
				return v, nil
			}, tuner.RunOptions{Workers: 4})
			if err != nil {
				t.Fatal(err)
			}
			best, err := s.Best(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := seen[best.Number]
			for _, p := range best.Params {
				if v, ok := got.Get(p.Name); !ok || v != p.Value {
					t.Errorf("the best has %s=%v, the function had %v", p.Name, p.Value, v)
				}
			}
			_, sgd := best.Params.Get("momentum")
			if opt, _ := best.Params.Get("opt"); len(got) != len(best.Params) || sgd != (opt == "sgd") {
				t.Errorf("the best is at %v, the function was at %v", best.Params, got)
			}
			info, err := s.Info(t.Context())
			if err != nil || info.Counts.Completed != 60 || info.SpaceVersion != 7 {
				t.Errorf("%+v, space version %d, %v", info.Counts, info.SpaceVersion, err)
			}
		})
	}
}

// The model has to work where the space grows: it beats random search.
func TestDefineByRunSearches(t *testing.T) {
	best := func(algorithm string) float64 {
		sum := 0.0
		for seed := range int64(5) {
			cfg := openConfig("model", 60)
			cfg.Algorithm, cfg.Seed = algorithm, seed+1
			s := study(t, client(t, local.Memory), cfg)
			err := s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
				x, y := tr.Float("x", -5, 5), tr.Float("y", -5, 5)
				if tr.Bool("far") {
					return x*x + y*y + 1 + tr.Float("z", 0, 1), nil
				}
				return x*x + y*y, nil
			}, tuner.RunOptions{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Best(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sum += r.Value
		}
		return sum
	}
	if m, r := best("tpe"), best("random"); m > r/3 {
		t.Errorf("the best of tpe are %v in sum, of random %v", m, r)
	}
}

func TestAnotherParameterOfTheSameNameIsAnError(t *testing.T) {
	s := study(t, client(t, local.Memory), openConfig("clash", 30))
	tr := ask(t, s)
	tr.Float("lr", 1e-5, 1e-1, tuner.Log())
	if err := tr.Err(); err != nil {
		t.Fatal(err)
	}
	if v := tr.Float("lr", 1e-5, 1, tuner.Log()); v != 1e-5 {
		t.Errorf("after an error the value is %v, want the low end", v)
	}
	err := tr.Err()
	if types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "space.lr") || !strings.Contains(err.Error(), "high 0.1 → 1") {
		t.Errorf("another range: %v", err)
	}
	if !tr.ShouldStop() || !errors.Is(context.Cause(tr.Context()), err) {
		t.Errorf("the context ended because of %v", context.Cause(tr.Context()))
	}
	if tr.Int("n", 1, 2) != 1 || !errors.Is(tr.Err(), err) {
		t.Errorf("a draw after an error: %v", tr.Err())
	}
	if err := tr.Tell(t.Context(), 1); types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "lr") {
		t.Errorf("a result without a point: %v", err)
	}
	if err := tr.Fail(t.Context(), tr.Err()); err != nil {
		t.Error(err)
	}
	for what, draw := range map[string]func(*tuner.Trial){
		"type": func(tr *tuner.Trial) { tr.Int("lr", 1, 2) }, "scale": func(tr *tuner.Trial) { tr.Float("lr", 1e-5, 1e-1) },
		"choices": func(tr *tuner.Trial) { tr.Choice("lr", "a", "b") }, "step": func(tr *tuner.Trial) { tr.Float("lr", 1e-5, 1e-1, tuner.Log(), tuner.Step(0.1)) },
		"no end": func(tr *tuner.Trial) { tr.Float("u", 2, 1) }, "dynamic": func(tr *tuner.Trial) {
			tr.Bool("b", tuner.When(tuner.Condition{}))
		},
	} {
		tr := ask(t, s)
		draw(tr)
		if tr.Err() == nil {
			t.Errorf("%s: no error", what)
		}
		if err := tr.Fail(t.Context(), tr.Err()); err != nil && types.CodeOf(err) != types.Conflict {
			t.Error(err)
		}
		info, err := s.Info(t.Context())
		if err != nil || info.SpaceVersion != 2 {
			t.Errorf("%s: the space has version %d, %v", what, info.SpaceVersion, err)
		}
		if info.State == types.StudyStopped {
			s = study(t, client(t, local.Memory), openConfig("clash", 30))
			first := ask(t, s)
			first.Float("lr", 1e-5, 1e-1, tuner.Log())
			if err := first.Tell(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	// In Run the trial fails with it.
	var reason string
	err = s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		return tr.Float("lr", 0.5, 0.6), nil
	}, tuner.RunOptions{OnTrial: func(_ int64, state types.State, why string) { reason = string(state) + " " + why }})
	if err != nil || !strings.Contains(reason, "failed space.lr") {
		t.Errorf("the run ended with %v, its trials with %q", err, reason)
	}
}

func TestParametersOfADeclaredSpace(t *testing.T) {
	b := newBowl()
	s := study(t, client(t, local.Memory), b.config("declared", 20))
	err := s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		if x := tr.Float("x", -5, 5); x != b.x.Of(tr) {
			t.Errorf("x is %v and %v", x, b.x.Of(tr))
		}
		if n := tr.Int("n", 1, 16, tuner.Log()); n != b.n.Of(tr) {
			t.Errorf("n is %v and %v", n, b.n.Of(tr))
		}
		if d, ok := b.detail.Lookup(tr); ok && tr.Float("detail", 0, 1) != d {
			t.Errorf("detail is not %v", d)
		}
		return b.loss(tr), nil
	}, tuner.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s = study(t, client(t, local.Memory), b.config("declared", 20))
	tr := ask(t, s)
	tr.Float("xx", 0, 1)
	if err := tr.Err(); types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "not open") {
		t.Errorf("a name that the space does not have: %v", err)
	}
}

// Declared and drawn parameters live in one space, also when the study goes on
// in another process, which finds what was drawn.
func TestDeclaredAndDrawn(t *testing.T) {
	db := filepath.Join(t.TempDir(), "tuner.db")
	config := func(trials int64) (tuner.Config, tuner.Param[string]) {
		var space tuner.Space
		kind := tuner.Choice(&space, "kind", "a", "b")
		space.Open()
		cfg := openConfig("mixed", trials)
		cfg.Space = &space
		return cfg, kind
	}
	drawn := map[int64]float64{}
	for round := range int64(3) {
		c, err := local.Client(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		cfg, kind := config(8 * (round + 1))
		s := study(t, c, cfg)
		left := ask(t, s) // is left open, and comes back with what it had
		if v := left.Float("a", 0, 1); round > 0 && v != drawn[left.Number()] {
			t.Errorf("%v came back with a=%v, had %v", left, v, drawn[left.Number()])
		}
		if err := left.Tell(t.Context(), 0.5); err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
			return tr.Float(kind.Of(tr), 0, 1), nil
		}, tuner.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cfg, _ = config(8*(round+1) + 1)
		s = study(t, c, cfg)
		left = ask(t, s)
		drawn[left.Number()] = left.Float("a", 0, 1)
		if err := left.Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A program that was given the same values asks for the same parameters, so a
// finite search ends although not every combination exists.
func TestAFiniteProgramEnds(t *testing.T) {
	for _, algorithm := range []string{"random", "tpe"} {
		cfg := openConfig("finite", 0)
		cfg.Algorithm = algorithm
		s := study(t, client(t, local.Memory), cfg)
		seen := map[string]int{}
		err := s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
			key := tr.Choice("x", "a", "b", "c")
			if key == "a" {
				key += tr.Choice("y", "1", "2", "3", "4")
			}
			seen[key]++
			return float64(len(key)), nil
		}, tuner.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(seen) != 6 || counts(t, s).Completed > 9 {
			t.Errorf("%s: %v", algorithm, seen)
		}
	}
}

func TestTheDefaultComesFirst(t *testing.T) {
	s := study(t, client(t, local.Memory), openConfig("default", 0))
	var got []float64
	for range 3 {
		tr := ask(t, s)
		got = append(got, tr.Float("x", 0, 1, tuner.Default(0.25)))
		if err := errors.Join(tr.Err(), tr.Tell(t.Context(), 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got[0] != 0.25 || got[1] == 0.25 || got[2] == 0.25 {
		t.Errorf("x was %v, want the default once", got)
	}
}

func TestEnqueuedPointsOfAnOpenSpace(t *testing.T) {
	s := study(t, client(t, local.Memory), openConfig("queue", 0))
	first := ask(t, s)
	search(first)
	if err := first.Tell(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Enqueue(t.Context(), tuner.Params{{Name: "lr", Value: 0.0625}}); err != nil {
		t.Fatal(err)
	}
	tr := ask(t, s)
	if lr := tr.Float("lr", 1e-5, 1e-1, tuner.Log()); lr != 0.0625 {
		t.Errorf("the queued point came with lr=%v", lr)
	}
	if n := tr.Int("layers", 1, 6); tr.Err() != nil || n < 1 || n > 6 {
		t.Errorf("the rest is drawn: layers=%d, %v", n, tr.Err())
	}
	if err := s.Enqueue(t.Context(), tuner.Params{{Name: "nobody", Value: 1.0}}); types.CodeOf(err) != types.Invalid {
		t.Errorf("a parameter that nobody asked for: %v", err)
	}
}

// A trial that asked for nothing says nothing of the points of others.
func TestATrialThatAskedForNothing(t *testing.T) {
	s := study(t, client(t, local.Memory), openConfig("nothing", 10))
	if err := ask(t, s).Fail(t.Context(), errors.New("no start")); err != nil {
		t.Fatal(err)
	}
	if err := ask(t, s).Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.Run(t.Context(), func(_ context.Context, tr *tuner.Trial) (float64, error) {
		if tr.Number() == 5 {
			return 0, tuner.ErrPruned
		}
		return tr.Float("x", 0, 1), nil
	}, tuner.RunOptions{Workers: 2})
	if got := counts(t, s); err != nil || got.Completed != 7 {
		t.Errorf("%+v, %v", got, err)
	}
}
