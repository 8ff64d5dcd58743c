package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial/local"
)

// defaultAskName is the name of a study that is not kept.
const defaultAskName = "ask"

// askFlags are the flags of tuner ask. Those that describe the study mean what
// they mean to tuner sweep.
type askFlags struct {
	study sweepFlags

	stdio   bool
	noDB    bool
	timings bool

	// Without --stdio:
	form   string
	ttl    time.Duration
	wait   time.Duration
	labels []string
	loop   loopPatience
}

const askExample = `  tuner ask --stdio branin --min value -p x=-5.0..10.0 -p y=0.0..15.0 -n 50`

func askCommand(st *State, db *dbFlags) *cobra.Command {
	var f askFlags
	c := &cobra.Command{
		Use:   "ask NAME [-n K] | --stdio [NAME] [flags]",
		Short: "Ask for a trial in a shell loop, or for all of them over a pipe from a program in any language",
		Long: `Hands out a trial of a study, whose value tuner tell tells (tuner help shell-loop).
It waits until there is one. The exit code is 3 when there will be none any more.
-o says how it is printed:

  json   one object a line: {"number":0,"attempt":1,"params":{"lr":0.01},"seed":7}
  env    TUNER_TRIAL, TUNER_PARAM_LR and others, quoted for eval "$(tuner ask NAME -o env)",
         which fails when there are no more
  args   the number, then --lr=0.01 --opt=sgd, quoted for eval "set -- $(…)"

A trial of which nothing is heard for --ttl is handed out again.

With --stdio it reads requests from the standard input and answers each on the
standard output, one JSON object a line:

  > {"op":"ask"}
  < {"trials":[{"number":0,"params":{"x":2.5,"y":7.5}}]}
  > {"op":"report","number":0,"step":1,"metrics":{"value":31.2}}
  < {}
  > {"op":"tell","number":0,"metrics":{"value":24.1}}
  < {}

Your program has the loop and starts tuner; tuner keeps the study. With -p and
--min or --max the study is there at once; without, the first request is
{"op":"open","study":{…}}. A tell is answered once it is stored. At the end of the
input, trials that were not told go back to the queue.
tuner help pipe explains all requests; examples/pipe has a whole program.`,
		Example: `  while eval "$(tuner ask pi -o env)"; do
    tuner tell pi "$TUNER_TRIAL" distance="$(./pi.sh "$TUNER_PARAM_P" "$TUNER_PARAM_Q")"
  done
` + askExample,
		Args: wantArgs(0, 1, "ask NAME, or ask --stdio [NAME]"),
		RunE: func(c *cobra.Command, args []string) error {
			return runAsk(c, st, db, &f, args)
		},
		ValidArgsFunction: db.completeStudy,
	}
	f.register(c.Flags())
	completeComponents(c)
	completeChoice(c, "output", askForms...)
	return c
}

func (f *askFlags) register(fs *pflag.FlagSet) {
	s := &f.study
	v := &s.file
	fs.BoolVar(&f.stdio, "stdio", false, "answer requests on the standard input and output")
	fs.StringVarP(&f.form, "output", "o", "json", "without --stdio: how a trial is printed: json, env or args")
	fs.DurationVar(&f.ttl, "ttl", 24*time.Hour, "without --stdio: hand the trial out again if nothing is heard of it for so long")
	fs.StringArrayVar(&f.labels, "label", nil, "without --stdio: KEY=VALUE that this machine has, for studies that require it; repeat it")
	fs.DurationVar(&f.wait, "wait", 0, "without --stdio: wait so long for a trial (default: until there is one, or will be none)")
	fs.StringArrayVarP(&s.params, "param", "p", nil, "a parameter, NAME=SPEC; repeat it")
	fs.StringArrayVar(&s.mins, "min", nil, "metric to make small")
	fs.StringArrayVar(&s.maxs, "max", nil, "metric to make large")
	fs.StringArrayVar(&v.Constraints, "constraint", nil, "a relation that every point satisfies, such as 'lr * layers <= 0.5'; repeat it")
	fs.StringArrayVar(&s.try, "try", nil, "a point to evaluate first, such as lr=1e-3,hidden=64; repeat it")
	f.loop.register(fs)
	v.Trials = optional[int64](fs.Int64VarP, "trials", "n", "how many to ask for; with --stdio the number of trials of the study, over all its continuations (default: no limit)")
	fs.Var(once(&v.Algorithm), "algorithm", "NAME[:setting=value,…]: what proposes the points (default tpe)")
	fs.Var(once(&v.Stopper), "stopper", "NAME[:setting=value,…]: what ends hopeless trials early (default none)")
	v.Seed = optional[int64](fs.Int64VarP, "seed", "", "seed of all randomness (default: drawn, stored and printed)")
	v.Target = optional[float64](fs.Float64VarP, "target", "", "end once the metric is at least as good")
	v.Patience = optional[int64](fs.Int64VarP, "patience", "", "end after so many trials without a better value")
	v.MaxFailures = optional[int64](fs.Int64VarP, "max-failures", "", "end after so many failed trials; -1 never (default: if the first 3 all fail)")
	fs.StringVar(&v.MaxCost, "max-cost", "", "METRIC=LIMIT: end once the metric, summed over all trials, is so large, such as trial.elapsed=36000")
	fs.StringVar(&v.StopWhen, "stop-when", "", "unlikely: end once going on is unlikely to pay (default never)")
	v.Retries = optional[int64](fs.Int64VarP, "retries", "", "how often a trial whose pipe was killed is handed out again; -1 never (default 2)")
	fs.StringVar(&v.MetricStrategy, "metric-strategy", "", "value of a trial that is told without metrics, out of its reports: last, min or max (default last)")
	fs.BoolVar(&s.extend, "extend", false, "accept a changed space of the study as a new version")
	fs.BoolVar(&f.noDB, "no-db", false, "use no database: nothing is kept when the pipe closes")
	fs.BoolVar(&f.timings, "timings", false, "say in each answer to ask how many seconds it took tuner")
	fs.BoolVarP(&s.quiet, "quiet", "q", false, "say nothing on the standard error but faults")
}

// pipeOnly are the flags that say nothing of the study.
var pipeOnly = []string{"stdio", "no-db", "timings", "quiet"}

// describes reports whether the command line says what the study is, so that no
// open request has to.
func describes(c *cobra.Command, args []string) bool {
	given := len(args) > 0
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		given = given || f.Changed && !slices.Contains(pipeOnly, f.Name)
	})
	return given
}

// runAsk is tuner ask.
func runAsk(c *cobra.Command, st *State, db *dbFlags, f *askFlags, args []string) error {
	ctx, fs := c.Context(), c.Flags()
	if !f.stdio {
		return f.askOne(c, st, db, args)
	}
	for _, name := range shellOnly {
		if fs.Changed(name) {
			return usagef("a pipe has no use for it").WithField("--" + name).WithRemedy("leave it out, or --stdio")
		}
	}
	if f.noDB && (fs.Changed("db") || fs.Changed("url")) {
		return usagef("--no-db and a database exclude each other").WithField("--no-db").WithRemedy("leave one out")
	}
	if err := emptyFlag(fs); err != nil {
		return err
	}
	faults := &sweepErrors{flags: &f.study, fs: fs}
	var p *plan
	if describes(c, args) {
		var err error
		if p, err = f.plan(st, fs, args, db.project); err != nil {
			return faults.locate(types.StudySpec{}, err)
		}
		if err := f.checkNew(ctx, db, p); err != nil {
			return asked(faults.locate(p.spec, err))
		}
	}
	s := &pipe{st: st, db: db, flags: f, open: map[int64]*openTrial{}}
	if p == nil && f.unmade(db) {
		return s.run(ctx) // the first open request that is right makes the database
	}
	if err := s.connect(ctx); err != nil {
		return err
	}
	if p != nil {
		err := f.complete(ctx, s.at, p)
		if err == nil {
			err = s.begin(ctx, p)
		}
		if err != nil {
			return errors.Join(asked(faults.locate(p.spec, err)), s.at.Close())
		}
	}
	return s.run(ctx)
}

// checkNew checks a study as it would be in an empty database, if there is none:
// what is refused makes no database.
func (f *askFlags) checkNew(ctx context.Context, db *dbFlags, p *plan) error {
	if !f.unmade(db) {
		return nil
	}
	return inMemory(ctx, func(at *site) error {
		if err := f.complete(ctx, at, p); err != nil {
			return err
		}
		_, err := at.Check(ctx, p.spec)
		return err
	})
}

// unmade reports whether opening would make the database.
func (f *askFlags) unmade(db *dbFlags) bool {
	url, err := db.server()
	return err == nil && url == "" && !f.noDB && types.CodeOf(db.exists()) == types.NotFound
}

// inMemory does something in an empty database that is kept nowhere.
func inMemory(ctx context.Context, do func(at *site) error) error {
	l, err := local.Open(ctx, local.Config{DB: local.Memory})
	if err != nil {
		return err
	}
	return join(do(localSite(l)), l.Close())
}

// open opens the database, or the memory in place of one, or connects to the
// server.
func (f *askFlags) open(ctx context.Context, db *dbFlags) (*site, error) {
	if f.noDB {
		l, err := local.Open(ctx, local.Config{DB: local.Memory, Logger: db.logger()})
		return localSite(l), err
	}
	return db.site(ctx)
}

// plan makes the study's spec of the flags.
func (f *askFlags) plan(st *State, fs *pflag.FlagSet, args []string, project string) (*plan, error) {
	f.study.given(fs)
	file := f.study.file
	if err := f.study.objective(&file); err != nil {
		return nil, err
	}
	for _, arg := range f.study.params {
		q, err := paramOf(arg)
		if err != nil {
			return nil, err
		}
		file.Params = append(file.Params, q)
	}
	file.Try = f.points()
	p := &plan{spec: types.StudySpec{Project: project, Extend: f.study.extend}}
	if len(args) > 0 {
		p.spec.Name = args[0]
	}
	if err := f.named(&p.spec); err != nil {
		return nil, err
	}
	if err := p.searchSpace(file); err != nil {
		return nil, err
	}
	if err := p.goals(file); err != nil {
		return nil, err
	}
	if err := p.limits(file); err != nil {
		return nil, err
	}
	p.attributes(st)
	return p, nil
}

// points are the --try arguments in the form of a sweep file.
func (f *askFlags) points() []sweepfile.Point {
	out := make([]sweepfile.Point, len(f.study.try))
	for i, t := range f.study.try {
		out[i].Text = t
	}
	return out
}

// named makes sure that a study that is kept has a name.
func (f *askFlags) named(spec *types.StudySpec) error {
	if spec.Name == "" && !f.noDB {
		return usagef("the study has no name").WithField("name").
			WithRemedy("give one, by which it can be continued and looked at: tuner ask --stdio NAME …, or in the open request; with --no-db it needs none")
	}
	spec.Name = cmp.Or(spec.Name, defaultAskName)
	return nil
}

// complete makes sure that a new study has all it needs, and reads the points
// to try of a continuation that leaves the parameters out.
func (f *askFlags) complete(ctx context.Context, at *site, p *plan) error {
	stored, err := at.reader.Study(ctx, p.spec.Project, p.spec.Name)
	if err == nil && p.space == nil {
		if p.space, err = space.Parse(stored.Spec.Space); err == nil {
			err = p.tryPoints(f.points())
		}
	}
	if types.CodeOf(err) != types.NotFound {
		return err
	}
	switch {
	case p.space == nil && len(p.spec.Objectives) == 0:
		return types.Errorf(types.NotFound, "there is no study %q to continue", p.spec.Name).
			WithRemedy("a new one needs parameters and a metric, such as -p lr=1e-5..1e-1:log --min loss; tuner ls lists those that there are")
	case p.space == nil:
		return usagef("there are no parameters").WithRemedy("add some, such as -p lr=1e-5..1e-1:log -p layers=1..8")
	case len(p.spec.Objectives) == 0:
		return usagef("there is no metric").WithRemedy("add --min loss or --max accuracy")
	}
	return nil
}
