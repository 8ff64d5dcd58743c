package peers

import (
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
	"github.com/gotuner/tuner/suggest/space"
)

// Spaces that between them have all that a space can have. No peer takes all.
var spaces = map[string]string{
	"floats":  `{"parameters":[{"name":"x","type":"float","low":-5.0,"high":5.0},{"name":"y","type":"float","low":0.0,"high":1.0}]}`,
	"log":     `{"parameters":[{"name":"x","type":"float","low":1e-05,"high":0.1,"scale":"log"},{"name":"n","type":"int","low":1,"high":512,"scale":"log"}]}`,
	"reverse": `{"parameters":[{"name":"x","type":"float","low":0.5,"high":0.999,"scale":"reverse-log"},{"name":"n","type":"int","low":1,"high":64,"scale":"reverse-log"}]}`,
	"steps": `{"parameters":[{"name":"x","type":"float","low":0.0,"high":0.8,"step":0.1},{"name":"n","type":"int","low":-4,"high":8,"step":3},` +
		`{"name":"l","type":"int","low":16,"high":128,"step":16,"scale":"log"},{"name":"y","type":"float","low":0.1,"high":1.0,"step":0.1,"scale":"log"}]}`,
	"choices": `{"parameters":[{"name":"c","type":"categorical","choices":["a",1,2.5,true]},{"name":"b","type":"bool"},` +
		`{"name":"o","type":"ordinal","choices":[1,2.0,16,"all"]},{"name":"t","type":"categorical","choices":[{"value":1,"text":"001"},2]}]}`,
	"constants": `{"parameters":[{"name":"k","type":"constant","choices":["fix"]},{"name":"x","type":"float","low":0.0,"high":1.0},` +
		`{"name":"y","type":"float","low":2.0,"high":2.0},{"name":"n","type":"int","low":0,"high":3}]}`,
	"tree": `{"parameters":[{"name":"m","type":"categorical","choices":["svm","forest","none"]},` +
		`{"name":"c","type":"float","low":0.01,"high":100.0,"scale":"log","when":{"param":"m","in":["svm"]}},` +
		`{"name":"kernel","type":"categorical","choices":["rbf","poly"],"when":{"param":"m","in":["svm"]}},` +
		`{"name":"degree","type":"int","low":2,"high":5,"when":{"param":"kernel","in":["poly"]}},` +
		`{"name":"depth","type":"int","low":1,"high":9,"when":{"param":"m","in":["forest"]}}]}`,
	"layers": `{"parameters":[{"name":"layers","type":"int","low":1,"high":3},{"name":"u1","type":"int","low":8,"high":64,"scale":"log"},` +
		`{"name":"u2","type":"int","low":8,"high":64,"scale":"log","when":{"param":"layers","range":[2,null]}},` +
		`{"name":"u3","type":"int","low":8,"high":64,"scale":"log","when":{"param":"layers","range":[3,3]}}]}`,
	"conditions": `{"parameters":[{"name":"a","type":"bool"},{"name":"b","type":"categorical","choices":["p","q","r"],"when":{"param":"a","in":[true]}},` +
		`{"name":"x","type":"float","low":0.0,"high":1.0,"when":{"not":{"param":"b","in":["p"]}}},` +
		`{"name":"y","type":"float","low":0.0,"high":1.0,"when":{"any":[{"param":"a","in":[false]},{"param":"b","not_in":["p","q"]}]}},` +
		`{"name":"z","type":"float","low":0.0,"high":1.0,"when":{"all":[{"param":"a","in":[true]},{"param":"x","range":[0.5,null]}]}}]}`,
	"constrained": `{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}],"constraints":["x < 0.5"]}`,
}

func parse(t *testing.T, name string) *space.Space {
	t.Helper()
	s, err := space.Parse([]byte(spaces[name]))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// quality is an objective over any space: low values, first choices and
// inactive parameters are good.
func quality(s *space.Space, p space.Point) float64 {
	x := make([]float64, s.Len())
	s.Encode(p, x, nil)
	sum := 0.0
	for i, v := range x {
		if p[i] != nil {
			sum += (v - 0.2) * (v - 0.2)
		}
	}
	return sum
}

// drive runs a study with so many pending trials and gives what was proposed.
// The last of the pending is told first, and some have no value. Where the same
// point has always the same value, the best must be recommended.
func drive(t *testing.T, s runner.Searcher, study runner.Study) []runner.Trial {
	t.Helper()
	sp, trials, workers := study.Space, study.Budget, study.Workers
	var all, pending []runner.Trial
	seen := map[int64]float64{}
	best, bestNumber := math.Inf(1), int64(-1)
	for len(seen) < trials {
		for n := min(workers, trials-len(seen)) - len(pending); n > 0; n = 0 {
			got, err := s.Ask(t.Context(), n)
			if err != nil {
				t.Fatalf("ask %d: %v", len(all), err)
			}
			all, pending = append(all, got...), append(pending, got...)
		}
		last := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if _, ok := seen[last.Number]; ok {
			t.Fatalf("the number %d was given twice", last.Number)
		}
		value := quality(sp, last.Point)
		if len(seen)%7 == 3 {
			value = math.NaN()
		}
		seen[last.Number] = value
		if value < best {
			best, bestNumber = value, last.Number
		}
		if err := s.Tell(t.Context(), last.Number, value); err != nil {
			t.Fatalf("tell %d: %v", last.Number, err)
		}
	}
	number, ok, err := s.Recommend(t.Context())
	if err != nil || !ok {
		t.Fatalf("recommendation: %v, %v", ok, err)
	}
	if value, ok := seen[number]; !ok || study.Deterministic && value != best {
		t.Errorf("trial %d with %v is recommended, trial %d with %v was the best", number, value, bestNumber, best)
	}
	return all
}

// reach checks that what was proposed fills the space: both ends of discrete
// ranges and all choices.
func reach(t *testing.T, sp *space.Space, all []runner.Trial) {
	t.Helper()
	for i := range sp.Len() {
		p := sp.Param(i)
		n, ok := p.Levels()
		if !ok || n > 20 {
			continue
		}
		met := make([]int, n)
		for _, trial := range all {
			if trial.Point[i] != nil {
				met[p.LevelOf(trial.Point[i])]++
			}
		}
		for k := range met {
			if met[k] == 0 {
				t.Errorf("%s is never %v in %d trials", p.Name, p.At(int64(k)), len(all))
			}
		}
	}
}

// example is the driver that needs nothing but Python.
func example(t *testing.T) *pool {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	p := &pool{peer: peer{name: "stdlib-random", driver: []string{"driver_stdlib_random.py"}}, python: python}
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestExampleDriver(t *testing.T) {
	p := example(t)
	for name := range spaces {
		t.Run(name, func(t *testing.T) {
			sp := parse(t, name)
			study := runner.Study{Name: name, Space: sp, Seed: 3, Budget: 200, Workers: 4, Deterministic: true}
			s, err := p.open(t.Context(), study)
			if name == "constrained" {
				if types.CodeOf(err) != types.Unsupported {
					t.Fatalf("a space with constraints: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			all := drive(t, s, study)
			reach(t, sp, all)
			if seconds, cpu := s.(runner.Coster).LastAsk(); seconds <= 0 || cpu <= 0 {
				t.Errorf("an ask cost %v s and %v s of processor time", seconds, cpu)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if len(p.idle) != 1 {
		t.Errorf("%d children served studies one after the other", len(p.idle))
	}
}

// A study in a child that has served others is that of a fresh child.
func TestSeed(t *testing.T) {
	p := example(t)
	sp := parse(t, "tree")
	run := func(seed int64) []runner.Trial {
		study := runner.Study{Space: sp, Seed: seed, Budget: 20, Workers: 1}
		s, err := p.open(t.Context(), study)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return drive(t, s, study)
	}
	first, other, again := run(1), run(2), run(1)
	if d := cmp.Diff(first, again); d != "" {
		t.Errorf("one seed, two runs: %s", d)
	}
	if cmp.Equal(first, other) {
		t.Error("two seeds give the same")
	}
}

func TestNotInstalled(t *testing.T) {
	for _, c := range Contenders(Config{Dir: t.TempDir()}) {
		for _, err := range []error{
			c.Check(t.Context()),
			func() error { _, err := c.Open(t.Context(), runner.Study{Space: parse(t, "floats")}); return err }(),
		} {
			if types.CodeOf(err) != types.NotFound {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if c.Version == "" {
			t.Errorf("%s has no version in the requirements", c.Name)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

var (
	flat    = []string{"floats", "log", "reverse", "steps", "choices", "constants"}
	numeric = []string{"floats", "log", "reverse", "steps", "constants"}
	trees   = append(slices.Clone(flat), "tree", "layers")
	all     = append(slices.Clone(trees), "conditions")
)

// takes says which spaces a peer must take; the others it must refuse.
var takes = map[string][]string{
	"optuna-tpe": all, "optuna-gp": all, "optuna-cmaes": all, "optuna-auto": all, "optuna-random": all,
	"rustuna-tpe": all, "rustuna-cmaes": all,
	"cmaes-ipop": numeric, "cmaes-bipop": numeric,
	"hyperopt-tpe": trees, "nevergrad": trees,
	"smac": trees, "smac-bb": trees,
	"ax":   append(slices.Clone(flat), "tree"),
	"hebo": flat,
}

// slow peers need up to a second a trial.
var slow = []string{"optuna-gp", "optuna-auto", "ax", "smac", "smac-bb", "hebo"}

// TestInstalledPeers runs the slow ones only with TUNER_PEERS_SLOW=1.
func TestInstalledPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("running the peers takes a while")
	}
	for _, c := range Contenders(Config{}) {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(t.Context()); err != nil {
				t.Skip(err)
			}
			if slices.Contains(slow, c.Name) && os.Getenv("TUNER_PEERS_SLOW") == "" {
				t.Skip("it is slow; TUNER_PEERS_SLOW=1 runs it")
			}
			t.Cleanup(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			takes := takes[bare(c.Name)]
			for name := range spaces {
				t.Run(name, func(t *testing.T) {
					sp := parse(t, name)
					study := runner.Study{Name: name, Space: sp, Seed: 5, Budget: 16, Workers: 3, Deterministic: name != "floats"}
					s, err := c.Open(t.Context(), study)
					if !slices.Contains(takes, name) {
						if types.CodeOf(err) != types.Unsupported {
							t.Errorf("it is not refused: %v", err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					first := drive(t, s, study)
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					if s, err = c.Open(t.Context(), study); err != nil {
						t.Fatal(err)
					}
					again := drive(t, s, study)
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(first, again); d != "" {
						t.Errorf("one seed, two runs of a child: %s", d)
					}
				})
			}
		})
	}
}

// A study with a history proposes by it from its first trial on.
func TestPreload(t *testing.T) {
	sp := parse(t, "floats")
	study := runner.Study{Space: sp, Seed: 1, Budget: 10, Workers: 1, Deterministic: true}
	points := make([]space.Point, 400)
	values := make([]float64, len(points))
	for i := range points {
		points[i] = space.Point{-5 + 10*float64(i%20)/19, float64(i/20) / 19}
		values[i] = quality(sp, points[i])
	}
	preload := func(t *testing.T, s runner.Searcher) error {
		t.Helper()
		t.Cleanup(func() { _ = s.Close() })
		return s.(runner.Preloader).Preload(t.Context(), points, values)
	}
	t.Run("example", func(t *testing.T) {
		s, err := example(t).open(t.Context(), study)
		if err != nil {
			t.Fatal(err)
		}
		if err := preload(t, s); types.CodeOf(err) != types.Unsupported {
			t.Errorf("the example has no preload: %v", err)
		}
	})
	t.Run("optuna-tpe", func(t *testing.T) {
		all := Contenders(Config{})
		c := all[slices.IndexFunc(all, func(c runner.Contender) bool { return c.Name == "optuna-tpe" })]
		if err := c.Check(t.Context()); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s, err := c.Open(t.Context(), study)
		if err != nil {
			t.Fatal(err)
		}
		if err := preload(t, s); err != nil {
			t.Fatal(err)
		}
		for _, trial := range drive(t, s, study) {
			// Among random points one of 16 is so good, and not 10 of 10.
			if q := quality(sp, trial.Point); q > 0.02 && trial.Number > 2 {
				t.Errorf("trial %d is at %v with %.3f", trial.Number, trial.Point, q)
			}
		}
	})
}

// bare is the name of a contender without its stopper.
func bare(name string) string {
	name, _, _ = strings.Cut(name, "+")
	return name
}

// The pruners end trials that cannot win, and only those.
func TestPruners(t *testing.T) {
	if testing.Short() {
		t.Skip("running the peers takes a while")
	}
	for _, c := range Contenders(Config{}) {
		if !c.Curves {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Check(t.Context()); err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			study := runner.Study{Name: c.Name, Space: parse(t, "floats"), Seed: 5, Budget: 30, Workers: 1, Deterministic: true}
			s, err := c.Open(t.Context(), study)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			r := s.(runner.Reporter)
			stopped := 0
			for i := range 30 {
				trials, err := s.Ask(t.Context(), 1)
				if err != nil {
					t.Fatal(err)
				}
				n, level := trials[0].Number, float64(i%10) // trial 0 is the best
				stop := false
				for step := int64(1); step <= 9 && !stop; step++ {
					if stop, err = r.Report(t.Context(), n, step, level-float64(step)/100); err != nil {
						t.Fatal(err)
					}
				}
				if !stop {
					err = s.Tell(t.Context(), n, level)
				} else if err = r.Prune(t.Context(), n); i == 0 {
					t.Error("the best trial was ended")
				}
				if err != nil {
					t.Fatal(err)
				}
				if stop {
					stopped++
				}
			}
			if (stopped > 0) == strings.HasSuffix(c.Name, "+none") {
				t.Errorf("%d trials were ended", stopped)
			}
		})
	}
}
