package cli

import (
	"errors"
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// What goes wrong while a sweep is being interrupted is said, and the exit code
// is that of the interruption.
func TestFaultOfAnInterruptedSweep(t *testing.T) {
	full := types.Errorf(types.Unavailable, "the database could not be written").WithRemedy("see whether the disk is full")
	for _, c := range []struct {
		signals int
		err     error
		code    int
		message string
	}{
		{0, nil, exitDone, ""}, {3, nil, exitDone, ""},
		{0, full, exitInternal, "the database could not be written\n  see whether the disk is full"},
		{3, full, exitInterrupted, "the database could not be written\n  see whether the disk is full"},
		{1, errors.New("x"), exitInterrupted, "x"},
	} {
		err := (&sweepRun{signals: c.signals}).interrupted(c.err)
		if got := exitCode(err); got != c.code {
			t.Errorf("%v after %d signals: code %d, want %d", c.err, c.signals, got, c.code)
		}
		if err != nil && sentence(err) != c.message {
			t.Errorf("%q, want %q", sentence(err), c.message)
		}
	}
}

func TestNearMetric(t *testing.T) {
	for _, c := range []struct {
		name string
		seen []string
		want string
	}{
		{"loss", []string{"acc", "los"}, "los"},
		{"loss", []string{"Loss"}, "Loss"},
		{"loss", []string{"acc", "val_loss"}, "val_loss"},
		{"loss", []string{"loss/train"}, "loss/train"},
		{"loss", []string{"glossy", "accuracy"}, ""},
		{"loss", nil, ""},
	} {
		if got := nearMetric(c.name, c.seen); got != c.want {
			t.Errorf("%s among %v: %q, want %q", c.name, c.seen, got, c.want)
		}
	}
}
