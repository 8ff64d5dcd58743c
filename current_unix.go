//go:build unix

package tuner

import (
	"os"
	"syscall"
)

// stopSignals are those by which tuner asks a process to end (--stop-signal).
var stopSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGUSR1}
