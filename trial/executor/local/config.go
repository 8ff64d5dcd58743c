package local

import (
	"log/slog"
	"time"

	"github.com/gotuner/tuner/trial/executor"
)

// MarkEnv is the environment variable that this executor adds to each attempt;
// its value is the attempt directory. It marks the processes of an attempt.
const MarkEnv = "TUNER_ATTEMPT_DIR"

// SuperviseCommand is the hidden command under which the default
// Config.Supervisor expects Supervise in the running executable.
const SuperviseCommand = "__supervise"

// DefaultIdleExit is the default of Config.IdleExit.
const DefaultIdleExit = 5 * time.Second

// OrphanGrace is the time between TERM and KILL for attempts without an agent.
const OrphanGrace = 30 * time.Second

// Config configures an Executor.
type Config struct {
	// Dir is the agent's state folder; made if missing. Executors that share it
	// share the supervisor; executors with different folders do not meet.
	// Required.
	Dir string
	// Supervisor is the argv that starts the supervisor: a program that calls
	// Supervise with the arguments that follow. Default: the running executable
	// with SuperviseCommand.
	Supervisor []string
	// IdleExit is how long a supervisor without attempts and agents waits for
	// one before it ends. Default DefaultIdleExit. It counts for the supervisor
	// that this executor starts.
	IdleExit time.Duration
	// Orphan is how long an attempt may run without an agent that started it or
	// waits for it, before it is stopped, by TERM and after OrphanGrace by KILL: for agents whose leases end
	// meanwhile, so that others run the same trials. 0 is for ever. It counts for
	// the supervisor that this executor starts.
	Orphan time.Duration
	// Root is the absolute folder that all attempt directories lie below: a handle
	// that leads elsewhere is Invalid and nothing is looked at or ended there. Set
	// it where handles come back from somebody who need not be believed; "" believes
	// them.
	Root string
	// Logger gets what is worth knowing but no error of any call. Default: none.
	Logger *slog.Logger
}

// Capabilities says what executors of this package can do.
func Capabilities() executor.Capabilities {
	return executor.Capabilities{Survives: true, Files: true}
}
