// Command savings measures what early stopping saves of real sweeps: the same
// sweep without and with stoppers, one after the other, over some seeds.
//
//	make build
//	go run ./benchmarks/savings                 # the digits example, some 20 minutes
//	go run ./benchmarks/savings -arms none=30,asha=60 -seeds 3
//	go run ./benchmarks/savings -file my.jsonl -- --min loss -p lr=1e-4..1:log -- python train.py {args}
//
// A run that is in the file of results is not made again; the table is of all that
// are there. What follows -- is what follows tuner sweep; -n, -j, --seed and
// --stopper are added.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// digits is the sweep of the README.
var digits = []string{
	"--min", "error", "-p", "lr=1e-3..1.0:log", "-p", "hidden=8..64:log", "-p", "batch=16,32,64", "-p", "act=relu,tanh",
	"--", "bin/digits", "--epochs", "40", "{args}",
}

// arm is a stopper and how many trials its sweeps have.
type arm struct {
	stopper string
	trials  int64
}

type config struct {
	tuner, file string
	arms        []arm
	first       int64
	seeds       int64
	jobs        int64
	test        string
	sweep       []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "savings:", err)
		os.Exit(1)
	}
}

func parse(args []string) (config, error) {
	var c config
	var arms string
	fs := flag.NewFlagSet("savings", flag.ContinueOnError)
	fs.StringVar(&c.tuner, "tuner", filepath.Join("bin", "tuner"), "the `program` tuner")
	fs.StringVar(&c.file, "file", filepath.Join("benchmarks", "results", "savings", "digits.jsonl"), "`file` of results, one a line")
	fs.StringVar(&arms, "arms", "none=30,median=36,hyperband=36,asha=36", "`list` of stoppers, each with its number of trials")
	fs.Int64Var(&c.first, "first", 1, "first `seed`")
	fs.Int64Var(&c.seeds, "seeds", 5, "`number` of seeds")
	fs.Int64Var(&c.jobs, "j", 2, "`number` of trials at once")
	fs.StringVar(&c.test, "test", "test_error", "`metric` that a trial prints at its end, which nothing is tuned to")
	if err := fs.Parse(args); err != nil {
		return c, err
	}
	for text := range strings.SplitSeq(arms, ",") {
		at := max(strings.LastIndex(text, "="), 0) // settings have the sign too
		stopper, n := text[:at], strings.TrimPrefix(text[at:], "=")
		trials, err := strconv.ParseInt(n, 10, 64)
		if err != nil || trials < 1 {
			return c, fmt.Errorf("-arms: %q is not STOPPER=TRIALS, as in asha=60", text)
		}
		c.arms = append(c.arms, arm{stopper, trials})
	}
	if c.sweep = fs.Args(); len(c.sweep) == 0 {
		c.sweep = digits
	}
	return c, nil
}

// measure makes the runs that are missing and prints the table.
func measure(ctx context.Context, args []string, out io.Writer) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	runs, err := readRuns(c.file)
	if err != nil {
		return err
	}
	for seed := c.first; seed < c.first+c.seeds; seed++ {
		for i := range c.arms {
			a := c.arms[(i+int(seed))%len(c.arms)] // in turn, so that none is always the first
			if find(runs, seed, a) != nil {
				continue
			}
			r, err := c.run(ctx, seed, a)
			if err != nil {
				return fmt.Errorf("seed %d, stopper %s: %w", seed, a.stopper, err)
			}
			fmt.Fprintf(os.Stderr, "seed %d, %s: %.0f s, %.0f s of CPU, %d epochs, best %g\n", seed, a.stopper, r.Seconds, r.CPU, r.Steps, r.Best)
			if err := appendRun(c.file, r); err != nil {
				return err
			}
			runs = append(runs, *r)
		}
	}
	return table(out, runs, c)
}

// run makes one sweep in a database of its own.
func (c *config) run(ctx context.Context, seed int64, a arm) (*run, error) {
	dir, err := os.MkdirTemp("", "savings")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is the system's folder of such things
	db := filepath.Join(dir, "tuner.db")
	args := append([]string{
		"sweep", "-q", "--db", db, "--name", "savings", "--seed", strconv.FormatInt(seed, 10), "--stopper", a.stopper,
		"-n", strconv.FormatInt(a.trials, 10), "-j", strconv.FormatInt(c.jobs, 10),
	}, c.sweep...)
	cmd := exec.CommandContext(ctx, c.tuner, args...) //nolint:gosec // the caller's own command is what it runs
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, said.String())
	}
	r, err := read(ctx, db, c.test, c.arms)
	if err != nil {
		return nil, err
	}
	r.Seconds, r.Seed, r.Stopper, r.Budget, r.Jobs = time.Since(start).Seconds(), seed, a.stopper, a.trials, c.jobs
	return r, nil
}
