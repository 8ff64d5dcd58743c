// Package suggesttest is the conformance suite of the search algorithms, and a
// simulator of the asynchronous studies that they serve.
package suggesttest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Options say what the suite cannot know by itself.
type Options struct {
	// Settings are the algorithm's; what is absent has its default.
	Settings map[string]any
	// Finite says that the algorithm ends after a number of points of its own
	// also in an infinite space, and never repeats one.
	Finite bool
	// MaxPoints, if not 0, is the size of the greatest grid that the algorithm
	// takes, with its points per continuous parameter in Settings["points"].
	MaxPoints int64
	// Seedless says that the seed makes no difference.
	Seedless bool
	// GoalBlind says that it looks at no result at all.
	GoalBlind bool
	// Unreached, if set, is why the algorithm need not reach the ends of discrete
	// ranges; that is not checked then.
	Unreached string
}

// Run checks that alg keeps the contract of suggest.Suggester. With -short it
// takes fewer and shorter studies.
func Run(t *testing.T, alg suggest.Algorithm, o Options) {
	s := &suite{alg: alg, Options: o}
	t.Run("Valid", s.valid)
	t.Run("Ends", s.ends)
	t.Run("Seed", s.seed)
	t.Run("Replay", s.replay)
	t.Run("Rests", s.rests)
	t.Run("Exhaustion", s.exhaustion)
	t.Run("Pending", s.pendingPoints)
	t.Run("Repeats", s.repeats)
	t.Run("BestAtTheEnds", s.bestAtTheEnds)
	t.Run("Results", s.results)
	t.Run("Goal", s.goal)
	t.Run("SpaceChange", s.spaceChange)
	t.Run("ManyTrials", s.manyTrials)
	t.Run("Cancelled", s.cancelled)
}

type suite struct {
	Options
	alg suggest.Algorithm
}

// fits reports whether the algorithm takes the space.
func (s *suite) fits(sp *space.Space) bool {
	points, _ := s.Settings["points"].(int)
	n, ok := sp.GridSize(points)
	return s.MaxPoints == 0 || ok && n <= s.MaxPoints
}

func (s *suite) spaces(t *testing.T) []NamedSpace {
	return slices.DeleteFunc(Spaces(t), func(n NamedSpace) bool { return !s.fits(n.Space) })
}

// mixed is Mixed, or a smaller space of many kinds.
func (s *suite) mixed(t *testing.T) *space.Space {
	if sp := Mixed(t); s.fits(sp) {
		return sp
	}
	return Space(t, nil,
		float("x", -5, 5), scaled(float("lr", 1e-5, 1), space.Log), stepped(float("drop", 0, 0.5), 0.1),
		integer("layers", 1, 30), choice("c", "a", int64(1), 2.5), ordinal("batch", int64(16), int64(32)))
}

// config is what build starts from; the zero value is a study that minimises.
type config struct {
	seed          int64
	goal          types.Goal
	deterministic string
}

func (s *suite) build(t testing.TB, sp *space.Space, c config) suggest.Suggester {
	t.Helper()
	if c.goal == "" {
		c.goal = types.Minimize
	}
	if c.deterministic == "" {
		c.deterministic = "auto"
	}
	sg, err := suggest.New(suggest.Registry{s.alg}, types.Component{Name: s.alg.Name, Settings: s.Settings},
		suggest.Config{
			Space: sp, Seed: c.seed, Deterministic: c.deterministic,
			Objectives: []types.Objective{{Metric: Metric, Goal: c.goal}},
		})
	if err != nil {
		t.Fatalf("building %s: %v", s.alg.Name, err)
	}
	return sg
}

// New builds alg for a study that minimises Metric, with settings that are known to
// be right.
func New(t testing.TB, alg suggest.Algorithm, sp *space.Space, seed int64, settings map[string]any) suggest.Suggester {
	t.Helper()
	s := suite{Options: Options{Settings: settings}, alg: alg}
	return s.build(t, sp, config{seed: seed})
}

func size(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
}

// extremeSeeds are seeds that a careless conversion would mix up.
var extremeSeeds = []int64{0, 1, -1, math.MinInt64, math.MaxInt64}

func (s *suite) valid(t *testing.T) {
	for i, n := range s.spaces(t) {
		if n.Name == "wide" && testing.Short() {
			continue
		}
		t.Run(n.Name, func(t *testing.T) {
			seed := extremeSeeds[i%len(extremeSeeds)]
			trials := size(80, 40)
			if n.Name == "wide" {
				trials = size(40, 20)
			}
			l := Simulate(t.Context(), s.build(t, n.Space, config{seed: seed}),
				Study{Space: n.Space, Trials: trials, Workers: 8, Batch: 3, Chaos: true, Seed: uint64(i)})
			CheckLog(t, l)
			if !s.Finite && len(l.Points()) < trials/2 {
				if _, finite := n.Space.Size(); !finite {
					t.Errorf("only %d points in an infinite space: %v", len(l.Points()), l.Asks[len(l.Asks)-1].Err)
				}
			}
		})
	}
}

// ends: both ends of every discrete range and every choice occur.
func (s *suite) ends(t *testing.T) {
	if s.Unreached != "" {
		t.Skip(s.Unreached)
	}
	sp := Space(t, nil,
		integer("n", 1, 6), stepped(float("x", 0, 1), 0.25), stepped(integer("odd", -3, 3), int64(2)),
		scaled(integer("log", 1, 8), space.Log), choice("c", "a", "b", "c"), ordinal("o", int64(1), int64(10), int64(100)))
	trials := 250
	if s.Finite {
		trials = 1 << 20 // until it ends
	}
	l := Simulate(t.Context(), s.build(t, sp, config{seed: 7}),
		Study{Space: sp, Trials: trials, Workers: 2, Value: func(*space.Space, space.Point) float64 { return 1 }})
	CheckLog(t, l)
	seen := make([]map[any]bool, sp.Len())
	for _, p := range l.Points() {
		for i, v := range p {
			if seen[i] == nil {
				seen[i] = map[any]bool{}
			}
			seen[i][v] = true
		}
	}
	for i := range seen {
		q := sp.Param(i)
		n, _ := q.Levels()
		for _, v := range []any{q.At(0), q.At(n - 1)} {
			if !seen[i][v] {
				t.Errorf("%s never was %v in %d trials", q.Name, v, len(l.Points()))
			}
		}
	}
}

func (s *suite) seed(t *testing.T) {
	sp := s.mixed(t)
	run := func(seed int64) []space.Point {
		l := Simulate(t.Context(), s.build(t, sp, config{seed: seed}), Study{Space: sp, Trials: 30, Workers: 4})
		CheckLog(t, l)
		return l.Points()
	}
	first := run(3)
	if d := cmp.Diff(first, run(3)); d != "" {
		t.Errorf("the same seed gave other points: %s", d)
	}
	if s.Seedless {
		return
	}
	for _, seed := range extremeSeeds {
		if cmp.Equal(first, run(seed)) {
			t.Errorf("seeds 3 and %d gave the same points", seed)
		}
	}
}

// replay: a restart at any ask of an asynchronous study changes nothing.
func (s *suite) replay(t *testing.T) {
	for i, n := range s.spaces(t) {
		if n.Name == "wide" && testing.Short() {
			continue
		}
		t.Run(n.Name, func(t *testing.T) {
			build := func() suggest.Suggester { return s.build(t, n.Space, config{seed: 11}) }
			trials := size(60, 30)
			if n.Name == "wide" {
				trials = 30
			}
			l := Simulate(t.Context(), build(),
				Study{Space: n.Space, Trials: trials, Workers: 8, Batch: 2, Chaos: true, Seed: 100 + uint64(i)})
			CheckLog(t, l)
			CheckReplay(t, l, build)
		})
	}
}

// rests: trials that wait and go on, which an algorithm sees as several of one
// number, disturb nothing.
func (s *suite) rests(t *testing.T) {
	sp := s.mixed(t)
	build := func() suggest.Suggester { return s.build(t, sp, config{seed: 13}) }
	l := Simulate(t.Context(), build(),
		Study{Space: sp, Trials: size(150, 60), Workers: 8, Batch: 2, Chaos: true, Rests: true, Seed: 5})
	CheckLog(t, l)
	CheckReplay(t, l, build)
}

// exhaustion: every feasible point of a finite space once, then a clean end.
func (s *suite) exhaustion(t *testing.T) {
	single := Space(t, nil, integer("n", 3, 3))
	for _, n := range []NamedSpace{{"finite", Finite(t)}, {"one point", single}} {
		for _, workers := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s, %d workers", n.Name, workers), func(t *testing.T) {
				want := map[string]bool{}
				for p := range n.Space.Enumerate(1) {
					want[n.Space.Key(p)] = true
				}
				sg := s.build(t, n.Space, config{seed: 5})
				l := Simulate(t.Context(), sg, Study{
					Space: n.Space, Trials: 1000, Workers: workers, Batch: workers, Seed: 9, Chaos: workers > 1})
				CheckLog(t, l)
				CheckNoRepeats(t, l)
				got := map[string]bool{}
				for _, e := range l.Events {
					if e.Kind == trial.EventCreated {
						got[n.Space.Key(e.Point)] = true
					}
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("points that were tried: %s", d)
				}
				last := l.Asks[len(l.Asks)-1]
				if types.CodeOf(last.Err) != types.Exhausted {
					t.Fatalf("at the end: %v", last.Err)
				}
				p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{5000}})
				if len(p) != 0 || types.CodeOf(err) != types.Exhausted {
					t.Errorf("after the end: %v, %v", p, err)
				}
			})
		}
	}
}

// pendingPoints: points that are pending according to the request only, and
// those of the same request, are not proposed.
func (s *suite) pendingPoints(t *testing.T) {
	sp := Finite(t)
	var pending []suggest.Pending
	free := map[string]bool{}
	for p := range sp.Enumerate(1) {
		if len(free) < 2 {
			free[sp.Key(p)] = true
			continue
		}
		pending = append(pending, suggest.Pending{Number: int64(len(pending)), Point: p})
	}
	before := slices.Clone(pending)
	sg := s.build(t, sp, config{})
	got, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{100, 101, 102}, Pending: pending})
	if len(got) != 2 || types.CodeOf(err) != types.Exhausted {
		t.Fatalf("two free points, three trials: %d proposals, %v", len(got), err)
	}
	for _, p := range got {
		if !free[sp.Key(p.Point)] {
			t.Errorf("%s is pending but was proposed", Text(sp, p.Point))
		}
		delete(free, sp.Key(p.Point))
	}
	if d := cmp.Diff(before, pending); d != "" {
		t.Errorf("the request was changed: %s", d)
	}
	// Nothing of that request may last.
	again, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{0, 1, 2, 3, 4, 5, 6, 7}})
	if err != nil || len(again) != 8 {
		t.Errorf("once nothing is pending: %d proposals, %v", len(again), err)
	}
}

// bestAtTheEnds: where the best point is the lower end of all ranges, it is not
// tried again and again.
func (s *suite) bestAtTheEnds(t *testing.T) {
	for _, sp := range []*space.Space{
		Space(t, nil, float("x", 0, 1)),
		Space(t, nil, float("x", -2, -1), scaled(float("y", 1e-5, 1e-1), space.Log)),
	} {
		l := Simulate(t.Context(), s.build(t, sp, config{seed: 3}), Study{
			Space: sp, Trials: 60, Workers: 2, Seed: 6,
			Value: func(sp *space.Space, p space.Point) float64 {
				sum := 0.0
				for i := range p {
					sum += sp.Param(i).Transform(p[i])
				}
				return sum
			},
		})
		CheckLog(t, l)
		CheckNoRepeats(t, l)
	}
}

// repeats: a study that is not deterministic goes on in an exhausted space.
func (s *suite) repeats(t *testing.T) {
	sp := Space(t, nil, choice("c", "a", "b"))
	l := Simulate(t.Context(), s.build(t, sp, config{deterministic: "no"}),
		Study{Space: sp, Trials: 40, Workers: 3})
	CheckLog(t, l)
	want := 40
	if s.Finite {
		want = 2
	}
	if n := len(l.Points()); n != want {
		t.Errorf("%d trials, want %d: %v", n, want, l.Asks[len(l.Asks)-1].Err)
	}
}
