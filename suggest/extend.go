package suggest

import (
	"context"

	"github.com/gotuner/tuner/suggest/space"
)

// Extender is implemented by suggesters that choose the value of a parameter
// which a program asks for while its trial runs, and which the trial's proposal
// did not have. The value is a function of what a proposal is one of, and of the
// parameter: the basis is all events observed so far, of which the last may be
// the EventSpace that brought the parameter.
//
// A study whose algorithm is none draws such values from the priors.
type Extender interface {
	Extend(ctx context.Context, req ExtendRequest) (Extension, error)
}

// ExtendRequest asks for the value of one parameter.
type ExtendRequest struct {
	// Number is that of the running trial, Param the position of the parameter in
	// the current space.
	Number int64
	Param  int
	// Point is what the trial is expected to be, in the current space, nil at
	// Param. It must not be changed or kept.
	Point space.Point
}

// Extension is the value of one parameter and what chose it.
type Extension struct {
	Value space.Value
	Arm   string
}

// DrawArm is the arm of a value that was drawn from the parameter's prior.
const DrawArm = "random"

// Draw chooses from the prior of parameter i of s, for trial number of a study
// with this seed. Each parameter of each trial has a stream of its own.
func Draw(s *space.Space, seed, number int64, i int) Extension {
	p := s.Param(i)
	return Extension{Value: p.Sample(Stream(seed, DrawArm+"/"+p.Name, number)), Arm: DrawArm}
}
