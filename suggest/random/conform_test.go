package random_test

import (
	"testing"

	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/suggesttest"
)

func TestConforms(t *testing.T) {
	suggesttest.Run(t, random.Algorithm(), suggesttest.Options{GoalBlind: true})
}
