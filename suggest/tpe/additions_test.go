package tpe

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// Every tenth of every scale has one start-up trial.
func TestStartIsLatin(t *testing.T) {
	s := mustSpace(t, rangeOf("x", -5.0, 5.0, ""), rangeOf("lr", 1e-4, 1.0, space.Log), rangeOf("n", int64(1), int64(10), ""))
	cfg, err := suggest.New(suggest.Registry{Algorithm()}, types.Component{Name: Name}, suggest.Config{
		Space: s, Seed: 3, Objectives: []types.Objective{{Metric: "m", Goal: types.Minimize}}})
	if err != nil {
		t.Fatal(err)
	}
	numbers := make([]int64, 10)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	ps, err := cfg.Suggest(t.Context(), suggest.Request{Numbers: numbers})
	if err != nil {
		t.Fatal(err)
	}
	seen, x := map[[2]int]bool{}, make([]float64, s.Len())
	for _, p := range ps {
		s.Encode(p.Point, x, nil)
		for j, u := range x {
			seen[[2]int{j, int(10 * u)}] = true
		}
	}
	if len(seen) != 30 {
		t.Errorf("10 start-up trials reach %d of the 30 tenths", len(seen))
	}
}

// Of 40 trials with the values 0, 1, … the good ones are 0 to 3, the best of
// the others is 4: the gains are 4, 3, 2 and 1, their mean 2.5.
func TestWeightsByGain(t *testing.T) {
	s := mustSpace(t, rangeOf("x", 0.0, 1.0, ""))
	weigh := func(a additions, value func(i int) float64) []float64 {
		o := newObservations(s, &settings{gamma: 0.1, gammaMax: 25, priorWeight: 1, multivariate: true, additions: a})
		for i := range 40 {
			o.add(int64(i), space.Point{float64(i) / 40}, suggest.Rank{A: value(i)})
		}
		return o.model(nil).groups[0].good.weight
	}
	line := func(i int) float64 { return float64(i) }
	byGain := additions{byGain: true}
	for name, tt := range map[string]struct{ got, want []float64 }{
		"optuna":    {weigh(additions{}, line), []float64{1, 1, 1, 1, 1}},
		"by gain":   {weigh(byGain, line), []float64{1.6, 1.2, 0.8, 0.4, 1}},
		"identical": {weigh(byGain, func(int) float64 { return 7 }), []float64{1, 1, 1, 1, 1}},
		"infinite": {weigh(byGain, func(i int) float64 {
			if i == 0 {
				return math.Inf(-1)
			}
			return float64(i)
		}), []float64{1, 1, 1, 1, 1}},
	} {
		if d := cmp.Diff(tt.want, tt.got, cmpopts.EquateApprox(0, 1e-12)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// A blurred model has wide kernels of the bad trials alone, and a sharp one
// after it is what it was.
func TestBlur(t *testing.T) {
	o := newObservations(mustSpace(t, rangeOf("x", 0.0, 1.0, ""), rangeOf("few", int64(1), int64(6), "")),
		&settings{gamma: 0.1, gammaMax: 25, priorWeight: 1, multivariate: true})
	for i := range 60 {
		o.add(int64(i), space.Point{math.Mod(float64(i)*0.618, 1), int64(1 + i%6)}, suggest.Rank{A: float64(i)})
	}
	least := func(q *kernels) float64 {
		sd := math.Inf(1)
		for _, h := range q.shapes {
			sd = min(sd, 1/h.inverse)
		}
		return sd
	}
	widths := func(blur float64) [3]float64 {
		g := o.blurred(nil, blur).groups[0]
		return [3]float64{least(&g.bad.kernels[0]), least(&g.good.kernels[0]), least(&g.bad.kernels[1])}
	}
	plain, blurred := widths(0), widths(0.15)
	want := plain
	want[0] = 0.15
	if d := cmp.Diff(want, blurred, cmpopts.EquateApprox(0, 1e-12)); d != "" || plain[0] >= 0.1 {
		t.Errorf("without a blur %v, with: %s", plain, d)
	}
	if d := cmp.Diff(plain, widths(0)); d != "" {
		t.Errorf("sharp again: %s", d)
	}
}

// Moves raise the score and stay where the constraints allow.
func TestPolish(t *testing.T) {
	s, err := space.New([]space.Parameter{rangeOf("x", 0.0, 1.0, ""), rangeOf("y", 0.0, 1.0, "")}, []string{"x + y <= 1"})
	if err != nil {
		t.Fatal(err)
	}
	o := newObservations(s, &settings{gamma: 0.1, gammaMax: 25, priorWeight: 1, multivariate: true})
	for i := range 60 {
		x, y := math.Mod(float64(i)*0.618, 1), math.Mod(float64(i)*0.755, 1)
		o.add(int64(i), space.Point{x, y}, suggest.Rank{A: (x - 0.5) * (x - 0.5) * (y - 0.5)})
	}
	l := suggest.NewLedger(suggest.Config{Space: s})
	c := chooser{space: s, ask: l.Ask(nil), model: o.model(nil)}
	r, risen := rand.New(rand.NewPCG(1, 2)), 0
	for _, from := range c.model.draw(r, 50) {
		p := c.point(from)
		if !c.allowed(p) {
			continue
		}
		before := c.model.point(p, from)
		q, x := c.polish(r, p, from, 20)
		switch after := c.model.point(q, x); {
		case after < before:
			t.Errorf("the score falls from %g to %g", before, after)
		case after > before:
			risen++
		}
		if !c.allowed(q) {
			t.Errorf("%v is not allowed", q)
		}
	}
	if risen < 20 {
		t.Errorf("only %d of 50 candidates were improved", risen)
	}
}
