package runner

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadCPU is the processor time of the current thread. The goroutine must be
// locked to it between two readings.
func threadCPU() (time.Duration, bool) {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
