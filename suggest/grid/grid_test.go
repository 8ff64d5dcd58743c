package grid_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/grid"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/trial"
)

func ints(name string, low, high int64) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Int, Low: low, High: high}
}

func build(t testing.TB, s *space.Space, settings map[string]any) suggest.Suggester {
	t.Helper()
	g, err := suggest.New(suggest.Registry{grid.Algorithm()}, types.Component{Name: "grid", Settings: settings},
		suggest.Config{Space: s, Seed: 1, Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func texts(s *space.Space, points []space.Point) []string {
	var out []string
	for _, p := range points {
		out = append(out, suggesttest.Text(s, p))
	}
	return out
}

func run(t *testing.T, s *space.Space, settings map[string]any) []string {
	t.Helper()
	l := suggesttest.Simulate(t.Context(), build(t, s, settings), suggesttest.Study{Space: s, Trials: 1 << 30})
	suggesttest.CheckLog(t, l)
	return texts(s, l.Points())
}

func TestOrder(t *testing.T) {
	lr := space.Parameter{Name: "lr", Kind: space.Float, Low: 0.001, High: 0.1, Scale: space.Log, Grid: 3}
	x := space.Parameter{Name: "x", Kind: space.Float, Low: 0.0, High: 1.0,
		When: space.Range{Param: "n", Lo: int64(2)}}
	s := suggesttest.Space(t, []string{"lr * n <= 0.1"}, lr, ints("n", 1, 2), x)
	want := []string{
		`{"lr":0.001,"n":1}`, `{"lr":0.001,"n":2,"x":0.0}`, `{"lr":0.001,"n":2,"x":1.0}`,
		`{"lr":0.01,"n":1}`, `{"lr":0.01,"n":2,"x":0.0}`, `{"lr":0.01,"n":2,"x":1.0}`,
		`{"lr":0.1,"n":1}`,
	}
	settings := map[string]any{"points": 2}
	if d := cmp.Diff(want, run(t, s, settings)); d != "" {
		t.Error(d)
	}
	n, finite := build(t, s, settings).(suggest.Sizer).Size()
	if n != 7 || !finite {
		t.Errorf("Size is %d, %v", n, finite)
	}
}

func TestShuffle(t *testing.T) {
	s := suggesttest.Space(t, nil, ints("n", 1, 90), ints("m", 1, 100))
	inOrder := run(t, s, nil)
	shuffled := run(t, s, map[string]any{"shuffle": true})
	if len(shuffled) != 9000 || slices.Equal(inOrder, shuffled) {
		t.Fatalf("%d points; in order: %v", len(shuffled), slices.Equal(inOrder, shuffled))
	}
	// The first tenth has seen all tenths of n.
	seen := map[string]bool{}
	for _, p := range shuffled[:900] {
		var n, m int
		if _, err := fmt.Sscanf(p, `{"n":%d,"m":%d}`, &n, &m); err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprint((n-1)/9)] = true
	}
	if len(seen) != 10 {
		t.Errorf("the first 900 points lie in %d of 10 tenths", len(seen))
	}
	slices.Sort(inOrder)
	slices.Sort(shuffled)
	if d := cmp.Diff(inOrder, shuffled); d != "" {
		t.Errorf("not the same points: %s", d)
	}
}

// A grid beyond all counting is proposed from its beginning, without being
// walked through or held.
func TestHugeGrid(t *testing.T) {
	var params []space.Parameter
	for i := range 100 {
		params = append(params, ints(fmt.Sprintf("n%02d", i), 1, 1000))
	}
	s := suggesttest.Space(t, nil, params...)
	g := build(t, s, nil)
	if _, finite := g.(suggest.Sizer).Size(); finite {
		t.Error("1000^100 points were counted")
	}
	l := suggesttest.Simulate(t.Context(), g, suggesttest.Study{Space: s, Trials: 1500, Workers: 4})
	suggesttest.CheckNoRepeats(t, &suggesttest.Log{Events: l.Events, Asks: l.Asks[len(l.Asks)-1:]})
	if p := l.Points()[1499]; p[99] != int64(500) || p[98] != int64(2) {
		t.Errorf("point 1499 ends with %v, %v", p[98], p[99])
	}
	_, err := suggest.New(suggest.Registry{grid.Algorithm()},
		types.Component{Name: "grid", Settings: map[string]any{"shuffle": true}},
		suggest.Config{Space: s, Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
	want := "grid.shuffle: the grid has more than 4194304 points, too many to shuffle; " +
		"leave shuffle out, take fewer points, or use the algorithm random"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// Points that a user enqueued are passed over, on and off the grid, wherever
// the window stands.
func TestEnqueued(t *testing.T) {
	x := space.Parameter{Name: "x", Kind: space.Float, Low: 0.0, High: 1.0}
	s := suggesttest.Space(t, nil, x)
	g := build(t, s, nil)
	created := func(n int64, v float64) []trial.Event {
		return []trial.Event{{Kind: trial.EventCreated, Trial: n, Point: space.Point{v}}}
	}
	next := func(number int64) string {
		t.Helper()
		p, err := g.Suggest(t.Context(), suggest.Request{Numbers: []int64{number}})
		if err != nil {
			t.Fatal(err)
		}
		return suggesttest.Text(s, p[0].Point)
	}
	g.Observe(created(0, 0.25))
	got := []string{next(1)}
	g.Observe(created(1, 0.0))
	g.Observe(created(2, 0.75))
	g.Observe(created(3, 0.3))
	got = append(got, next(4))
	g.Observe(created(4, 0.5))
	got = append(got, next(5))
	if d := cmp.Diff([]string{`{"x":0.0}`, `{"x":0.5}`, `{"x":1.0}`}, got); d != "" {
		t.Error(d)
	}
}

func TestSize(t *testing.T) {
	tests := []struct {
		name  string
		space *space.Space
		want  int64
	}{
		{"conditional", suggesttest.Finite(t), 12 + 12 - 3}, // m+n <= 5 excludes (2,4), (3,3), (3,4)
		{"without constraints exactly", suggesttest.Space(t, nil, ints("a", 1, 1<<30), ints("b", 1, 1<<30)), 1 << 60},
		{"with constraints an upper bound beyond a million",
			suggesttest.Space(t, []string{"a < b"}, ints("a", 1, 2000), ints("b", 1, 2000)), 4_000_000},
	}
	for _, tt := range tests {
		n, finite := build(t, tt.space, nil).(suggest.Sizer).Size()
		if n != tt.want || !finite {
			t.Errorf("%s: %d, %v; want %d", tt.name, n, finite, tt.want)
		}
	}
}

// BenchmarkSuggest walks a grid of four million points.
func BenchmarkSuggest(b *testing.B) {
	s := suggesttest.Space(b, nil, ints("n", 1, 2000), ints("m", 1, 2000))
	g := build(b, s, nil)
	number := int64(0)
	for b.Loop() {
		p, err := g.Suggest(b.Context(), suggest.Request{Numbers: []int64{number}})
		if err != nil {
			b.Fatal(err)
		}
		g.Observe([]trial.Event{{Kind: trial.EventCreated, Trial: number, Point: p[0].Point}})
		number++
	}
}
