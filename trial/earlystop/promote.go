package earlystop

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/gotuner/tuner/trial"
)

// promoting is halving that lets trials wait at their rungs: algorithm 2 of the
// ASHA paper (Li et al., MLSys 2020). Each trial trains up to the first rung of
// its bracket and is paused there. Whenever there is room, the paused trials are
// looked through from the highest rung down: of n results at a rung, at least
// min_results, the best n/eta (rounded down) may go on, and the best of those
// that wait is promoted to the next rung. If there is none, a new trial begins.
// Nothing is ended, so startup does not matter.
//
// When no trial runs and none will be created, the paper's rule may leave a
// search without a single whole trial. Then the best that waits is promoted
// from the highest rung from which nobody was, too.
type promoting struct{ *halving }

var _ Promoter = (*promoting)(nil)

// Budget implements Budgeter: the next rung, or the end.
func (h *promoting) Budget(number int64) (step int64, whole bool) {
	t := h.climbers[number]
	if t == nil || t.level >= len(t.rungs) {
		return h.maxStep, true
	}
	return t.rungs[t.level].step, false
}

// Decide implements Stopper: a trial that trains beyond its budget is told to
// pause. At the budget it is left alone, so that it can save its state and end.
func (h *promoting) Decide(r trial.Report) Decision {
	t := h.climbers[r.Trial]
	if t == nil || r.Metric != h.objective.Metric || t.waits || t.level >= len(t.rungs) {
		return Decision{}
	}
	return beyond(h, r, t.highest)
}

// beyond tells the trial of r, whose highest step is given, to pause if it trains
// beyond its budget.
func beyond(b Budgeter, r trial.Report, highest int64) Decision {
	budget, whole := b.Budget(r.Trial)
	if whole || r.Step <= budget || r.Step < highest {
		return Decision{}
	}
	return Decision{Stop: true, Pause: true, Reason: fmt.Sprintf("its budget is step %d, and it is at step %d", budget, r.Step)}
}

// pause lets t wait at its level.
func (t *climber) pause() {
	t.kept, t.keptHighest = slices.Clone(t.results), t.highest
	if t.waits || t.level >= len(t.results) {
		return
	}
	t.waits = true
	g := t.rungs[t.level]
	i, _ := slices.BinarySearchFunc(g.waiting, t, g.order(t.level))
	g.waiting = slices.Insert(g.waiting, i, t)
}

// goOn lets t train to the next rung, or to the end.
func (t *climber) goOn() {
	g := t.rungs[t.level]
	g.leave(t)
	g.promoted++
	t.waits = false
	t.level++
}

// order sorts those that wait: the best first, NaN last, then by number.
func (g *rung) order(level int) func(a, b *climber) int {
	return func(a, b *climber) int {
		x, y := a.results[level].value, b.results[level].value
		return cmp.Or(order(x, y), cmp.Compare(a.number, b.number))
	}
}

// leave takes t out of those that wait.
func (g *rung) leave(t *climber) {
	if i := slices.Index(g.waiting, t); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
}

// Promote implements Promoter.
func (h *promoting) Promote(last bool) int64 {
	for _, lastly := range []bool{false, true} {
		if lastly && !last {
			break
		}
		for _, g := range h.descending() {
			if len(g.waiting) == 0 {
				continue
			}
			t := g.waiting[0]
			v := t.results[t.level].value
			n := g.len()
			good := n >= h.minResults && g.better(v) < n/h.eta
			if good || lastly && g.promoted == 0 && !math.IsNaN(v) {
				return t.number
			}
		}
	}
	return -1
}

// descending are the rungs of all brackets, the highest step first.
func (h *halving) descending() []*rung {
	var all []*rung
	for _, rungs := range h.made.rungs {
		all = append(all, rungs...)
	}
	slices.SortStableFunc(all, func(a, b *rung) int { return cmp.Compare(b.step, a.step) })
	return all
}
