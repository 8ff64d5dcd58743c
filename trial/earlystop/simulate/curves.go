package simulate

import (
	"math"
	"math/rand/v2"
)

// Curves returns learning curves to plan with: those of trial n fall from
// about 2 towards a limit between 0 and 1 as a power of the step, at different
// speeds, so that some cross. They are no forecast of any program's; what a
// stopper saves depends on how early the curves part.
//
// The limit is uniform, the exponent uniform between 0.3 and 1, both drawn from
// seed and number alone. The function may be called in any order.
func Curves(seed int64) func(number, step int64) float64 {
	return func(number, step int64) float64 {
		r := rand.New(rand.NewPCG(uint64(seed), uint64(number)))
		limit, exponent := r.Float64(), 0.3+0.7*r.Float64()
		return limit + 2*math.Pow(float64(step), -exponent)
	}
}
