package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/problems"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// benchRun is tuner bench run.
type benchRun struct {
	benchChoice
	contenders string
	trials     int
	seeds      string
	workers    int
	jobs       int
	out        string
	fresh      bool
	timeout    time.Duration
	asJSON     bool
}

func benchRunCommand(st *State) *cobra.Command {
	b := &benchRun{benchChoice: benchChoice{st: st}}
	c := &cobra.Command{
		Use:   "run",
		Short: "Run contenders on problems and store the results",
		Long: `Runs each contender on each problem with each seed, under the same conditions:
the same instance, the same noise, the same durations of trials. Results are CSV
files, one a contender, that grow by a row a run; the same command goes on where
it stopped (Ctrl-C is fine), and makes no run twice unless --fresh.

Contenders are algorithms as tuner sweep takes them (tpe, tpe:above_cap=0), other
tuners (optuna-tpe; benchmarks/peers/install.sh installs them), or the words own,
peers and all. What cannot take a problem is noted and not tried again; what
breaks off is noted and tried again by the next call.

With -j above 1 the times of suggestions are those of a busy machine, and
allocations are not counted.`,
		Example: `  tuner bench run --contenders tpe,random
  tuner bench run --contenders tpe,tpe:above_cap=0 --groups bbob5 --trials 200 --seeds 20 -j 2
  tuner bench run --tier dev --contenders all --data ~/bench-data --seeds 1..5`,
		Args: wantArgs(0, 0, "bench run [flags]"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := emptyFlag(c.Flags()); err != nil {
				return err
			}
			if fs := c.Flags(); fs.Changed("trials") && b.trials == 0 { // the default, if it is not typed
				return usagef("0 is too few").WithField("--trials").WithRemedy("give a number from 1")
			} else if fs.Changed("timeout") && b.timeout <= 0 {
				return notPositive("--timeout", b.timeout)
			}
			return b.run(c.Context())
		},
	}
	fs := c.Flags()
	b.register(c)
	fs.StringVar(&b.contenders, "contenders", ownContenders, "what to run, such as tpe,cmaes,optuna-tpe, or own, peers, all")
	fs.IntVar(&b.trials, "trials", 0, "trials of each run (default 100, in dev and full 200)")
	fs.StringVar(&b.seeds, "seeds", "", "how many or which: 10, 3..7 or 1,5,9 (default 10, in dev and full 20)")
	fs.IntVar(&b.workers, "workers", 1, "trials that run at the same time, simulated")
	fs.IntVarP(&b.jobs, "jobs", "j", 1, "runs at the same time")
	fs.StringVar(&b.out, "out", "", "folder of the results (default benchmarks/results/ and the tier)")
	fs.BoolVar(&b.fresh, "fresh", false, "make runs again that are stored")
	fs.DurationVar(&b.timeout, "timeout", 0, "break off a run that takes longer (default: none does)")
	fs.BoolVar(&b.asJSON, "json", false, "print the summary as JSON")
	return c
}

func notPositive(flag string, d time.Duration) error {
	return usagef("%v is no time to run for", d).WithField(flag).WithRemedy("write a positive one, as in 90s, 30m or 1h30m")
}

type benchDefaults struct {
	trials int
	seeds  string
}

func tierDefaults(tier string) benchDefaults {
	if tier == "dev" || tier == allProblems {
		return benchDefaults{200, "20"}
	}
	return benchDefaults{100, "10"}
}

// plan is what the flags say.
func (b *benchRun) plan() (*runner.Set, []problems.Skipped, error) {
	_, name := b.set()
	d := tierDefaults(name)
	if b.seeds != "" {
		d.seeds = b.seeds
	}
	if b.trials != 0 {
		d.trials = b.trials
	}
	for _, f := range []struct {
		flag  string
		value int
	}{{"--trials", d.trials}, {"--workers", b.workers}, {"--jobs (-j)", b.jobs}} {
		if f.value < 1 {
			return nil, nil, usagef("%d is too few", f.value).WithField(f.flag).WithRemedy("give a number from 1")
		}
	}
	seeds, err := parseSeeds(d.seeds)
	if err != nil {
		return nil, nil, err
	}
	chosen, skipped, err := b.choose()
	if err != nil {
		return nil, nil, err
	}
	list, err := contenders(b.st, b.contenders)
	if err != nil {
		return nil, nil, err
	}
	return &runner.Set{
		Contenders: list, Problems: chosen, Seeds: seeds, Budget: d.trials, Workers: b.workers, Timeout: b.timeout,
		Parallel: b.jobs, Dir: b.dir(name), Fresh: b.fresh,
	}, skipped, nil
}

func (b *benchRun) dir(set string) string {
	if b.out != "" {
		return b.st.path(b.out)
	}
	return b.st.path(filepath.Join("benchmarks", "results", set))
}

func (b *benchRun) run(ctx context.Context) error {
	set, skipped, err := b.plan()
	if err != nil {
		return err
	}
	b.saySkipped(skipped)
	ctx, stop := b.st.interruptible(ctx)
	defer stop()
	progress := &benchProgress{st: b.st}
	set.Progress = progress.show
	out, err := set.Run(ctx)
	progress.end()
	for _, a := range out.Absent {
		fmt.Fprintf(b.st.Stderr, "%s is left out: %v\n", a.Contender, a.Reason)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return &exitError{exitInterrupted, fmt.Sprintf("interrupted after %s; the same command goes on from there", plural(int64(out.Made), "run"))}
	}
	if err != nil {
		return err
	}
	if len(out.Absent) == len(set.Contenders) {
		return types.Errorf(types.Unsupported, "none of the contenders can run here").WithField("--contenders").
			WithRemedy("tuner bench list contenders says why")
	}
	return b.summary(set, &out)
}

// interruptible is cancelled by the first signal; the second one kills.
func (s *State) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	ignore := s.Notify(signals, stopSignals...)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			cancel()
		case <-done:
		}
		ignore()
	}()
	return ctx, func() { close(done); <-ended; cancel() }
}

// saySkipped says in one line a reason what will not be run.
func (b *benchRun) saySkipped(skipped []problems.Skipped) {
	var reasons []string
	count := map[string]int64{}
	for _, s := range skipped {
		if count[s.Reason] == 0 {
			reasons = append(reasons, s.Reason)
		}
		count[s.Reason]++
	}
	for _, r := range reasons {
		fmt.Fprintf(b.st.Stderr, "%s skipped: %s\n", plural(count[r], "problem"), r)
	}
}

// summary prints the means and what comes next.
func (b *benchRun) summary(set *runner.Set, out *runner.Outcome) error {
	cells := runner.Summarize(out.Results)
	failed := int64(0)
	for _, r := range out.Failures() {
		if r.Status == runner.Failed {
			failed++
		}
	}
	err := b.st.printing(func(w *bufio.Writer) error {
		if b.asJSON {
			return writeJSON(w, benchSummaryJSON(set, out, cells))
		}
		fmt.Fprintf(w, "geometric mean of the normalised regret at %s (0.001: the optimum, 1: the median)\n\n", plural(int64(set.Budget), "trial"))
		tableFit(w, benchTable(cells), terminalWidth(b.st.Stdout), b.st.outStyle())
		b.without(w, out)
		fmt.Fprintf(w, "\n%s in %s (%d new)\nfrom the source, go run ./benchmarks/benchreport --in %s makes tables and pictures\n", plural(int64(len(out.Results)), "run"), set.Dir, out.Made, set.Dir)
		return nil
	})
	if err == nil && failed > 0 {
		return &exitError{exitFailures, plural(failed, "run") + " broke off; the same command tries again"}
	}
	return err
}

// benchTable has a line for each contender, the best first.
func benchTable(cells []runner.Cell) [][]string {
	var groups []string
	lines := map[string][]string{}
	total := map[string]float64{}
	var names []string
	for _, c := range cells {
		if !slices.Contains(groups, c.Group) {
			groups = append(groups, c.Group)
		}
		if lines[c.Contender] == nil {
			names = append(names, c.Contender)
			lines[c.Contender] = []string{c.Contender}
		}
		text := "-"
		if c.Runs > 0 {
			text = strconv.FormatFloat(c.Regret, 'f', 4, 64)
		}
		if c.Missing > 0 && c.Runs > 0 {
			text += "*"
		}
		lines[c.Contender] = append(lines[c.Contender], text)
		total[c.Contender] = c.Regret
	}
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case total[a] < total[b] || total[a] == total[a] && total[b] != total[b]:
			return -1
		case total[a] > total[b] || total[b] == total[b] && total[a] != total[a]:
			return 1
		}
		return 0
	})
	rows := [][]string{append([]string{"contender"}, groups...)}
	for _, n := range names {
		rows = append(rows, lines[n])
	}
	return rows
}

// without lists what has no numbers, a line for each contender and reason.
func (b *benchRun) without(w *bufio.Writer, out *runner.Outcome) {
	type reason struct{ contender, note string }
	var order []reason
	where := map[reason][]string{}
	for _, r := range out.Failures() {
		k := reason{r.Contender, r.Note}
		if where[k] == nil {
			order = append(order, k)
		}
		if !slices.Contains(where[k], r.Problem) {
			where[k] = append(where[k], r.Problem)
		}
	}
	if len(order) == 0 {
		return
	}
	fmt.Fprintln(w, "\n*, -: some or all runs have no numbers; the means are not over the same runs")
	const most = 12
	for i, k := range order {
		if i == most {
			fmt.Fprintf(w, "  and %d more\n", len(order)-most)
			break
		}
		places := where[k]
		if len(places) > 3 {
			places = append(slices.Clone(places[:3]), fmt.Sprintf("and %d more", len(places)-3))
		}
		fmt.Fprintf(w, "  %s on %s: %s\n", k.contender, strings.Join(places, ", "), printable(k.note))
	}
}

func benchSummaryJSON(set *runner.Set, out *runner.Outcome, cells []runner.Cell) any {
	type cell struct {
		Contender string      `json:"contender"`
		Group     string      `json:"group"`
		Regret    types.Float `json:"regret"`
		Runs      int         `json:"runs"`
		Missing   int         `json:"missing"`
	}
	v := struct {
		Dir    string `json:"dir"`
		Trials int    `json:"trials"`
		Made   int    `json:"made"`
		Stored int    `json:"stored"`
		Means  []cell `json:"means"`
	}{Dir: set.Dir, Trials: set.Budget, Made: out.Made, Stored: out.Stored, Means: []cell{}}
	for _, c := range cells {
		v.Means = append(v.Means, cell{c.Contender, c.Group, types.Float(c.Regret), c.Runs, c.Missing})
	}
	return v
}
