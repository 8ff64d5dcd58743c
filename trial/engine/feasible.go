package engine

import (
	"context"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// proposes makes sure, before anything is stored, that the algorithm finds a
// first point in a space with constraints: if nothing satisfies them, or
// nothing on the algorithm's grid, the study would end before it began. s is
// new and is not used afterwards.
func proposes(ctx context.Context, s suggest.Suggester, sp *space.Space) error {
	if len(sp.Constraints()) == 0 {
		return nil
	}
	_, err := s.Suggest(ctx, suggest.Request{Numbers: []int64{0}})
	if types.CodeOf(err) == types.Exhausted {
		return types.Errorf(types.Invalid, "none of the points that the algorithm can propose satisfies the constraints").
			WithField("space.constraints").WithRemedy("loosen or remove a constraint, or widen the ranges")
	}
	return err
}
