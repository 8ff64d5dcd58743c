package tuner_test

import (
	"context"
	"fmt"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/trial/local"
)

// A study in memory with a conditional parameter.
func ExampleStudy_Run() {
	ctx := context.Background()
	var space tuner.Space
	x := tuner.Range(&space, "x", -2.0, 2.0)
	shape := tuner.Choice(&space, "shape", "bowl", "line")
	lift := tuner.Range(&space, "lift", 1, 3, tuner.When(shape.Is("line")))

	client, err := local.Client(ctx, local.Memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	study, err := client.Study(ctx, tuner.Config{Name: "example", Space: &space, Seed: 1, Trials: 80,
		Objectives: []tuner.Objective{tuner.Minimize("y")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = study.Run(ctx, func(_ context.Context, t *tuner.Trial) (float64, error) {
		if up, ok := lift.Lookup(t); ok {
			return x.Of(t) + 2 + float64(up), nil
		}
		return x.Of(t) * x.Of(t), nil
	}, tuner.RunOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	best, err := study.Best(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	kind, _ := best.Params.Get("shape")
	fmt.Printf("%s, y below 0.01: %v\n", kind, best.Value < 0.01)
	// Output: bowl, y below 0.01: true
}

// A loop that asks for trials and tells their results.
func ExampleStudy_Trials() {
	ctx := context.Background()
	var space tuner.Space
	n := tuner.Range(&space, "n", 1, 4)

	client, err := local.Client(ctx, local.Memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	study, err := client.Study(ctx, tuner.Config{Name: "loop", Space: &space, Seed: 1, Algorithm: "grid",
		Objectives: []tuner.Objective{tuner.Maximize("score")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for t, err := range study.Trials(ctx) { // the grid has an end
		if err != nil {
			fmt.Println(err)
			return
		}
		if n.Of(t) == 4 {
			err = t.Infeasible(ctx, "too many")
		} else {
			err = t.Tell(ctx, float64(n.Of(t)*n.Of(t)))
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n.Of(t), t.State())
	}
	// Output:
	// 1 completed
	// 2 completed
	// 3 completed
	// 4 infeasible
}

// Parameters that are named while the program runs.
func ExampleTrial_Float() {
	ctx := context.Background()
	client, err := local.Client(ctx, local.Memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	study, err := client.Study(ctx, tuner.Config{Name: "open", Seed: 1, Trials: 60,
		Objectives: []tuner.Objective{tuner.Minimize("y")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = study.Run(ctx, func(_ context.Context, t *tuner.Trial) (float64, error) {
		x := t.Float("x", -2, 2)
		if t.Choice("shape", "bowl", "line") == "line" {
			return x + 2 + float64(t.Int("lift", 1, 3)), nil
		}
		return x * x, nil
	}, tuner.RunOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	best, err := study.Best(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	shape, _ := best.Params.Get("shape")
	_, lift := best.Params.Get("lift")
	fmt.Printf("%s, lift: %v, y below 0.05: %v\n", shape, lift, best.Value < 0.05)
	// Output: bowl, lift: false, y below 0.05: true
}

// A program that tuner sweep starts for each trial.
func ExampleCurrent() {
	ctx := context.Background()
	t, err := tuner.Current(ctx)
	if err != nil { // in this test nobody has started it
		fmt.Println(err)
		return
	}
	rate := t.Float("rate", 0.001, 1, tuner.Log())
	x := 4.0
	for step := int64(0); step < 20 && !t.ShouldStop(); step++ {
		x -= rate * 2 * x
		if err := t.Report(ctx, step, x*x); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output: tuner did not start this process: TUNER_TRIAL or TUNER_PARAMS_FILE is not set; run it as in: tuner sweep --min loss -p lr=1e-5..1e-1:log -n 30 -- PROGRAM
}
