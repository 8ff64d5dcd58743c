package report

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// command is benchreport, which is a program of its own: the fonts and plots of
// its pictures would be a sixth of tuner's size.
type command struct {
	in, out, latency, measure string
	cfg                       Config
}

const (
	measureRecommended = "recommended"
	measureBest        = "best"
)

const about = `Writes report.md with SVG pictures: regret over trials, geometric means and their
ratios to a baseline with limits, ranks, wins and losses by tests, the time of a
suggestion, and each problem. It says what was compared and what was left out.
The same results make the same report.

Results are those of tuner bench run, times by the number of trials those of
tuner bench latency.

  go run ./benchmarks/benchreport --in benchmarks/results/dev --baseline optuna-tpe

benchreport curves draws the learning curves of a study; benchreport curves --help
tells how.

`

// Main is the program benchreport with these arguments; it returns its exit code:
// 0 done, 1 a fault, 2 wrong arguments or results that cannot be compared.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "curves" {
		c, err := parseCurves(args[1:], stderr)
		return conclude(c, err, stdout, stderr)
	}
	c, err := parse(args, stderr)
	return conclude(c, err, stdout, stderr)
}

// conclude runs what was parsed and returns the exit code.
func conclude(c interface{ run(stdout io.Writer) error }, err error, stdout, stderr io.Writer) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = c.run(stdout)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "benchreport: "+sentence(err))
	if code := types.CodeOf(err); code == types.Invalid || code == types.NotFound {
		return 2
	}
	return 1
}

func parse(args []string, stderr io.Writer) (*command, error) {
	c := &command{}
	fs := flag.NewFlagSet("benchreport", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.in, "in", filepath.Join("benchmarks", "results", "quick"), "`folder` of results")
	fs.StringVar(&c.out, "out", "", "`folder` of the report (default report in the folder of results)")
	fs.StringVar(&c.latency, "latency", "", "`folder` with "+runner.LatencyFile+" (default that of the results, or latency beside it)")
	fs.StringVar(&c.cfg.Baseline, "baseline", "", "`contender` that the others are compared with (default "+DefaultBaseline+" if it has runs, else the first)")
	fs.StringVar(&c.cfg.Title, "title", "", "`heading` of the report")
	fs.Func("at", "`numbers` of trials to give regret at (default 25,50,100,200,500,1000 as far as runs go)", c.setAt)
	fs.IntVar(&c.cfg.Workers, "workers", 0, "compare the runs with this `number` of workers (default that of most runs)")
	fs.StringVar(&c.measure, "measure", measureRecommended, "judge a run by the trial it recommends, or by the best of all: recommended or best")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		fs.SetOutput(stderr)
		fmt.Fprint(stderr, about)
		fs.PrintDefaults()
		return nil, err
	} else if err != nil {
		return nil, types.Errorf(types.Invalid, "%v", err).WithRemedy("benchreport --help lists the flags")
	}
	switch {
	case fs.NArg() > 0:
		return nil, types.Errorf(types.Invalid, "%q is no flag", fs.Arg(0)).WithRemedy("benchreport --help lists the flags")
	case c.measure == measureBest:
		c.cfg.Measure = BestSeen
	case c.measure != measureRecommended:
		return nil, types.Errorf(types.Invalid, "%q is none of its values", c.measure).WithField("--measure").WithRemedy("use recommended or best")
	}
	if c.cfg.Workers < 0 {
		return nil, types.Errorf(types.Invalid, "%d is no number of workers", c.cfg.Workers).WithField("--workers").WithRemedy("give a number from 1, or leave it out")
	}
	return c, nil
}

func (c *command) setAt(list string) error {
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of trials from 1", word) //nolint:err113 // package flag puts it into its own
		}
		c.cfg.At = append(c.cfg.At, n)
	}
	return nil
}

func (c *command) run(stdout io.Writer) error {
	if c.out == "" {
		c.out = filepath.Join(c.in, "report")
	}
	results, err := runner.ReadResults(c.in)
	if err != nil {
		return at("--in", err)
	}
	latencies, err := c.latencies()
	if err != nil {
		return err
	}
	made, err := Build(results, latencies, c.cfg)
	if types.CodeOf(err) == types.NotFound {
		return at("--baseline", err)
	}
	if err != nil {
		return err
	}
	if err := made.Write(c.out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s, with %d pictures\n", filepath.Join(c.out, FileName), len(made.Pictures))
	return err
}

// latencies are those of the folder that is named, else of the first that has
// any.
func (c *command) latencies() ([]runner.Latency, error) {
	dirs := []string{c.in, filepath.Join(filepath.Dir(c.in), "latency")}
	if c.latency != "" {
		dirs = []string{c.latency}
	}
	for _, dir := range dirs {
		rows, err := runner.ReadLatencies(dir)
		if err != nil || len(rows) > 0 {
			return rows, err
		}
	}
	if c.latency != "" {
		return nil, types.Errorf(types.Invalid, "there is no %s in %s", runner.LatencyFile, c.latency).WithField("--latency").
			WithRemedy("make it by tuner bench latency --out %s", c.latency)
	}
	return nil, nil
}

// at names the flag that an error in the results is about.
func at(flag string, err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok || e.Code != types.Invalid && e.Code != types.NotFound {
		return err
	}
	named := *e
	named.Field = flag
	return &named
}

func sentence(err error) string {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err.Error()
	}
	text := e.Message
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Remedy != "" {
		text += "\n  " + e.Remedy
	}
	return text
}
