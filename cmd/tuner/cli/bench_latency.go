package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
)

// benchLatency is tuner bench latency.
type benchLatency struct {
	st         *State
	contenders string
	at         []int
	params     int
	asks       int
	seed       int64
	patience   time.Duration
	out        string
	asJSON     bool
}

func benchLatencyCommand(st *State) *cobra.Command {
	b := &benchLatency{st: st}
	c := &cobra.Command{
		Use:   "latency",
		Short: "Measure how the time of a suggestion grows with the trials",
		Long: `Gives each contender a history of finished trials and times its suggestions after
it, in turns, so that a busy machine is as busy for all. Times are the tuner's
own, without the way to it; ours include the observation of the trial before. A
tuner that takes no history is asked for it, for as long as --patience.

The parameters are numeric: of five three linear floats, a logarithmic one and an
integer.`,
		Example: "  tuner bench latency --contenders tpe,optuna-tpe --at 100,1000,10000",
		Args:    wantArgs(0, 0, "bench latency [flags]"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := emptyFlag(c.Flags()); err != nil {
				return err
			}
			if b.patience <= 0 {
				return notPositive("--patience", b.patience)
			}
			return b.run(c.Context())
		},
	}
	fs := c.Flags()
	fs.StringVar(&b.contenders, "contenders", "tpe", "what to measure, such as tpe,optuna-tpe, or own, peers, all")
	fs.IntSliceVar(&b.at, "at", []int{100, 1000, 10000}, "numbers of finished trials")
	fs.IntVar(&b.params, "params", 10, "number of parameters")
	fs.IntVar(&b.asks, "asks", 30, "suggestions to time at each")
	fs.Int64Var(&b.seed, "seed", 1, "seed of the history and of the contenders")
	fs.DurationVar(&b.patience, "patience", 10*time.Minute, "longest time to ask one contender for a history")
	fs.StringVar(&b.out, "out", "", "folder for "+runner.LatencyFile+" (default benchmarks/results/latency)")
	fs.BoolVar(&b.asJSON, "json", false, "print the table as JSON")
	return c
}

func (b *benchLatency) run(ctx context.Context) error {
	for _, f := range []struct {
		flag  string
		value int
	}{{"--params", b.params}, {"--asks", b.asks}, {"--at", slices.Min(append(slices.Clone(b.at), math.MaxInt))}} {
		if f.value < 1 {
			return usagef("%d is too few", f.value).WithField(f.flag).WithRemedy("give a number from 1")
		}
	}
	list, err := contenders(b.st, b.contenders)
	if err != nil {
		return err
	}
	dir := b.st.path(filepath.Join("benchmarks", "results", "latency"))
	if b.out != "" {
		dir = b.st.path(b.out)
	}
	ctx, stop := b.st.interruptible(ctx)
	defer stop()
	rows, err := runner.LatencyTest{
		Contenders: list, Sizes: b.at, Params: b.params, Asks: b.asks, Seed: b.seed, Patience: b.patience,
		Progress: func(what string) { fmt.Fprintln(b.st.Stderr, what) },
	}.Run(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return &exitError{exitInterrupted, "interrupted; figures of one run only are comparable, so nothing is stored"}
	}
	if err != nil {
		return inField(err, "--at")
	}
	if err := runner.WriteLatencies(dir, rows); err != nil {
		return err
	}
	return b.st.printing(func(w *bufio.Writer) error {
		if b.asJSON {
			return writeJSON(w, latencyJSON(rows))
		}
		tableFit(w, latencyTable(rows), terminalWidth(b.st.Stdout), b.st.outStyle())
		_, err := fmt.Fprintf(w, "\nin %s\n", filepath.Join(dir, runner.LatencyFile))
		return err
	})
}

// latencyTable compares the medians with the first contender's.
func latencyTable(rows []runner.Latency) [][]string {
	first := map[int]float64{}
	out := [][]string{{"trials", "contender", "p50", "p95", "p99", "CPU", "allocs", "times the first", "note"}}
	for _, r := range rows {
		cells := []string{strconv.Itoa(r.Trials), r.Contender}
		if r.Status != runner.Done {
			out = append(out, append(cells, "-", "-", "-", "-", "-", "-", r.Note))
			continue
		}
		if _, ok := first[r.Trials]; !ok {
			first[r.Trials] = r.P50
		}
		allocs := "-"
		if !math.IsNaN(r.Allocs) {
			allocs = strconv.FormatFloat(r.Allocs, 'f', 0, 64)
		}
		out = append(out, append(cells, microText(r.P50), microText(r.P95), microText(r.P99), microText(r.CPU), allocs,
			strconv.FormatFloat(r.P50/first[r.Trials], 'f', 1, 64), ""))
	}
	return out
}

// microText is seconds to three digits, in the unit that reads best.
func microText(seconds float64) string {
	switch {
	case seconds < 1e-3:
		return strconv.FormatFloat(seconds*1e6, 'g', 3, 64) + "µs"
	case seconds < 1:
		return strconv.FormatFloat(seconds*1e3, 'g', 3, 64) + "ms"
	}
	return strconv.FormatFloat(seconds, 'g', 3, 64) + "s"
}

func latencyJSON(rows []runner.Latency) any {
	type line struct {
		Contender string        `json:"contender"`
		Version   string        `json:"version"`
		Settings  string        `json:"settings,omitempty"`
		Params    int           `json:"params"`
		Trials    int           `json:"trials"`
		Asks      int           `json:"asks"`
		Status    runner.Status `json:"status"`
		Note      string        `json:"note,omitempty"`
		P50       types.Float   `json:"p50"`
		P95       types.Float   `json:"p95"`
		P99       types.Float   `json:"p99"`
		Mean      types.Float   `json:"mean"`
		CPU       types.Float   `json:"cpu"`
		Tell      types.Float   `json:"tell"`
		Allocs    types.Float   `json:"allocs"`
	}
	out := []line{}
	for _, r := range rows {
		out = append(out, line{
			r.Contender, r.Version, r.Settings, r.Params, r.Trials, r.Asks, r.Status, r.Note,
			types.Float(r.P50), types.Float(r.P95), types.Float(r.P99), types.Float(r.Mean), types.Float(r.CPU), types.Float(r.Tell), types.Float(r.Allocs),
		})
	}
	return out
}
