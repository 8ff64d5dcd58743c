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

// runningMedian keeps the median of a growing multiset in two heaps: the lower
// half with its greatest on top, the upper half with its least. The lower half
// has as many elements or one more. Adding takes O(log n), reading O(1).
type runningMedian struct {
	lower, upper minHeap // lower holds negated values
}

func (q *runningMedian) len() int64 { return int64(len(q.lower) + len(q.upper)) }

// add puts in v, which is not NaN.
func (q *runningMedian) add(v float64) {
	if len(q.lower) == 0 || v <= -q.lower[0] {
		heap.Push(&q.lower, -v)
	} else {
		heap.Push(&q.upper, v)
	}
	switch {
	case len(q.lower) > len(q.upper)+1:
		heap.Push(&q.upper, -heap.Pop(&q.lower).(float64))
	case len(q.upper) > len(q.lower):
		heap.Push(&q.lower, -heap.Pop(&q.upper).(float64))
	}
}

// median is the middle value, or the mean of the two middle ones. It is NaN
// for two infinities of different sign, with which nothing can be compared.
func (q *runningMedian) median() float64 {
	if len(q.lower) > len(q.upper) {
		return -q.lower[0]
	}
	return middle(-q.lower[0], q.upper[0])
}

// middle is the mean of a and b without overflow.
func middle(a, b float64) float64 {
	if a == b {
		return a
	}
	return a/2 + b/2
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
