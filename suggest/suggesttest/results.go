package suggesttest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// results: no objective, however odd, breaks it.
func (s *suite) results(t *testing.T) {
	values := map[string]func(*space.Space, space.Point) float64{
		"identical": func(*space.Space, space.Point) float64 { return 0 },
		"NaN":       func(*space.Space, space.Point) float64 { return math.NaN() },
		"infinite":  func(*space.Space, space.Point) float64 { return math.Inf(-1) },
		"huge": func(sp *space.Space, p space.Point) float64 {
			return math.Copysign(math.MaxFloat64, Bowl(sp, p)-0.5)
		},
		"NaN in a half": func(sp *space.Space, p space.Point) float64 {
			if v := Bowl(sp, p); v < 1 {
				return v
			}
			return math.NaN()
		},
	}
	for name, value := range values {
		for _, n := range []NamedSpace{{"mixed", s.mixed(t)}, {"conditional", Conditional(t)}} {
			t.Run(name+", "+n.Name, func(t *testing.T) {
				CheckLog(t, Simulate(t.Context(), s.build(t, n.Space, config{}),
					Study{Space: n.Space, Trials: size(60, 30), Workers: 3, Value: value}))
			})
		}
	}
}

// goal: to maximise f is to minimise -f.
func (s *suite) goal(t *testing.T) {
	sp := s.mixed(t)
	run := func(g types.Goal, sign float64) []space.Point {
		value := func(sp *space.Space, p space.Point) float64 { return sign * Bowl(sp, p) }
		l := Simulate(t.Context(), s.build(t, sp, config{goal: g}), Study{Space: sp, Trials: 40, Value: value})
		CheckLog(t, l)
		return l.Points()
	}
	down := run(types.Minimize, 1)
	if d := cmp.Diff(down, run(types.Maximize, -1)); d != "" {
		t.Errorf("maximising -f differs from minimising f: %s", d)
	}
	if !s.GoalBlind && cmp.Equal(down, run(types.Maximize, 1)) {
		t.Error("the goal makes no difference")
	}
}

// spaceChange: from a new version on all points are valid there, and what was
// tried before still counts.
func (s *suite) spaceChange(t *testing.T) {
	grown := Space(t, nil, integer("n", 1, 5), choice("c", "a", "b"))
	tests := []struct {
		name     string
		from, to *space.Space
		trials   int
	}{
		{"wider", Space(t, nil, integer("n", 1, 3), choice("c", "a", "b")), grown, 8},
		{"narrower", grown, Space(t, nil, integer("n", 2, 4), choice("c", "a", "b")), 8},
		{"another parameter",
			Space(t, nil, float("x", 0, 1), integer("n", 1, 30)),
			Space(t, nil, float("x", -1, 1), integer("n", 1, 35), choice("new", "a", "b")), 40},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			build := func() suggest.Suggester { return s.build(t, tt.from, config{}) }
			l := Simulate(t.Context(), build(),
				Study{Space: tt.from, Next: tt.to, Trials: tt.trials, Workers: 3, Seed: 4})
			CheckLog(t, l)
			CheckReplay(t, l, build)
			if _, finite := tt.to.Size(); finite {
				CheckNoRepeats(t, l)
			}
			after := 0
			for _, a := range l.Asks {
				if a.Space == tt.to {
					after += len(a.Proposals)
				}
			}
			if after == 0 {
				t.Error("nothing was proposed in the new version")
			}
		})
	}
}

// manyTrials: a long history is taken in one piece, then asked for more.
func (s *suite) manyTrials(t *testing.T) {
	sp := s.mixed(t)
	n := size(10_000, 500)
	events := History(t, sp, n, 1)
	sg := s.build(t, sp, config{})
	sg.Observe(events)
	var pending []suggest.Pending
	for i := range 10 {
		number := int64(n + i)
		p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{number}, Pending: pending})
		if err != nil {
			t.Fatal(err)
		}
		if err := sp.Validate(p[0].Point); err != nil {
			t.Fatalf("after %d trials: %v", number, err)
		}
		pending = append(pending, suggest.Pending{Number: number, Point: p[0].Point})
	}
}

// History is a study of n completed trials at random points of sp, valued by
// Bowl.
func History(t testing.TB, sp *space.Space, n int, seed uint64) []trial.Event {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0x415))
	var events []trial.Event
	add := func(e trial.Event) {
		e.Seq = int64(len(events))
		events = append(events, e)
	}
	for i := range int64(n) {
		p, err := sp.SampleFeasible(r)
		if err != nil {
			t.Fatal(err)
		}
		add(trial.Event{Kind: trial.EventCreated, Trial: i, Point: p, SpaceVersion: 1})
		add(trial.Event{Kind: trial.EventFinished, Trial: i, Finish: &trial.Finish{
			State: types.Completed, Values: []float64{Bowl(sp, p)}, Step: -1}})
	}
	return events
}

func (s *suite) cancelled(t *testing.T) {
	sp := s.mixed(t)
	sg := s.build(t, sp, config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p, err := sg.Suggest(ctx, suggest.Request{Numbers: []int64{0}})
	if len(p) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %d proposals, %v", len(p), err)
	}
}
