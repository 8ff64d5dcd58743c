package gp

import (
	"context"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Name is the algorithm's name, and that of its streams of randomness.
const Name = "gp"

// Algorithm describes the Gaussian process.
func Algorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name: Name,
		Doc: "Gaussian process: a smooth model of the objective, which is asked where an improvement is to be expected; " +
			"for up to some hundred trials that take seconds or longer.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "startup", Type: trial.IntSetting, Min: new(float64(1)),
				Doc: "Evenly spread trials before the model is used; auto is the number of parameters and 2, from 4 to 12."},
			{Name: "max_trials", Type: trial.IntSetting, Default: int64(300), Min: new(float64(10)), Max: new(float64(500)),
				Doc: "Greatest number of trials in the model: a third of them the best, the others the newest."},
		},
		New: func(cfg suggest.Config) (suggest.Suggester, error) { return New(cfg), nil },
	}
}

// GP is the suggester.
type GP struct {
	startup, maxTrials int
	noise              noisePrior
	seed               int64
	goal               types.Goal
	ledger             *suggest.Ledger
	// results are the finished trials that tell something, kept for a new
	// version of the space; obs are the same in the current one.
	results []result
	obs     *observations
}

type result struct {
	number int64
	known  suggest.Known
	rank   suggest.Rank
	step   int64
}

var _ suggest.Suggester = (*GP)(nil)

// New returns a GP for the first objective of cfg, whose settings are complete.
func New(cfg suggest.Config) *GP {
	s := cfg.Settings
	g := &GP{
		maxTrials: int(s.Int("max_trials")),
		noise:     noiseOf(cfg.Deterministic),
		seed:      cfg.Seed, goal: cfg.Objectives[0].Goal,
		ledger: suggest.NewLedger(cfg),
	}
	if !s.Auto("startup") {
		g.startup = int(min(s.Int("startup"), math.MaxInt32))
	}
	g.setSpace(cfg.Space)
	return g
}

// noiseOf is the prior of the noise in a study that is deterministic, or not, or
// maybe.
func noiseOf(deterministic string) noisePrior {
	switch deterministic {
	case "yes":
		return noisePrior{normal{-11, 4}, 1e-7}
	case "no":
		return noisePrior{normal{-5, 1}, 1e-4}
	}
	return noisePrior{normal{-8, 4}, 1e-6}
}

func (g *GP) setSpace(s *space.Space) {
	g.obs = newObservations(s, g.noise, g.maxTrials)
	for _, r := range g.results {
		g.learn(r)
	}
}

// Observe implements suggest.Suggester.
func (g *GP) Observe(events []trial.Event) {
	for _, e := range events {
		if e.Kind == trial.EventFinished {
			g.finish(e)
		}
		g.ledger.Observe(e)
		if e.Kind == trial.EventSpace {
			g.setSpace(e.Space)
		}
	}
}

func (g *GP) finish(e trial.Event) {
	known, ok := g.ledger.Open(e.Trial)
	if !ok {
		return // created in a version of the space that is not known here
	}
	if r, ok := suggest.RankOf(e.Finish, g.goal); ok && r.Class != suggest.RankFailed {
		g.results = append(g.results, result{e.Trial, known, r, e.Finish.Step})
		g.learn(g.results[len(g.results)-1])
	}
}

func (g *GP) learn(r result) {
	if p, ok := r.known.In(g.ledger.Space()); ok {
		g.obs.add(p, r.rank, r.step)
	}
}

// start is how many trials must have a result before the model is used.
func (g *GP) start() int {
	if g.startup > 0 {
		return g.startup
	}
	return min(max(g.obs.layout.params()+2, 4), 12)
}

// Suggest implements suggest.Suggester.
func (g *GP) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	ask := g.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := g.propose(ctx, ask, n)
		if err != nil {
			return out, err
		}
		ask.Take(n, p.Point)
		out = append(out, p)
	}
	return out, nil
}

func (g *GP) propose(ctx context.Context, ask *suggest.Ask, number int64) (suggest.Proposal, error) {
	if g.obs.scored < g.start() || len(g.obs.layout.dims) == 0 {
		if n := g.start(); number < int64(n) {
			if p := suggest.Latin(ask.Space(), g.seed, Name+"/start", number, n); p != nil && !ask.Taken(p) {
				return suggest.Proposal{Point: p, Arm: random.Name}, nil
			}
		}
		return g.fallback(ctx, ask, number)
	}
	m, err := g.obs.posterior(ctx, ask.Pending())
	if err != nil {
		return suggest.Proposal{}, err
	}
	if m == nil {
		return g.fallback(ctx, ask, number)
	}
	s := search{posterior: m, ask: ask, r: suggest.Stream(g.seed, Name, number)}
	if p, explain := s.best(); p != nil {
		return suggest.Proposal{Point: p, Arm: Name, Explain: explain}, nil
	}
	return g.fallback(ctx, ask, number)
}

// fallback proposes as random search would.
func (g *GP) fallback(ctx context.Context, ask *suggest.Ask, number int64) (suggest.Proposal, error) {
	p, err := ask.Fresh(ctx, suggest.Stream(g.seed, random.Name, number))
	return suggest.Proposal{Point: p, Arm: random.Name}, err
}
