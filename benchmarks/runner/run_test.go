package runner

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/problems"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/suggest/space"
)

// own is a contender of ours.
func own(t *testing.T, text string) Contender {
	t.Helper()
	c, err := InProcess(builtin.Algorithms(), text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func problem(t *testing.T, name string) *problems.Problem {
	t.Helper()
	c, err := problems.Open("")
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// script is a searcher that proposes given points and writes down what it sees.
type script struct {
	points    []space.Point
	log       []string
	told      map[int64]float64
	next      int64
	recommend int64 // -1: nothing
}

func (s *script) Ask(context.Context, int) ([]Trial, error) {
	if int(s.next) == len(s.points) {
		return nil, suggest.Exhausted("the script ends")
	}
	t := Trial{Number: 10 * s.next, Point: s.points[s.next]} // any numbers will do
	s.next++
	s.log = append(s.log, "ask")
	return []Trial{t}, nil
}

func (s *script) Tell(_ context.Context, number int64, value float64) error {
	s.told[number] = value
	s.log = append(s.log, "tell "+string(rune('0'+number/10)))
	return nil
}

func (s *script) Recommend(context.Context) (int64, bool, error) {
	return 10 * s.recommend, s.recommend >= 0, nil
}

func (s *script) Close() error { return nil }

// scripted is a contender that opens s.
func scripted(s *script) Contender {
	s.told = map[int64]float64{}
	return Contender{Name: "script", Open: func(context.Context, Study) (Searcher, error) { return s, nil }}
}

// points are n random points of a problem.
func points(t *testing.T, p *problems.Problem, n int) (*problems.Instance, []space.Point) {
	t.Helper()
	in, err := p.Open(p.InstanceFor(1))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]space.Point, n)
	r := suggest.Stream(7, "points", 0)
	for i := range out {
		out[i] = in.Space().Sample(r)
	}
	return in, out
}

func TestRunScoresTheTruth(t *testing.T) {
	p := problem(t, "noisy-branin-additive")
	in, pts := points(t, p, 12)
	s := &script{points: pts, recommend: -1}
	res, err := Run(t.Context(), scripted(s), p, Config{Seed: 1, Budget: 12})
	if err != nil || res.Status != Done {
		t.Fatal(res.Note, err)
	}
	if d := cmp.Diff([]int{1, 2, 3, 5, 7, 10, 12}, res.Checkpoints); d != "" {
		t.Fatal(d)
	}
	differs := false
	for i, n := range res.Checkpoints {
		best, observed, recommended := math.Inf(1), math.Inf(1), 0.0
		for k := range n {
			truth := in.Evaluate(pts[k])
			best = min(best, truth)
			if v := s.told[int64(10*k)]; v < observed {
				observed, recommended = v, truth
			}
			differs = differs || truth != s.told[int64(10*k)]
		}
		if res.Best[i] != best || res.Recommended[i] != recommended {
			t.Errorf("after %d: best %v, recommended %v; want %v, %v", n, res.Best[i], res.Recommended[i], best, recommended)
		}
	}
	if !differs {
		t.Error("the noisy problem has no noise")
	}
	optimum, exact := in.Optimum()
	if res.Optimum != optimum || res.Exact != exact || res.Median != in.Median() {
		t.Errorf("optimum %v, exact %v, median %v", res.Optimum, res.Exact, res.Median)
	}
}

func TestRunTakesTheTunersRecommendation(t *testing.T) {
	p := problem(t, "branin")
	in, pts := points(t, p, 5)
	for i := range int64(len(pts)) {
		res, err := Run(t.Context(), scripted(&script{points: pts, recommend: i}), p, Config{Seed: 1, Budget: 5})
		if err != nil || res.Status != Done {
			t.Fatal(res.Note, err)
		}
		last := len(res.Recommended) - 1
		if got, want := res.Recommended[last], in.Evaluate(pts[i]); got != want {
			t.Errorf("trial %d is recommended: %v, want %v", i, got, want)
		}
		if res.Recommended[last-1] != res.Best[last-1] {
			t.Errorf("the recommendation at the end changed the earlier ones: %v, best %v", res.Recommended, res.Best)
		}
	}
	res, err := Run(t.Context(), scripted(&script{points: pts, recommend: 77}), p, Config{Seed: 1, Budget: 5})
	if err != nil || res.Status != Failed || !strings.Contains(res.Note, "recommended trial 770") {
		t.Errorf("an unknown trial is recommended: %+v, %v", res, err)
	}
}

// Three workers, durations 5 2 3 1 4 2: at 0 the trials 0, 1, 2 begin. 1 ends at
// 2 and 3 begins; at 3 end 2 and 3, of which 2 was asked for first, and 4 (until
// 7) and 5 (until 5) begin; at 5 end 0 and 5, at 7 ends 4.
func TestFlightsLandInOrderOfTime(t *testing.T) {
	durations := []float64{5, 2, 3, 1, 4, 2}
	var f flights
	var landed []int64
	var clock []float64
	next := 0
	for len(landed) < len(durations) {
		if next < len(durations) && len(f.list) < 3 {
			f.start(flight{index: int64(next)}, durations[next])
			next++
			continue
		}
		landed = append(landed, f.land().index)
		clock = append(clock, f.now)
	}
	if d := cmp.Diff([]int64{1, 2, 3, 0, 5, 4}, landed); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]float64{2, 3, 3, 5, 5, 7}, clock); d != "" {
		t.Error(d)
	}
}

// With three workers the searcher sees what the durations say, worked out here
// minute by minute rather than by the queue.
func TestRunWithThreeWorkers(t *testing.T) {
	p := problem(t, "branin")
	in, pts := points(t, p, 9)
	s := &script{points: pts, recommend: -1}
	res, err := Run(t.Context(), scripted(s), p, Config{Seed: 1, Budget: 9, Workers: 3})
	if err != nil || res.Status != Done || res.Workers != 3 {
		t.Fatal(res, err)
	}
	var want []string
	ends := map[int]float64{}
	now, begun := 0.0, 0
	for begun < len(pts) || len(ends) > 0 {
		for begun < len(pts) && len(ends) < 3 {
			ends[begun] = now + duration(in, pts[begun], 1, int64(begun))
			want = append(want, "ask")
			begun++
		}
		first := -1
		for k, end := range ends {
			if first < 0 || end < ends[first] {
				first = k
			}
		}
		now = ends[first]
		delete(ends, first)
		want = append(want, "tell "+string(rune('0'+first)))
	}
	if d := cmp.Diff(want, s.log); d != "" {
		t.Errorf("want (-), was (+):\n%s", d)
	}
	if strings.Join(want, " ") == "ask ask ask tell 0 ask tell 1 ask tell 2 ask tell 3 ask tell 4 ask tell 5 ask tell 6 tell 7 tell 8" {
		t.Error("the durations overtake nobody; take another seed")
	}
}

// Two contenders that propose the same points are told the same values, whatever
// the numbers that they give to trials and however many workers there are.
func TestNoiseIsThatOfTheTrial(t *testing.T) {
	p := problem(t, "noisy-hartmann6-additive")
	_, pts := points(t, p, 20)
	told := func(workers int, seed int64) map[int64]float64 {
		s := &script{points: pts, recommend: -1}
		if res, err := Run(t.Context(), scripted(s), p, Config{Seed: seed, Budget: 20, Workers: workers}); err != nil || res.Status != Done {
			t.Fatal(res.Note, err)
		}
		return s.told
	}
	alone := told(1, 1)
	if d := cmp.Diff(alone, told(4, 1)); d != "" {
		t.Errorf("with other workers there is other noise:\n%s", d)
	}
	// Seed 16 has instance 1 again.
	if other := told(1, 16); cmp.Equal(alone, other) {
		t.Error("another seed has the same noise")
	}
}

func TestRunsRepeat(t *testing.T) {
	for _, name := range []string{"tpe", "random", "cmaes", "gp", "qmc", "goptuna-tpe"} {
		for _, p := range []string{"noisy-branin-additive", "network"} {
			var last *Result
			for range 2 {
				res, err := Run(t.Context(), own(t, name), problem(t, p), Config{Seed: 3, Budget: 40, Workers: 4})
				if err != nil || res.Status != Done {
					t.Fatalf("%s on %s: %s %v", name, p, res.Note, err)
				}
				times := cmpopts.IgnoreFields(Result{}, "AskP50", "AskP95", "AskP99", "AskMean", "CPU", "Wall", "Allocs")
				if d := cmp.Diff(last, &res, times); last != nil && d != "" {
					t.Errorf("%s on %s: %s", name, p, d)
				}
				last = &res
			}
		}
	}
}

// What the adapter shows an algorithm is what the conformance suite's simulation
// shows it: the same proposals come out.
func TestInProcessFeedsEvents(t *testing.T) {
	p := problem(t, "hartmann6")
	in, err := p.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	c := own(t, "tpe:startup=5")
	s, err := c.Open(t.Context(), Study{Space: in.Space(), Seed: 11, Budget: 30, Workers: 2, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	var asked []Trial
	for range 30 {
		trials, err := s.Ask(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, trials...)
		if n := len(asked); n >= 2 { // the one before stays pending
			if err := s.Tell(t.Context(), asked[n-2].Number, in.Evaluate(asked[n-2].Point)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Tell(t.Context(), 999, 0); types.CodeOf(err) != types.Invalid {
		t.Errorf("tell of a trial that was not asked for: %v", err)
	}
	pre, err := c.Open(t.Context(), Study{Space: in.Space(), Seed: 11, Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	var pts []space.Point
	var values []float64
	for _, a := range asked[:29] {
		pts, values = append(pts, a.Point), append(values, in.Evaluate(a.Point))
	}
	if err := pre.(Preloader).Preload(t.Context(), pts, values); err != nil {
		t.Fatal(err)
	}
	// One trial is pending for s and unknown to pre, so finish it and preload it.
	if err := s.Tell(t.Context(), asked[29].Number, in.Evaluate(asked[29].Point)); err != nil {
		t.Fatal(err)
	}
	if err := pre.(Preloader).Preload(t.Context(), []space.Point{asked[29].Point}, []float64{in.Evaluate(asked[29].Point)}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Ask(t.Context(), 2)
	b, err2 := pre.Ask(t.Context(), 2)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("asked and preloaded histories differ:\n%s", d)
	}
}

func TestFaultsOfContenders(t *testing.T) {
	p := problem(t, "branin")
	_, pts := points(t, p, 3)
	broken := func(open func(context.Context, Study) (Searcher, error)) Contender {
		return Contender{Name: "broken", Open: open}
	}
	for _, tt := range []struct {
		name      string
		contender Contender
		status    Status
		note      string
	}{
		{"no such space", broken(func(context.Context, Study) (Searcher, error) {
			return nil, types.Errorf(types.Unsupported, "it has no conditions")
		}), Unsupported, "it has no conditions"},
		{"broken pipe", broken(func(context.Context, Study) (Searcher, error) {
			return nil, errors.New("broken pipe:\n  line 2")
		}), Failed, "broken pipe: line 2"},
		{"panic", broken(func(context.Context, Study) (Searcher, error) { panic("ouch") }), Failed, "panic: ouch"},
		{"invalid", scripted(&script{points: []space.Point{{99.0, 1.0}}, recommend: -1}), Failed, "invalid point: params.x1: "},
		{"exhausted", scripted(&script{points: pts, recommend: -1}), Done, "exhausted after 3 trials"},
	} {
		res, err := Run(t.Context(), tt.contender, p, Config{Seed: 1, Budget: 10})
		if err != nil || res.Status != tt.status || !strings.Contains(res.Note, tt.note) {
			t.Errorf("%s: %s %q, %v", tt.name, res.Status, res.Note, err)
		}
		if tt.status == Done && (len(res.Best) != len(res.Checkpoints) || math.IsNaN(res.Best[5])) {
			t.Errorf("%s: %v", tt.name, res.Best)
		}
		if tt.status != Done && res.Best != nil {
			t.Errorf("%s has numbers: %v", tt.name, res.Best)
		}
	}
	// An algorithm that refuses the space is no fault.
	res, err := Run(t.Context(), own(t, "grid:shuffle=true"), problem(t, "bbob-f1-d20"), Config{Seed: 1, Budget: 10})
	if err != nil || res.Status != Unsupported || res.Note == "" {
		t.Errorf("grid in 20 dimensions: %s %q %v", res.Status, res.Note, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, own(t, "random"), p, Config{Seed: 1, Budget: 10}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run: %v", err)
	}
}

func TestInProcessRefusesTypingErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"tep", "did you mean tpe?"},
		{"tpe:above_cup=0", "tpe.above_cup: tpe has no such setting"},
		{"tpe:", "SETTING=VALUE"},
	} {
		if _, err := InProcess(builtin.Algorithms(), tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
	c := own(t, "tpe:above_cap=0")
	if !strings.Contains(c.Settings, "above_cap=0,") || !strings.Contains(c.Settings, "startup=") {
		t.Errorf("the settings are not complete: %s", c.Settings)
	}
	if own(t, "tpe").Settings == c.Settings {
		t.Error("another setting has the same text")
	}
}
