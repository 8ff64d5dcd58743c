package goptuna

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	gopt "github.com/c-bata/goptuna"
	"github.com/c-bata/goptuna/tpe"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// TPEName is the name of goptuna's TPE, and the arm of its points.
const TPEName = "goptuna-tpe"

// TPEAlgorithm describes goptuna's TPE. The defaults are goptuna's.
func TPEAlgorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name:    TPEName,
		Doc:     "Tree-structured Parzen estimator of goptuna 0.9, for comparison; tpe is the better one.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "startup", Type: trial.IntSetting, Default: int64(10), Min: new(float64(1)),
				Doc: "Results that a parameter must have before it is modelled; until then it is random."},
			{Name: "candidates", Type: trial.IntSetting, Default: int64(24), Min: new(float64(1)), Max: new(float64(100_000)),
				Doc: "Values drawn from the density of the good trials, of which the best is proposed."},
		},
		New: func(cfg suggest.Config) (suggest.Suggester, error) { return NewTPE(cfg), nil },
	}
}

// TPE is goptuna's TPE.
type TPE struct {
	adapter
	sign                float64 // -1 to maximise
	startup, candidates int
	// results are the finished trials that goptuna learns from, by number.
	results []result
	// models are made of the results in the current space; nil: not made yet.
	models []model
}

// result is a finished trial.
type result struct {
	number int64
	known  suggest.Known
	// loss orders trials as goptuna does: completed ones by value, then pruned
	// ones by step and value, then those pruned before their first report.
	loss [2]float64
}

// model proposes internal numbers of one parameter.
type model interface {
	draw(r *rand.Rand) (float64, error)
}

var _ suggest.Suggester = (*TPE)(nil)

// NewTPE returns a TPE for the first objective of cfg, whose settings are
// complete.
func NewTPE(cfg suggest.Config) *TPE {
	return &TPE{
		adapter: newAdapter(TPEName, cfg), sign: signOf(cfg.Objectives[0].Goal),
		startup:    int(min(cfg.Settings.Int("startup"), math.MaxInt32)),
		candidates: int(cfg.Settings.Int("candidates")),
	}
}

func signOf(g types.Goal) float64 {
	if g == types.Maximize {
		return -1
	}
	return 1
}

// Observe implements suggest.Suggester.
func (t *TPE) Observe(events []trial.Event) {
	for _, e := range events {
		if e.Kind == trial.EventFinished {
			t.finish(e)
		}
		if t.observe(e) {
			t.models = nil
		}
	}
}

func (t *TPE) finish(e trial.Event) {
	known, ok := t.ledger.Open(e.Trial)
	if !ok || e.Finish == nil {
		return
	}
	loss, ok := lossOf(e.Finish, t.sign)
	if !ok {
		return
	}
	at, _ := slices.BinarySearchFunc(t.results, e.Trial, func(r result, n int64) int { return cmp.Compare(r.number, n) })
	t.results = slices.Insert(t.results, at, result{e.Trial, known, loss})
	t.models = nil
}

// lossOf is how goptuna ranks a trial; ok is false if it does not look at it.
func lossOf(f *trial.Finish, sign float64) (loss [2]float64, ok bool) {
	value := math.NaN()
	if len(f.Values) > 0 {
		value = sign * f.Values[0]
	}
	switch {
	case f.State == types.Completed && !math.IsNaN(value):
		return [2]float64{math.Inf(-1), value}, true
	case f.State == types.Pruned && f.Step >= 0 && !math.IsNaN(value):
		return [2]float64{-float64(f.Step), value}, true
	case f.State == types.Pruned:
		return [2]float64{math.Inf(1), 0}, true
	}
	return loss, false
}

// Suggest implements suggest.Suggester.
func (t *TPE) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	if t.models == nil {
		t.models = t.learn()
	}
	return t.suggest(ctx, req, t.draw)
}

// learn makes the model of each domain.
func (t *TPE) learn() []model {
	s := t.ledger.Space()
	values := make([][]float64, len(t.domains))
	losses := make([][][2]float64, len(t.domains))
	for _, r := range t.results {
		p, ok := r.known.In(s)
		if !ok {
			continue
		}
		x, active := t.internals(p)
		for j := range x {
			if active[j] {
				values[j], losses[j] = append(values[j], x[j]), append(losses[j], r.loss)
			}
		}
	}
	models := make([]model, len(t.domains))
	for j, d := range t.domains {
		if len(values[j]) >= t.startup {
			below, above := split(values[j], losses[j])
			models[j] = t.newModel(d, below, above)
		}
	}
	return models
}

// split sorts by loss and returns the values of the good trials and those of the
// others, each in the order of their numbers (tpe/sampler.go:87).
func split(values []float64, losses [][2]float64) (below, above []float64) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(losses[i][0], losses[j][0]), cmp.Compare(losses[i][1], losses[j][1]))
	})
	n := tpe.DefaultGamma(len(values))
	slices.Sort(order[:n])
	slices.Sort(order[n:])
	for k, i := range order {
		if k < n {
			below = append(below, values[i])
		} else {
			above = append(above, values[i])
		}
	}
	return below, above
}

func (t *TPE) newModel(d *domain, below, above []float64) model {
	if d.form == formChoice {
		return newChoiceModel(int(d.high)+1, t.candidates, below, above)
	}
	m := &numberModel{candidates: t.candidates, low: d.low, high: d.high, log: d.log}
	switch q := d.distribution.(type) {
	case gopt.IntUniformDistribution, gopt.StepIntUniformDistribution: // without regard to the step
		m.step, m.low, m.high = 1, d.low-0.5, d.high+0.5
	case gopt.DiscreteUniformDistribution:
		m.step, m.offset, m.low, m.high = q.Q, d.low, -0.5*q.Q, d.high-d.low+0.5*q.Q
	}
	m.below, m.above = m.estimator(below), m.estimator(above)
	return m
}

func (t *TPE) draw(r *rand.Rand) (space.Point, string, error) {
	x, modelled := make([]float64, len(t.domains)), make([]bool, len(t.domains))
	for j, m := range t.models {
		if m == nil {
			continue
		}
		v, err := m.draw(r)
		if err != nil {
			return nil, "", err
		}
		x[j], modelled[j] = v, true
	}
	if err := sampleAll(t.domains, x, modelled, r); err != nil {
		return nil, "", err
	}
	p := t.point(x)
	t.ledger.Space().Repair(p)
	for j, d := range t.domains {
		if modelled[j] && p[d.index] != nil {
			return p, TPEName, nil
		}
	}
	return p, RandomName, nil
}
