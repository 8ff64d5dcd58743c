package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/collect"
	"github.com/gotuner/tuner/trial/executor/argv"
	executor "github.com/gotuner/tuner/trial/executor/local"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// ProcessExecutor is the name under which process attempts are stored.
const ProcessExecutor = "local"

// Processes says how the trials of a study run as processes here.
type Processes struct {
	Slots int
	// Environ is the environment that the trials inherit.
	Environ []string
	// GPUs are the devices, one slot each; empty for none.
	GPUs []string
	// Supervisor is the argv that starts the supervisor; nil is this executable
	// with its hidden command.
	Supervisor []string
	Until      <-chan struct{}
	Hooks      agent.Hooks
	Warn       func(string)
	// Missing is agent.Processes.Missing.
	Missing func(l types.Lease, attemptDir, objective string, seen []string)
}

// Template compiles the command of a study: it fails where the command and the
// space do not fit, and returns what the user should know besides.
func Template(run types.RunSpec, sp *space.Space) (*argv.Template, []string, error) {
	names := argv.Names{}
	for i := range sp.Len() {
		p := sp.Param(i)
		names.Params = append(names.Params, argv.Param{Name: p.Name, Kind: textKind(p), Conditional: p.When != nil})
	}
	return argv.Parse(run.Command, names, run.Literal)
}

func textKind(p *space.Parameter) argv.Kind {
	switch p.Kind {
	case space.Float, space.Int:
		return argv.Number
	case space.Bool:
		return argv.Bool
	case space.Categorical, space.Ordinal, space.Constant:
	}
	bools := true
	for _, c := range p.Choices {
		switch c.Value.(type) {
		case string:
			return argv.Text
		case bool:
		default:
			bools = false
		}
	}
	if bools {
		return argv.Bool
	}
	return argv.Number
}

// StudyDir is the folder of a study's trial directories.
func (l *Local) StudyDir(project, name string) string { return filepath.Join(l.cfg.Dir, project, name) }

// Worker is an agent together with what it holds on this machine.
type Worker struct {
	*agent.Agent
	exec *executor.Executor
	lock *filelock.Lock
}

// Close lets go of the supervisor; trials that run go on.
func (w *Worker) Close() error { return errors.Join(w.exec.Close(), w.lock.Release()) }

// Worker makes the agent that runs the trials of a study as processes here.
func (l *Local) Worker(backend agent.Backend, study types.Study, cfg Processes) (*Worker, error) {
	spec := study.Spec
	if spec.Run == nil {
		return nil, types.Errorf(types.Conflict, "the study %s has no command: its trials are told, not run", spec.Name)
	}
	sp, err := space.Parse(spec.Space)
	if err != nil {
		return nil, err
	}
	tmpl, _, err := Template(*spec.Run, sp)
	if err != nil {
		return nil, err
	}
	env, err := procenv.New(procenv.Config{Base: cfg.Environ, Extra: spec.Run.Env})
	if err != nil {
		return nil, err
	}
	gpus := cfg.GPUs
	if len(gpus) > 0 {
		if gpus, err = env.Devices(gpus); err != nil {
			return nil, err
		}
	}
	root := l.StudyDir(spec.Project, spec.Name)
	state, lock, err := agentDir(root)
	if err != nil {
		return nil, err
	}
	exec, err := executor.New(executor.Config{Dir: state, Supervisor: cfg.Supervisor, Logger: l.cfg.Logger})
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	var objectives []string
	for _, o := range spec.Objectives {
		objectives = append(objectives, o.Metric)
	}
	collecting := collect.Config{Metrics: objectives, Step: spec.Run.Step, Regex: spec.Run.MetricRegex,
		FileOnly: spec.Run.MetricFile != ""}
	a := agent.New(agent.Config{
		Backend: backend, Executor: exec, ExecutorName: ProcessExecutor, Study: study.ID,
		Worker: l.host + ":" + state, Node: l.host, Slots: max(cfg.Slots, 1), Texts: true,
		NewKey: token, Until: cfg.Until, Hooks: cfg.Hooks, Logger: l.cfg.Logger,
		Launcher: &agent.Processes{
			Project: spec.Project, Study: spec.Name, Run: *spec.Run, Root: root, Template: tmpl, Env: env,
			GPUs: gpus, Objectives: objectives, Now: time.Now, Warn: cfg.Warn, Missing: cfg.Missing,
			NewCollector: func(cursor string) (collect.Collector, error) {
				if cursor == "" {
					return collect.New(collecting)
				}
				return collect.Restore(collecting, cursor)
			},
		},
	})
	return &Worker{Agent: a, exec: exec, lock: lock}, nil
}

// agentDir takes the first state folder of the study that no living process
// holds. An agent that was killed leaves its folder to the next, which finds
// the supervisor and the trials of its predecessor there.
func agentDir(root string) (string, *filelock.Lock, error) {
	for i := range 10_000 {
		dir := filepath.Join(root, ".agents", fmt.Sprint(i))
		lock, err := filelock.Try(filepath.Join(dir, "agent.lock"))
		switch {
		case err == nil:
			return dir, lock, nil
		case errors.Is(err, filelock.ErrHeld):
		case errors.Is(err, os.ErrPermission):
			return "", nil, types.Errorf(types.Unavailable, "cannot write under %s: %w", root, err).
				WithRemedy("choose another folder with --dir")
		default:
			return "", nil, types.Errorf(types.Unavailable, "take a lock under %s: %w", root, err)
		}
	}
	return "", nil, types.Errorf(types.Conflict, "too many agents of this study run on this machine")
}
