package local

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
)

// ExecConfig makes the Host of a server that runs trials itself.
type ExecConfig struct {
	// Slots is how many trials run at once, of all studies together; at least 1.
	Slots int
	// Environ is the environment of the trials: what an allow-list leaves of this
	// process's, see AllowEnv.
	Environ []string
	// Supervisor is Processes.Supervisor.
	Supervisor []string
	Logger     *slog.Logger
}

// NewHost returns a Host of every active study that has a command and requires no
// labels. Whoever may make studies decides what it runs: nothing starts one unless
// the operator says so.
func (l *Local) NewHost(cfg ExecConfig) *Host {
	of := func(st trial.Study) *slog.Logger {
		return cfg.Logger.With("project", st.Spec.Project, "study", st.Spec.Name)
	}
	return NewHost(HostConfig{
		Slots: cfg.Slots, Backend: l.Engine, List: l.eachStudy,
		Make: func(b agent.Backend, s store.StudySummary) (*Worker, error) {
			spec := s.Study.Spec
			if spec.Run == nil || len(spec.Run.Command) == 0 || len(spec.Require) > 0 || s.Study.State != types.StudyActive {
				return nil, nil
			}
			log := of(s.Study)
			w, err := l.Worker(b, types.Study{ID: s.Study.ID, Spec: spec, Created: s.Study.Created}, Processes{
				Slots: max(cfg.Slots, 1), Environ: cfg.Environ, Supervisor: cfg.Supervisor, Warn: func(text string) { log.Warn(text) },
			})
			if err == nil {
				log.Info("running trials of a study here", "command", spec.Run.Command)
			}
			return w, err
		},
		Ended: func(st trial.Study, reason string, err error) {
			of(st).Info("no more trials of a study here", "reason", reason, "error", err)
		},
		Refused: func(st trial.Study, err error) {
			of(st).Warn("the trials of a study cannot be run here", "error", err)
		},
		Trouble: func(err error) { cfg.Logger.Warn("could not look for studies to run here", "error", err) },
	})
}

func (l *Local) eachStudy(ctx context.Context, do func(store.StudySummary)) error {
	for after := ""; ; {
		page, err := l.Store.ListStudies(ctx, "", after, 0)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, p := range page {
			after = p.Study.Spec.Project + "/" + p.Study.Spec.Name
			do(p)
		}
	}
}

// allowedEnv is what the processes of a server's trials get of its environment.
// Names that end with * stand for all that begin so.
var allowedEnv = []string{"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "CUDA_VISIBLE_DEVICES"}

// AllowEnv is what is left of an environment for the trials of a server: a short
// list of names, and those of more.
func AllowEnv(environ, more []string) []string {
	allowed := slices.Concat(allowedEnv, more)
	var out []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if slices.ContainsFunc(allowed, func(a string) bool {
			start, all := strings.CutSuffix(a, "*")
			return a == name || all && strings.HasPrefix(name, start)
		}) {
			out = append(out, kv)
		}
	}
	return out
}
