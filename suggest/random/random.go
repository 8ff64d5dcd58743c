// Package random proposes independent draws from the priors: uniform on the
// scale of each parameter unless it has a prior of its own.
//
// Source: Bergstra and Bengio, "Random Search for Hyper-Parameter
// Optimization", JMLR 13 (2012). Deviation: where a study is deterministic, no
// point of a finite space is drawn twice, and the search ends when every
// feasible one was tried.
//
// A proposal costs O(d) times the number of tries that the constraints need.
// There is no snapshot: replaying events only fills a set of keys.
package random

import (
	"context"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/trial"
)

// Name is the algorithm's name, and that of its streams of randomness.
const Name = "random"

// Algorithm describes random search.
func Algorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name:           Name,
		Doc:            "Independent random points; the base line, and right for very many workers.",
		Version:        1,
		MultiObjective: true,
		New:            func(cfg suggest.Config) (suggest.Suggester, error) { return New(cfg), nil },
	}
}

// Random is the suggester.
type Random struct {
	seed   int64
	ledger *suggest.Ledger
}

var (
	_ suggest.Suggester = (*Random)(nil)
	_ suggest.Extender  = (*Random)(nil)
)

// New returns a Random; it has no settings.
func New(cfg suggest.Config) *Random {
	return &Random{seed: cfg.Seed, ledger: suggest.NewLedger(cfg)}
}

// Observe implements suggest.Suggester.
func (s *Random) Observe(events []trial.Event) {
	for _, e := range events {
		s.ledger.Observe(e)
	}
}

// Suggest implements suggest.Suggester.
func (s *Random) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	ask := s.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := ask.Fresh(ctx, suggest.Stream(s.seed, Name, n))
		if err != nil {
			return out, err
		}
		ask.Take(n, p)
		out = append(out, suggest.Proposal{Point: p, Arm: Name})
	}
	return out, nil
}

// Extend implements suggest.Extender: a draw from the parameter's prior.
func (s *Random) Extend(_ context.Context, req suggest.ExtendRequest) (suggest.Extension, error) {
	return suggest.Draw(s.ledger.Space(), s.seed, req.Number, req.Param), nil
}
