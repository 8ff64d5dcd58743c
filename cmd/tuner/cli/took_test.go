package cli

import (
	"slices"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// A trial took what its process did, however late its end was told, and not the
// time in which it waited for another attempt.
func TestTook(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	late, measured := began.Add(3*time.Hour), map[string]types.Float{elapsedMetric: 90}
	for name, c := range map[string]struct {
		trial types.Trial
		want  string
	}{
		"in the queue":       {types.Trial{}, "-"},
		"told late":          {types.Trial{Started: &began, Finished: &late, Ran: types.Duration(3 * time.Hour), Metrics: measured}, "1m30s"},
		"not measured":       {types.Trial{Started: &began, Finished: &late, Ran: types.Duration(3 * time.Hour)}, "3h00m"},
		"twice, with a rest": {types.Trial{Started: &began, Finished: &late, Ran: types.Duration(2 * time.Minute), Metrics: measured}, "2m00s"},
		"paused":             {types.Trial{Started: &began, Ran: types.Duration(2 * time.Minute)}, "2m00s"},
		"again":              {types.Trial{Started: &began, Ran: types.Duration(2 * time.Minute), Since: new(late.Add(-time.Minute))}, "3m00s"},
	} {
		if got := tookText(&c.trial, late); got != c.want {
			t.Errorf("%s: it took %s, want %s", name, got, c.want)
		}
	}
	view := types.Trial{Metrics: measured, Attempts: []types.Attempt{{Number: 1, Leased: began, Ended: &late}}}
	if rows := attemptRows(&view, late); !slices.Contains(rows[1], formatDuration(90*time.Second)) {
		t.Errorf("the attempt took %q", rows[1])
	}
}
