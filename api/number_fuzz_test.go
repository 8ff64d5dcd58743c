package api

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// FuzzEventNumber: what a client says that it has seen last leads to an event of
// the study or the one after the last, or is refused.
func FuzzEventNumber(f *testing.F) {
	for _, id := range []string{"", "0", "-1", "-2", "latest", "6", "7", "99999999999999999999", "9223372036854775807", "0x1", " 1", "+1"} {
		f.Add(id, "", int64(7))
		f.Add("", id, int64(0))
	}
	f.Fuzz(func(t *testing.T, lastID, after string, next int64) {
		if next < 0 {
			return // no study has such a number
		}
		from, err := (&eventsInput{LastID: lastID, After: after}).from(next)
		code := types.CodeOf(err)
		if err != nil && code != types.Invalid && code != types.Conflict || err == nil && (from < 0 || from > next) {
			t.Errorf("%q, %q of %d events: %d, %v", lastID, after, next, from, err)
		}
	})
}
