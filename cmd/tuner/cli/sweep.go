package cli

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
)

// sweepFlags are the flags of tuner sweep: those that a sweep file has too, and
// those that belong to one call.
type sweepFlags struct {
	file   sweepfile.File
	params []string
	try    []string
	mins   []string
	maxs   []string

	path   string // -f
	save   string
	dryRun int
	extend bool
	json   bool
	quiet  bool
}

func sweepCommand(st *State, db *dbFlags) *cobra.Command {
	var f sweepFlags
	c := &cobra.Command{
		Use:   "sweep [flags] -- COMMAND …",
		Short: "Find the best parameters of a command: create or continue a study and run its trials here",
		Long: `Runs COMMAND again and again with values of the parameters that tuner chooses,
reads the metric from its output, and shows the best. COMMAND is not given to a
shell. {args} in it becomes --name=VALUE for every parameter, {name} a value.

  tuner sweep --min loss -p lr=1e-5..1e-1:log -p layers=1..8 -n 50 -j 2 -- python train.py {args}
  tuner sweep --max acc -p opt=sgd,adam -p m=0.0..0.99@opt=sgd -n 30 -- ./train --opt {opt} {--m}

Parameters: LO..HI, LO..HI..STEP, LO..HI..x2 (geometric), A,B,C (choices), one
value (a constant); then :log :revlog :int :float :str :bool :ordinal :n=K
:default=V; then @P=v,w @P!=v @P=lo..hi for a parameter that depends on another.

The same --name continues a study. Ctrl-C: once lets running trials end, twice
asks them to stop, thrice kills them; what was interrupted is run again next time.
tuner help contract tells what COMMAND gets and has to print.`,
		Example: "  tuner sweep --min trial.elapsed -p n=16..512..x2 -- ./bench --block {n}",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return runSweep(c.Context(), st, db, &f, c.Flags(), args)
		},
	}
	f.register(c.Flags())
	completeComponents(c)
	return c
}

func (f *sweepFlags) register(fs *pflag.FlagSet) {
	f.registerStudy(fs)
	f.registerRun(fs)
	v := &f.file
	v.Jobs = optional[int64](fs.Int64VarP, "jobs", "j", "trials at once here (default: one for each GPU of --gpus, else 1)")
	fs.StringVar(&v.Name, "name", "", "name of the study (default: made from the command, printed)")
	v.For = optional[time.Duration](fs.DurationVarP, "for", "", "start no new trial after this long, such as 2h")
	fs.StringSliceVar(&v.GPUs, "gpus", nil, "devices, one trial on each, such as 0,1")
	fs.StringVar(&f.save, "save", "", "write the sweep to a file and exit")
	fs.IntVar(&f.dryRun, "dry-run", 0, "print the commands of the first N trials and run nothing")
	fs.BoolVar(&f.json, "json", false, "print one JSON object an event, and the result, on stdout")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print the result only")
}

// registerStudy adds the flags that say what the study is.
func (f *sweepFlags) registerStudy(fs *pflag.FlagSet) {
	v := &f.file
	fs.StringArrayVarP(&f.params, "param", "p", nil, "a parameter, NAME=SPEC; repeat it")
	fs.StringArrayVar(&f.mins, "min", nil, "metric to make small")
	fs.StringArrayVar(&f.maxs, "max", nil, "metric to make large")
	fs.StringArrayVar(&v.Constraints, "constraint", nil, "a relation that every point satisfies, such as 'lr * layers <= 0.5'; repeat it")
	fs.StringArrayVar(&f.try, "try", nil, "a point to evaluate first, such as lr=1e-3,hidden=64; repeat it")
	v.Trials = optional[int64](fs.Int64VarP, "trials", "n", "number of trials of the study, over all its continuations")
	fs.Var(once(&v.Algorithm), "algorithm", "NAME[:setting=value,…]: what proposes the points (default tpe)")
	fs.Var(once(&v.Stopper), "stopper", "NAME[:setting=value,…]: what ends hopeless trials early (default none)")
	v.Seed = optional[int64](fs.Int64VarP, "seed", "", "seed of all randomness (default: drawn, stored and printed)")
	v.Target = optional[float64](fs.Float64VarP, "target", "", "end once the metric is at least as good")
	v.Patience = optional[int64](fs.Int64VarP, "patience", "", "end after so many trials without a better value")
	v.MaxFailures = optional[int64](fs.Int64VarP, "max-failures", "", "end after so many failed trials; -1 never (default: if the first 3 all fail)")
	fs.StringVar(&v.MaxCost, "max-cost", "", "METRIC=LIMIT: end once the metric, summed over all trials, is so large, such as trial.elapsed=36000")
	fs.StringVar(&v.StopWhen, "stop-when", "", "unlikely: end once going on is unlikely to pay (default never)")
	v.Retries = optional[int64](fs.Int64VarP, "retries", "", "how often a trial whose process was lost is run again; -1 never (default 2)")
	fs.StringVar(&v.MetricStrategy, "metric-strategy", "", "value of a trial out of its reports: last, min or max (default last)")
	fs.StringVarP(&f.path, "file", "f", "", "sweep.yaml with the same fields; flags override it")
	fs.BoolVar(&f.extend, "extend", false, "accept a changed space of the study as a new version")
}

// registerRun adds the flags that say how its trials run.
func (f *sweepFlags) registerRun(fs *pflag.FlagSet) {
	v := &f.file
	fs.StringVar(&v.Cwd, "cwd", "", "working directory of the command (default: here); '{trial.dir}' is the trial's own")
	fs.StringArrayVar(&v.Env, "env", nil, "KEY=VALUE for the command; repeat it")
	fs.StringArrayVar(&v.Literal, "literal", nil, "a {word} of the command that is no placeholder; repeat it")
	v.Timeout = optional[time.Duration](fs.DurationVarP, "timeout", "", "end a trial that runs longer, as failed")
	v.Grace = optional[time.Duration](fs.DurationVarP, "grace", "", "time between the stop signal and KILL (default 30s)")
	fs.StringVar(&v.StopSignal, "stop-signal", "", "TERM, INT or USR1 (default TERM)")
	v.InfeasibleExit = optional[int64](fs.Int64VarP, "infeasible-exit", "", "exit code that declares a trial infeasible")
	fs.StringVar(&v.Step, "step", "", "name of the step in the output (default: step, epoch or iteration)")
	fs.StringArrayVar(&v.MetricRegex, "metric-regex", nil, "regular expression whose group is the metric; repeat it")
	fs.StringVar(&v.MetricFile, "metric-file", "", "file that the command writes its metrics to, instead of its output")
	fs.StringVar(&v.Keep, "keep", "", "which trials' directories to keep: all, best, none or a number of the best (default all)")
}

// optional registers a flag whose absence differs from its zero value.
func optional[T any](add func(p *T, name, short string, value T, usage string), name, short, usage string) *T {
	p := new(T)
	var zero T
	add(p, name, short, zero, usage)
	return p
}

// given sets optional fields of flags that the user did not type to nil.
func (f *sweepFlags) given(fs *pflag.FlagSet) {
	v := &f.file
	clearUnless(fs, "trials", &v.Trials)
	clearUnless(fs, "jobs", &v.Jobs)
	clearUnless(fs, "seed", &v.Seed)
	clearUnless(fs, "for", &v.For)
	clearUnless(fs, "target", &v.Target)
	clearUnless(fs, "patience", &v.Patience)
	clearUnless(fs, "max-failures", &v.MaxFailures)
	clearUnless(fs, "timeout", &v.Timeout)
	clearUnless(fs, "grace", &v.Grace)
	clearUnless(fs, "retries", &v.Retries)
	clearUnless(fs, "infeasible-exit", &v.InfeasibleExit)
}

func clearUnless[T any](fs *pflag.FlagSet, name string, p **T) {
	if !fs.Changed(name) {
		*p = nil
	}
}

// settings merges the flags over the file of -f.
func (f *sweepFlags) settings(st *State, fs *pflag.FlagSet, args []string) (sweepfile.File, *sweepfile.Source, error) {
	f.given(fs)
	if err := emptyFlag(fs); err != nil {
		return f.file, nil, err
	}
	v := f.file
	if err := f.objective(&v); err != nil {
		return v, nil, err
	}
	command, err := commandOf(fs, args)
	if err != nil {
		return v, nil, err
	}
	v.Command = command
	return f.merged(st, v)
}

// merged merges the flags of the space and what else is set in v over the file
// of -f.
func (f *sweepFlags) merged(st *State, v sweepfile.File) (sweepfile.File, *sweepfile.Source, error) {
	for _, arg := range f.params {
		p, err := paramOf(arg)
		if err != nil {
			return v, nil, err
		}
		v.Params = append(v.Params, p)
	}
	for _, t := range f.try {
		v.Try = append(v.Try, sweepfile.Point{Text: t})
	}
	if f.path == "" {
		return v, nil, nil
	}
	path := f.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(st.Dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return v, nil, usagef("cannot read %s: %w", path, cause(err)).WithField("--file (-f)").
			WithRemedy("check the path; --save writes such a file")
	}
	base, src, err := sweepfile.Decode(f.path, b)
	if err != nil {
		return v, nil, err
	}
	return overlay(base, v), src, nil
}

func (f *sweepFlags) objective(v *sweepfile.File) error {
	if len(f.mins)+len(f.maxs) > 1 {
		return usagef("one metric is optimised, not %d", len(f.mins)+len(f.maxs)).
			WithRemedy("keep one --min or --max; the others are shown by tuner show as well")
	}
	for _, m := range append(f.mins, f.maxs...) {
		if m == "" || strings.TrimSpace(m) != m || strings.ContainsAny(m, "\t=:,") { // "val loss" is a name
			return usagef("%q is no name of a metric", m).WithRemedy("write the name as the program prints it, such as --min loss")
		}
	}
	if len(f.mins) == 1 {
		v.Min = f.mins[0]
	}
	if len(f.maxs) == 1 {
		v.Max = f.maxs[0]
	}
	return nil
}

// commandOf is what stands behind --.
func commandOf(fs *pflag.FlagSet, args []string) ([]string, error) {
	dash := fs.ArgsLenAtDash()
	if dash < 0 && len(args) == 0 {
		return nil, nil
	}
	if dash != 0 {
		stray := args
		if dash > 0 {
			stray = args[:dash]
		}
		return nil, usagef("what is %q?", strings.Join(stray, " ")).WithRemedy("put -- before your command: tuner sweep … -- COMMAND")
	}
	if len(args) == 0 {
		return nil, usagef("there is no command behind --").WithRemedy("write it there, as in: -- python train.py {args}")
	}
	return args, nil
}

// overlay puts what flags gave over what the file has. Lists of parameters and
// constraints are replaced by name or added; other lists are replaced.
func overlay(base, v sweepfile.File) sweepfile.File {
	if v.Min != "" || v.Max != "" {
		base.Min, base.Max = v.Min, v.Max
	}
	for _, p := range v.Params {
		replaced := false
		for i := range base.Params {
			if base.Params[i].Name == p.Name {
				base.Params[i], replaced = p, true
			}
		}
		if !replaced {
			base.Params = append(base.Params, p)
		}
	}
	base.Constraints = append(base.Constraints, v.Constraints...)
	base.Try = append(base.Try, v.Try...)
	for _, s := range []struct{ dst, src *string }{
		{&base.Name, &v.Name}, {&base.Project, &v.Project}, {&base.Algorithm, &v.Algorithm}, {&base.Stopper, &v.Stopper},
		{&base.Cwd, &v.Cwd}, {&base.StopSignal, &v.StopSignal}, {&base.Step, &v.Step}, {&base.MetricFile, &v.MetricFile},
		{&base.MetricStrategy, &v.MetricStrategy}, {&base.Keep, &v.Keep}, {&base.MaxCost, &v.MaxCost}, {&base.StopWhen, &v.StopWhen},
	} {
		if *s.src != "" {
			*s.dst = *s.src
		}
	}
	for _, s := range []struct{ dst, src *[]string }{{&base.Command, &v.Command}, {&base.Literal, &v.Literal},
		{&base.Env, &v.Env}, {&base.GPUs, &v.GPUs}, {&base.MetricRegex, &v.MetricRegex}} {
		if len(*s.src) > 0 {
			*s.dst = *s.src
		}
	}
	over(&base.Trials, v.Trials)
	over(&base.Jobs, v.Jobs)
	over(&base.Seed, v.Seed)
	over(&base.For, v.For)
	over(&base.Target, v.Target)
	over(&base.Patience, v.Patience)
	over(&base.MaxFailures, v.MaxFailures)
	over(&base.Timeout, v.Timeout)
	over(&base.Grace, v.Grace)
	over(&base.Retries, v.Retries)
	over(&base.InfeasibleExit, v.InfeasibleExit)
	return base
}

func over[T any](dst **T, src *T) {
	if src != nil {
		*dst = src
	}
}
