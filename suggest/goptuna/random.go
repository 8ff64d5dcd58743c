package goptuna

import (
	"context"
	"math/rand/v2"

	gopt "github.com/c-bata/goptuna"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// RandomName is the name of goptuna's random search, and the arm of its points.
const RandomName = "goptuna-random"

// RandomAlgorithm describes goptuna's random search.
func RandomAlgorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name:           RandomName,
		Doc:            "Random search of goptuna 0.9, for comparison; it never draws the last value of an integer.",
		Version:        1,
		MultiObjective: true,
		New:            func(cfg suggest.Config) (suggest.Suggester, error) { return NewRandom(cfg), nil },
	}
}

// Random is goptuna's random search.
type Random struct{ adapter }

var _ suggest.Suggester = (*Random)(nil)

// NewRandom returns a Random; it has no settings.
func NewRandom(cfg suggest.Config) *Random { return &Random{newAdapter(RandomName, cfg)} }

// Observe implements suggest.Suggester.
func (s *Random) Observe(events []trial.Event) {
	for _, e := range events {
		s.observe(e)
	}
}

// Suggest implements suggest.Suggester.
func (s *Random) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	return s.suggest(ctx, req, s.draw)
}

func (s *Random) draw(r *rand.Rand) (space.Point, string, error) {
	x := make([]float64, len(s.domains))
	if err := sampleAll(s.domains, x, nil, r); err != nil {
		return nil, "", err
	}
	return s.point(x), RandomName, nil
}

// sampleAll draws x for the domains that are not skipped. The seed of goptuna's
// sampler is drawn from r.
func sampleAll(domains []*domain, x []float64, skip []bool, r *rand.Rand) error {
	sampler := gopt.NewRandomSampler(gopt.RandomSamplerOptionSeed(r.Int64()))
	for j, d := range domains {
		if skip != nil && skip[j] {
			continue
		}
		v, err := d.sample(sampler, r)
		if err != nil {
			return err
		}
		x[j] = v
	}
	return nil
}
