package sqlstore

import (
	"bytes"
	"math"
	"testing"
)

// FuzzBlock: what is stored as a block of a column is refused, or has a value for
// each trial; made anew from its values, it says the same.
func FuzzBlock(f *testing.F) {
	var c paramColumn
	for _, v := range []any{nil, int64(math.MinInt64), 0.5, math.Inf(-1), "a", "", "a", true, false} {
		c.add(v)
	}
	f.Add(c.encode(), byte(c.len()))
	f.Add([]byte{columnForm, textValue, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x'}, byte(1))
	f.Add([]byte{columnForm, textValue, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, byte(1))
	f.Add([]byte{}, byte(0))
	f.Fuzz(func(t *testing.T, data []byte, size byte) {
		b, err := parseBlock(data, int(size))
		if err != nil {
			return
		}
		var first, second paramColumn
		for i := range int(size) {
			first.add(b.value(i))
		}
		again, err := parseBlock(first.encode(), int(size))
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(size) {
			v, ok := b.number(i)
			w, same := again.number(i)
			if ok != same || math.Float64bits(v) != math.Float64bits(w) {
				t.Fatalf("trial %d is %v and %v", i, v, w)
			}
			second.add(again.value(i))
		}
		if !bytes.Equal(first.encode(), second.encode()) {
			t.Fatalf("%v becomes %v", first, second)
		}
	})
}
