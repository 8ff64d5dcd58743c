package gp

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

const (
	spread   = 1500 // candidates over the whole space
	around   = 500  // candidates around the best trials
	centres  = 5    // of the latter
	climbers = 4    // candidates that are improved along the slope
	steps    = 30   // of a climb
	apart    = 1e-7 // distance in the cube below which points are the same but for rounding
)

// search looks for the point of the greatest expected improvement.
type search struct {
	*posterior
	ask *suggest.Ask
	r   *rand.Rand
}

// candidate is a point with its acquisition.
type candidate struct {
	point space.Point
	x     []float64
	score float64
}

// best is the allowed point of the greatest expected improvement that was found,
// nil if none of the candidates is allowed.
func (s *search) best() (space.Point, json.RawMessage) {
	pool := s.pool()
	s.score(pool)
	slices.SortStableFunc(pool, worse)
	var found []candidate
	for _, c := range pool {
		if s.space.Feasible(c.point) {
			found = append(found, s.improve(c))
		}
		if len(found) == climbers {
			break
		}
	}
	pool = append(pool, found...)
	slices.SortStableFunc(pool, worse)
	for _, c := range pool {
		if s.allowed(c) {
			return c.point, s.explain(c)
		}
	}
	return nil, nil
}

// explain tells of the model: the number of its results and, if it is finite, the
// logarithm of the expected improvement in standard deviations of all values.
func (s *search) explain(c candidate) json.RawMessage {
	b := strconv.AppendInt([]byte(`{"results":`), int64(len(s.alpha)), 10)
	if !math.IsNaN(c.score) && !math.IsInf(c.score, 0) {
		b = strconv.AppendFloat(append(b, `,"score":`...), c.score, 'g', 4, 64)
	}
	return append(b, '}')
}

// worse orders candidates from good to bad.
func worse(a, b candidate) int { return cmp.Compare(b.score, a.score) }

// allowed: it is feasible, was not tried, and does not repeat a trial but for
// rounding.
func (s *search) allowed(c candidate) bool {
	if !s.space.Feasible(c.point) || s.ask.Taken(c.point) {
		return false
	}
	return s.ask.Repeats() || !slices.ContainsFunc(s.x, func(row []float64) bool {
		sum := 0.0
		for j, d := range s.dims[:s.params()] {
			sum += d.squared(row[j], c.x[j])
		}
		return sum < apart*apart
	})
}

func (s *search) at(x []float64) candidate {
	p := s.point(x)
	return candidate{point: p, x: s.coordinates(p)}
}

// pool are the candidates: points drawn from the space, and the best trials
// moved at several scales.
func (s *search) pool() []candidate {
	var out []candidate
	for range spread {
		p := s.space.Sample(s.r)
		out = append(out, candidate{point: p, x: s.coordinates(p)})
	}
	for i := range around {
		centre := s.x[s.top[i%min(centres, len(s.top))]]
		out = append(out, s.at(s.near(centre, [...]float64{0.5, 0.1, 0.02}[i%3])))
	}
	return out
}

// near is x moved: each coordinate with a probability that moves three in the
// mean, at least one; numbers by a part of the length, choices to any.
func (s *search) near(x []float64, part float64) []float64 {
	out := slices.Clone(x)
	n := s.params()
	must := s.r.IntN(n)
	all := s.r.IntN(2) == 0
	for j, d := range s.dims[:n] {
		if !all && j != must && s.r.Float64()*float64(n) > 3 {
			continue
		}
		switch {
		case !d.choice:
			if math.IsNaN(out[j]) {
				out[j] = s.r.Float64()
			}
			out[j] += part * math.Min(1/math.Sqrt(s.theta[j]), 0.5) * s.r.NormFloat64()
			out[j] = math.Min(math.Max(out[j], 0), 1)
		case j == must || s.r.Float64() < 0.2:
			out[j] = float64(s.r.Int64N(d.levels))
		}
	}
	return out
}

// score fills in the acquisition of the candidates.
func (s *search) score(cs []candidate) {
	xs := make([][]float64, len(cs))
	for i, c := range cs {
		xs[i] = c.x
	}
	mean, sd := s.predict(xs)
	for i := range cs {
		cs[i].score, _, _ = logEI(mean[i], sd[i], s.least)
	}
}

// improve moves c along the slope, then its choices and short ranges one by one,
// and once more along the slope if that helped.
func (s *search) improve(c candidate) candidate {
	for range 2 {
		if d := s.climb(c); d.score > c.score {
			c = d
		}
		d := s.sweep(c)
		if d.score <= c.score {
			break
		}
		c = d
	}
	return c
}

// sweep tries the other values of each parameter with few of them, and the
// neighbouring levels of those with many.
func (s *search) sweep(c candidate) candidate {
	for j, d := range s.dims {
		if math.IsNaN(c.x[j]) || d.levels == 0 {
			continue
		}
		var tries []candidate
		level := d.param.LevelOf(c.point[d.index])
		for _, k := range s.levels(d, level) {
			p := slices.Clone(c.point)
			p[d.index] = d.param.At(k)
			s.space.Repair(p)
			if s.space.Feasible(p) {
				tries = append(tries, candidate{point: p, x: s.coordinates(p)})
			}
		}
		if len(tries) == 0 {
			continue
		}
		s.score(tries)
		if b := slices.MinFunc(tries, worse); b.score > c.score {
			c = b
		}
	}
	return c
}

// levels are those to try instead of one: all of a few; of more the next ones of
// an order, and any of unordered choices.
func (s *search) levels(d *dim, level int64) []int64 {
	var out []int64
	switch {
	case d.levels <= few:
		for k := range d.levels {
			out = append(out, k)
		}
	case d.choice:
		for range few {
			out = append(out, s.r.Int64N(d.levels))
		}
	default:
		out = []int64{level - 2, level - 1, level + 1, level + 2}
	}
	return slices.DeleteFunc(out, func(k int64) bool { return k == level || k < 0 || k >= d.levels })
}

// climb moves the smooth coordinates of c by projected gradient steps of
// Barzilai and Borwein's length, in units of the kernel's lengths (Birgin,
// Martinez and Raydan, "Nonmonotone Spectral Projected Gradient Methods on Convex
// Sets", SIAM J. Optim. 10(4), 2000, made monotone).
func (s *search) climb(c candidate) candidate {
	n := len(s.dims)
	x, y := slices.Clone(c.x), make([]float64, n)
	g, h, sd := make([]float64, n), make([]float64, n), make([]float64, n)
	v := s.value(x, g, sd)
	length := 0.0
	for range steps {
		if length == 0 { // so long that the greatest move is a tenth of the range
			for j, t := range g {
				length = math.Max(length, math.Abs(t)/s.theta[j])
			}
			if length < 1e-12 {
				break
			}
			length = 0.1 / length
		}
		moved, gain := s.move(x, y, g, length)
		if !moved {
			break
		}
		w := s.value(y, h, sd)
		for tries := 0; (w < v+1e-4*gain || !s.feasible(y)) && tries < 6; tries++ {
			length /= 4
			_, gain = s.move(x, y, g, length)
			w = s.value(y, h, sd)
		}
		if !(w > v) || !s.feasible(y) {
			break
		}
		ss, sy := 0.0, 0.0
		for j := range x {
			if t := y[j] - x[j]; t != 0 {
				ss += t * t * s.theta[j]
				sy -= t * (h[j] - g[j])
			}
		}
		done := w-v < 1e-5
		copy(x, y)
		g, h = h, g
		v = w
		if done {
			break
		}
		length *= 4
		if sy > 0 {
			length = math.Min(ss/sy, 1e3)
		}
	}
	d := s.at(x)
	one := []candidate{d}
	s.score(one)
	return one[0]
}

// feasible reports whether the point at x satisfies the constraints.
func (s *search) feasible(x []float64) bool {
	return len(s.space.Constraints()) == 0 || s.space.Feasible(s.point(x))
}

// move makes y the point a gradient step from x, within the cube; gain is the
// improvement that the slope promises.
func (s *search) move(x, y, g []float64, length float64) (moved bool, gain float64) {
	for j := range x {
		y[j] = x[j]
		if g[j] == 0 || math.IsNaN(x[j]) {
			continue
		}
		y[j] = math.Min(math.Max(x[j]+length*g[j]/s.theta[j], 0), 1)
		moved = moved || y[j] != x[j]
		gain += g[j] * (y[j] - x[j])
	}
	return moved, gain
}

// value is the acquisition at x, and its slope.
func (s *search) value(x, slope, sd []float64) float64 {
	mean, dev := s.slope(x, slope, sd)
	v, byMean, bySD := logEI(mean, dev, s.least)
	for j := range slope {
		slope[j] = byMean*slope[j] + bySD*sd[j]
	}
	return v
}
