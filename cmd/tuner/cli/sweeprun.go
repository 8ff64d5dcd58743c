package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/executor/argv"
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
	if file.DB != "" && db.db == "" {
		db.db = file.DB
	}
	if file.Dir != "" && db.dir == "" {
		db.dir = file.Dir
	}
	if file.URL != "" && db.url == "" {
		db.url = file.URL
	}
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
	l, err := db.open(ctx)
	if err != nil {
		return err
	}
	err = sweepIn(ctx, st, db, l, f, file, p, faults)
	return errors.Join(err, l.Close())
}

// sweepIn runs a sweep in an open database. Whatever can be wrong is found
// before anything is stored.
func sweepIn(ctx context.Context, st *State, db *dbFlags, l *local.Local, f *sweepFlags, file sweepfile.File, p *plan, faults *sweepErrors) error {
	if err := complete(ctx, l, p, file); err != nil {
		return faults.locate(p.spec, err)
	}
	checked, err := l.Engine.Check(ctx, p.spec)
	if err == nil {
		err = bounded(checked.Spec, file)
	}
	if err == nil {
		err = local.Check(checked.Spec, local.Processes{Environ: st.Environ, GPUs: file.GPUs})
	}
	if err == nil {
		err = checkProgram(st, *checked.Spec.Run)
	}
	if err != nil {
		return faults.locate(p.spec, err)
	}
	study, err := l.Engine.OpenStudy(ctx, p.spec)
	if err != nil {
		return faults.locate(p.spec, err)
	}
	run := &sweepRun{st: st, db: db, local: l, study: study, flags: f, plan: p}
	run.display = newView(st, f, study,
		func() (types.Study, error) { return l.Engine.Study(ctx, study.ID) },
		func(n int64) (types.Trial, error) { return l.Engine.Trial(ctx, study.ID, n) })
	if err := run.announce(); err != nil {
		return err
	}
	return run.run(ctx, file, p.until)
}

// complete makes sure that a new study has all it needs, and reads the points
// to try of a continuation that leaves the parameters out.
func complete(ctx context.Context, l *local.Local, p *plan, file sweepfile.File) error {
	stored, err := l.Store.Study(ctx, p.spec.Project, p.spec.Name)
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
	if spec.Budget.Trials > 0 || file.For != nil {
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

// saveSweep writes a sweep file.
func saveSweep(st *State, path string, file sweepfile.File) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(st.Dir, path)
	}
	b, err := sweepfile.Encode(&file)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return usagef("%s exists", path).WithField("--save").WithRemedy("remove it, or choose another name")
	}
	tmp := path + ".tmp"
	err = os.WriteFile(tmp, b, 0o644)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp) // it may be half written, or not there at all
		return usagef("cannot write %s: %w", path, cause(err)).WithField("--save").WithRemedy("choose a folder that you can write to")
	}
	_, err = fmt.Fprintf(st.Stderr, "saved; run it with: tuner sweep -f %s\n", argv.Quote([]string{path}))
	return err
}

// dryRun prints the commands of the first trials, from a study in memory.
func dryRun(ctx context.Context, st *State, p *plan, n int) error {
	if n < 1 {
		return usagef("%d is no number of trials", n).WithField("dry_run").WithRemedy("give the number of commands to print, as in --dry-run 3")
	}
	if p.space == nil || len(p.spec.Run.Command) == 0 || len(p.spec.Objectives) == 0 {
		return usagef("a dry run needs parameters, a metric and a command").WithField("dry_run").WithRemedy("give -p, --min or --max, and -- COMMAND")
	}
	if err := local.Check(p.spec, local.Processes{Environ: st.Environ}); err != nil {
		return err
	}
	l, err := local.Open(ctx, local.Config{DB: local.Memory})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was in memory
	study, err := l.Engine.OpenStudy(ctx, p.spec)
	if err != nil {
		return err
	}
	if err := p.show(st); err != nil {
		return err
	}
	for range n {
		reply, err := l.Engine.Lease(ctx, types.LeaseRequest{Study: study.ID, Worker: "dry-run", Texts: true})
		if err != nil {
			return err
		}
		if reply.Status != types.LeaseGranted {
			_, err := fmt.Fprintf(st.Stderr, "no more trials: %s\n", reply.Reason)
			return err
		}
		args, err := expand(p.template, study.Spec, reply.Leases[0])
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(st.Stdout, argv.Quote(args)); err != nil {
			return err
		}
	}
	return nil
}

// show prints how the parameters were understood, and what to know besides.
func (p *plan) show(st *State) error {
	if p.params != nil {
		if _, err := fmt.Fprintln(st.Stderr, strings.TrimRight(grammar.Table(p.params), "\n")); err != nil {
			return err
		}
	}
	for _, n := range p.notes {
		if _, err := fmt.Fprintln(st.Stderr, "note: "+n); err != nil {
			return err
		}
	}
	return nil
}

// sweepRun is a sweep under way.
type sweepRun struct {
	st      *State
	db      *dbFlags
	local   *local.Local
	study   types.Study
	flags   *sweepFlags
	plan    *plan
	display *sweepView
	worker  *local.Worker

	mu      sync.Mutex
	missing error // the first trial ended without the objective
	signals int
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
	dsn, err := r.db.dsn()
	if err != nil {
		return err
	}
	if isPostgres(dsn) {
		dsn = "PostgreSQL"
	}
	spec := r.study.Spec
	verb := "new study"
	switch n := spec.Budget.Trials; {
	case r.study.Continued && n > 0 && r.study.Counts.Spent() >= n:
		verb = fmt.Sprintf("all its %d trials are done; a larger -n adds some, another --name starts anew", n)
	case r.study.Continued:
		verb = fmt.Sprintf("continuing (%d trials so far)", r.study.Counts.Spent())
	}
	r.display.note(fmt.Sprintf("%s: %s · %s · stopper %s · seed %d", spec.Name, verb, spec.Algorithm.Name, spec.Stopper.Name, spec.Seed))
	r.display.note(fmt.Sprintf("database %s · trials in %s", dsn, r.local.StudyDir(spec.Project, spec.Name)))
	return nil
}

// run runs the trials and shows the result.
func (r *sweepRun) run(ctx context.Context, file sweepfile.File, until <-chan time.Time) error {
	cfg := local.Processes{
		Slots: r.plan.jobs, Environ: r.st.Environ, GPUs: file.GPUs,
		Supervisor: []string{r.st.Executable, superviseCommand},
		Hooks:      r.display.hooks(r.ended), Warn: r.once(r.display.note), Missing: r.noObjective,
	}
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
	w, err := r.local.Worker(r.local.Engine, r.study, cfg)
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
	final, ferr := r.local.Engine.Study(ctx, r.study.ID)
	r.display.close()
	if err = errors.Join(err, ferr); err != nil {
		return err
	}
	r.study = final
	return r.conclude(ctx, reason)
}

// tidy removes the directories that --keep gives up.
func (r *sweepRun) tidy(ctx context.Context) error {
	keep, err := parseKeep(r.study.Spec.Run.Keep)
	if err != nil || keep.all {
		return err
	}
	study, err := r.local.Store.StudyByID(ctx, r.study.ID)
	if err != nil {
		return err
	}
	dsn, err := r.db.dsn()
	if err != nil {
		return err
	}
	dir, err := r.db.trialsDir(dsn)
	if err != nil {
		return err
	}
	g, err := expiredOf(ctx, r.local.Store, study, dir, keep, false)
	if err != nil {
		return err
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
		r.display.note("leaving the running trials to themselves; the same sweep finds them again")
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

// noObjective ends a sweep whose first trial had no objective: the others would
// have none either.
func (r *sweepRun) noObjective(_ types.Lease, attemptDir, objective string, seen []string) {
	v, err := r.local.Engine.Study(context.Background(), r.study.ID)
	if err != nil || v.Counts.Completed > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing != nil {
		return
	}
	msg := fmt.Sprintf("the first trial ended without the metric %s", objective)
	remedy := "print it as in " + objective + "=0.123, or name it with --metric-regex (tuner help contract)"
	if len(seen) > 0 {
		msg += "; its output has " + strings.Join(seen, ", ")
		remedy = "choose one of these with --min or --max, or " + remedy
	}
	msg += tailOf(attemptDir, "stdout.log") + tailOf(attemptDir, "stderr.log")
	r.missing = &exitError{exitFailures, msg + "\n  " + remedy}
	r.worker.Drain()
}

// tailOf quotes the last lines of an output.
func tailOf(attemptDir, name string) string {
	lines := agent.Tail(filepath.Join(attemptDir, name), 20)
	if len(lines) == 0 {
		return "\n  (" + strings.TrimSuffix(name, ".log") + " is empty)"
	}
	return "\n  last lines of " + strings.TrimSuffix(name, ".log") + ":\n    " + strings.Join(lines, "\n    ")
}

// ended notes where failed trials ran.
func (r *sweepRun) ended(l types.Lease, reply types.FinishReply) {
	if reply.State != types.Failed {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dirs == nil {
		r.dirs = map[int64]string{}
	}
	if len(r.dirs) < 8 {
		dir := r.local.StudyDir(r.study.Spec.Project, r.study.Spec.Name)
		r.dirs[l.Ref.Trial] = filepath.Join(dir, strconv.FormatInt(l.Ref.Trial, 10), strconv.Itoa(l.Ref.Attempt))
	}
}

// conclude shows the result and chooses the exit code.
func (r *sweepRun) conclude(ctx context.Context, reason string) error {
	if r.missing != nil {
		return r.missing
	}
	if err := r.result(ctx, reason); err != nil {
		return err
	}
	c := r.study.Counts
	switch {
	case r.signals > 0:
		return &exitError{exitInterrupted, ""}
	case r.study.State == types.StudyStopped && c.Failed > 0:
		return &exitError{exitFailures, r.failures()}
	case c.Completed == 0:
		return &exitError{exitNoneDone, "no trial completed" + r.lastReason(ctx)}
	}
	return nil
}

func (r *sweepRun) failures() string {
	msg := cmp.Or(r.study.Reason, "too many trials failed")
	var last int64 = -1
	for n := range r.dirs {
		last = max(last, n)
	}
	if last >= 0 {
		msg += fmt.Sprintf("; trial %d:", last) + tailOf(r.dirs[last], "stderr.log")
		if len(agent.Tail(filepath.Join(r.dirs[last], "stderr.log"), 1)) == 0 {
			msg += tailOf(r.dirs[last], "stdout.log")
		}
	}
	return msg + fmt.Sprintf("\n  look at the others with tuner log %s NUMBER --stderr; mend the program and run the same sweep again", r.study.Spec.Name)
}

func (r *sweepRun) lastReason(ctx context.Context) string {
	if r.study.Counts.Total() == 0 {
		return ""
	}
	t, err := r.local.Engine.Trial(ctx, r.study.ID, r.study.Counts.Total()-1)
	if err != nil || t.Reason == "" {
		return ""
	}
	return fmt.Sprintf("; trial %d: %s", t.Number, t.Reason)
}
