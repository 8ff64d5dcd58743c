//go:build !unix

package tuner

import "os"

// stopSignals are those by which a process is asked to end.
var stopSignals = []os.Signal{os.Interrupt}
