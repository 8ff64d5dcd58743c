package cli

import (
	"slices"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// A trial took what its process did, however late its end was told.
func TestTookCountsNoOutage(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	late := began.Add(3 * time.Hour)
	ran := trial.Trial{Started: began, Finished: late, Metrics: map[string]float64{elapsedMetric: 90}}
	told := trial.Trial{Started: began, Finished: began.Add(2 * time.Second)} // by hand: nothing was measured
	if a, b := tookText(&ran, late), tookText(&told, late); a != formatDuration(90*time.Second) || b != formatDuration(2*time.Second) {
		t.Errorf("took %s and %s", a, b)
	}
	view := types.Trial{Metrics: map[string]types.Float{elapsedMetric: 90}, Attempts: []types.Attempt{{Number: 1, Leased: began, Ended: &late}}}
	if rows := attemptRows(&view, late); !slices.Contains(rows[1], formatDuration(90*time.Second)) {
		t.Errorf("the attempt took %q", rows[1])
	}
}
