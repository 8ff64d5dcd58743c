package tpe

import (
	"slices"

	"github.com/gotuner/tuner/suggest"
)

// bulk is the number of new trials from which the groups are built anew
// instead of trial by trial.
const bulk = 64

// flush takes the new slots into the split and the groups: O(log n) and a
// little copying for each. After a replay it is O(n log n).
func (o *observations) flush() {
	n := len(o.ranks)
	if o.divided == n && o.groups != nil {
		return
	}
	o.regroup()
	if n-o.divided > bulk {
		for _, g := range o.groups {
			g.stale = true
		}
	}
	for ; o.divided < n; o.divided++ {
		o.divide(int32(o.divided))
	}
	for _, g := range o.groups {
		if g.stale {
			g.rebuild(o)
		}
	}
}

// regroup brings the groups up to date. Dimensions that differ in one trial
// differ for ever, so groups only ever split; this happens fewer times than
// there are dimensions.
func (o *observations) regroup() {
	if o.groups != nil && !slices.ContainsFunc(o.groups, o.torn) {
		return
	}
	old := o.groups
	o.groups = make([]*group, 0, len(o.dims))
	for _, dims := range o.partition() {
		i := slices.IndexFunc(old, func(g *group) bool { return slices.Equal(g.dims, dims) })
		if i >= 0 {
			o.groups = append(o.groups, old[i])
		} else {
			o.groups = append(o.groups, newGroup(o, dims))
		}
	}
}

func (o *observations) torn(g *group) bool {
	return o.c.multivariate && slices.ContainsFunc(g.dims, func(j int) bool {
		return o.signature[j] != o.signature[g.dims[0]]
	})
}

// divide puts slot s among the good or the bad trials. It may displace a good
// trial, and the greater number of trials may make a bad one good.
func (o *observations) divide(s int32) {
	if o.ranks[s].Class == suggest.RankInfeasible {
		o.enter(s, false)
		return
	}
	o.ranked++
	displaced := int32(-1)
	if last := len(o.good) - 1; last >= 0 && o.compareRanks(s, o.good[last]) < 0 {
		displaced = o.good[last]
		o.isGood[displaced], o.isGood[s] = false, true
		at, _ := slices.BinarySearchFunc(o.good, s, o.compareRanks)
		copy(o.good[at+1:], o.good[at:])
		o.good[at] = s
		o.pushRest(displaced)
	} else {
		o.pushRest(s)
	}
	for want := o.c.nBelow(o.ranked); len(o.good) < want; {
		p := o.popRest()
		o.good = append(o.good, p)
		o.isGood[p] = true
		if p != s && p != displaced {
			o.leave(p, false)
			o.enter(p, true)
		}
	}
	if displaced >= 0 && !o.isGood[displaced] {
		o.leave(displaced, true)
		o.enter(displaced, false)
	}
	o.enter(s, o.isGood[s])
}

// enter and leave tell the groups that have all their dimensions in a trial
// that it is now, or no longer, good or bad.
func (o *observations) enter(s int32, good bool) {
	for _, g := range o.groups {
		if !g.stale && o.active(g.dims, s) {
			g.enter(o, s, good)
		}
	}
}

func (o *observations) leave(s int32, good bool) {
	for _, g := range o.groups {
		if !g.stale && o.active(g.dims, s) {
			g.leave(o, s, good)
		}
	}
}

// pushRest and popRest are those of a binary heap with the best trial on top.
func (o *observations) pushRest(s int32) {
	o.rest = append(o.rest, s)
	h := o.rest
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if o.compareRanks(h[up], h[i]) < 0 {
			return
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

func (o *observations) popRest() int32 {
	h := o.rest
	top, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	o.rest = h
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return top
		}
		if down+1 < last && o.compareRanks(h[down+1], h[down]) < 0 {
			down++
		}
		if o.compareRanks(h[i], h[down]) < 0 {
			return top
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
