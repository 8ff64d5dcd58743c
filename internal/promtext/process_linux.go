package promtext

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ticks is the unit of times in /proc, in 1/s: USER_HZ, the same on all of
// Linux's architectures that Go runs on.
const ticks = 100

// system adds what Linux tells under /proc, see proc(5).
func system(out map[string]float64) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		out[maxVirtual] = float64(limit.Cur)
	}
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		// The program's name, in parentheses, may have spaces and parentheses itself.
		rest := string(b[bytes.LastIndexByte(b, ')')+1:])
		if f := strings.Fields(rest); len(f) > 21 { // the first is the third of the file
			set(out, virtual, f[20], 1, 0)
			set(out, resident, f[21], float64(os.Getpagesize()), 0)
			if boot, ok := bootTime(); ok {
				set(out, startTime, f[19], 1./ticks, boot)
			}
		}
	}
	octets(out)
}

// set sets a value to text times unit plus offset.
func set(out map[string]float64, name, text string, unit, offset float64) {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		out[name] = v*unit + offset
	}
}

// bootTime is when the machine started, in seconds since 1970.
func bootTime() (float64, bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(b), "\nbtime ")
	text, _, _ := strings.Cut(rest, "\n")
	v, err := strconv.ParseFloat(text, 64)
	return v, ok && err == nil
}

// octets adds what went over the network: a line of names and one of values.
func octets(out map[string]float64) {
	b, err := os.ReadFile("/proc/self/net/netstat")
	if err != nil {
		return
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] != "IpExt:":
		case names == nil:
			names = f
		default:
			for i, name := range names[:min(len(names), len(f))] {
				switch name {
				case "InOctets":
					set(out, received, f[i], 1, 0)
				case "OutOctets":
					set(out, sent, f[i], 1, 0)
				}
			}
		}
	}
}
