package suggest

import "github.com/gotuner/tuner/suggest/space"

// maxStrata bounds the size of a Latin hypercube; with more points there are
// several.
const maxStrata = 128

// Latin is point number of a Latin hypercube of n points (McKay, Beckman and
// Conover, Technometrics 21(2), 1979), in which every parameter has one value in
// each of so many equal parts of its scale. Parameters with a prior of their own
// are drawn from it. stream names the randomness. It is nil if the point is not
// feasible.
func Latin(s *space.Space, seed int64, stream string, number int64, n int) space.Point {
	strata := int64(min(n, maxStrata))
	order := Stream(seed, stream, -1-number/strata)
	own := Stream(seed, stream, number)
	drawn := make([]float64, s.Len())
	s.Encode(s.Sample(own), drawn, nil)
	x := make([]float64, s.Len())
	for i := range x {
		at := order.Perm(int(strata))[number%strata]
		x[i] = (float64(at) + own.Float64()) / float64(strata)
		if s.Param(i).Prior != nil {
			x[i] = drawn[i]
		}
	}
	p := s.Decode(x)
	if !s.Feasible(p) {
		return nil
	}
	return p
}
