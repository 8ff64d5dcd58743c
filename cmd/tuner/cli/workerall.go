package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/progress"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/local"
)

// workAll runs the trials of all studies of a project, or of all projects.
func (f *workerFlags) workAll(ctx context.Context, st *State, db *dbFlags, fs *pflag.FlagSet, at *site) error {
	labels, err := labelsOf("label", f.label)
	if err != nil {
		return err
	}
	project, of := db.project, "the project "+db.project
	if f.everywhere {
		project, of = "", "all projects of the token"
	}
	c := &crew{flags: f, st: st, db: db, fs: fs, at: at, labels: labels, project: project, began: st.Now(),
		runs: map[int64]*sweepRun{}, said: map[string]bool{}}
	c.host = local.NewHost(local.HostConfig{Slots: max(f.jobs, 1), Backend: at, List: c.list, Make: c.worker,
		Ended: c.ended, Refused: c.refused, Trouble: func(err error) { c.note("", "trouble: "+err.Error()) }})
	c.note("", fmt.Sprintf("running the trials of the studies of %s · server %s · %s at once; Ctrl-C ends it", of, at.url, plural(int64(max(f.jobs, 1)), "trial")))
	if f.limit > 0 {
		over := time.AfterFunc(f.limit, func() {
			c.note("", "the time is over: no new trials; those that run may end")
			c.host.Drain()
		})
		defer over.Stop()
	}
	stop := c.listen()
	c.host.Run(ctx)
	stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say("", fmt.Sprintf("%s ended here", plural(c.trials, "trial")))
	if c.signals > 0 {
		return &exitError{exitInterrupted, ""}
	}
	return nil
}

// crew is a worker for several studies. It is safe for concurrent use.
type crew struct {
	flags   *workerFlags
	st      *State
	db      *dbFlags
	fs      *pflag.FlagSet
	at      *site
	labels  map[string]string
	project string // "" is all
	host    *local.Host
	began   time.Time

	mu      sync.Mutex
	runs    map[int64]*sweepRun
	said    map[string]bool // notes that need no repetition
	signals int
	trials  int64
}

// list calls do for the studies of the project.
func (c *crew) list(ctx context.Context, do func(store.StudySummary)) error {
	for after := ""; ; {
		page, err := c.at.reader.ListStudies(ctx, c.project, after, 0)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, s := range page {
			if after = s.Study.Spec.Name; c.project == "" {
				after = s.Study.Spec.Project + "/" + after
			}
			do(s)
		}
	}
}

// label is a study as its notes name it.
func (c *crew) label(spec types.StudySpec) string {
	if c.project == "" {
		return spec.Project + "/" + spec.Name
	}
	return spec.Name
}

// worker makes the worker of a study, if this machine may run its trials.
func (c *crew) worker(b agent.Backend, s store.StudySummary) (*local.Worker, error) {
	study := types.Study{ID: s.Study.ID, Spec: s.Study.Spec, State: s.Study.State, Created: s.Study.Created, Counts: s.Counts, Continued: true}
	machine, err := c.at.machine(c.db, study)
	if err != nil {
		return nil, err
	}
	if study.State != types.StudyActive && !(s.Counts.Running > 0 && c.wasHere(machine, study.Spec)) {
		return nil, nil
	}
	if lacks := c.lacks(study.Spec.Require); lacks != "" {
		c.once(c.label(study.Spec), "left out: it requires the label "+lacks)
		return nil, nil
	}
	p, err := c.flags.planFor(c.st, c.fs, &study, s.Study)
	if err != nil {
		return nil, err
	}
	run := &sweepRun{st: c.st, db: c.db, at: c.at, machine: machine, study: study, flags: &c.flags.view, plan: p}
	run.display = newView(c.st, &c.flags.view, study,
		func() (types.Study, error) { return c.at.glance.Study(context.Background(), study.ID) },
		func(n int64) (types.Trial, error) {
			return c.at.glance.Trial(context.Background(), study.ID, n)
		})
	run.display.study = c.label(study.Spec)
	if run.display.mode == viewBlock {
		run.display.mode = viewLines
	}
	cfg := run.processes(sweepfile.File{})
	ended := cfg.Hooks.Ended
	cfg.Hooks.Ended = func(l types.Lease, req types.FinishRequest, reply types.FinishReply) {
		c.mu.Lock()
		c.trials++
		c.mu.Unlock()
		ended(l, req, reply)
	}
	w, err := machine.Worker(b, study, cfg)
	if err != nil {
		return nil, err
	}
	run.worker = w
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[study.ID] = run
	c.say(c.label(study.Spec), "its trials run here · in "+machine.StudyDir(study.Spec.Project, study.Spec.Name))
	return w, nil
}

// wasHere reports whether trials of a study ran here: a worker that was killed may
// have left some running.
func (c *crew) wasHere(m *local.Machine, spec types.StudySpec) bool {
	_, err := os.Stat(m.StudyDir(spec.Project, spec.Name))
	return err == nil
}

// lacks names a label that a study requires and this machine does not have.
func (c *crew) lacks(require map[string]string) string {
	var out []string
	for k, v := range require {
		if c.labels[k] != v {
			out = append(out, k+"="+v)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (c *crew) ended(st trial.Study, reason string, err error) {
	c.mu.Lock()
	run := c.runs[st.ID]
	delete(c.runs, st.ID)
	c.mu.Unlock()
	run.mu.Lock()
	missing := run.missing
	run.mu.Unlock()
	if e := run.tidy(context.Background()); err == nil {
		err = e
	}
	run.display.close()
	switch {
	case missing != nil:
		c.once(c.label(st.Spec), "left alone for a minute: "+missing.Error())
	case err != nil:
		c.once(c.label(st.Spec), "left alone for a minute: "+err.Error())
	case reason != "":
		c.note(c.label(st.Spec), "no more trials: "+reason)
	}
}

func (c *crew) refused(st trial.Study, err error) { c.once(c.label(st.Spec), "left out: "+err.Error()) }

// once says something about a study that has not been said before.
func (c *crew) once(study, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.said[study+": "+text] {
		c.said[study+": "+text] = true
		c.say(study, text)
	}
}

func (c *crew) note(study, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say(study, text)
}

// say is note for callers that hold mu.
func (c *crew) say(study, text string) {
	switch {
	case c.flags.view.quiet:
		return
	case c.flags.view.json:
		if b, err := progress.JSON(&progress.Event{Study: study, Notice: text, Elapsed: c.st.Now().Sub(c.began)}); err == nil {
			_, _ = fmt.Fprintf(c.st.Stdout, "%s\n", b) // a reader that is gone needs none
		}
		return
	case study != "":
		text = study + ": " + text
	}
	fmt.Fprintln(c.st.Stderr, text)
}

// listen ends the worker in the stages of a sweep.
func (c *crew) listen() (stop func()) {
	signals := make(chan os.Signal, 8)
	unnotify := c.st.Notify(signals, stopSignals...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				c.signal(sig)
			case <-done:
				return
			}
		}
	}()
	return func() { unnotify(); close(done) }
}

func (c *crew) signal(sig os.Signal) {
	c.mu.Lock()
	if sig == syscall.SIGTERM {
		c.signals = max(c.signals, 1)
	}
	c.signals++
	n := c.signals
	c.mu.Unlock()
	switch {
	case sig == syscall.SIGHUP:
		c.note("", fmt.Sprintf("leaving the running trials to themselves; the same worker finds them again within the %v of a lease, and after %v without it they are stopped",
			engine.DefaultLeaseTTL, orphanTime))
		c.host.Detach()
	case n == 1:
		c.note("", "no new trials; waiting for those that run (Ctrl-C again asks them to stop)")
		c.host.Drain()
	case n == 2:
		c.note("", "asking the running trials to stop, killing them after their grace (Ctrl-C again kills them now)")
		c.host.Interrupt()
	default:
		c.note("", "killing the running trials")
		c.host.Kill()
	}
}
