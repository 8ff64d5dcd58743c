package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/local"
)

const (
	millionTrials = 1_000_000
	fillWorkers   = 12
)

// fill makes the database of million and leaves it where it was told to.
func fill(ctx context.Context, b *bench, args []string) error {
	trials := b.flags.Int64("trials", millionTrials, "trials of the study")
	if err := b.flags.Parse(args); err != nil {
		return err
	}
	if b.flags.NArg() != 1 {
		return errors.New("name the file to make")
	}
	path, err := filepath.Abs(b.flags.Arg(0))
	if err != nil {
		return err
	}
	return fillDatabase(ctx, path, *trials)
}

// fillDatabase makes a study as an engine makes it, in this process: trials of a
// random search with ten reports each, a few of which are pruned or fail. Then
// its algorithm becomes tpe.
func fillDatabase(ctx context.Context, path string, trials int64) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	began := time.Now()
	l, err := local.Open(ctx, local.Config{DB: path, Dir: path + ".run"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	spec := types.StudySpec{Project: "default", Name: "load", Space: []byte(five), Seed: 1,
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"},
		Budget: types.Budget{Trials: 100 * trials}}
	st, err := l.Engine.OpenStudy(ctx, spec)
	if err != nil {
		return err
	}
	var given atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, fillWorkers)
	for i := range fillWorkers {
		all.Go(func() { errs <- fillLoop(ctx, l.Engine, st.ID, "w"+strconv.Itoa(i), &given, trials) })
	}
	all.Wait()
	for range fillWorkers {
		if err := <-errs; err != nil {
			return err
		}
	}
	if st, err = l.Engine.Study(ctx, st.ID); err != nil {
		return err
	}
	if n := st.Counts.Spent(); n != trials {
		return fmt.Errorf("%d trials are there, not %d", n, trials)
	}
	spec.Algorithm.Name = "tpe"
	if _, err := l.Engine.OpenStudy(ctx, spec); err != nil {
		return err
	}
	fmt.Printf("made %d trials with %d reports in %v\n", trials, trials*reportsATrial, time.Since(began).Round(time.Second))
	return nil
}

func fillLoop(ctx context.Context, e *engine.Engine, study int64, worker string, given *atomic.Int64, trials int64) error {
	for given.Add(1) <= trials {
		r, err := e.Lease(ctx, types.LeaseRequest{Study: study, Worker: worker, Executor: "load"})
		if err != nil {
			return err
		}
		for more := true; more; {
			if len(r.Leases) == 0 {
				return fmt.Errorf("no trial: %s", r.Reason)
			}
			req := filled(r.Leases[0])
			if more = given.Add(1) <= trials; more {
				req.Next = &types.LeaseRequest{Study: study, Worker: worker, Executor: "load"}
			}
			done, err := e.Finish(ctx, req)
			if err != nil {
				return err
			}
			if more {
				r = *done.Next
			}
		}
	}
	return nil
}

// filled is the end of a trial with its ten reports.
func filled(l types.Lease) types.FinishRequest {
	number := func(name string) float64 {
		switch v, _ := l.Params.Get(name); v := v.(type) {
		case float64:
			return v
		case int64:
			return float64(v)
		}
		return 0
	}
	lr := math.Log10(number("lr")) + 2.5
	v := lr*lr + number("drop") + math.Abs(number("units")-200)/400 + 0.1*number("depth")
	req := types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted}
	steps := reportsATrial
	switch {
	case l.Ref.Trial%100_000 == 11:
		req.Outcome, req.Reason = types.OutcomeInfeasible, "nothing to measure"
	case l.Ref.Trial%50 == 7:
		req.Outcome, req.Reason = types.OutcomeFailed, "exit code 1"
	case l.Ref.Trial%20 == 3:
		req.Outcome, req.Reason = types.OutcomePruned, "loss is worse than the median"
	}
	for i := range steps {
		req.Reports = append(req.Reports, types.Report{Metric: "loss", Step: int64(i), Value: types.Float(v + 1/float64(i+1))})
	}
	return req
}
