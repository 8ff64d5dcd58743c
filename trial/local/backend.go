package local

import (
	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/trial/engine"
)

// backend is the engine as the Go SDK sees it: closing it closes the database
// too.
type backend struct {
	*engine.Engine
	local *Local
}

var _ tuner.Backend = backend{}

// Close implements tuner.Backend.
func (b backend) Close() error { return b.local.Close() }
