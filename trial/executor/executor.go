// Package executor is the contract of what runs attempts: local processes,
// functions in this process, later Kubernetes and Slurm.
package executor

import (
	"context"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Spec is an attempt to be run. Its identity is Dir (or ID where there is no
// directory): starting the same attempt twice starts it once.
type Spec struct {
	// ID is unique over all attempts of one agent's studies, such as
	// "default/digits/12/1".
	ID  string
	Ref types.AttemptRef
	// Argv is complete: placeholders are filled in.
	Argv []string
	// Env is the whole environment.
	Env []string
	// Dir is the working directory.
	Dir string
	// AttemptDir is where stdout.log, stderr.log, exit.json and the executor's
	// own files go; it exists and belongs to this attempt alone.
	AttemptDir string
	// Params serve executors that run functions.
	Lease types.Lease
}

// Phase is how far an attempt is.
type Phase string

// The phases.
const (
	Starting Phase = "starting"
	Running  Phase = "running"
	Ended    Phase = "ended"
	// Gone: the attempt is not there and left no exit status: it was lost.
	Gone Phase = "gone"
)

// Status is what is known of an attempt.
type Status struct {
	Phase Phase
	// Exit is the exit code (0…255) of an Ended attempt that exited, -1 if it
	// was ended by Signal.
	Exit   int
	Signal string // such as "KILL"; "" if it exited
	// Stopped is the last stop signal that it was sent by Stop while it ran, ""
	// if none was or the executor does not know: an end that somebody wanted,
	// although he may not have been able to store so.
	Stopped string
	// Err is why the attempt could not be started or what went wrong beside its
	// exit ("no such executable: tarin.py").
	Err string
	// NoRoom says that the attempt's folder had no room (NoRoom) when it ended; false
	// if the executor does not know.
	NoRoom  bool
	Started time.Time
	Ended   time.Time
	// CPU (user + system) and MaxRSS (bytes) of the attempt's main process and
	// the children it waited for; 0 where unknown.
	CPU    time.Duration
	MaxRSS int64
}

// Executor runs attempts. All methods are safe for concurrent use.
type Executor interface {
	// Start starts the attempt, or finds it if it was started before, and
	// returns a handle with which any later process can find it again. An error
	// means that nothing was started and nothing will be.
	Start(ctx context.Context, spec Spec) (handle string, err error)
	// Status returns a status for each handle, in the same order.
	Status(ctx context.Context, handles []string) ([]Status, error)
	// Wait blocks until one of the handles has ended or gone, or ctx is done.
	Wait(ctx context.Context, handle string) (Status, error)
	// Stop sends the stop signal and, after grace, kills everything that belongs
	// to the attempt. It returns at once; Wait tells when it is over. Stopping
	// what has ended is no error. signal is "TERM", "INT", "USR1" or "KILL".
	Stop(ctx context.Context, handle string, signal string, grace time.Duration) error
	// Close releases what this process holds. Attempts that run go on where the
	// executor can find them again (Capabilities.Survives), else they are ended.
	Close() error
}

// Capabilities says what an executor can do.
type Capabilities struct {
	// Survives: attempts outlive the agent and can be adopted by the next one.
	Survives bool
	// Files: attempts have a directory with stdout.log and stderr.log.
	Files bool
}
