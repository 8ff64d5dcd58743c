package collect

import "bytes"

// finder finds the places of two bytes in a text, one after the other. It
// remembers where the next of each is, so that a text full of one of them is not
// searched again and again for the other.
type finder struct {
	text         []byte
	a, b         byte
	at           int // where the search goes on
	nextA, nextB int // the next of each if not below at; len(text) for none
}

func newFinder(text []byte, a, b byte) finder {
	return finder{text: text, a: a, b: b, nextA: -1, nextB: -1}
}

// next returns the index of the next a or b, or -1.
func (f *finder) next() int {
	f.nextA = f.find(f.a, f.nextA)
	f.nextB = f.find(f.b, f.nextB)
	i := min(f.nextA, f.nextB)
	if i == len(f.text) {
		return -1
	}
	f.at = i + 1
	return i
}

func (f *finder) find(c byte, known int) int {
	if known >= f.at {
		return known
	}
	if i := bytes.IndexByte(f.text[f.at:], c); i >= 0 {
		return f.at + i
	}
	return len(f.text)
}
