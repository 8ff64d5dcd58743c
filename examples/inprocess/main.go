// Command inprocess tunes a Go function: a conditional space, reports that let
// hopeless trials end early, and a database that the next run continues.
//
//	go run ./examples/inprocess            # 60 trials, four at a time
//	go run ./examples/inprocess -trials 90 # 30 more of the same study
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/trial/local"
)

func main() {
	trials := flag.Int64("trials", 60, "trials of the study, over all runs")
	db := flag.String("db", "inprocess.db", "database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *db, *trials)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, db string, trials int64) (err error) {
	var space tuner.Space
	lr := tuner.Range(&space, "lr", 1e-4, 1.0, tuner.Log())
	method := tuner.Choice(&space, "method", "plain", "momentum")
	beta := tuner.Range(&space, "beta", 0.0, 0.99, tuner.When(method.Is("momentum")))

	client, err := local.Client(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	study, err := client.Study(ctx, tuner.Config{Name: "descent", Space: &space, Trials: trials, Stopper: "median",
		Objectives: []tuner.Objective{tuner.Minimize("height")}})
	if err != nil {
		return err
	}
	err = study.Run(ctx, func(ctx context.Context, t *tuner.Trial) (float64, error) {
		b, _ := beta.Lookup(t) // 0 where plain
		return descend(ctx, t, lr.Of(t), b)
	}, tuner.RunOptions{Workers: 4})
	if err != nil {
		return err
	}
	best, err := study.Best(ctx)
	if err != nil {
		return err
	}
	info, err := study.Info(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d trials, %d of them pruned\n", info.Counts.Spent(), info.Counts.Pruned)
	fmt.Printf("best: height %.3g in trial %d with", best.Value, best.Number)
	for _, p := range best.Params {
		fmt.Printf(" %s=%v", p.Name, p.Value)
	}
	fmt.Println()
	return nil
}

// descend walks down Rosenbrock's valley (1960) for 200 steps and reports the
// height every tenth.
func descend(ctx context.Context, t *tuner.Trial, lr, beta float64) (float64, error) {
	x, y, vx, vy := -1.2, 1.0, 0.0, 0.0
	height := func() float64 { return (1-x)*(1-x) + 100*(y-x*x)*(y-x*x) }
	for step := range int64(200) {
		gx, gy := -2*(1-x)-400*x*(y-x*x), 200*(y-x*x)
		norm := math.Max(1, math.Hypot(gx, gy)) // clipped, so that it cannot fly away
		vx, vy = beta*vx-lr*gx/norm, beta*vy-lr*gy/norm
		x, y = x+vx, y+vy
		if step%10 != 9 {
			continue
		}
		if err := t.Report(ctx, step, height()); err != nil {
			return 0, err
		}
		if t.ShouldStop() {
			return 0, tuner.ErrPruned
		}
	}
	return height(), nil
}
