package local

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// How often a host looks for studies, and how long it leaves one alone whose
// trials it could not run.
const (
	hostLook = 2 * time.Second
	hostRest = time.Minute
)

// HostConfig makes a Host.
type HostConfig struct {
	// Slots is how many trials run at once, of all studies together; at least 1.
	Slots int
	// Environ is the environment of the trials: what an allow-list leaves of this
	// process's, see AllowEnv.
	Environ []string
	// Supervisor is Processes.Supervisor.
	Supervisor []string
	Logger     *slog.Logger
}

// Host runs the trials of every active study that has a command, on this machine.
// Whoever may make studies decides what it runs: nothing starts one unless the
// operator says so.
type Host struct {
	local *Local
	cfg   HostConfig
	gate  *gate
	all   sync.WaitGroup

	mu      sync.Mutex
	workers map[int64]*Worker   // nil while one is being made
	resting map[int64]time.Time // until when a study is left alone
}

// NewHost returns a Host that runs nothing yet.
func (l *Local) NewHost(cfg HostConfig) *Host {
	cfg.Slots = max(cfg.Slots, 1)
	return &Host{local: l, cfg: cfg, gate: newGate(l.Engine, cfg.Slots), workers: map[int64]*Worker{}, resting: map[int64]time.Time{}}
}

// Runs reports whether trials of the study are run here now.
func (h *Host) Runs(study int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.workers[study]
	return ok
}

// Run runs trials until ctx is done. What runs then goes on under its supervisor,
// and the next host finds it.
func (h *Host) Run(ctx context.Context) {
	look := time.NewTicker(hostLook)
	defer look.Stop()
	for ctx.Err() == nil {
		if err := h.look(ctx); err != nil && ctx.Err() == nil {
			h.cfg.Logger.Warn("could not look for studies to run here", "error", err)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	for _, w := range h.workers {
		if w != nil {
			w.Detach()
		}
	}
	h.mu.Unlock()
	h.all.Wait()
}

// look starts a worker for each study that has none and needs one.
func (h *Host) look(ctx context.Context) error {
	for after := ""; ; {
		page, err := h.local.Store.ListStudies(ctx, "", after, 0)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, p := range page {
			after = p.Study.Spec.Project + "/" + p.Study.Spec.Name
			if h.wants(p) {
				h.begin(ctx, p.Study)
			}
		}
	}
}

// wants reports whether the trials of a study are to be run here.
func (h *Host) wants(p store.StudySummary) bool {
	spec := p.Study.Spec
	if spec.Run == nil || len(spec.Run.Command) == 0 || len(spec.Require) > 0 || p.Study.State != types.StudyActive {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, busy := h.workers[p.Study.ID]
	return !busy && !time.Now().Before(h.resting[p.Study.ID])
}

func (h *Host) begin(ctx context.Context, st trial.Study) {
	log := h.cfg.Logger.With("project", st.Spec.Project, "study", st.Spec.Name)
	w, err := h.local.Worker(h.gate, types.Study{ID: st.ID, Spec: st.Spec, Created: st.Created}, Processes{
		Slots: h.cfg.Slots, Environ: h.cfg.Environ, Supervisor: h.cfg.Supervisor,
		Warn: func(text string) { log.Warn(text) },
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		log.Warn("the trials of a study cannot be run here", "error", err)
		h.resting[st.ID] = time.Now().Add(hostRest)
		return
	}
	log.Info("running trials of a study here", "command", st.Spec.Run.Command)
	h.workers[st.ID] = w
	h.all.Go(func() {
		// What runs is detached, not killed, when ctx ends.
		reason, err := w.Run(context.WithoutCancel(ctx))
		if e := w.Close(); err == nil {
			err = e
		}
		log.Info("no more trials of a study here", "reason", reason, "error", err)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.workers, st.ID)
		if err != nil {
			h.resting[st.ID] = time.Now().Add(hostRest)
		}
	})
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
