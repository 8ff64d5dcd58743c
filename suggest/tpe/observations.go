package tpe

import (
	"cmp"
	"math"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// observations are the finished trials as columns. A trial is a slot, in the
// order of arrival.
type observations struct {
	c       *settings
	dims    []*dim
	numbers []int64
	ranks   []suggest.Rank
	x       [][]float64 // by dimension and slot; NaN inactive
	// signature is, by dimension, a hash of the trials in which it was active:
	// dimensions with equal ones form a group.
	signature []uint64
	scored    int // trials of a class before infeasible

	// What follows is brought up to date by flush; the slots before divided
	// are in it.
	divided int
	ranked  int     // of them, those of a class before infeasible
	isGood  []bool  // by slot
	good    []int32 // best first
	rest    []int32 // heap of the others with a rank, the best on top
	groups  []*group

	build builder // of the model, which is used until the next one is made
}

func newObservations(s *space.Space, c *settings) *observations {
	o := &observations{c: c}
	for i := range s.Len() {
		if d := newDim(s, i); d != nil {
			o.dims = append(o.dims, d)
		}
	}
	n := len(o.dims)
	o.x, o.signature = make([][]float64, n), make([]uint64, n)
	return o
}

// add appends a finished trial.
func (o *observations) add(number int64, p space.Point, r suggest.Rank) {
	for j := range o.dims {
		if p[o.dims[j].index] != nil {
			o.signature[j] = combine(o.signature[j], uint64(number))
		}
	}
	o.appendRow(number, p)
	o.ranks = append(o.ranks, r)
	o.isGood = append(o.isGood, false)
	if r.Class != suggest.RankInfeasible {
		o.scored++
	}
}

func (o *observations) appendRow(number int64, p space.Point) {
	o.numbers = append(o.numbers, number)
	for j, d := range o.dims {
		x := math.NaN()
		if v := p[d.index]; v != nil {
			x = d.encode(v)
		}
		o.x[j] = append(o.x[j], x)
	}
}

// truncate drops the rows from slot n on.
func (o *observations) truncate(n int) {
	o.numbers = o.numbers[:n]
	for j := range o.x {
		o.x[j] = o.x[j][:n]
	}
}

// combine is a hash step (FNV's multiplier on 64 bits, then a rotation).
func combine(h, v uint64) uint64 {
	h = (h ^ v ^ 0xcbf29ce484222325) * 0x100000001b3
	return h<<29 | h>>35
}

// compareNumbers orders slots by the numbers of their trials. A trial that waited
// and went on has several slots, in the order of arrival.
func (o *observations) compareNumbers(s, t int32) int {
	return cmp.Or(cmp.Compare(o.numbers[s], o.numbers[t]), cmp.Compare(s, t))
}

// compareRanks orders slots from good to bad.
func (o *observations) compareRanks(s, t int32) int {
	return cmp.Or(o.ranks[s].Compare(o.ranks[t]), o.compareNumbers(s, t))
}

// active reports whether all of the dimensions are active in the trial.
func (o *observations) active(dims []int, s int32) bool {
	for _, j := range dims {
		if math.IsNaN(o.x[j][s]) {
			return false
		}
	}
	return true
}

// partition divides the dimensions into groups: one each unless multivariate,
// else those with the same signature, in the order of their first dimension.
func (o *observations) partition() [][]int {
	var out [][]int
	at := map[uint64]int{}
	for j := range o.dims {
		g, ok := at[o.signature[j]]
		if !ok || !o.c.multivariate {
			g = len(out)
			at[o.signature[j]] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], j)
	}
	return out
}
