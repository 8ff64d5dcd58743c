// Package throughput measures how many trials a second tuner itself can carry,
// with trials that cost nothing. The figures are in ../README.md.
package throughput

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	tuner "github.com/gotuner/tuner"
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

// five are five parameters of different kinds.
type five struct {
	space tuner.Space
	lr    tuner.Param[float64]
	drop  tuner.Param[float64]
	units tuner.Param[int]
	depth tuner.Param[int]
	opt   tuner.Param[string]
}

func newFive() *five {
	f := &five{}
	f.lr = tuner.Range(&f.space, "lr", 1e-5, 1e-1, tuner.Log())
	f.drop = tuner.Range(&f.space, "drop", 0.0, 0.8)
	f.units = tuner.Range(&f.space, "units", 8, 512, tuner.Log())
	f.depth = tuner.Range(&f.space, "depth", 1, 8)
	f.opt = tuner.Choice(&f.space, "opt", "sgd", "adam", "lion")
	return f
}

// BenchmarkInProcess runs studies of 5 parameters and 10 reports a trial with two
// workers: in memory, in a SQLite file where the end of a trial is acknowledged
// once stored, and in one where every report is. A "trial" of the unit
// trials/s is asked for, reported on ten times, and finished.
func BenchmarkInProcess(b *testing.B) {
	for _, bc := range []struct {
		name   string
		db     func(b *testing.B, i int) string
		trials int64
		every  bool // every report is committed before it returns
	}{
		{"memory", func(*testing.B, int) string { return local.Memory }, 20_000, false},
		{"sqlite/finish", file, 5_000, false},
		{"sqlite/reports", file, 2_000, true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			var ran int64
			i := 0
			for b.Loop() {
				run(b, bc.db(b, i), bc.trials, bc.every)
				ran += bc.trials
				i++
			}
			b.ReportMetric(float64(ran)/b.Elapsed().Seconds(), "trials/s")
			b.ReportMetric(0, "ns/op") // an op is a whole study here
		})
	}
}

// BenchmarkGrowth runs one study of 200,000 trials in memory and reports the
// speed of its last tenth over that of its first.
func BenchmarkGrowth(b *testing.B) {
	const trials = 200_000
	for b.Loop() {
		at := make([]time.Time, trials+1)
		start := time.Now()
		f := newFive()
		study := open(b, local.Memory, f, trials)
		at[0] = time.Now()
		err := study.Run(context.Background(), func(ctx context.Context, t *tuner.Trial) (float64, error) {
			return f.lr.Of(t), nil
		}, tuner.RunOptions{Workers: 2, OnTrial: func(n int64, _ types.State, _ string) { at[n+1] = time.Now() }})
		if err != nil {
			b.Fatal(err)
		}
		total := time.Since(start)
		tenth := trials / 10
		first := at[tenth].Sub(at[0])
		last := at[trials].Sub(at[trials-tenth])
		b.ReportMetric(trials/total.Seconds(), "trials/s")
		b.ReportMetric(first.Seconds()/last.Seconds(), "last/first")
		b.ReportMetric(0, "ns/op")
	}
}

func file(b *testing.B, i int) string {
	return filepath.Join(b.TempDir(), fmt.Sprintf("%d.db", i))
}

func open(b *testing.B, db string, f *five, trials int64) *tuner.Study {
	b.Helper()
	c, err := local.Client(context.Background(), db)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(); err != nil {
			b.Error(err)
		}
	})
	s, err := c.Study(context.Background(), tuner.Config{Name: "bench", Space: &f.space, Algorithm: "random", Seed: 1,
		Objectives: []tuner.Objective{tuner.Minimize("loss")}, Trials: trials})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func run(b *testing.B, db string, trials int64, every bool) {
	f := newFive()
	study := open(b, db, f, trials)
	err := study.Run(context.Background(), func(ctx context.Context, t *tuner.Trial) (float64, error) {
		v := f.lr.Of(t) * float64(f.units.Of(t))
		for step := range int64(10) {
			if err := t.Report(ctx, step, v/float64(step+1)); err != nil {
				return 0, err
			}
			if every {
				if err := t.Flush(ctx); err != nil {
					return 0, err
				}
			}
		}
		return v, nil
	}, tuner.RunOptions{Workers: 2})
	if err != nil {
		b.Fatal(err)
	}
}
