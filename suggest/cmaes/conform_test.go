package cmaes_test

import (
	"testing"

	"github.com/gotuner/tuner/suggest/cmaes"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

func TestConforms(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"defaults": nil,
		"other":    {"population": 6, "restarts": "ipop", "lr_adapt": true, "warm_start": false, "model": false, "tolfun": 1e-3},
	} {
		if testing.Short() && settings != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			suggesttest.Run(t, cmaes.Algorithm(), suggesttest.Options{Settings: settings})
		})
	}
}
