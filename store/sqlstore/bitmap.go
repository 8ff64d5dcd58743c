package sqlstore

import "math/bits"

// bitmap is a set of trial numbers.
type bitmap []uint64

func newBitmap(n int, full bool) bitmap {
	b := make(bitmap, (n+63)/64)
	if full {
		for i := range n {
			b.set(i)
		}
	}
	return b
}

func (b bitmap) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) clear(i int)    { b[i/64] &^= 1 << (i % 64) }
func (b bitmap) has(i int) bool { return i/64 < len(b) && b[i/64]>>(i%64)&1 == 1 }

func (b bitmap) and(o bitmap) {
	for i := range b {
		b[i] &= o[i]
	}
}

func (b bitmap) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}
