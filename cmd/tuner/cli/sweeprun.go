package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/local"
)

// sweepRun is a sweep under way.
type sweepRun struct {
	st      *State
	db      *dbFlags
	at      *site
	machine *local.Machine
	study   types.Study
	flags   *sweepFlags
	plan    *plan
	display *sweepView
	worker  *local.Worker

	mu      sync.Mutex
	missing error // the first trial ended without the objective
	signals int
	failed  int64            // trials that failed here
	late    int64            // those of them that failed by the timeout
	dirs    map[int64]string // of failed trials, for the tail of their stderr
}

// announce says what is about to run and where it is kept.
func (r *sweepRun) announce() error {
	if r.flags.quiet || r.flags.json {
		return nil
	}
	if err := r.plan.show(r.st); err != nil {
		return err
	}
	if note := r.sizeNote(); note != "" {
		r.display.note(note)
	}
	where, err := r.home()
	if err != nil {
		return err
	}
	spec := r.study.Spec
	verb, more := "new study", cmp.Or(r.plan.more, "a larger -n adds some, another --name starts anew")
	switch n := spec.Budget.Trials; {
	case r.study.Continued && n > 0 && r.study.Counts.Spent() > n:
		verb = fmt.Sprintf("%s done, which is more than -n %d; %s", isAre(r.study.Counts.Spent(), "trial"), n, more)
	case r.study.Continued && n > 0 && r.study.Counts.Spent() == n:
		verb = fmt.Sprintf("all of its %s done; %s", isAre(n, "trial"), more)
	case r.study.Continued:
		verb = fmt.Sprintf("continuing (%s so far)", plural(r.study.Counts.Spent(), "trial"))
	}
	r.display.note(fmt.Sprintf("%s: %s · %s · stopper %s · seed %d", spec.Name, verb, spec.Algorithm.Name, spec.Stopper.Name, spec.Seed))
	r.display.note(where + " · trials in " + r.machine.StudyDir(spec.Project, spec.Name))
	return nil
}

// interruptions is how often the user asked for the end.
func (r *sweepRun) interruptions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signals
}

// home says where the study is kept.
func (r *sweepRun) home() (string, error) {
	if r.at.url != "" {
		return "server " + r.at.url, nil
	}
	dsn, err := r.db.dsn()
	if isPostgres(dsn) {
		dsn = "PostgreSQL"
	}
	return "database " + dsn, err
}

// run runs the trials and shows the result.
func (r *sweepRun) run(ctx context.Context, file sweepfile.File, until <-chan time.Time) error {
	cfg := r.processes(file)
	stopTimer := make(chan struct{})
	defer close(stopTimer)
	if until != nil {
		c := make(chan struct{})
		cfg.Until = c
		go func() {
			select {
			case <-until:
				r.display.ends("the time is over: no new trials; those that run may end")
				close(c)
			case <-stopTimer:
			}
		}()
	}
	w, err := r.machine.Worker(r.at, r.study, cfg)
	if err != nil {
		return err
	}
	r.worker = w
	r.display.begin()
	defer r.tidyOften(ctx)()
	stop := r.listen()
	reason, err := w.Run(ctx)
	stop()
	err = errors.Join(err, w.Close(), r.tidy(ctx))
	last := coordinator(r.at)
	if r.interruptions() > 0 { // nobody waits for a server now
		last = r.at.glance
	}
	final, ferr := last.Study(ctx, r.study.ID)
	r.display.close()
	if err = join(err, ferr); err != nil {
		return r.interrupted(err)
	}
	final.Spec.Run = r.study.Spec.Run // a worker runs a command of its own
	r.study = final
	err = r.conclude(ctx, reason)
	if exitCode(err) != exitInternal {
		return err
	}
	return r.interrupted(err)
}

// processes says how the trials run here.
func (r *sweepRun) processes(file sweepfile.File) local.Processes {
	return local.Processes{
		Slots: r.plan.jobs, Labels: r.plan.labels, Environ: r.st.Environ, URL: r.at.url, Pin: r.at.pin, GPUs: file.GPUs,
		Supervisor: []string{r.st.Executable, superviseCommand},
		Hooks:      r.display.hooks(r.ended), Warn: r.once(r.display.note), Missing: r.noObjective,
	}
}

// tidy removes the directories that --keep gives up.
func (r *sweepRun) tidy(ctx context.Context) error {
	keep, err := parseKeep(r.study.Spec.Run.Keep)
	if err != nil || keep.all {
		return err
	}
	if r.at.local == nil {
		return r.tidyHere(ctx, keep)
	}
	study, err := r.at.local.Store.StudyByID(ctx, r.study.ID)
	if err != nil {
		return err
	}
	dir, err := r.db.folder()
	if err != nil {
		return err
	}
	g, err := expiredOf(ctx, r.at.local.Store, study, dir, keep, false)
	if err != nil {
		return err
	}
	return sweepOut([]garbage{g})
}

// tidyHere is tidy for a server's study, of whose directories those here are this
// user's. A server that is away is not waited for: they stay then.
func (r *sweepRun) tidyHere(ctx context.Context, keep retention) error {
	db := remoteReader{r.at.remote.Impatient()}
	study, err := db.StudyByID(ctx, r.study.ID)
	var dirs []trialDir
	if err == nil {
		dirs, err = keep.expired(ctx, db, study, r.machine.StudyDir(r.study.Spec.Project, r.study.Spec.Name), false)
	}
	if types.CodeOf(err) == types.Unavailable || types.CodeOf(err) == types.NotFound {
		r.display.note("directories of trials that --keep gives up stay for now: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	g := garbage{}
	for _, d := range dirs {
		g.Paths = append(g.Paths, d.path)
	}
	return sweepOut([]garbage{g})
}

// tidyOften tidies once a minute, so that a long sweep does not fill the disk.
func (r *sweepRun) tidyOften(ctx context.Context) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(time.Minute)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				if err := r.tidy(ctx); err != nil {
					r.display.note("trouble: " + err.Error())
				}
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// once passes each different note on once.
func (r *sweepRun) once(note func(string)) func(string) {
	seen := map[string]bool{}
	return func(s string) {
		r.mu.Lock()
		again := seen[s]
		seen[s] = true
		r.mu.Unlock()
		if !again {
			note(s)
		}
	}
}

// listen ends the sweep in stages by signals. SIGTERM begins at the second
// stage; SIGHUP leaves running trials to the next sweep.
func (r *sweepRun) listen() (stop func()) {
	c := make(chan os.Signal, 8)
	unnotify := r.st.Notify(c, stopSignals...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-c:
				r.signal(sig)
			case <-done:
				return
			}
		}
	}()
	return func() { unnotify(); close(done) }
}

func (r *sweepRun) signal(sig os.Signal) {
	r.mu.Lock()
	if sig == syscall.SIGTERM {
		r.signals = max(r.signals, 1)
	}
	r.signals++
	n := r.signals
	r.mu.Unlock()
	if sig == syscall.SIGHUP {
		note := "leaving the running trials to themselves; the same sweep finds them again"
		if r.at.url != "" {
			note += fmt.Sprintf(" within the %v of a lease, and after %v without it they are stopped", engine.DefaultLeaseTTL, orphanTime)
		}
		r.display.note(note)
		r.worker.Detach()
		return
	}
	grace := agent.DefaultGrace
	if run := r.study.Spec.Run; run != nil && run.Grace > 0 {
		grace = time.Duration(run.Grace)
	}
	switch n {
	case 1:
		r.display.ends("no new trials; waiting for those that run (Ctrl-C again asks them to stop)")
		r.worker.Drain()
	case 2:
		r.display.ends(fmt.Sprintf("asking the running trials to stop, killing them after %v (Ctrl-C again kills them now)", grace))
		r.worker.Interrupt()
	default:
		r.display.note("killing the running trials")
		r.worker.Kill()
	}
}
