package gp

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// noisier is how often a covariance that is numerically singular is tried with
// ten times the noise.
const noisier = 8

// observations are the finished trials in the order of arrival.
type observations struct {
	layout *layout
	noise  noisePrior
	most   int
	x      [][]float64
	ranks  []suggest.Rank
	scored int // that completed or were pruned

	steps []int64 // the highest of each trial, -1 none

	// The hyperparameters were fitted to the first fitted rows, in the layout that
	// there is. They depend on these rows alone, not on when they were asked for, so
	// that a replay finds the same.
	fitted int
	hyper  hyper
}

func newObservations(s *space.Space, noise noisePrior, most int) *observations {
	return &observations{layout: newLayout(s), noise: noise, most: most}
}

func (o *observations) add(p space.Point, r suggest.Rank, step int64) {
	o.x = append(o.x, o.layout.coordinates(p))
	o.ranks = append(o.ranks, r)
	o.steps = append(o.steps, step)
	if r.Class == suggest.RankPruned && !o.layout.lengths() && len(o.layout.dims) > 0 {
		o.layout.addLength()
		o.fitted = 0
		for i := range o.x {
			o.x[i] = append(o.x[i], 1)
		}
	}
	if r.Class == suggest.RankCompleted || r.Class == suggest.RankPruned {
		o.scored++
	}
}

// refit is the number of rows that the hyperparameters are fitted to while there
// are n: all up to 30, then a new fit with each twelfth more.
func refit(n int) int {
	at := min(n, 30)
	for next := at + at/12; next <= n && at >= 30; next = at + at/12 {
		at = next
	}
	return at
}

// chosen are the rows of the model when there are n, ascending: all up to most; of
// more the best third of most, and the newest. It costs O(n).
func (o *observations) chosen(n int) []int {
	which := make([]int, 0, min(n, o.most))
	if n > o.most {
		which = append(which, o.best(n, o.most/3)...)
	}
	in := make(map[int]bool, len(which))
	for _, i := range which {
		in[i] = true
	}
	for i := n - 1; i >= 0 && len(which) < o.most; i-- {
		if !in[i] {
			which = append(which, i)
		}
	}
	slices.Sort(which)
	return which
}

// best are the k best of the first n rows, the earlier of equals.
func (o *observations) best(n, k int) []int {
	out := make([]int, 0, k+1)
	order := func(a, b int) int { return cmp.Or(o.ranks[a].Compare(o.ranks[b]), cmp.Compare(a, b)) }
	for i := range n {
		if len(out) == k && order(i, out[k-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, i, order)
		out = slices.Insert(out, at, i)[:min(len(out)+1, k)]
	}
	return out
}

// rows are the chosen rows, and their normalised values. Those of trials that
// ended early have the length that these had beside the longest that completed.
func (o *observations) rows(n int) (x [][]float64, y []float64) {
	which := o.chosen(n)
	end := o.end(n)
	var whole []bool
	for _, i := range which {
		r := o.ranks[i]
		if r.Class == suggest.RankPruned {
			z := slices.Clone(o.x[i])
			z[len(z)-1] = length(o.steps[i], end)
			x, y, whole = append(x, z), append(y, r.B), append(whole, z[len(z)-1] == 1)
			continue
		}
		x, y, whole = append(x, o.x[i]), append(y, r.A), append(whole, true)
	}
	return x, normalise(o.imputed(which, y), whole)
}

// end is the step at which a trial is whole: the last of the longest of the first
// n that completed, or, while none has, of any.
func (o *observations) end(n int) int64 {
	completed, anyone := int64(-1), int64(-1)
	for i, r := range o.ranks[:n] {
		anyone = max(anyone, o.steps[i])
		if r.Class == suggest.RankCompleted {
			completed = max(completed, o.steps[i])
		}
	}
	if completed < 0 {
		return anyone
	}
	return completed
}

// length is how long a trial is that ended at a step, from 0 to 1, which is a
// whole one: in the logarithm of the step, as curves flatten.
func length(step, end int64) float64 {
	if step >= end || step < 0 {
		return 1
	}
	return math.Log1p(float64(step)) / math.Log1p(float64(end))
}

// imputed gives rows that have no value of their own the worst there is.
func (o *observations) imputed(which []int, y []float64) []float64 {
	worst := math.Inf(-1)
	for k, i := range which {
		if o.ranks[i].Class <= suggest.RankPruned && !math.IsInf(y[k], 0) {
			worst = math.Max(worst, y[k])
		}
	}
	if math.IsInf(worst, 0) {
		worst = 0
	}
	for k, i := range which {
		if o.ranks[i].Class > suggest.RankPruned || math.IsInf(y[k], 0) {
			y[k] = worst
		}
	}
	return y
}

// posterior is the model with pending trials; nil if it cannot be had. The error
// is that of ctx.
func (o *observations) posterior(ctx context.Context, pending []suggest.Pending) (*posterior, error) {
	if at := refit(len(o.x)); at != o.fitted {
		x, y := o.rows(at)
		h, err := newFitter(o.layout, x, y, o.noise).fit(ctx)
		if err != nil {
			return nil, err
		}
		o.hyper, o.fitted = h, at
	}
	x, y := o.rows(len(o.x))
	for _, q := range pending {
		x = append(x, o.layout.coordinates(q.Point))
	}
	h := o.hyper
	for range noisier {
		if g, ok := newPosterior(o.layout, h, x, y); ok {
			return g, nil
		}
		h.noise *= 10
	}
	return nil, nil
}
