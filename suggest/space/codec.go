package space

// Encode writes p's position in the unit cube to x and its activity to active;
// both have length Len. A cell is encoded as its middle, a constant and an
// inactive parameter as 0.5. A nil active is left out.
func (s *Space) Encode(p Point, x []float64, active []bool) {
	x = x[:len(p)]
	for i, v := range p {
		if active != nil {
			active[i] = v != nil
		}
		x[i] = 0.5
		if v != nil {
			x[i] = s.params[i].dim.encode(v)
		}
	}
}

// Decode makes the point at x: values are rounded to step cells, and inactive
// parameters are nil. It takes any x: coordinates are clipped to [0,1], and
// NaN is 0.5. The point is valid except for the constraints.
func (s *Space) Decode(x []float64) Point {
	p := make(Point, len(s.params))
	for _, i := range s.order {
		if s.active(i, p) {
			p[i] = s.params[i].dim.decode(x[i])
		}
	}
	return p
}
