package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial/earlystop"
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
	if err := db.fromFile(fs, file, src); err != nil {
		return err
	}
	db.intoFile(fs, &file)
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

// fromFile takes over where studies are from a sweep file, unless flags say so.
func (f *dbFlags) fromFile(fs *pflag.FlagSet, file sweepfile.File, src *sweepfile.Source) error {
	typed := fs.Changed("db") || fs.Changed("url")
	if !typed && (file.DB != "" || file.URL != "") { // the profile's are for what it names
		f.db, f.url = file.DB, file.URL
		if !fs.Changed("token-file") {
			f.tokenFile = ""
		}
		if !fs.Changed("pin") {
			f.pin = ""
		}
		if !fs.Changed("dir") {
			f.dir = ""
		}
	}
	if !fs.Changed("dir") {
		f.dir = cmp.Or(file.Dir, f.dir)
	}
	if !typed && !fs.Changed("token-file") {
		f.tokenFile = cmp.Or(file.TokenFile, f.tokenFile)
	}
	if !typed && !fs.Changed("pin") {
		f.pin = cmp.Or(file.Pin, f.pin)
	}
	if file.Durability == "" || fs.Changed("durability") {
		return nil
	}
	f.durable = file.Durability
	if err := f.checkDurability("durability"); err != nil {
		return src.Locate(err)
	}
	return nil
}

// intoFile puts what was typed of these into a sweep file, which then says all that
// the command line says.
func (f *dbFlags) intoFile(fs *pflag.FlagSet, file *sweepfile.File) {
	for name, v := range map[string]struct{ to, from *string }{
		"project": {&file.Project, &f.project}, "db": {&file.DB, &f.db}, "dir": {&file.Dir, &f.dir}, "url": {&file.URL, &f.url},
		"token-file": {&file.TokenFile, &f.tokenFile}, "pin": {&file.Pin, &f.pin}, "durability": {&file.Durability, &f.durable},
	} {
		if fs.Changed(name) {
			*v.to = *v.from
		}
	}
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
	checked.Spec.Run = p.runHere(checked.Spec.Run)
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
	if err := p.joins(ctx, at, file); err != nil {
		return err
	}
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
	study.Spec.Run = p.runHere(study.Spec.Run)
	return runStudy(ctx, st, db, at, study, f, file, p)
}

// joins lets a sweep of a server's study run its trials in another folder than the
// one that the study was made in: on another machine the program lies elsewhere.
// Only a study that was named is meant for sure.
func (p *plan) joins(ctx context.Context, at *site, file sweepfile.File) error {
	if at.url == "" || p.unnamed || file.Cwd != "" || p.spec.Run == nil {
		return nil
	}
	stored, err := at.reader.Study(ctx, p.spec.Project, p.spec.Name)
	if err != nil || stored.Spec.Run == nil {
		if types.CodeOf(err) == types.NotFound {
			return nil
		}
		return err
	}
	dir := stored.Spec.Run.Dir
	if dir == p.spec.Run.Dir || dir == "" || dir == "{trial.dir}" {
		return nil
	}
	p.dir = p.spec.Run.Dir
	run := *p.spec.Run
	run.Dir, p.spec.Run = dir, &run
	p.notes = append(p.notes, fmt.Sprintf("the study was made in %s; here its trials run in %s", dir, p.dir))
	return nil
}

// runHere is how the trials of a study run on this machine.
func (p *plan) runHere(stored *types.RunSpec) *types.RunSpec {
	if p.dir == "" || stored == nil {
		return stored
	}
	run := *stored
	run.Dir = p.dir
	return &run
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
