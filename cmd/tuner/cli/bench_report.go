package cli

import (
	"bufio"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/report"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// benchReport is tuner bench report.
type benchReport struct {
	st      *State
	in, out string
	latency string
	measure string
	cfg     report.Config
}

const (
	measureRecommended = "recommended"
	measureBest        = "best"
)

func benchReportCommand(st *State) *cobra.Command {
	b := &benchReport{st: st}
	c := &cobra.Command{
		Use:   "report",
		Short: "Write a report with pictures from stored results",
		Long: `Writes report.md with SVG pictures: regret over trials, geometric means and their
ratios to a baseline with limits, ranks, wins and losses by tests, the time of a
suggestion, and each problem. It says what was compared and what was left out.
The same results make the same report.

Results are those of tuner bench run, times by the number of trials those of
tuner bench latency.`,
		Example: "  tuner bench report --in benchmarks/results/dev --baseline optuna-tpe",
		Args:    wantArgs(0, 0, "bench report [flags]"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := emptyFlag(c.Flags()); err != nil {
				return err
			}
			return b.run()
		},
	}
	fs := c.Flags()
	fs.StringVar(&b.in, "in", "", "folder of results (default benchmarks/results/quick)")
	fs.StringVar(&b.out, "out", "", "folder of the report (default report in the folder of results)")
	fs.StringVar(&b.latency, "latency", "", "folder with "+runner.LatencyFile+" (default that of the results, or latency beside it)")
	fs.StringVar(&b.cfg.Baseline, "baseline", "", "contender that the others are compared with (default "+report.DefaultBaseline+" if it has runs, else the first)")
	fs.StringVar(&b.cfg.Title, "title", "", "heading of the report")
	fs.IntSliceVar(&b.cfg.At, "at", nil, "numbers of trials to give regret at (default 25,50,100,200,500,1000 as far as runs go)")
	fs.IntVar(&b.cfg.Workers, "workers", 0, "compare the runs with this number of workers (default that of most runs)")
	fs.StringVar(&b.measure, "measure", measureRecommended, "judge a run by the trial it recommends, or by the best of all: recommended or best")
	return c
}

func (b *benchReport) run() error {
	if err := oneOf("measure", b.measure, measureRecommended, measureBest); err != nil {
		return err
	}
	for _, t := range b.cfg.At {
		if t < 1 {
			return usagef("%d is no number of trials", t).WithField("--at").WithRemedy("give numbers from 1")
		}
	}
	if b.cfg.Workers < 0 {
		return usagef("%d is no number of workers", b.cfg.Workers).WithField("--workers").WithRemedy("give a number from 1, or leave it out")
	}
	if b.measure == measureBest {
		b.cfg.Measure = report.BestSeen
	}
	in := b.st.path(filepath.Join("benchmarks", "results", "quick"))
	if b.in != "" {
		in = b.st.path(b.in)
	}
	out := filepath.Join(in, "report")
	if b.out != "" {
		out = b.st.path(b.out)
	}
	results, err := runner.ReadResults(in)
	if err != nil {
		return inField(err, "--in")
	}
	latencies, err := b.latencies(in)
	if err != nil {
		return err
	}
	made, err := report.Build(results, latencies, b.cfg)
	if types.CodeOf(err) == types.NotFound {
		return inField(err, "--baseline")
	}
	if err != nil {
		return err
	}
	if err := made.Write(out); err != nil {
		return err
	}
	return b.st.printing(func(w *bufio.Writer) error {
		fmt.Fprintf(w, "%s, with %s\n", filepath.Join(out, report.FileName), plural(int64(len(made.Pictures)), "picture"))
		return nil
	})
}

// latencies are those of the folder that is named, else of the first that has
// any.
func (b *benchReport) latencies(in string) ([]runner.Latency, error) {
	dirs := []string{in, filepath.Join(filepath.Dir(in), "latency")}
	if b.latency != "" {
		dirs = []string{b.st.path(b.latency)}
	}
	for _, dir := range dirs {
		rows, err := runner.ReadLatencies(dir)
		if err != nil || len(rows) > 0 {
			return rows, err
		}
	}
	if b.latency != "" {
		return nil, usagef("there is no %s in %s", runner.LatencyFile, dirs[0]).WithField("--latency").
			WithRemedy("make it by tuner bench latency --out %s", dirs[0])
	}
	return nil, nil
}
