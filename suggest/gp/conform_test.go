package gp_test

import (
	"testing"

	"github.com/gotuner/tuner/suggest/gp"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

// The models are smaller than by default, because fits of hundreds of trials take
// long.
func TestConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of fits")
	}
	suggesttest.Run(t, gp.Algorithm(), suggesttest.Options{Settings: map[string]any{"startup": 3, "max_trials": 40}})
}
