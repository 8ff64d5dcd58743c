package goptuna

import (
	"testing"

	"github.com/gotuner/tuner/suggest/suggesttest"
)

func TestRandomConforms(t *testing.T) {
	suggesttest.Run(t, RandomAlgorithm(), suggesttest.Options{
		GoalBlind: true,
		Unreached: "goptuna's random sampler never draws the last value of an integer; see TestRandomMissesLastInteger",
	})
}

func TestTPEConforms(t *testing.T) {
	suggesttest.Run(t, TPEAlgorithm(), suggesttest.Options{})
}

func TestCMAESConforms(t *testing.T) {
	suggesttest.Run(t, CMAESAlgorithm(), suggesttest.Options{
		Unreached: "goptuna begins in the middle with a sixth of the narrowest range as the step size for all parameters",
	})
}
