//go:build linux || darwin

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// The files of an attempt directory.
const (
	lockFile   = "lock"
	handleFile = "handle.json"
	exitFile   = "exit.json"
	stdoutFile = "stdout.log"
	stderrFile = "stderr.log"
)

// handleVersion changes when an older reader would misunderstand a handle.
const handleVersion = 1

// handle says where an attempt is to any process at any later time. Pid is 0
// when the attempt had begun but its process is not known.
type handle struct {
	Version int    `json:"version"`
	Dir     string `json:"dir"`
	Pid     int    `json:"pid,omitempty"`
	// Start (the process's start time in the unit of the platform) and Boot tell
	// the process from a later one with the same pid.
	Start uint64 `json:"start,omitempty"`
	Boot  string `json:"boot,omitempty"`
}

func (h handle) String() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // Strings and integers always encode.
	}
	return string(b)
}

func parseHandle(text string) (handle, error) {
	var h handle
	if err := json.Unmarshal([]byte(text), &h); err != nil || h.Version == 0 || !filepath.IsAbs(h.Dir) {
		return h, types.Errorf(types.Invalid, "%q is no handle of the local executor", text)
	}
	if h.Version > handleVersion {
		return h, types.Errorf(types.Unsupported, "the handle %q was made by a newer tuner", text).
			WithRemedy("use that version of tuner to go on with the study")
	}
	return h, nil
}

// alive tells whether the attempt's main process lives: one that has ended but
// was not waited for does not.
func (h handle) alive(boot string) bool {
	if h.Pid == 0 || h.Boot != boot {
		return false
	}
	p, ok := lookProcess(h.Pid)
	return ok && p.start == h.Start && !p.zombie
}

// exitRecord is the content of exit.json.
type exitRecord struct {
	Version int       `json:"version"`
	Exit    int       `json:"exit"`
	Signal  string    `json:"signal,omitempty"`
	Stopped string    `json:"stopped,omitempty"`
	Err     string    `json:"error,omitempty"`
	NoRoom  bool      `json:"no_room,omitempty"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// CPU is in seconds, to the microsecond.
	CPU    float64 `json:"cpu_seconds"`
	MaxRSS int64   `json:"maxrss_bytes"`
}

func (r *exitRecord) status() executor.Status {
	return executor.Status{
		Phase: executor.Ended, Exit: r.Exit, Signal: r.Signal, Stopped: r.Stopped, Err: r.Err, NoRoom: r.NoRoom,
		Started: r.Started, Ended: r.Ended,
		CPU:    time.Duration(math.Round(r.CPU*1e6)) * time.Microsecond,
		MaxRSS: r.MaxRSS,
	}
}

// readExit returns the exit record of an attempt, nil if there is none (yet).
func readExit(dir string) (*exitRecord, error) {
	b, err := os.ReadFile(filepath.Join(dir, exitFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the exit status: %w", err)
	}
	var r exitRecord
	if err := json.Unmarshal(b, &r); err != nil || r.Version != 1 {
		return nil, types.Errorf(types.Internal, "%s is not an exit status of tuner", filepath.Join(dir, exitFile)).
			WithRemedy("restore the file, or remove it: the attempt then counts as lost")
	}
	return &r, nil
}

// writeFile makes name in dir, whole or not at all as far as processes can be
// killed. It does not flush to the disk: after a crash of the machine the
// attempt's processes are gone as well, and a lost attempt is the right answer.
func writeFile(dir, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path+".tmp", append(b, '\n'), 0o600); err != nil {
		return errors.Join(err, removeFile(path+".tmp"))
	}
	return os.Rename(path+".tmp", path)
}

// removeFile removes path if it is there.
func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readHandle returns the handle that was written when the attempt was started.
// A missing or torn file (its writer was killed) is reported as not ok.
func readHandle(dir string) (handle, bool) {
	b, err := os.ReadFile(filepath.Join(dir, handleFile))
	if err != nil {
		return handle{}, false
	}
	h, err := parseHandle(string(b))
	return h, err == nil
}

// closeFile closes a file of which nothing more is expected: it was read, it is
// a lock, or another process writes to it.
func closeFile(f *os.File) { _ = f.Close() }

// errLocked means that another process holds the lock.
var errLocked = errors.New("locked by another process")

// flock opens path and locks it without waiting: errLocked if another has it.
// Closing the file frees it. The descriptor is not inherited by attempts: the
// lock means that somebody answers for them, not that they live.
func flock(path string, flags, how int) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return nil, err
		}
		for {
			err = unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
			if !errors.Is(err, unix.EINTR) {
				break
			}
		}
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			_ = f.Close()
			return nil, errLocked
		case err != nil:
			_ = f.Close()
			return nil, types.Errorf(types.Unsupported, "cannot lock %s: %w", path, err).
				WithRemedy("put tuner's directories on a local file system, with --dir")
		}
		// A holder may have removed the file between opening and locking.
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			_ = f.Close()
			return nil, err
		}
		if st.Nlink > 0 {
			return f, nil
		}
		_ = f.Close()
	}
}

// flockWait is flock that waits for up to d; others hold these locks for
// microseconds, or for as long as they live.
func flockWait(path string, flags, how int, d time.Duration) (*os.File, error) {
	deadline := time.Now().Add(d)
	for {
		f, err := flock(path, flags, how)
		if !errors.Is(err, errLocked) || time.Now().After(deadline) {
			return f, err
		}
		pauseFor(2 * time.Millisecond)
	}
}

// supervised tells whether somebody answers for the attempt.
func supervised(dir string) bool {
	f, err := flock(filepath.Join(dir, lockFile), os.O_RDONLY, unix.LOCK_SH)
	if err == nil {
		_ = f.Close()
	}
	return errors.Is(err, errLocked)
}

// inspect tells how an attempt stands without changing anything.
func inspect(h handle, boot string) (executor.Status, error) {
	for range 2 {
		r, err := readExit(h.Dir)
		if err != nil {
			return executor.Status{}, err
		}
		if r != nil {
			return r.status(), nil
		}
		if h.alive(boot) || supervised(h.Dir) {
			return executor.Status{Phase: executor.Running}, nil
		}
		// The exit status is written before the lock is freed, so that the
		// second look decides.
	}
	return executor.Status{Phase: executor.Gone}, nil
}

// claim decides the fate of an attempt that nobody answers for: it is ended if
// there is an exit status, else what lives of it is killed and it is gone.
// errLocked means that somebody answers for it.
func claim(h handle, boot string) (executor.Status, error) {
	f, err := flock(filepath.Join(h.Dir, lockFile), os.O_RDWR, unix.LOCK_EX)
	switch {
	case err == nil:
		defer closeFile(f)
	case !errors.Is(err, fs.ErrNotExist):
		return executor.Status{}, err
	}
	return settle(h, boot)
}

// settle is claim for the holder of the attempt's lock.
func settle(h handle, boot string) (executor.Status, error) {
	r, err := readExit(h.Dir)
	if err != nil {
		return executor.Status{}, err
	}
	if r != nil {
		return r.status(), nil
	}
	if err := killAttempt(h, boot); err != nil {
		return executor.Status{}, err
	}
	return executor.Status{Phase: executor.Gone}, nil
}
