package promtext

import (
	"os"

	"golang.org/x/sys/unix"
)

// system adds what macOS tells a program without cgo; memory is not of it.
func system(out map[string]float64) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		out[maxVirtual] = float64(limit.Cur)
	}
	if p, err := unix.SysctlKinfoProc("kern.proc.pid", os.Getpid()); err == nil {
		out[startTime] = float64(p.Proc.P_starttime.Nano()) / 1e9
	}
}
