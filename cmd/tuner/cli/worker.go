package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// workerFlags are the flags of tuner worker.
type workerFlags struct {
	jobs  int
	gpus  []string
	limit time.Duration
	label []string
	trust bool
	// everywhere is for the studies of all projects.
	everywhere bool
	view       sweepFlags // how it shows what happens, and how its own command runs
	own        []string   // its own command
}

func workerCommand(st *State, db *dbFlags) *cobra.Command {
	var f workerFlags
	c := &cobra.Command{
		Use:   "worker [STUDY] [-- COMMAND …]",
		Short: "Run trials of a server's study here, or of all of them, by a command of your own or the one that the server has",
		Long: `Runs trials of a study until it ends; Ctrl-C ends it in the stages of a sweep. What
runs here is COMMAND, which must fit the names of the study's parameters. Without
it, --trust-server-commands runs what the server has for the study: its command,
directory and environment, which are those of whoever may change studies there.

Without STUDY it runs the trials of all studies of --project, or of --all-projects
that the token is for, those that come later too: of each that is active, whose
required labels this machine has, and that COMMAND fits or that has a command. It
says which it leaves out and why, and goes on until Ctrl-C or the end of --for.

Started again after it was killed, in the same place, it finds its running trials.
A worker whose trials fail where those of others do not is put aside by the server:
tuner worker ls shows it, tuner worker allow lets it back.`,
		Example: `  tuner worker mnist -j 2 -- python train.py {args}
  tuner worker --project vision --label gpu=a100 -- python train.py {args}
  tuner worker --url http://127.0.0.1:7070 --token-file tuner.token --trust-server-commands mnist`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return f.work(c.Context(), st, db, c.Flags(), args)
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	fs.IntVarP(&f.jobs, "jobs", "j", 0, "trials at once here (default: one for each GPU of --gpus, else 1)")
	fs.StringSliceVar(&f.gpus, "gpus", nil, "devices, one trial on each, such as 0,1")
	fs.StringArrayVar(&f.label, "label", nil, "KEY=VALUE that this machine has, such as gpu=a100, for studies that require it; repeat it")
	fs.DurationVar(&f.limit, "for", 0, "start no new trial after this long, such as 2h")
	fs.BoolVar(&f.trust, "trust-server-commands", false, "run the command that the server has for the study")
	fs.BoolVar(&f.view.json, "json", false, "print one JSON object an event, and the result, on stdout")
	fs.BoolVarP(&f.view.quiet, "quiet", "q", false, "print the result only")
	f.view.registerRun(fs)
	fs.BoolVar(&f.everywhere, "all-projects", false, "without STUDY: the studies of all projects that the token is for")
	c.AddCommand(workerLsCommand(st, db), workerAllowCommand(st, db), workerAsideCommand(st, db), workerRmCommand(st, db))
	return c
}

func (f *workerFlags) work(ctx context.Context, st *State, db *dbFlags, fs *pflag.FlagSet, args []string) error {
	names := args
	if dash := fs.ArgsLenAtDash(); dash >= 0 {
		if names, f.own = args[:dash], args[dash:]; len(f.own) == 0 {
			return usagef("there is no command behind --").WithRemedy("write it there, as in: -- python train.py {args}")
		}
	}
	url, err := db.server()
	switch {
	case err != nil:
		return err
	case f.everywhere && fs.Changed("project"):
		return usagef("it is for one project or for all").WithField("--all-projects").WithRemedy("leave it or --project out")
	case f.everywhere && len(names) > 0:
		return usagef("it is for all studies, and %s is one", names[0]).WithField("--all-projects").WithRemedy("leave it out, or the name")
	case len(names) == 0 && len(f.gpus) > 0:
		return usagef("studies that share a device do not know of each other").WithField("--gpus").
			WithRemedy("name the study, or start a worker for each device: CUDA_VISIBLE_DEVICES=%s tuner worker …", f.gpus[0])
	case len(names) > 1:
		return usagef("worker does not know what to do with %q: tuner worker STUDY -- COMMAND …", names[1]).WithRemedy("put -- before your command")
	case url == "":
		return usagef("a worker needs a server").WithField("--url").
			WithRemedy("name it with --url or TUNER_URL; with a database, tuner sweep --name %s does the same", orStudy(names))
	case len(f.own) > 0 && f.trust:
		return usagef("it runs the command that you give, not the server's").WithField("--trust-server-commands").WithRemedy("leave one of them out")
	case len(f.own) == 0 && !f.trust:
		return usagef("what runs here would be what the server %s says", url).WithField("--trust-server-commands").
			WithRemedy("give the command yourself: tuner worker %s -- COMMAND; or this flag, if you trust all who may change studies there", orStudy(names))
	case f.jobs < 0:
		return usagef("%d trials at once make no sense", f.jobs).WithField("--jobs (-j)")
	case fs.Changed("for") && f.limit <= 0:
		return usagef("%v is no time to run trials", f.limit).WithField("--for").WithRemedy("write a positive one, as in 90s, 30m or 1h30m")
	}
	if f.trust {
		if err := f.noRunFlags(fs); err != nil {
			return err
		}
	}
	f.view.given(fs)
	if err := checkDurations(f.view.file); err != nil {
		return (&sweepErrors{flags: &f.view, fs: fs}).locate(types.StudySpec{}, err)
	}
	c, err := db.client(ctx, url)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return join(f.workAll(ctx, st, db, fs, remoteSite(c)), c.Close())
	}
	return join(f.workAt(ctx, st, db, fs, remoteSite(c), names[0]), c.Close())
}

// orStudy is the study that a worker was started for, as in a command.
func orStudy(names []string) string {
	if len(names) == 0 {
		return "STUDY"
	}
	return quoted(names[0])
}

// noRunFlags refuses the flags of a command where there is none.
func (f *workerFlags) noRunFlags(fs *pflag.FlagSet) (err error) {
	var run pflag.FlagSet
	(&sweepFlags{}).registerRun(&run)
	run.VisitAll(func(g *pflag.Flag) {
		if fs.Changed(g.Name) && err == nil {
			err = usagef("it belongs to a command of your own, and the server has its own").WithField("--" + g.Name).
				WithRemedy("leave it out, or give the command: tuner worker STUDY -- COMMAND")
		}
	})
	return err
}

func (f *workerFlags) workAt(ctx context.Context, st *State, db *dbFlags, fs *pflag.FlagSet, at *site, name string) error {
	stored, err := db.find(ctx, at.reader, name)
	if err != nil {
		return err
	}
	study, err := at.Study(ctx, stored.ID)
	if err != nil {
		return err
	}
	study.Continued = true
	p, err := f.planFor(st, fs, &study, stored)
	if err != nil {
		return err
	}
	if f.limit > 0 {
		p.until = time.After(f.limit)
	}
	return runStudy(ctx, st, db, at, study, &f.view, sweepfile.File{GPUs: f.gpus}, p)
}

// planFor says how the trials of a study run here, and puts the command into it.
func (f *workerFlags) planFor(st *State, fs *pflag.FlagSet, study *types.Study, stored trial.Study) (p *plan, err error) {
	p = &plan{jobs: max(f.jobs, len(f.gpus), 1), more: "tuner edit " + quoted(stored.Spec.Name) + " -n N gives it more"}
	if p.labels, err = labelsOf("label", f.label); err != nil {
		return nil, err
	}
	if p.space, err = space.Parse(study.Spec.Space); err != nil {
		return nil, err
	}
	if study.Spec.Run, err = f.command(st, fs, p, stored); err != nil {
		return nil, err
	}
	p.spec = study.Spec
	return p, nil
}

// command is how the trials run here: by the command that was typed, if it fits
// the study, or by the server's.
func (f *workerFlags) command(st *State, fs *pflag.FlagSet, p *plan, study trial.Study) (*types.RunSpec, error) {
	if f.trust {
		if study.Spec.Run == nil {
			return nil, types.Errorf(types.Conflict, "the study %s has no command: its trials are told, not run", study.Spec.Name).
				WithRemedy("give one: tuner worker %s -- COMMAND; or run the program that asks for its trials", quoted(study.Spec.Name))
		}
		return study.Spec.Run, checkProgram(st, *study.Spec.Run)
	}
	file := f.view.file
	file.Command = f.own
	if err := p.command(st, file); err != nil {
		return nil, (&sweepErrors{flags: &f.view, fs: fs}).locate(types.StudySpec{}, err)
	}
	if unseen := p.template.Unseen(); len(unseen) > 0 {
		return nil, types.Errorf(types.Conflict, "the command does not fit the study %s: it never sees %s", study.Spec.Name, strings.Join(unseen, ", ")).
			WithRemedy("add {--%s}, or {args} for all, or read $%s in it", unseen[0], procenv.ParamVar(unseen[0]))
	}
	return p.spec.Run, nil
}

// labelsOf reads the KEY=VALUE arguments of a flag; nil if there are none.
func labelsOf(flag string, args []string) (map[string]string, error) {
	var out map[string]string
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok || k == "" {
			return nil, usagef("%q is no label", a).WithField("--" + flag).WithRemedy("write it as in gpu=a100")
		}
		if _, twice := out[k]; twice {
			return nil, usagef("%s is given twice", k).WithField("--" + flag).WithRemedy("leave one of the two out")
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out, nil
}

// workerName finds the worker that a user names: by its whole name, or by its
// machine if that has one only.
func workerName(ws []types.Worker, text string) (string, error) {
	var of []string
	for _, w := range ws {
		if w.Name == text {
			return text, nil
		}
		if machineOf(w.Node) == text {
			of = append(of, w.Name)
		}
	}
	switch len(of) {
	case 0:
		return "", types.Errorf(types.NotFound, "there is no worker %q", text).WithRemedy("tuner worker ls lists them")
	case 1:
		return of[0], nil
	}
	return "", usagef("%s has %d workers", text, len(of)).WithRemedy("name one of them: %s", strings.Join(of, ", "))
}
