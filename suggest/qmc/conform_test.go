package qmc

import (
	"testing"

	"github.com/gotuner/tuner/suggest/goptuna"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

var engine = Sobol{Dimensions: goptuna.SobolDimensions, Vectors: goptuna.SobolVectors}

func TestConforms(t *testing.T) {
	few := engine
	few.Dimensions = 3
	tests := []struct {
		name     string
		sobol    Sobol
		settings map[string]any
	}{
		{"defaults", engine, nil},
		{"shift", engine, map[string]any{"scramble": "shift"}},
		{"halton", engine, map[string]any{"sequence": "halton"}},
		{"halton beyond three dimensions", few, map[string]any{"scramble": "shift"}},
	}
	for _, tt := range tests {
		if testing.Short() && tt.settings["scramble"] == "shift" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			suggesttest.Run(t, Algorithm(tt.sobol), suggesttest.Options{Settings: tt.settings, GoalBlind: true})
		})
	}
}
