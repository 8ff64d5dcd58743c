package tpe

import (
	"cmp"
	"slices"
)

// group is a set of dimensions that are modelled together: the trials in which
// they were active, and the two densities of the latest model.
type group struct {
	dims  []int
	stale bool // to be rebuilt before it is used

	lower side // the good trials
	upper side // the bad trials that have a kernel
	pick  selection

	good, bad mixture
}

func newGroup(o *observations, dims []int) *group {
	g := &group{dims: dims, stale: true, pick: newSelection(o.c.aboveCap)}
	g.lower.sorted = make([][]entry, len(dims))
	g.upper.sorted = make([][]entry, len(dims))
	g.good.kernels = make([]kernels, len(dims))
	g.bad.kernels = make([]kernels, len(dims))
	return g
}

// enter takes in a trial; leave forgets it.
func (g *group) enter(o *observations, s int32, good bool) {
	if good {
		g.lower.add(o, g.dims, s)
		return
	}
	if out := g.pick.enter(o, s); out != s {
		g.upper.add(o, g.dims, s)
		if out >= 0 {
			g.upper.drop(o, g.dims, out)
		}
	}
}

func (g *group) leave(o *observations, s int32, good bool) {
	if good {
		g.lower.drop(o, g.dims, s)
		return
	}
	switch chosen, short := g.pick.leave(o, s); {
	case short:
		g.stale = true
	case chosen:
		g.upper.drop(o, g.dims, s)
	}
}

// rebuild makes the group from all divided trials.
func (g *group) rebuild(o *observations) {
	g.stale = false
	g.pick.reset()
	g.lower.order, g.upper.order = g.lower.order[:0], g.upper.order[:0]
	for _, s := range o.good {
		if o.active(g.dims, s) {
			g.lower.order = append(g.lower.order, s)
		}
	}
	for s := range int32(o.divided) {
		if !o.isGood[s] && o.active(g.dims, s) {
			g.pick.enter(o, s)
		}
	}
	g.upper.order = g.pick.chosen(g.upper.order)
	g.lower.sort(o, g.dims)
	g.upper.sort(o, g.dims)
}

// side are trials with kernels, in the order of their numbers and, for each
// numeric dimension of the group, in the order of their positions.
type side struct {
	order  []int32
	sorted [][]entry // empty for categorical dimensions
}

// entry is a trial in the order of one dimension, with the kernels that it had
// in the models before: what is dear to compute is mostly unchanged.
type entry struct {
	x    float64
	slot int32
	as   [2]computed // in a sharp and in a blurred model
}

const (
	sharp = iota
	blurry
)

// computed is what is dear of a kernel at a known place; sd 0: not computed.
type computed struct{ sd, bias float64 }

// shape is the kernel at mean.
func (c computed) shape(mean float64) shape { return shape{mean, 1 / c.sd, c.bias} }

func (o *observations) compareEntries(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.x, b.x), o.compareNumbers(a.slot, b.slot))
}

// position is where e is, or belongs, in the sorted list.
func (o *observations) position(list []entry, e *entry) int {
	low, high := 0, len(list)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if o.compareEntries(&list[mid], e) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func (d *side) add(o *observations, dims []int, s int32) {
	d.order = o.insertNumber(d.order, s)
	for i, j := range dims {
		if o.dims[j].kind != categorical {
			e := entry{x: o.x[j][s], slot: s}
			d.sorted[i] = slices.Insert(d.sorted[i], o.position(d.sorted[i], &e), e)
		}
	}
}

func (d *side) drop(o *observations, dims []int, s int32) {
	d.order, _ = o.removeNumber(d.order, s)
	for i, j := range dims {
		if o.dims[j].kind != categorical {
			at := o.position(d.sorted[i], &entry{x: o.x[j][s], slot: s})
			d.sorted[i] = slices.Delete(d.sorted[i], at, at+1)
		}
	}
}

// sort makes the order and the sorted lists of the slots in d.order.
func (d *side) sort(o *observations, dims []int) {
	slices.SortFunc(d.order, o.compareNumbers)
	for i, j := range dims {
		if o.dims[j].kind == categorical {
			continue
		}
		d.sorted[i] = d.sorted[i][:0]
		for _, s := range d.order {
			d.sorted[i] = append(d.sorted[i], entry{x: o.x[j][s], slot: s})
		}
		slices.SortFunc(d.sorted[i], func(a, b entry) int { return o.compareEntries(&a, &b) })
	}
}

// insertNumber and removeNumber keep a list of slots ascending by number.
func (o *observations) insertNumber(list []int32, s int32) []int32 {
	at, _ := slices.BinarySearchFunc(list, s, o.compareNumbers)
	return slices.Insert(list, at, s)
}

func (o *observations) removeNumber(list []int32, s int32) (rest []int32, found bool) {
	at, found := slices.BinarySearchFunc(list, s, o.compareNumbers)
	if !found {
		return list, false
	}
	return slices.Delete(list, at, at+1), true
}
