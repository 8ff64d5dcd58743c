package runner

import (
	"fmt"
	"math"
	"slices"
)

// Version is that of the harness: results of another version are not comparable
// and not reused. It changes with the problems' values, the noise, the
// simulation of workers, or what is measured.
const Version = "1"

// Status says whether a row has numbers.
type Status string

// The statuses.
const (
	// Done has all numbers.
	Done Status = "done"
	// Unsupported is a contender that cannot take the problem; Note says why.
	// It is not tried again.
	Unsupported Status = "unsupported"
	// Failed is a run that broke off; Note is the error. It is tried again by
	// the next set.
	Failed Status = "failed"
)

// Result is one run: a contender on an instance of a problem with a seed; a row
// of a file.
type Result struct {
	Contender, Version, Settings string
	// Harness is the Version of the harness that made it.
	Harness string

	Problem, Group  string
	Instance        int
	Seed            int64
	Budget, Workers int

	Status Status
	// Note says why there are no numbers, or what was unusual ("exhausted after
	// 24 trials").
	Note string

	// Optimum is the least value of the instance, Exact whether that is certain,
	// Median the median over the space.
	Optimum, Median float64
	Exact           bool

	// Checkpoints are numbers of finished trials (Checkpoints(Budget)); the
	// lists that follow have a value for each. A value is NaN as long as no trial
	// had one. A study that ran out of points keeps its last values.
	Checkpoints []int
	// Best is the least true value of the trials that finished so far.
	Best []float64
	// Recommended is the true value of the trial with the least observed value
	// so far; its last entry is that of the trial which the tuner recommended, if
	// it did.
	Recommended []float64

	// Seconds on the clock: quantiles and mean over the asks of the run.
	AskP50, AskP95, AskP99, AskMean float64
	// CPU is the processor time of all asks together and Wall the duration of the
	// whole run, in seconds.
	CPU, Wall float64
	// Allocs is the mean number of heap allocations of an ask; NaN where it was
	// not counted (other processes, parallel runs).
	Allocs float64
}

// check says what is wrong with a row that was read.
func (r *Result) check() error {
	if r.Status != Done {
		return r.Status.check()
	}
	if n := len(r.Checkpoints); n == 0 || len(r.Best) != n || len(r.Recommended) != n {
		return fmt.Errorf("its lists have %d, %d and %d values", n, len(r.Best), len(r.Recommended))
	}
	return nil
}

func (s Status) check() error {
	switch s {
	case Done, Unsupported, Failed:
		return nil
	}
	return fmt.Errorf("its status is %q", s)
}

// Key identifies a run: one with the same key has the same numbers, except for
// times.
type Key struct {
	Contender, Version, Settings, Harness string
	Problem                               string
	Instance                              int
	Seed                                  int64
	Budget, Workers                       int
}

// Key is the run's.
func (r *Result) Key() Key {
	return Key{
		Contender: r.Contender, Version: r.Version, Settings: r.Settings, Harness: r.Harness,
		Problem: r.Problem, Instance: r.Instance, Seed: r.Seed, Budget: r.Budget, Workers: r.Workers,
	}
}

// RegretFloor is the least normalised regret that geometric means know: what is
// a thousand times nearer to the optimum than the median is as good as there.
const RegretFloor = 1e-3

// Normalized is the normalised regret of a true value in this run,
// (value-optimum)/(median-optimum), not less than RegretFloor: 1 is what half of
// all random points reach. No value at all counts as 1, and so does any regret
// where median and optimum are the same.
func (r *Result) Normalized(value float64) float64 {
	scale := r.Median - r.Optimum
	switch {
	case math.IsNaN(value):
		return 1
	case value <= r.Optimum:
		return RegretFloor
	case !(scale > 0): // NaN too
		return 1
	}
	return max((value-r.Optimum)/scale, RegretFloor)
}

// At is the position of the last checkpoint that is not after n trials, -1 if
// there is none.
func (r *Result) At(n int) int {
	i, found := slices.BinarySearch(r.Checkpoints, n)
	if found {
		return i
	}
	return i - 1
}

// Checkpoints are the numbers of finished trials at which values are kept:
// 1 2 3 5 7 10 15 20 25 30 and by tens to 100, then 120 150 200 250 300 and by
// hundreds to 1000, then the last pattern times 10, 100, …; up to and with the
// budget.
func Checkpoints(budget int) []int {
	var out []int
	add := func(n int) bool {
		if n < budget {
			out = append(out, n)
		}
		return n < budget
	}
	for _, n := range []int{1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100} {
		add(n)
	}
	for scale := 100; add(scale * 12 / 10); scale *= 10 {
		for _, tenths := range []int{15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100} {
			add(scale / 10 * tenths)
		}
	}
	if budget > 0 {
		out = append(out, budget)
	}
	return out
}
