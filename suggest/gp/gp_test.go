package gp_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/gp"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/trial"
)

// study asks for trials one by one and tells of their ends.
type study struct {
	t      testing.TB
	gp     suggest.Suggester
	number int64
	events []trial.Event
	points []space.Point
}

func open(t testing.TB, s *space.Space, settings map[string]any) *study {
	t.Helper()
	return &study{t: t, gp: suggesttest.New(t, gp.Algorithm(), s, 7, settings)}
}

func (s *study) observe(e trial.Event) {
	e.Seq, e.Trial = int64(len(s.events)), s.number
	s.events = append(s.events, e)
	s.gp.Observe(s.events[len(s.events)-1:])
}

// run proposes a trial, unless p is given, and ends it with what end returns.
func (s *study) run(p space.Point, end func(space.Point) trial.Finish) space.Point {
	s.t.Helper()
	if p == nil {
		proposals, err := s.gp.Suggest(s.t.Context(), suggest.Request{Numbers: []int64{s.number}})
		if err != nil {
			s.t.Fatal(err)
		}
		p = proposals[0].Point
	}
	f := end(p)
	f.Duration = time.Second
	s.observe(trial.Event{Kind: trial.EventCreated, Point: p, SpaceVersion: 1})
	s.observe(trial.Event{Kind: trial.EventFinished, Finish: &f})
	s.number++
	s.points = append(s.points, p)
	return p
}

func floats(t testing.TB, names ...string) *space.Space {
	t.Helper()
	var params []space.Parameter
	for _, n := range names {
		params = append(params, space.Parameter{Name: n, Kind: space.Float, Low: 0.0, High: 1.0})
	}
	s, err := space.New(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func completed(v float64) trial.Finish {
	return trial.Finish{State: types.Completed, Values: []float64{v}, Step: 50}
}

func at(p space.Point, i int) float64 { return p[i].(float64) }

// In 40 trials the minimum of a curved valley is found to a hundredth, beside a
// choice of which only one is right.
func TestFindsTheMinimum(t *testing.T) {
	params := []space.Parameter{
		{Name: "x", Kind: space.Float, Low: -2.0, High: 2.0},
		{Name: "y", Kind: space.Float, Low: -2.0, High: 2.0},
		{Name: "c", Kind: space.Categorical, Choices: []space.Choice{{Value: "a"}, {Value: "b"}, {Value: "d"}}},
	}
	sp, err := space.New(params, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, best := open(t, sp, nil), math.Inf(1)
	for range 40 {
		s.run(nil, func(p space.Point) trial.Finish {
			x, y := at(p, 0)-0.3, at(p, 1)+0.7
			v := x*x + 4*(y-x*x)*(y-x*x)
			if p[2] != "b" {
				v++
			}
			best = math.Min(best, v)
			return completed(v)
		})
	}
	if best > 1e-2 {
		t.Errorf("the best of 40 trials is %g", best)
	}
}

// What trials that ended early had at their step says where whole ones are good,
// though all of these values are worse than those of the whole ones, which are
// all alike.
func TestLearnsFromWhatEndedEarly(t *testing.T) {
	curve := func(x float64, step int64) float64 {
		d := (x - 0.2) / 0.15
		return 5 - math.Exp(-d*d) - math.Log1p(float64(step))
	}
	s := open(t, floats(t, "x"), nil)
	for _, x := range []float64{0.02, 0.5, 0.7, 0.85, 1} {
		s.run(space.Point{x}, func(space.Point) trial.Finish { return completed(curve(x, 50)) })
	}
	for _, x := range []float64{0.1, 0.25, 0.4, 0.6, 0.9} {
		s.run(space.Point{x}, func(space.Point) trial.Finish {
			return trial.Finish{State: types.Pruned, Values: []float64{curve(x, 5)}, Step: 5}
		})
	}
	var got []float64
	near := 0
	for range 6 {
		p := s.run(nil, func(p space.Point) trial.Finish { return completed(curve(at(p, 0), 50)) })
		got = append(got, at(p, 0))
		if math.Abs(at(p, 0)-0.2) < 0.1 {
			near++
		}
	}
	if near < 3 {
		t.Errorf("it proposes %g", got)
	}
}

// As long as all values are the same, proposals are not driven to the ends.
func TestLeavesAFlatStart(t *testing.T) {
	s, inside := open(t, floats(t, "x", "y", "z"), nil), 0
	for range 40 {
		p := s.run(nil, func(space.Point) trial.Finish { return completed(1) })
		for i := range p {
			if x := at(p, i); x > 0.05 && x < 0.95 {
				inside++
			}
		}
	}
	if inside < 40 {
		t.Errorf("%d of 120 coordinates are inside of their ranges: %v", inside, s.points[30:])
	}
}

// Running trials keep others away: the proposals of one moment are apart.
func TestProposalsOfOneMomentAreApart(t *testing.T) {
	s := open(t, floats(t, "x", "y"), nil)
	for range 6 {
		s.run(nil, func(p space.Point) trial.Finish { return completed(math.Sin(9*at(p, 0)) + math.Cos(7*at(p, 1))) })
	}
	req := suggest.Request{Numbers: []int64{s.number, s.number + 1, s.number + 2, s.number + 3}}
	got, err := s.gp.Suggest(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var pending []suggest.Pending
	for i, p := range got[:3] {
		pending = append(pending, suggest.Pending{Number: req.Numbers[i], Point: p.Point})
	}
	later, err := s.gp.Suggest(t.Context(), suggest.Request{Numbers: req.Numbers[3:], Pending: pending})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got[3], later[0]); d != "" {
		t.Errorf("it matters whether the others are proposed now or were before: %s", d)
	}
	for i, p := range got {
		for _, q := range got[:i] {
			if d := math.Hypot(at(p.Point, 0)-at(q.Point, 0), at(p.Point, 1)-at(q.Point, 1)); d < 0.02 {
				t.Errorf("%v and %v are %g apart", p.Point, q.Point, d)
			}
		}
	}
}

// Where the minimum lies on a constraint, it is found there.
func TestFollowsAConstraint(t *testing.T) {
	var params []space.Parameter
	for _, n := range []string{"x", "y", "z"} {
		params = append(params, space.Parameter{Name: n, Kind: space.Float, Low: 0.0, High: 1.0})
	}
	sp, err := space.New(params, []string{"x + y + z <= 1.2"})
	if err != nil {
		t.Fatal(err)
	}
	s, best := open(t, sp, nil), math.Inf(1)
	for range 40 {
		s.run(nil, func(p space.Point) trial.Finish {
			v := 0.0
			for i := range p {
				v += (at(p, i) - 0.6) * (at(p, i) - 0.6)
			}
			best = math.Min(best, v)
			return completed(v)
		})
	}
	if want := 3 * 0.2 * 0.2; best > want+0.01 {
		t.Errorf("the best of 40 trials is %g, the minimum %g", best, want)
	}
}

// Who does not wait any more gets the error, and a later ask the proposal.
func TestAFitEndsWithItsContext(t *testing.T) {
	sp := floats(t, "x", "y", "z", "u", "v")
	s, other := open(t, sp, nil), open(t, sp, nil)
	for i := range int64(60) {
		r := suggest.Stream(1, "points", i)
		p := space.Point{r.Float64(), r.Float64(), r.Float64(), r.Float64(), r.Float64()}
		s.run(p, bowl)
		other.run(p, bowl)
	}
	req := suggest.Request{Numbers: []int64{60}}
	if _, err := s.gp.Suggest(&impatient{Context: t.Context(), asks: 5}, req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	got, err := s.gp.Suggest(t.Context(), req)
	want, err2 := other.gp.Suggest(t.Context(), req)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("after a fit that was cut off it proposes another: %s", d)
	}
}

// impatient is cancelled once its error was asked for some times.
type impatient struct {
	context.Context

	asks int
}

func (c *impatient) Err() error {
	if c.asks--; c.asks < 0 {
		return context.Canceled
	}
	return nil
}

// A study that is loaded goes on as the one that ran, whenever proposals were
// asked for and whatever ended how and when.
func TestProposalsDependOnTheEventsOnly(t *testing.T) {
	sp := floats(t, "x", "y")
	s := open(t, sp, map[string]any{"max_trials": 30})
	for i := range 45 {
		s.run(nil, func(p space.Point) trial.Finish {
			f := completed(at(p, 0)*at(p, 0) + at(p, 1))
			f.Step = int64(i) // a whole trial becomes ever longer
			switch {
			case i >= 32 && i%3 != 1: // the first when no fit is due
				f.State, f.Step = types.Pruned, 4
			case i%7 == 0:
				f = trial.Finish{State: types.Infeasible, Step: -1}
			}
			return f
		})
	}
	next := suggest.Request{Numbers: []int64{s.number, s.number + 1}}
	want, err := s.gp.Suggest(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	loaded := open(t, sp, map[string]any{"max_trials": 30})
	loaded.gp.Observe(s.events)
	got, err := loaded.gp.Suggest(t.Context(), next)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
