package earlystop

import (
	"container/heap"
	"math"
)

// curve holds the reports of one attempt's metric, signed so that smaller is
// better.
type curve struct {
	values map[int64]float64
	// highest is the highest step, second the next below it.
	highest, second int64
	hasSecond       bool

	bestValue float64 // NaN: none but NaN
	bestStep  int64

	busy bool // its trial runs
}

// set counts the value v at step; a second value of a step replaces the first.
func (c *curve) set(step int64, v float64) {
	if c.values == nil {
		c.values = map[int64]float64{step: v}
		c.highest, c.bestValue, c.bestStep = step, v, step
		return
	}
	_, again := c.values[step]
	c.values[step] = v
	switch {
	case again:
	case step > c.highest:
		c.second, c.hasSecond = c.highest, true
		c.highest = step
	case !c.hasSecond || step > c.second:
		c.second, c.hasSecond = step, true
	}
	switch {
	case again && step == c.bestStep:
		c.rescan()
	case better(v, step, c.bestValue, c.bestStep):
		c.bestValue, c.bestStep = v, step
	}
}

// better orders values by size, then by the later step, so that the best does
// not depend on the order of the reports. Any number beats NaN.
func better(v float64, step int64, than float64, thanStep int64) bool {
	switch {
	case math.IsNaN(v):
		return math.IsNaN(than) && step > thanStep
	case math.IsNaN(than):
		return true
	}
	return v < than || v == than && step > thanStep
}

func (c *curve) rescan() {
	c.bestValue, c.bestStep = math.NaN(), math.MinInt64
	for step, v := range c.values {
		if better(v, step, c.bestValue, c.bestStep) {
			c.bestValue, c.bestStep = v, step
		}
	}
}

// best is the smallest value and its step; NaN if all values are.
func (c *curve) best() (v float64, step int64) { return c.bestValue, c.bestStep }

// firstOfInterval reports whether the highest step of c is its only one in its
// interval [warmup + k*interval, warmup + (k+1)*interval).
func (c *curve) firstOfInterval(warmup, interval int64) bool {
	if interval == 1 {
		return true // distinct steps lie in distinct intervals
	}
	start := (c.highest-warmup)/interval*interval + warmup
	return !c.hasSecond || c.second < start
}

// runningQuantile keeps a quantile of a growing multiset in two heaps: the
// lower part with its greatest on top, the upper part with its least. Adding
// takes O(log n), reading O(1).
//
// The quantile p of n values is the one of Hyndman and Fan's definition 7,
// which is that of most software: with h = p*(n-1), the value between those of
// the (zero-based) ranks floor(h) and floor(h)+1 at the fraction of h.
type runningQuantile struct {
	p            float64 // 0 to 1
	lower, upper minHeap // lower holds negated values
}

func (q *runningQuantile) len() int64 { return int64(len(q.lower) + len(q.upper)) }

// rank is the rank whose value is on top of lower, and the fraction beyond it.
func (q *runningQuantile) rank(n int) (floor int, fraction float64) {
	h := q.p * float64(n-1)
	f := math.Floor(h)
	return int(f), h - f
}

// add puts in v, which is not NaN.
func (q *runningQuantile) add(v float64) {
	if len(q.lower) == 0 || v <= -q.lower[0] {
		heap.Push(&q.lower, -v)
	} else {
		heap.Push(&q.upper, v)
	}
	floor, _ := q.rank(len(q.lower) + len(q.upper))
	for len(q.lower) > floor+1 {
		heap.Push(&q.upper, -heap.Pop(&q.lower).(float64))
	}
	for len(q.lower) < floor+1 {
		heap.Push(&q.lower, -heap.Pop(&q.upper).(float64))
	}
}

// value is the quantile of at least one value. It is NaN between two infinities
// of different sign, with which nothing can be compared.
func (q *runningQuantile) value() float64 {
	_, fraction := q.rank(len(q.lower) + len(q.upper))
	a := -q.lower[0]
	if fraction == 0 || len(q.upper) == 0 {
		return a
	}
	return between(a, q.upper[0], fraction)
}

// between is the point at a fraction of the way from a to b, without overflow.
func between(a, b, fraction float64) float64 {
	if a == b {
		return a
	}
	return a*(1-fraction) + b*fraction
}

// minHeap implements heap.Interface.
type minHeap []float64

func (h minHeap) Len() int           { return len(h) }
func (h minHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h minHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *minHeap) Push(x any) { *h = append(*h, x.(float64)) }

// Pop implements heap.Interface.
func (h *minHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
