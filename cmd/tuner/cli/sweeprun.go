package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/local"
)

// slurmMargin is kept free before the end of a Slurm job, for trials to be
// stopped and results to be stored.
const slurmMargin = 2 * time.Minute

// runSweep is tuner sweep.
func runSweep(ctx context.Context, st *State, db *dbFlags, f *sweepFlags, fs *pflag.FlagSet, args []string) error {
	file, src, err := f.settings(st, fs, args)
	if err != nil {
		return err
	}
	db.fromFile(file)
	if fs.Changed("project") {
		file.Project = db.project
	}
	faults := &sweepErrors{flags: f, fs: fs, src: src}
	p, err := makePlan(st, file, db.project)
	if err != nil {
		return faults.locate(types.StudySpec{}, err)
	}
	p.spec.Extend = f.extend
	switch {
	case f.save != "":
		return saveSweep(st, f.save, file)
	case fs.Changed("dry-run"):
		return faults.locate(p.spec, dryRun(ctx, st, p, f.dryRun))
	}
	p.until, err = deadline(st, file)
	if err != nil {
		return err
	}
	url, err := db.server()
	if err != nil {
		return err
	}
	if url != "" {
		return sweepAt(ctx, st, db, url, f, file, p, faults)
	}
	if types.CodeOf(db.exists()) == types.NotFound { // a sweep that is refused makes no database
		if err := checkNew(ctx, st, file, p); err != nil {
			return faults.locate(p.spec, err)
		}
	}
	l, err := db.open(ctx)
	if err != nil {
		return err
	}
	err = sweepIn(ctx, st, db, localSite(l), f, file, p, faults)
	return errors.Join(err, l.Close())
}

// fromFile takes over where studies are from a sweep file, unless it was said
// elsewhere.
func (f *dbFlags) fromFile(file sweepfile.File) {
	f.db, f.dir, f.url = cmp.Or(f.db, file.DB), cmp.Or(f.dir, file.Dir), cmp.Or(f.url, file.URL)
}

// sweepAt runs a sweep of a study that a server has.
func sweepAt(ctx context.Context, st *State, db *dbFlags, url string, f *sweepFlags, file sweepfile.File, p *plan, faults *sweepErrors) error {
	if len(p.spec.Run.Command) == 0 {
		return usagef("there is no command to run").
			WithRemedy("put -- and the command of the study at the end; tuner worker --trust-server-commands %s runs what the server says", quoted(p.spec.Name))
	}
	c, err := db.client(ctx, url)
	if err != nil {
		return err
	}
	return join(sweepIn(ctx, st, db, remoteSite(c), f, file, p, faults), c.Close())
}

// checkNew checks a sweep as it would be in an empty database.
func checkNew(ctx context.Context, st *State, file sweepfile.File, p *plan) error {
	l, err := local.Open(ctx, local.Config{DB: local.Memory})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was in memory
	return check(ctx, st, localSite(l), file, p)
}

// check finds whatever can be wrong before anything is stored.
func check(ctx context.Context, st *State, at *site, file sweepfile.File, p *plan) error {
	if err := complete(ctx, at, p, file); err != nil {
		return err
	}
	checked, err := at.Check(ctx, p.spec)
	if err != nil {
		return namesake(ctx, st, at.reader, p, err)
	}
	if at.url != "" {
		if err := sameRun(p.spec.Run, checked.Spec.Run, p.spec.Name); err != nil {
			return err
		}
	}
	if err := bounded(checked.Spec, file); err != nil {
		return err
	}
	if err := local.Check(checked.Spec, local.Processes{Environ: st.Environ, GPUs: file.GPUs}); err != nil {
		return err
	}
	return checkProgram(st, *checked.Spec.Run)
}

// sweepIn runs a sweep in an open database, or with a server.
func sweepIn(ctx context.Context, st *State, db *dbFlags, at *site, f *sweepFlags, file sweepfile.File, p *plan, faults *sweepErrors) error {
	if err := check(ctx, st, at, file, p); err != nil {
		return faults.locate(p.spec, err)
	}
	study, err := at.OpenStudy(ctx, p.spec)
	if err != nil {
		return faults.locate(p.spec, err)
	}
	if at.url != "" { // it may have been made by another between check and open
		if err := sameRun(p.spec.Run, study.Spec.Run, p.spec.Name); err != nil {
			return err
		}
		if p.spec.Run.Keep != "" { // it is about the directories here
			study.Spec.Run.Keep = p.spec.Run.Keep
		}
	}
	return runStudy(ctx, st, db, at, study, f, file, p)
}

// runStudy runs the trials of a study here.
func runStudy(ctx context.Context, st *State, db *dbFlags, at *site, study types.Study, f *sweepFlags, file sweepfile.File, p *plan) error {
	machine, err := at.machine(db, study)
	if err != nil {
		return err
	}
	run := &sweepRun{st: st, db: db, at: at, machine: machine, study: study, flags: f, plan: p}
	run.display = newView(st, f, study,
		func() (types.Study, error) { return at.glance.Study(ctx, study.ID) },
		func(n int64) (types.Trial, error) { return at.glance.Trial(ctx, study.ID, n) })
	if err := run.announce(); err != nil {
		return err
	}
	return run.run(ctx, file, p.until)
}

// complete makes sure that a new study has all it needs, and reads the points
// to try of a continuation that leaves the parameters out.
func complete(ctx context.Context, at *site, p *plan, file sweepfile.File) error {
	stored, err := at.reader.Study(ctx, p.spec.Project, p.spec.Name)
	if err == nil && p.space == nil {
		if p.space, err = space.Parse(stored.Spec.Space); err == nil {
			err = p.tryPoints(file.Try)
		}
	}
	if types.CodeOf(err) != types.NotFound {
		return err
	}
	switch {
	case len(p.spec.Run.Command) == 0:
		return usagef("there is no study %q to continue, and no command for a new one", p.spec.Name).WithRemedy("put -- and your command at the end")
	case p.space == nil:
		return usagef("there are no parameters").WithRemedy("add some, such as -p lr=1e-5..1e-1:log -p layers=1..8")
	case len(p.spec.Objectives) == 0:
		return usagef("there is no metric").WithRemedy("add --min loss or --max accuracy; --min trial.elapsed needs nothing from your program")
	}
	return nil
}

// bounded makes sure that the sweep ends.
func bounded(spec types.StudySpec, file sweepfile.File) error {
	if spec.Budget.Trials > 0 || file.For != nil || earlystop.Copies(spec.Stopper) { // a population trains to its end
		return nil
	}
	sp, err := space.Parse(spec.Space)
	if err != nil {
		return err
	}
	if _, finite := sp.Size(); finite {
		return nil
	}
	return usagef("the number of trials is missing").WithRemedy("add -n 50, or --for 2h; a space without continuous parameters needs neither")
}

// deadline is when the handing out of new trials ends; nil never.
func deadline(st *State, file sweepfile.File) (<-chan time.Time, error) {
	if file.For != nil {
		return time.After(*file.For), nil
	}
	end := st.Getenv("SLURM_JOB_END_TIME")
	if end == "" {
		return nil, nil
	}
	sec, err := strconv.ParseInt(end, 10, 64)
	if err != nil {
		return nil, usagef("SLURM_JOB_END_TIME=%q is no time in seconds", end).WithRemedy("unset it, or say how long with --for")
	}
	return time.After(time.Unix(sec, 0).Add(-slurmMargin).Sub(st.Now())), nil
}

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
				r.display.note("the time is over: no new trials; those that run may end")
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
		r.display.note("no new trials; waiting for those that run (Ctrl-C again asks them to stop)")
		r.worker.Drain()
	case 2:
		r.display.note(fmt.Sprintf("asking the running trials to stop, killing them after %v (Ctrl-C again kills them now)", grace))
		r.worker.Interrupt()
	default:
		r.display.note("killing the running trials")
		r.worker.Kill()
	}
}
