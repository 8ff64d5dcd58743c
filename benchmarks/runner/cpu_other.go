//go:build !linux

package runner

import "time"

// threadCPU is not known here; the time on the clock stands for it.
func threadCPU() (time.Duration, bool) { return 0, false }
