// Command asktell evaluates trials in a loop of its own, in a database, or on a
// server if TUNER_URL and TUNER_TOKEN_FILE name one.
//
//	go run ./examples/asktell
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/trial/local"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// open is the same client either way.
func open(ctx context.Context) (*tuner.Client, error) {
	url, file := os.Getenv("TUNER_URL"), os.Getenv("TUNER_TOKEN_FILE")
	if url == "" {
		return local.Client(ctx, local.Memory)
	}
	token, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return client.Connect(ctx, client.Config{URL: url, Pin: os.Getenv("TUNER_PIN"), Token: strings.TrimSpace(string(token))})
}

func run(ctx context.Context) error {
	c, err := open(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // what was told is stored

	var space tuner.Space
	rate := tuner.Range(&space, "rate", 0.001, 2.0, tuner.Log())
	study, err := c.Study(ctx, tuner.Config{Name: "descent", Space: &space, Seed: 1, Trials: 30, Stopper: "median",
		Objectives: []tuner.Objective{tuner.Minimize("loss")}})
	if err != nil {
		return err
	}
	for t, err := range study.Trials(ctx) {
		if err != nil {
			return err
		}
		if err := descend(t, rate.Of(t)); err != nil {
			return err
		}
		fmt.Printf("%v: rate %.3g is %s\n", t, rate.Of(t), t.State())
	}
	best, err := study.Best(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("the best loss is %.3g, at %v\n", best.Value, best.Params)
	return nil
}

// descend evaluates one trial and says how it ended.
func descend(t *tuner.Trial, rate float64) error {
	ctx := t.Context() // done when the trial is to stop
	x := 4.0
	for step := range 20 {
		x -= rate * 2 * x
		if err := t.Report(ctx, int64(step), x*x); err != nil && ctx.Err() == nil {
			return err
		}
		if t.ShouldStop() {
			return t.Prune(context.WithoutCancel(ctx))
		}
	}
	if x*x > 1e6 {
		return t.Infeasible(ctx, "it diverged")
	}
	return t.Tell(ctx, x*x)
}
