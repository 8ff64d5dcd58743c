package tpe_test

import (
	"testing"

	"github.com/gotuner/tuner/suggest/suggesttest"
	"github.com/gotuner/tuner/suggest/tpe"
)

func TestConforms(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"defaults":    nil,
		"independent": {"multivariate": false},
		"exact":       {"above_cap": 0},
		"optuna5":     {"rules": "optuna5"},
		"few kernels": {"above_cap": 24},
		"other":       {"startup": 1, "candidates": 3, "gamma": 0.5, "gamma_max": 1000, "liar": false},
	} {
		if testing.Short() && settings != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			suggesttest.Run(t, tpe.Algorithm(), suggesttest.Options{Settings: settings})
		})
	}
}
