package agent

import (
	"testing"
	"time"
)

func TestBuffered(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		values     int64
		took, left time.Duration
		want       bool
	}{
		{20, 3 * s, -50 * time.Millisecond, true}, // read after its end
		{3, 2 * s, 100 * time.Millisecond, true},
		{20, 60 * s, 900 * time.Millisecond, true},
		{2, 60 * s, 0, false},                      // no curve
		{20, 1900 * time.Millisecond, 0, false},    // a short trial
		{20, 3 * s, 400 * time.Millisecond, false}, // it came in time
		{20, 60 * s, 1500 * time.Millisecond, false},
	} {
		if got := buffered(c.values, c.took, c.left); got != c.want {
			t.Errorf("%d values in %v, the first %v before the end: %v", c.values, c.took, c.left, got)
		}
	}
}
