package grid

import (
	"cmp"
	"container/heap"
	"context"
	"slices"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

const (
	minWindow = 1024
	// inOrderShare and shuffledShare are how much of the walk to it, or of the
	// grid, a window is.
	inOrderShare  = 16
	shuffledShare = 64
	// checkEvery is how many points go by between looks at the context.
	checkEvery = 4096
)

// window reads the grid ahead. It depends on nothing but the space, the
// settings and which points have trials; where it stands changes no proposal.
type window struct {
	space    *space.Space
	points   int
	seed     int64
	ledger   *suggest.Ledger
	size     int64 // of the grid, if counted
	counted  bool
	shuffled bool

	ahead []entry // in the order of the grid
	fill  func(ctx context.Context) error
	done  bool  // nothing comes after ahead
	walk  int64 // in order: how many points of Enumerate came before
	last  entry // shuffled: the greatest entry that was ever ahead
}

type entry struct {
	hash  uint64 // shuffled only
	index int64
	point space.Point
}

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.hash, f.hash), cmp.Compare(e.index, f.index))
}

// next is the first point of the order that is not taken.
func (w *window) next(ctx context.Context, ask *suggest.Ask) (space.Point, error) {
	for i := 0; ; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// What the events know to be tried stays so; drop it from the front.
		for len(w.ahead) > 0 && i == 0 && w.ledger.Tried(w.ahead[0].point) {
			w.ahead = w.ahead[1:]
		}
		for i >= len(w.ahead) {
			if w.done {
				return nil, suggest.Exhausted("every point of the grid was tried")
			}
			if err := w.fill(ctx); err != nil {
				return nil, err
			}
		}
		if p := w.ahead[i].point; !ask.Taken(p) {
			return slices.Clone(p), nil
		}
	}
}

// fillInOrder appends the next points that no event has created, or sets done.
func (w *window) fillInOrder(ctx context.Context) error {
	want := max(minWindow, w.walk/inOrderShare)
	w.ahead = slices.Clone(w.ahead) // let go of the front
	at, found := int64(0), int64(0)
	for p := range w.space.Enumerate(w.points) {
		if at++; at%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if at <= w.walk {
			continue
		}
		w.walk = at
		if w.ledger.Tried(p) {
			continue
		}
		w.ahead = append(w.ahead, entry{point: p})
		if found++; found == want {
			return nil
		}
	}
	w.done = true
	return nil
}

// fillShuffled appends the points with the least hashes beyond the last ones.
func (w *window) fillShuffled(ctx context.Context) error {
	want := int(max(minWindow, w.size/shuffledShare))
	first := w.last.point == nil
	var next greatest
	at := int64(0)
	for p := range w.space.Enumerate(w.points) {
		if at++; at%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e := entry{suggest.Hash(w.seed, w.space.Key(p)), at, p}
		if !first && e.compare(w.last) <= 0 || w.ledger.Tried(p) {
			continue
		}
		switch {
		case len(next) < want:
			heap.Push(&next, e)
		case e.compare(next[0]) < 0:
			next[0] = e
			heap.Fix(&next, 0)
		}
	}
	w.done = len(next) < want
	if len(next) > 0 {
		w.last = next[0]
	}
	slices.SortFunc(next, entry.compare)
	w.ahead = append(slices.Clone(w.ahead), next...)
	return nil
}

// greatest is a heap with the greatest entry on top.
type greatest []entry

// Len implements heap.Interface.
func (h greatest) Len() int { return len(h) }

// Less implements heap.Interface.
func (h greatest) Less(i, j int) bool { return h[i].compare(h[j]) > 0 }

// Swap implements heap.Interface.
func (h greatest) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *greatest) Push(x any) { *h = append(*h, x.(entry)) }

// Pop implements heap.Interface.
func (h *greatest) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
