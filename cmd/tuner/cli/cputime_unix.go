//go:build !windows

package cli

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what this process has used of all processors so far; 0 where
// the system does not tell.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
