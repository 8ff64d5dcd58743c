package grid_test

import (
	"testing"

	"github.com/gotuner/tuner/suggest/grid"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

func TestConforms(t *testing.T) {
	suggesttest.Run(t, grid.Algorithm(), suggesttest.Options{Finite: true, Seedless: true, GoalBlind: true})
}

func TestShuffledConforms(t *testing.T) {
	// Two points a continuous parameter keep the grids small enough.
	suggesttest.Run(t, grid.Algorithm(), suggesttest.Options{
		Finite: true, GoalBlind: true, Settings: map[string]any{"shuffle": true, "points": 2}, MaxPoints: 1 << 22,
	})
}
