package sqlstore

import (
	"math"
	"slices"

	"github.com/gotuner/tuner/store"
)

// byColumn finds the next entries in the column of the order, as many as may be
// wanted at a time.
func (x *selection) byColumn(from store.Cursor, take func([]entry) (bool, error)) error {
	var nan, none bitmap
	of, name := x.orderColumn()
	for size := x.filter.Limit + 1; nan == nil || from.Phase == store.ByValue; size *= 4 {
		r := ranking{selection: x, from: from, size: size, nan: newBitmap(x.n, false), none: newBitmap(x.n, false)}
		if err := x.columns.each(of, name, r.block); err != nil {
			return err
		}
		nan, none = r.nan, r.none
		if some := r.sorted(); len(some) > 0 {
			from = some[len(some)-1].at
			if more, err := take(some); err != nil || !more {
				return err
			}
		}
		if r.found < size && from.Phase == store.ByValue {
			from, _ = x.filter.Next(from)
		}
	}
	if from.Phase == store.ByNaN {
		wanted := true
		err := x.byNumber(from, nan, func(some []entry) (more bool, err error) {
			for i := range some {
				some[i].at.Phase = store.ByNaN
			}
			wanted, err = take(some)
			return wanted, err
		})
		if err != nil || !wanted {
			return err
		}
		from, _ = x.filter.Next(from)
	}
	return x.byNumber(from, none, take)
}

// orderColumn is the column of the order.
func (x *selection) orderColumn() (family, string) {
	switch x.filter.Sort {
	case store.SortMetric:
		return ofResults, metricColumn + x.filter.Metric
	case store.SortFinished:
		return ofResults, finishedColumn
	case store.SortParam, store.SortNumber:
	}
	return ofParams, x.filter.Param
}

// ranking finds the first entries of a selection after a place.
type ranking struct {
	*selection

	from store.Cursor
	size int
	heap []entry // the last of them is at the top
	// nan and none are the trials of the other phases.
	nan, none bitmap
	found     int
}

// block adds the trials of a block.
func (r *ranking) block(first int, b *block) {
	top, after := math.NaN(), math.NaN() // as numbers, if they are some
	if len(r.heap) == r.size {
		top = r.number(&r.heap[0].at)
	}
	if r.from.Phase == store.ByValue && !r.from.Start {
		after = r.number(&r.from)
	}
	sign := 1.0
	if r.filter.Desc {
		sign = -1
	}
	for i, kind := range b.kinds {
		n := first + i
		if !r.set.has(n) {
			continue
		}
		if kind == noValue {
			r.none.set(n)
			continue
		}
		if v, ok := b.number(i); ok {
			if math.IsNaN(v) {
				r.nan.set(n)
				continue
			}
			if sign*v > sign*top || sign*v < sign*after {
				continue // most of them
			}
		}
		if r.from.Phase == store.ByValue && r.add(r.entry(n, b, i)) {
			top = r.number(&r.heap[0].at)
		}
	}
}

// number is what an entry is ordered by as a number, NaN if it is none.
func (r *ranking) number(c *store.Cursor) float64 {
	switch r.filter.Sort {
	case store.SortMetric:
		return c.Value
	case store.SortFinished:
		return float64(c.Time)
	case store.SortParam, store.SortNumber:
	}
	switch v := c.Param.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

func (r *ranking) entry(n int, b *block, i int) entry {
	e := entry{int64(n), store.Cursor{Phase: store.ByValue, Number: int64(n)}}
	switch r.filter.Sort {
	case store.SortMetric:
		e.at.Value, _ = b.number(i)
	case store.SortFinished:
		e.at.Time = int64(b.raw(i))
	case store.SortParam, store.SortNumber:
		e.at.Param = b.value(i)
	}
	return e
}

// add puts e among the first if it is one of them, and reports whether there are
// as many as wanted then.
func (r *ranking) add(e entry) (full bool) {
	switch {
	case !r.from.Start && r.compare(&e.at, &r.from) <= 0:
	case len(r.heap) < r.size:
		if r.heap = append(r.heap, e); len(r.heap) == r.size {
			slices.SortFunc(r.heap, func(a, b entry) int { return r.compare(&b.at, &a.at) })
		}
	case r.compare(&e.at, &r.heap[0].at) < 0:
		r.heap[0] = e
		r.sink(r.heap)
	}
	return len(r.heap) == r.size
}

// sorted are the first entries in order.
func (r *ranking) sorted() []entry {
	r.found = len(r.heap)
	slices.SortFunc(r.heap, func(a, b entry) int { return r.compare(&a.at, &b.at) })
	return r.heap
}

// sink puts the top of a heap in its place.
func (x *selection) sink(heap []entry) {
	for i := 0; ; {
		big := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(heap) && x.compare(&heap[c].at, &heap[big].at) > 0 {
				big = c
			}
		}
		if big == i {
			return
		}
		heap[i], heap[big] = heap[big], heap[i]
		i = big
	}
}
