package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/collect"
	"github.com/gotuner/tuner/trial/earlystop"
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
	// URL is the server that the trials belong to, and Pin how it is known; their
	// processes are given both, and a token for their own attempt. "" is no server.
	URL string
	Pin string
	// GPUs are the devices, one slot each; empty for none.
	GPUs []string
	// Supervisor is the argv that starts the supervisor; nil is this executable
	// with its hidden command.
	Supervisor []string
	// Labels are what this machine has; see agent.Config.
	Labels map[string]string
	Until  <-chan struct{}
	Hooks  agent.Hooks
	Warn   func(string)
	// Missing is agent.Processes.Missing.
	Missing func(l types.Lease, attemptDir, objective string, seen []string)
}

// Template compiles the command of a study: it fails where the command and the
// space do not fit, and returns what the user should know besides. The stopper
// says whether trials have a budget.
func Template(run types.RunSpec, stopper types.Component, sp *space.Space) (*argv.Template, []string, error) {
	names := argv.Names{Budgets: earlystop.Budgets(stopper)}
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

// Machine runs trials as processes here, for any Backend: the engine of a Local,
// or a server elsewhere. All methods are safe for concurrent use.
type Machine struct {
	// Orphan is that of the local executor's Config. It is set before the first
	// Worker.
	Orphan time.Duration

	dir  string // of the trial directories, absolute
	host string
	log  *slog.Logger
}

// NewMachine returns a Machine that keeps the directories of trials under dir,
// which is absolute and belongs to the studies of one database.
func NewMachine(dir string, log *slog.Logger) (*Machine, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, types.Errorf(types.Internal, "this machine has no name: %w", err)
	}
	return &Machine{dir: dir, host: host, log: log}, nil
}

// Host is the name of this machine.
func (m *Machine) Host() string { return m.host }

// StudyDir is the folder of a study's trial directories.
func (m *Machine) StudyDir(project, name string) string { return filepath.Join(m.dir, project, name) }

// Worker is an agent together with what it holds on this machine. While it runs
// it is also the heir of the study's other agents here; see heirs.
type Worker struct {
	*agent.Agent
	exec  *executor.Executor
	lock  *filelock.Lock
	heirs heirs
}

// Close lets go of the supervisor; trials that run go on.
func (w *Worker) Close() error { return errors.Join(w.exec.Close(), w.lock.Release()) }

// Check finds what is wrong with how the trials of a study would be run here,
// before anything is stored or started.
func Check(spec types.StudySpec, cfg Processes) error {
	p, err := prepare(spec, cfg)
	if err != nil {
		return err
	}
	_, err = collect.New(p.collect)
	return err
}

// prepared is what the attempts of a study have in common.
type prepared struct {
	template *argv.Template
	env      *procenv.Env
	gpus     []string
	collect  collect.Config
}

func prepare(spec types.StudySpec, cfg Processes) (p prepared, err error) {
	if spec.Run == nil {
		return p, types.Errorf(types.Conflict, "the study %s has no command: its trials are told, not run", spec.Name).
			WithRemedy("choose another name for a study that runs a command")
	}
	sp, err := space.Parse(spec.Space)
	if err != nil {
		return p, err
	}
	if p.template, _, err = Template(*spec.Run, spec.Stopper, sp); err != nil {
		return p, err
	}
	if p.env, err = procenv.New(procenv.Config{Base: cfg.Environ, Extra: spec.Run.Env, URL: cfg.URL, Pin: cfg.Pin}); err != nil {
		return p, err
	}
	if len(cfg.GPUs) > 0 {
		if _, err := p.env.Devices(cfg.GPUs); err != nil {
			return p, err
		}
		p.gpus = cfg.GPUs
	}
	p.collect = collect.Config{Step: spec.Run.Step, Regex: spec.Run.MetricRegex, FileOnly: spec.Run.MetricFile != ""}
	for _, o := range spec.Objectives {
		p.collect.Metrics = append(p.collect.Metrics, o.Metric)
	}
	if c := spec.Budget.Cost.Metric; c != "" && !slices.Contains(p.collect.Metrics, c) {
		p.collect.Metrics = append(p.collect.Metrics, c)
	}
	return p, nil
}

// Worker makes the agent that runs the trials of a study as processes here.
func (m *Machine) Worker(backend agent.Backend, study types.Study, cfg Processes) (*Worker, error) {
	spec := study.Spec
	p, err := prepare(spec, cfg)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{spec.Project, spec.Name} { // which somebody else may have chosen
		if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
			return nil, types.Errorf(types.Invalid, "%q is no name that a folder could have", name).WithField("study")
		}
	}
	root := m.StudyDir(spec.Project, spec.Name)
	state, lock, err := agentDir(root, identity(study.ID, study.Created))
	if err != nil {
		return nil, err
	}
	// An heir is made as the worker itself is, but over the state of the dead.
	newAgent := func(state string, estate []types.Adopted) (*agent.Agent, *executor.Executor, error) {
		exec, err := executor.New(executor.Config{Dir: state, Supervisor: cfg.Supervisor, Orphan: m.Orphan, Root: root, Logger: m.log})
		if err != nil {
			return nil, nil, err
		}
		launcher := &agent.Processes{
			Project: spec.Project, Study: spec.Name, Run: *spec.Run, Root: root, Template: p.template, Env: p.env, Served: cfg.URL != "",
			GPUs: p.gpus, Objectives: p.collect.Metrics, Now: time.Now, Free: filelock.Free, Warn: cfg.Warn, Missing: cfg.Missing,
			NewCollector: func(cursor string) (collect.Collector, error) {
				if cursor == "" {
					return collect.New(p.collect)
				}
				return collect.Restore(p.collect, cursor)
			},
		}
		return agent.New(agent.Config{
			Backend: backend, Executor: exec, ExecutorName: ProcessExecutor, Study: study.ID,
			Worker: m.workerName(state), Node: m.host, Slots: max(cfg.Slots, 1), Texts: true, Estate: estate,
			Labels: cfg.Labels, NewKey: token, Until: cfg.Until, Hooks: cfg.Hooks, Logger: m.log,
			Launcher: launcher, Place: launcher.Place,
		}), exec, nil
	}
	a, exec, err := newAgent(state, nil)
	if err != nil {
		return nil, errors.Join(err, lock.Release())
	}
	return &Worker{Agent: a, exec: exec, lock: lock, heirs: heirs{
		root: root, until: cfg.Until, now: time.Now, newAgent: newAgent, trouble: cfg.Hooks.Trouble,
		adopt: func(ctx context.Context, state string) ([]types.Adopted, error) {
			return backend.Adopt(ctx, types.AdoptRequest{Study: study.ID, Worker: m.workerName(state)})
		},
	}}, nil
}

// workerName is the name under which the agent of a state folder leases.
func (m *Machine) workerName(state string) string { return m.host + ":" + state }

// The folders of the agents in a study's folder, and the lock that each of them
// holds as long as it lives.
const (
	agentsDir = ".agents"
	agentLock = "agent.lock"
	agentFor  = "study" // the identity of the study that its last agent worked for
)

// identity tells a study from others of its name in other databases.
func identity(id int64, created time.Time) string {
	return strconv.FormatInt(id, 10) + "-" + strconv.FormatInt(created.UnixMicro(), 36)
}

// Foreign reports whether the folder of a study's trial directories was last used
// for another study of its name, of another database.
func Foreign(folder string, id int64, created time.Time) bool {
	of, err := os.ReadFile(filepath.Join(folder, agentsDir, "0", agentFor))
	return err == nil && len(of) > 0 && string(of) != identity(id, created)
}

// agentDir takes the first state folder of the study that no living process
// holds. An agent that was killed leaves its folder to the next, which finds
// the supervisor and the trials of its predecessor there. Agents of two studies
// of one name, in two databases, cannot share the folder at one time: they would
// run different trials in one directory.
func agentDir(root, study string) (string, *filelock.Lock, error) {
	for i := range 10_000 {
		dir := filepath.Join(root, agentsDir, fmt.Sprint(i))
		lock, err := filelock.Try(filepath.Join(dir, agentLock))
		switch {
		case err == nil:
			err := os.WriteFile(filepath.Join(dir, agentFor), []byte(study), 0o600)
			if err != nil {
				return "", nil, errors.Join(unwritable(root, err), lock.Release())
			}
			return dir, lock, probe(root, lock)
		case errors.Is(err, filelock.ErrHeld):
			// Not yet written, if it has just begun.
			if of, err := os.ReadFile(filepath.Join(dir, agentFor)); err == nil && len(of) > 0 && string(of) != study {
				return "", nil, types.Errorf(types.Conflict, "another study of the same name, in another database, runs in the folder %s", root).
					WithField("dir").WithRemedy("choose another --dir or --name, or wait until it has ended")
			}
		default:
			return "", nil, unwritable(root, err)
		}
	}
	return "", nil, types.Errorf(types.Conflict, "too many agents of this study run on this machine")
}

// probe makes sure that directories of trials can be made, for a fault of that
// kind would be waited for later.
func probe(root string, lock *filelock.Lock) error {
	dir, err := os.MkdirTemp(root, ".probe-")
	if err == nil {
		err = os.Remove(dir)
	}
	if err != nil {
		return errors.Join(unwritable(root, err), lock.Release())
	}
	return nil
}
