// Package local runs attempts as processes of this machine, through one
// supervisor process per agent.
//
// # Why a supervisor
//
// Only a process's parent learns its exit status, and only as long as the
// parent lives. Therefore the agent does not start attempts itself. It starts
// one supervisor (Supervise, hidden behind a command of the same binary), in a
// session of its own, which outlives the agent, is the parent of all attempts,
// writes exit.json for each, and ends by itself when it has nothing to do. An
// agent that comes after one that was killed finds the supervisor through a
// file in Config.Dir and goes on waiting for the same processes.
//
// # Files
//
// In Config.Dir (one agent's state):
//
//	start.lock         held while an agent looks for or starts the supervisor
//	supervisor.1.lock  held by the supervisor as long as it lives
//	supervisor.1.json  its pid and socket; the 1 is the protocol version
//	supervisor.log     what it has to say
//
// In Spec.AttemptDir:
//
//	lock         held (flock) by the supervisor while it answers for the attempt;
//	             not empty once the attempt has begun
//	handle.json  the handle that Start returned
//	stdout.log, stderr.log
//	exit.json    how it ended; written whole or not at all
//
// An attempt directory runs at most one process, ever. From the files alone
// everybody can tell how it stands: exit.json is there: ended; else somebody
// holds the lock: running (or being finished); else nobody answers for it, and
// whoever takes the lock kills what is left of it, and it is gone.
//
// # What belongs to an attempt
//
// Each attempt leads a session and a process group of its own and carries
// TUNER_ATTEMPT_DIR (MarkEnv) in its environment. When its main process has
// ended, everything that it left behind, in its session, marked, or descended
// from such a process, gets SIGTERM (the stop signal, if it is being stopped)
// and after a second (or what is left of the grace) SIGKILL, before the attempt
// counts as ended. On Linux the supervisor is the child subreaper of all
// attempts, so that leftovers are found without a search; a process that
// changed its session and wiped its environment and lost its parents can no
// longer be attributed, and is killed when no attempt is running any more. On
// macOS leftovers are found by group and mark only.
//
// # Limits
//
// The umask, resource limits, niceness and control group of attempts are those
// of the agent that started the supervisor. The state folder and attempt
// directories belong to one host. MaxRSS has the supervisor's own size (some
// 10 MB) as a floor on Linux, where a new process inherits that of its parent.
package local
