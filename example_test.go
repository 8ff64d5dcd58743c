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
