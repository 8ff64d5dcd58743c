package problems

import (
	_ "embed"
	"encoding/json"
	"math"

	"github.com/gotuner/tuner/api/types"
)

// bestKnown are the best points that a long search has found on each surrogate,
// whose optima nobody knows (TestSearchBest writes the file).
//
//go:embed yahpo_best.json
var bestKnown []byte

type knownPoint struct {
	Value  float64      `json:"value"`
	Params types.Params `json:"params"`
}

// known sets the optimum to the best that is known of the problem.
func (s *surrogate) known(name string) error {
	var all map[string]knownPoint
	if err := json.Unmarshal(bestKnown, &all); err != nil {
		return types.Errorf(types.Internal, "the list of best known points: %w", err)
	}
	s.optimum = math.Inf(1)
	k, ok := all[name]
	if !ok {
		return types.Errorf(types.Internal, "there is no best known point of %s", name).
			WithRemedy("search one: see TestSearchBest in benchmarks/problems")
	}
	p, err := s.space.FromParams(k.Params)
	if err != nil {
		return err
	}
	if err := s.space.Validate(p); err != nil {
		return err
	}
	s.optimum, s.best = k.Value, p
	return nil
}
