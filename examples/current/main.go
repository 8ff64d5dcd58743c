// Command current is a program that tuner starts once for each trial: it takes
// its parameters from the trial that it is, saves its state, and ends early when
// it is asked to.
//
//	go build -o train ./examples/current
//	tuner sweep --min loss -p rate=0.001..1.0:log -p steps=10..50 -n 20 --stopper median -- ./train
package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"

	tuner "github.com/gotuner/tuner"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	t, err := tuner.Current(ctx)
	if err != nil {
		return err
	}
	rate, steps := t.Float("rate", 0.001, 1, tuner.Log()), t.Int("steps", 1, 50)
	if err := t.Err(); err != nil {
		return err
	}
	x, first := 4.0, 0
	if dir := t.ResumeFrom(); dir != "" { // an earlier attempt was lost
		if x, first, err = load(dir); err != nil {
			return err
		}
	}
	for step := first; step < steps && !t.ShouldStop(); step++ {
		x -= rate * 2 * x // the gradient of x²
		if err := t.Report(ctx, int64(step), x*x); err != nil {
			return err
		}
		if err := save(t.CheckpointDir(), x, step+1); err != nil {
			return err
		}
	}
	if math.Abs(x) > 1e6 {
		return t.Infeasible(ctx, "it diverged")
	}
	return nil
}

const state = "state.txt"

// save replaces the state by a rename, so that it is whole whenever the process
// ends.
func save(dir string, x float64, step int) error {
	tmp := filepath.Join(dir, state+".new")
	if err := os.WriteFile(tmp, []byte(fmt.Sprintln(strconv.FormatFloat(x, 'g', -1, 64), step)), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, state))
}

func load(dir string) (x float64, step int, err error) {
	b, err := os.ReadFile(filepath.Join(dir, state))
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscan(string(b), &x, &step)
	return x, step, err
}
