package goptuna

import (
	"math"
	"testing"

	gopt "github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/cmaes"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

// These tests hold what the package says about goptuna: if one fails after an
// update, a fault is mended and the documentation has to follow.

func TestRandomMissesLastInteger(t *testing.T) {
	step := integer("step", 0, 6)
	step.Step = int64(2)
	ordinal := categorical("ordinal", 3)
	ordinal.Kind = space.Ordinal
	s := suggesttest.Space(t, nil, integer("n", 1, 3), integer("bit", 0, 1), step, ordinal, categorical("c", 3), float("x", 0, 1))
	seen := make([]map[any]bool, s.Len())
	for i := range seen {
		seen[i] = map[any]bool{}
	}
	sg := build(t, RandomAlgorithm(), s, 1)
	for n := range int64(300) {
		p, err := sg.Suggest(t.Context(), suggest.Request{Numbers: []int64{n}})
		if err != nil {
			t.Fatal(err)
		}
		if p[0].Arm != RandomName {
			t.Fatalf("the arm is %s", p[0].Arm)
		}
		for i, v := range p[0].Point {
			seen[i][v] = true
		}
	}
	for i, want := range []int{2, 1, 3, 2, 3, 300} {
		q := s.Param(i)
		if n, finite := q.Levels(); len(seen[i]) != want || q.Kind != space.Categorical && finite && seen[i][q.At(n-1)] {
			t.Errorf("%s had %d values, want %d without the last", q.Name, len(seen[i]), want)
		}
	}
}

// Two samplers of one seed disagree on choices.
func TestChoicesIgnoreTheSeed(t *testing.T) {
	draws := func() (xs [20]float64) {
		s := gopt.NewRandomSampler(gopt.RandomSamplerOptionSeed(1))
		for i := range xs {
			x, err := s.Sample(nil, gopt.FrozenTrial{}, "c", gopt.CategoricalDistribution{Choices: make([]string, 1000)})
			if err != nil {
				t.Fatal(err)
			}
			xs[i] = x
		}
		return xs
	}
	if draws() == draws() {
		t.Error("goptuna's random choices follow the seed")
	}
}

// With 20 results the scores of all candidates are NaN.
func TestScoresAreNaN(t *testing.T) {
	s := suggesttest.Space(t, nil, float("x", 0, 1), float("y", 0, 1), integer("n", 1, 100))
	sg := build(t, TPEAlgorithm(), s, 1).(*TPE)
	suggesttest.Simulate(t.Context(), sg, suggesttest.Study{Space: s, Trials: 20})
	for j, m := range sg.learn() {
		q := m.(*numberModel)
		if a := q.accepted(q.above); a > 0 {
			t.Errorf("%s: the mass of the bad trials is %g", s.Param(j).Name, a)
		}
		xs, err := q.sample(suggest.Stream(1, "test", 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range xs {
			if v := q.logDensity(q.above, x, q.accepted(q.above)); !math.IsNaN(v) {
				t.Errorf("%s: the score at %g is %g", s.Param(j).Name, x, v)
			}
		}
	}
}

// Told to maximise, CMA-ES minimises.
func TestCMAESIgnoresTheDirection(t *testing.T) {
	study, err := gopt.CreateStudy("test",
		gopt.StudyOptionLogger(nil), gopt.StudyOptionDirection(gopt.StudyDirectionMaximize),
		gopt.StudyOptionRelativeSampler(cmaes.NewSampler(cmaes.SamplerOptionSeed(1))),
		gopt.StudyOptionDefineSearchSpace(map[string]any{
			"x": gopt.UniformDistribution{Low: -5, High: 5}, "y": gopt.UniformDistribution{Low: -5, High: 5}}))
	if err != nil {
		t.Fatal(err)
	}
	last := math.Inf(1)
	err = study.Optimize(func(tr gopt.Trial) (float64, error) {
		x, errX := tr.SuggestFloat("x", -5, 5)
		y, errY := tr.SuggestFloat("y", -5, 5)
		if errX != nil {
			return 0, errX
		}
		last = (x-1)*(x-1) + (y-2)*(y-2)
		return last, errY
	}, 400)
	if err != nil {
		t.Fatal(err)
	}
	if last > 1e-3 {
		t.Errorf("after 400 trials of maximising the value is %g", last)
	}
}

// The step size is that of the narrowest range.
func TestCMAESHasOneStepSize(t *testing.T) {
	s := suggesttest.Space(t, nil, float("narrow", 0, 1), float("wide", 0, 1000))
	l := suggesttest.Simulate(t.Context(), build(t, CMAESAlgorithm(), s, 1), suggesttest.Study{Space: s, Trials: 6})
	for _, p := range l.Points() {
		if wide := p[1].(float64); math.Abs(wide-500) > 1 {
			t.Errorf("wide is %g", wide)
		}
	}
}
