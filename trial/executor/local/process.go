//go:build linux || darwin

package local

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
)

// process is an entry of the process table.
type process struct {
	pid, ppid, pgid, sid int
	// start is the start time: clock ticks since boot on Linux, microseconds
	// since 1970 on macOS.
	start  uint64
	zombie bool
}

// killTimeout is how long to wait for processes to go after SIGKILL. Only a
// process stuck in the kernel (a dead network file system) takes longer.
const killTimeout = 10 * time.Second

// pauseFor is the pause between two looks at what other processes do with
// locks, files and each other, which nobody tells.
func pauseFor(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // see above; always in a loop with a deadline or a retry
}

// signalGroup signals a process group; that it does not exist is no error.
func signalGroup(pgid int, sig unix.Signal) error {
	if err := unix.Kill(-pgid, sig); !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// signalAll signals each process; that it does not exist is no error.
func signalAll(ps []process, sig unix.Signal) error {
	var errs []error
	for _, p := range ps {
		if err := unix.Kill(p.pid, sig); !errors.Is(err, unix.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// living returns the processes of the table that are neither zombies nor
// excluded, and that satisfy root or descend from one that does.
func living(table []process, exclude func(process) bool, root func(process) bool) []process {
	const (
		unknown = iota
		yes
		no
	)
	index := make(map[int]int, len(table))
	for i, p := range table {
		index[p.pid] = i
	}
	verdict := make([]byte, len(table))
	// The parent links are a snapshot that is not atomic; visiting marks a
	// process as no before it looks at its parent, so that a loop ends.
	var visit func(i int) byte
	visit = func(i int) byte {
		if verdict[i] != unknown {
			return verdict[i]
		}
		verdict[i] = no
		if exclude(table[i]) {
			return no
		}
		if root(table[i]) {
			verdict[i] = yes
		} else if parent, ok := index[table[i].ppid]; ok {
			verdict[i] = visit(parent)
		}
		return verdict[i]
	}
	var out []process
	for i, p := range table {
		if visit(i) == yes && !p.zombie {
			out = append(out, p)
		}
	}
	return out
}

// killAttempt kills what lives of an attempt that has no supervisor and returns
// when it is gone: its main process's session and group, what carries its mark,
// and their descendants.
func killAttempt(h handle, boot string) error {
	self := os.Getpid()
	// A process that was found stays the attempt's when what tied it to the
	// attempt has died before it.
	found := map[int]uint64{}
	deadline := time.Now().Add(killTimeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		table, err := processes()
		if err != nil {
			return err
		}
		// A session number is only ours as long as the main process lives;
		// afterwards it may have been given to somebody else, unless the mark
		// says that it is the attempt's.
		alive := h.alive(boot)
		left := living(table,
			func(p process) bool { return p.pid == self },
			func(p process) bool {
				return alive && (p.pid == h.Pid || p.sid == h.Pid || p.pgid == h.Pid) ||
					found[p.pid] == p.start && p.start != 0 || marked(p.pid, h.Dir)
			})
		for _, p := range left {
			found[p.pid] = p.start
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return types.Errorf(types.Unavailable, "%d processes of the attempt in %s could not be killed, such as %d",
				len(left), h.Dir, left[0].pid).WithRemedy("look at it with ps; it may hang in a dead file system")
		}
		// A process that may not be signalled (set-uid) is seen by the deadline.
		_ = signalAll(left, unix.SIGKILL)
		pauseFor(pause)
	}
}
