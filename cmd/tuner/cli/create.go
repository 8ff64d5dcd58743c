package cli

import (
	"bufio"
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/trial/local"
)

func createCommand(st *State, db *dbFlags) *cobra.Command {
	var f sweepFlags
	var require []string
	c := &cobra.Command{
		Use:   "create NAME [flags] [-- COMMAND …]",
		Short: "Make a study and run nothing: others ask for its trials",
		Long: `Makes a study, with the flags of tuner sweep or with its file (-f), and runs
nothing. Without a command, whoever wants to asks for its trials: a shell loop
(tuner ask, report, tell), a program (tuner help server), or a worker that has the
command itself. With one, tuner worker and tuner sweep --name run it.

A study that is there already and fits is left as it is; it gets a larger -n and
other limits that are given.`,
		Example: `  tuner create pi --min distance -p p=300..400 -p q=90..130 -n 50
  tuner create --url http://127.0.0.1:7070 -f sweep.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return runCreate(c.Context(), st, db, &f, c.Flags(), args, require)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringArrayVar(&require, "require", nil, "KEY=VALUE that a worker must have (tuner worker --label), such as gpu=a100; repeat it")
	f.registerStudy(c.Flags())
	f.registerRun(c.Flags())
	completeComponents(c)
	c.Flags().BoolVar(&f.json, "json", false, "print the study as JSON")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "print nothing if it went well")
	return c
}

func runCreate(ctx context.Context, st *State, db *dbFlags, f *sweepFlags, fs *pflag.FlagSet, args, require []string) error {
	file, src, err := f.study(st, fs, args)
	if err != nil {
		return err
	}
	if err := db.fromFile(fs, file, src); err != nil {
		return err
	}
	db.intoFile(fs, &file)
	faults := &sweepErrors{flags: f, fs: fs, src: src}
	p := &plan{elsewhere: true}
	if err := p.make(st, file, db.project); err != nil {
		return faults.locate(types.StudySpec{}, err)
	}
	p.spec.Extend = f.extend
	if p.spec.Require, err = labelsOf("require", require); err != nil {
		return err
	}
	if run := *p.spec.Run; reflect.DeepEqual(run, types.RunSpec{Dir: run.Dir}) && len(run.Command) == 0 && file.Cwd == "" {
		p.spec.Run = nil
	}
	p.ignored(file)
	check := func() error {
		if types.CodeOf(db.exists()) != types.NotFound {
			return nil
		}
		// What is refused makes no database.
		l, err := local.Open(ctx, local.Config{DB: local.Memory})
		if err != nil {
			return err
		}
		defer func() { _ = l.Close() }() // it was in memory
		return faults.locate(p.spec, checkCreate(ctx, localSite(l), p))
	}
	return db.at(ctx, check, func(at *site) error {
		if err := checkCreate(ctx, at, p); err != nil {
			return faults.locate(p.spec, err)
		}
		study, err := at.OpenStudy(ctx, p.spec)
		if err != nil {
			return faults.locate(p.spec, err)
		}
		return f.created(st, db, at, p, study)
	})
}

// study merges the flags over the file; the name stands before --.
func (f *sweepFlags) study(st *State, fs *pflag.FlagSet, args []string) (sweepfile.File, *sweepfile.Source, error) {
	f.given(fs)
	if err := emptyFlag(fs); err != nil {
		return f.file, nil, err
	}
	v := f.file
	names := args
	if dash := fs.ArgsLenAtDash(); dash >= 0 {
		if names, v.Command = args[:dash], args[dash:]; len(v.Command) == 0 {
			return v, nil, usagef("there is no command behind --").WithRemedy("write it there, or leave -- out")
		}
	}
	switch {
	case len(names) > 1:
		return v, nil, usagef("create does not know what to do with %q: tuner create NAME [flags] [-- COMMAND …]", strings.Join(names[1:], " "))
	case len(names) == 1:
		v.Name = names[0]
	case f.path == "":
		return v, nil, usagef("the study has no name").WithRemedy("tuner create NAME --min loss -p lr=1e-5..1e-1:log -n 50")
	}
	if err := f.objective(&v); err != nil {
		return v, nil, err
	}
	return f.merged(st, v)
}

// ignored notes what a file says to those who run the trials.
func (p *plan) ignored(f sweepfile.File) {
	var keys []string
	for _, k := range []struct {
		name  string
		given bool
	}{{"jobs", f.Jobs != nil}, {"gpus", len(f.GPUs) > 0}, {"for", f.For != nil}, {"dir", f.Dir != ""}} {
		if k.given {
			keys = append(keys, k.name)
		}
	}
	if len(keys) > 0 {
		p.notes = append(p.notes, strings.Join(keys, ", ")+" of the file: for whoever runs the trials, and no part of the study")
	}
}

// checkCreate makes sure that a new study has all it needs and an old one fits.
func checkCreate(ctx context.Context, at *site, p *plan) error {
	_, err := at.reader.Study(ctx, p.spec.Project, p.spec.Name)
	if err != nil && types.CodeOf(err) != types.NotFound {
		return err
	}
	if err != nil {
		switch {
		case p.space == nil:
			return usagef("there are no parameters").WithRemedy("add some, such as -p lr=1e-5..1e-1:log -p layers=1..8")
		case len(p.spec.Objectives) == 0:
			return usagef("there is no metric").WithRemedy("add --min loss or --max accuracy")
		case p.spec.Run != nil && len(p.spec.Run.Command) == 0:
			return usagef("flags say how a command runs, and there is none").WithRemedy("put -- and the command at the end, or leave them out")
		}
	}
	_, err = at.Check(ctx, p.spec)
	return err
}

// created says what there is now and who can use it.
func (f *sweepFlags) created(st *State, db *dbFlags, at *site, p *plan, v types.Study) error {
	switch {
	case f.json:
		return writeJSON(st.Stdout, v)
	case f.quiet:
		return nil
	}
	if err := p.show(st); err != nil {
		return err
	}
	spec := v.Spec
	text := spec.Name + " is made"
	if v.Continued {
		text = spec.Name + " is there already"
	}
	text += fmt.Sprintf(": %s, %s · stopper %s · seed %d · %s", objectivesText(spec.Objectives), componentText(spec.Algorithm),
		componentText(spec.Stopper), spec.Seed, budgetText(spec.Budget))
	name, where := quoted(spec.Name), db.where(spec.Project)
	next := [][]string{{"eval \"$(tuner ask " + name + where + " -o env)\"", "a trial, in TUNER_PARAM_… (tuner help shell-loop)"},
		{"tuner tell " + name + where + " \"$TUNER_TRIAL\" " + spec.Objectives[0].Metric + "=VALUE", "its value"}}
	switch {
	case spec.Run != nil && at.url != "":
		next = [][]string{{"tuner worker --trust-server-commands" + where + " " + name, "runs its trials; so does the same command as a sweep"}}
	case spec.Run != nil:
		next = [][]string{{"tuner sweep --name " + name + where, "runs its trials"}}
	case at.url != "":
		next = append(next, []string{"tuner worker " + name + where + " -- COMMAND {args}", "runs a command of yours for each trial"})
	}
	width := 0
	for _, row := range next {
		width = max(width, len(row[0]))
	}
	return st.printing(func(w *bufio.Writer) error {
		fmt.Fprintln(w, text+"\n\nnext:")
		for _, row := range next {
			fmt.Fprintf(w, "  %-*s  %s\n", width, row[0], row[1])
		}
		return nil
	})
}
