// Command definebyrun names its parameters while it runs: what is searched is
// what the program asks for.
//
//	go run ./examples/definebyrun
package main

import (
	"context"
	"fmt"
	"os"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/trial/local"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c, err := local.Client(ctx, local.Memory)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // what was told is stored
	study, err := c.Study(ctx, tuner.Config{Name: "network", Seed: 1, Trials: 60,
		Objectives: []tuner.Objective{tuner.Minimize("loss")}})
	if err != nil {
		return err
	}
	if err := study.Run(ctx, objective, tuner.RunOptions{Workers: 4}); err != nil {
		return err
	}
	best, err := study.Best(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("trial %d has the best loss, %.3g:\n", best.Number, best.Value)
	for _, p := range best.Params {
		fmt.Printf("  %s = %v\n", p.Name, p.Value)
	}
	return nil
}

// objective stands for a network with layers of their own widths.
func objective(_ context.Context, t *tuner.Trial) (float64, error) {
	loss := 1.0
	for i := range t.Int("layers", 1, 3) {
		width := t.Int(fmt.Sprintf("width%d", i), 4, 128, tuner.Log())
		loss /= 1 + float64(width)/64
		loss += 0.001 * float64(width)
	}
	if t.Choice("optimizer", "adam", "sgd") == "sgd" {
		m := t.Float("momentum", 0, 0.99)
		loss += (m - 0.9) * (m - 0.9)
	}
	rate := t.Float("rate", 1e-5, 1e-1, tuner.Log())
	return loss + 10*(rate-0.01)*(rate-0.01), nil
}
