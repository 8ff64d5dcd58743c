package space

import "slices"

// countWork bounds the number of partial assignments that counting a
// conditional space visits; conditions that interlock so much are not counted.
const countWork = 1_000_000

// Size is the number of different points without regard to constraints. finite
// is false if there is a continuous parameter, if there are more than 1<<62
// points, or if the conditions interlock so much that counting them exactly
// would visit more than a million combinations of parents.
func (s *Space) Size() (n int64, finite bool) {
	s.sizeOnce.Do(func() {
		for i := range s.params {
			if !s.params[i].dim.discrete {
				return
			}
		}
		s.size, s.finite = s.count(func(i int) levels {
			d := s.params[i].dim
			return levels{dim: d, span: d.span}
		})
	})
	return s.size, s.finite
}

// GridSize is the exact number of points of Enumerate before constraints; ok
// is false where it cannot be counted, as in Size.
func (s *Space) GridSize(gridDefault int) (n int64, ok bool) {
	return s.count(func(i int) levels { return s.gridLevels(i, gridDefault) })
}

// counter counts by assigning parents only: the parameters without children
// are multiplied, and what no condition connects any more is counted apart.
type counter struct {
	s     *Space
	total []uint64    // levels of each parameter
	segs  [][]segment // of the parents
	point Point
	known []bool
	work  int
}

func (s *Space) count(of func(int) levels) (int64, bool) {
	c := &counter{
		s: s, total: make([]uint64, len(s.params)), segs: make([][]segment, len(s.params)),
		point: make(Point, len(s.params)), known: make([]bool, len(s.params)),
	}
	for i := range s.params {
		l := of(i)
		c.total[i] = min(l.span, countLimit) + 1 // above the limit if the span is
		if len(s.children[i]) > 0 {
			c.segs[i] = l.segments(s.cuts[i])
		}
	}
	n := uint64(1)
	var tied []int // by conditions
	for _, i := range s.order {
		if s.acts[i] == nil && len(s.children[i]) == 0 {
			n = satMul(n, c.total[i])
		} else {
			tied = append(tied, i)
		}
	}
	n = satMul(n, c.set(tied))
	if n > countLimit || c.work > countWork {
		return 0, false
	}
	return int64(n), true
}

// set counts the assignments of the parameters in set, which is in order.
func (c *counter) set(set []int) uint64 {
	n := uint64(1)
	for len(set) > 0 {
		var part []int
		part, set = c.component(set)
		n = satMul(n, c.connected(part))
	}
	return n
}

// component splits off what conditions connect with the first of set.
func (c *counter) component(set []int) (part, rest []int) {
	part = []int{set[0]}
	rest = set[1:]
	for grown := true; grown; {
		grown = false
		var left []int
		for _, i := range rest {
			if slices.ContainsFunc(part, func(j int) bool { return c.linked(i, j) || c.linked(j, i) }) {
				part = append(part, i)
				grown = true
			} else {
				left = append(left, i)
			}
		}
		rest = left
	}
	slices.SortFunc(part, func(i, j int) int { return c.s.rank[i] - c.s.rank[j] })
	return part, rest
}

// linked reports whether the activity of child still depends on parent.
func (c *counter) linked(child, parent int) bool {
	a := c.s.acts[child]
	return a != nil && !c.known[parent] && slices.Contains(a.parents, parent) && a.eval(c.point, c.known) == unknown
}

func (c *counter) connected(part []int) uint64 {
	if c.work++; c.work > countWork {
		return 0
	}
	i := part[0] // its parents are assigned, or its activity is decided
	active := c.s.acts[i].eval(c.point, c.known)
	if len(part) == 1 {
		if active == no {
			return 1
		}
		return c.total[i]
	}
	c.known[i] = true
	defer func() { c.known[i], c.point[i] = false, nil }()
	if active == no {
		return c.set(part[1:])
	}
	sum := uint64(0)
	for _, seg := range c.segs[i] {
		c.point[i] = seg.value
		sum = satAdd(sum, satMul(seg.count, c.set(part[1:])))
	}
	return sum
}
