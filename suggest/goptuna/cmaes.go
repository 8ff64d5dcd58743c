package goptuna

import (
	"cmp"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/c-bata/goptuna/cmaes"
	"gonum.org/v1/gonum/mat"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// CMAESName is the name of goptuna's CMA-ES, and the arm of its points.
const CMAESName = "goptuna-cmaes"

// CMAESAlgorithm describes goptuna's CMA-ES.
func CMAESAlgorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name:    CMAESName,
		Doc:     "CMA-ES of goptuna 0.9, for comparison; choices and conditional parameters are random.",
		Version: 1,
		New:     func(cfg suggest.Config) (suggest.Suggester, error) { return NewCMAES(cfg), nil },
	}
}

// CMAES is goptuna's CMA-ES. The optimizer is a function of the events: each
// generation is told as soon as its last result arrives. A trial belongs to the
// generation that is current when it is created.
type CMAES struct {
	adapter
	sign float64 // -1 to maximise

	// optimizer is nil if the space has less than two numbers without a
	// condition, or after it failed; then all is random.
	optimizer *cmaes.Optimizer
	axes      []axis        // its coordinates
	onAxis    []bool        // by domain
	rounded   bool          // an axis is discrete: points are not where the optimizer put them
	members   map[int64]int // unfinished trials: their generation
	finished  []solution    // of the current generation
}

// axis is a coordinate of the optimizer: the internal number of a domain, or its
// logarithm.
type axis struct {
	domain    int // index
	log       bool
	low, high float64
}

type solution struct {
	number int64
	*cmaes.Solution
}

var _ suggest.Suggester = (*CMAES)(nil)

// NewCMAES returns a CMAES for the first objective of cfg; it has no settings.
func NewCMAES(cfg suggest.Config) *CMAES {
	c := &CMAES{adapter: newAdapter(CMAESName, cfg), sign: signOf(cfg.Objectives[0].Goal)}
	c.start()
	return c
}

// start begins anew in the current space, as cmaes/sampler.go:174 does: the mean
// in the middle, the step size a sixth of the narrowest range.
func (c *CMAES) start() {
	c.optimizer, c.axes, c.rounded = nil, nil, false
	c.onAxis = make([]bool, len(c.domains))
	c.members, c.finished = map[int64]int{}, nil
	for j, d := range c.domains {
		if d.form == formChoice || d.param.When != nil {
			continue
		}
		a := axis{domain: j, log: d.log, low: d.low, high: d.high}
		if d.log {
			a.low, a.high = math.Log(d.low), math.Log(d.high)
		}
		c.axes = append(c.axes, a)
		c.onAxis[j] = true
		c.rounded = c.rounded || !d.param.Continuous()
	}
	if len(c.axes) < 2 {
		c.fail()
		return
	}
	mean, bounds, sigma := make([]float64, len(c.axes)), mat.NewDense(len(c.axes), 2, nil), math.Inf(1)
	for i, a := range c.axes {
		mean[i] = (a.low + a.high) / 2
		bounds.SetRow(i, []float64{a.low, a.high})
		sigma = min(sigma, (a.high-a.low)/6)
	}
	c.try(func() (err error) {
		c.optimizer, err = cmaes.NewOptimizer(mean, sigma, cmaes.OptimizerOptionBounds(bounds))
		return err
	})
}

// fail gives the optimizer up.
func (c *CMAES) fail() {
	c.optimizer, c.axes, c.finished = nil, nil, nil
	c.onAxis = make([]bool, len(c.domains))
	c.members = map[int64]int{}
}

// try calls goptuna and gives the optimizer up if that fails.
func (c *CMAES) try(f func() error) {
	if recovered(f) != nil {
		c.fail()
	}
}

// Observe implements suggest.Suggester.
func (c *CMAES) Observe(events []trial.Event) {
	for _, e := range events {
		if e.Kind == trial.EventFinished && c.optimizer != nil {
			c.finish(e)
		}
		switch {
		case c.observe(e):
			c.start()
		case e.Kind == trial.EventCreated && c.optimizer != nil:
			c.members[e.Trial] = c.optimizer.Generation()
		}
	}
}

// internal is the internal number at a coordinate.
func (a axis) internal(x float64) float64 {
	if a.log {
		return math.Exp(x)
	}
	return x
}

func (c *CMAES) finish(e trial.Event) {
	generation, ok := c.members[e.Trial]
	delete(c.members, e.Trial)
	if !ok || generation != c.optimizer.Generation() || e.Finish == nil ||
		e.Finish.State != types.Completed || len(e.Finish.Values) == 0 || math.IsNaN(e.Finish.Values[0]) {
		return
	}
	known, ok := c.ledger.Open(e.Trial)
	if !ok {
		return
	}
	c.finished = append(c.finished, solution{e.Trial, &cmaes.Solution{
		Params: c.position(e.Trial, known.Point), Value: c.sign * e.Finish.Values[0]}})
	if len(c.finished) == c.optimizer.PopulationSize() {
		c.tell()
	}
}

// position is where a trial of this generation counts: where the optimizer put
// it before rounding, as in goptuna, or at its point if that came from elsewhere
// (a user, a second attempt, an earlier generation).
func (c *CMAES) position(number int64, p space.Point) []float64 {
	internal, _ := c.internals(p)
	x := make([]float64, len(c.axes))
	for i, a := range c.axes {
		if x[i] = internal[a.domain]; a.log {
			x[i] = math.Log(x[i])
		}
	}
	if !c.rounded {
		return x
	}
	y, err := c.ask(c.stream(number))
	if err != nil {
		return x
	}
	for i, a := range c.axes {
		if d := c.domains[a.domain]; d.value(a.internal(y[i])) != p[d.index] {
			return x
		}
	}
	return y
}

// tell ends the generation. Trials that are still running have missed it.
func (c *CMAES) tell() {
	slices.SortFunc(c.finished, func(a, b solution) int { return cmp.Compare(a.number, b.number) })
	generation := make([]*cmaes.Solution, len(c.finished))
	for i, s := range c.finished {
		generation[i] = s.Solution
	}
	c.finished = nil
	c.try(func() error {
		if err := c.optimizer.Tell(generation); err != nil {
			return err
		}
		_, err := c.ask(suggest.Stream(0, CMAESName, 0)) // whether it still works
		return err
	})
}

// ask asks the optimizer with the randomness of r alone.
func (c *CMAES) ask(r *rand.Rand) (x []float64, err error) {
	err = recovered(func() (err error) {
		cmaes.OptimizerOptionSeed(r.Int64())(c.optimizer)
		x, err = c.optimizer.Ask()
		return err
	})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(x, math.IsNaN) {
		return nil, errors.New("the optimizer proposes no number")
	}
	return x, nil
}

// Suggest implements suggest.Suggester.
func (c *CMAES) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	return c.suggest(ctx, req, c.draw)
}

func (c *CMAES) draw(r *rand.Rand) (space.Point, string, error) {
	x, arm := make([]float64, len(c.domains)), RandomName
	if c.optimizer != nil {
		y, err := c.ask(r)
		if err != nil {
			return nil, "", err
		}
		for i, a := range c.axes {
			x[a.domain] = a.internal(y[i])
		}
		arm = CMAESName
	}
	if err := sampleAll(c.domains, x, c.onAxis, r); err != nil {
		return nil, "", err
	}
	return c.point(x), arm, nil
}
