package problems

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/gotuner/tuner/suggest/space"
)

// table has measurements of configurations: what all instances share.
type table struct {
	space *space.Space
	// repeats are the measurements of each configuration, to be minimised, NaN
	// left out; mean is their mean, NaN where there is none.
	repeats [][]float64
	mean    []float64

	// Either all points of the space are measured, in mixed radix with the
	// first parameter slowest, and config[index] is the configuration (nil: the
	// index itself); or at has a row in the unit cube for each configuration,
	// and a point stands for the nearest (the sum of the distances; a choice is 0
	// or 1 away; of equally near ones the first).
	grid   bool
	config []int32
	at     []float64

	points  func(config int) space.Point
	seconds []float64   // of each configuration, or nil
	curves  [][]float32 // of each configuration, or nil
}

// summarize sets mean. negate turns what is maximised around.
func (t *table) summarize(negate bool) {
	t.mean = make([]float64, len(t.repeats))
	for c, values := range t.repeats {
		kept, s := values[:0], 0.0
		for _, v := range values {
			if v != v {
				continue
			}
			if negate {
				v = -v
			}
			kept = append(kept, v)
			s += v
		}
		t.repeats[c] = kept
		t.mean[c] = s / float64(len(kept)) // 0/0 is NaN
	}
}

func (t *table) instance() (*Instance, error) {
	best := -1
	for c, v := range t.mean {
		if v == v && (best < 0 || v < t.mean[best]) {
			best = c
		}
	}
	if best < 0 {
		return nil, badData("", "no configuration has a value")
	}
	m := &measured{table: t, z: make([]float64, t.space.Len()), unordered: make([]bool, t.space.Len())}
	for i := range m.unordered {
		m.unordered[i] = t.space.Param(i).Kind == space.Categorical
	}
	in := &Instance{space: t.space, f: m, optimum: t.mean[best], exact: true, best: t.points(best)}
	in.median = sync.OnceValue(func() float64 { return middle(slices.Clone(t.mean)) })
	switch {
	case t.curves != nil:
		in.f = &measuredCurves{m}
	case t.seconds != nil:
		in.f = &measuredTimes{m}
	}
	return in, nil
}

// measured is a table as an objective. A run of it sees one of the repeats.
type measured struct {
	*table
	z         []float64
	unordered []bool
}

type (
	measuredCurves struct{ *measured }
	measuredTimes  struct{ *measured }
)

func (m *measured) value(p space.Point) float64 { return m.mean[m.find(p)] }

func (m *measured) observe(p space.Point, r *rand.Rand) float64 {
	values := m.repeats[m.find(p)]
	if len(values) == 0 {
		return math.NaN()
	}
	return values[r.IntN(len(values))]
}

func (m *measured) find(p space.Point) int {
	if m.grid {
		index := gridIndex(m.space, p)
		if m.config != nil {
			return int(m.config[index])
		}
		return index
	}
	m.space.Encode(p, m.z, nil)
	best, nearest, n := 0, math.Inf(1), len(m.z)
	for c := range m.mean {
		d := 0.0
		for i, v := range m.at[c*n : (c+1)*n] {
			e := math.Abs(v - m.z[i])
			if e != 0 && m.unordered[i] {
				e = 1
			}
			d += e
		}
		if d < nearest {
			best, nearest = c, d
		}
	}
	return best
}

// gridIndex is the mixed-radix number of a point of discrete parameters.
func gridIndex(s *space.Space, p space.Point) int {
	index := 0
	for i, v := range p {
		q := s.Param(i)
		n, _ := q.Levels()
		index = index*int(n) + int(q.LevelOf(v))
	}
	return index
}

// gridPoint is its inverse.
func gridPoint(s *space.Space, index int) space.Point {
	p := make(space.Point, s.Len())
	for i := s.Len() - 1; i >= 0; i-- {
		n, _ := s.Param(i).Levels()
		p[i] = s.Param(i).At(int64(index % int(n)))
		index /= int(n)
	}
	return p
}

func (m *measuredTimes) seconds(p space.Point) float64 { return m.table.seconds[m.find(p)] }

func (m *measuredCurves) steps() int { return len(m.curves[0]) }

func (m *measuredCurves) curve(dst []float64, p space.Point) {
	for i, v := range m.curves[m.find(p)] {
		dst[i] = float64(v)
	}
}

func (m *measuredCurves) at(p space.Point, step int) float64 {
	return float64(m.curves[m.find(p)][step-1])
}
