package report

import (
	"math"
	"slices"

	"github.com/gotuner/tuner/benchmarks/runner"
)

// askTimes are the times of a contender's asks in its runs, in seconds.
type askTimes struct {
	// p50 to p99 are medians over the runs of each run's quantile; mean and cpu (of
	// an ask) are means over the runs, allocs is their median.
	p50, p95, p99, mean, cpu float64
	allocs                   float64
	runs                     int
}

func (d *data) askTimes(c int) askTimes {
	var p50, p95, p99, means, cpu, allocs []float64
	for _, p := range d.problems {
		for _, r := range p.runs[c] {
			p50, p95, p99 = append(p50, r.AskP50), append(p95, r.AskP95), append(p99, r.AskP99)
			means, allocs = append(means, r.AskMean), append(allocs, r.Allocs)
			cpu = append(cpu, r.CPU/float64(r.Budget))
		}
	}
	return askTimes{
		p50: median(known(p50)), p95: median(known(p95)), p99: median(known(p99)), mean: mean(known(means)), cpu: mean(known(cpu)),
		allocs: median(known(allocs)), runs: len(p50),
	}
}

// known are the values that are not NaN, ascending, so that sums do not depend on
// the order of the runs.
func known(values []float64) []float64 {
	values = slices.DeleteFunc(values, math.IsNaN)
	slices.Sort(values)
	return values
}

// median is that of ascending values; NaN of none.
func median(sorted []float64) float64 {
	n := len(sorted)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return sorted[n/2]
	}
	return sorted[n/2-1] + (sorted[n/2]-sorted[n/2-1])/2
}

func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// latencies are the rows of a latency test.
type latencies struct {
	labels []string
	sizes  []int
	params int
	asks   int
	rows   []runner.Latency
}

// newLatencies is nil if there are no rows of this version of the harness.
func newLatencies(rows []runner.Latency) *latencies {
	l := &latencies{}
	for _, r := range rows {
		if r.Harness != runner.Version {
			continue
		}
		l.rows = append(l.rows, r)
		l.params, l.asks = r.Params, r.Asks
		if !slices.Contains(l.labels, r.Contender) {
			l.labels = append(l.labels, r.Contender)
		}
		if !slices.Contains(l.sizes, r.Trials) && r.Status == runner.Done {
			l.sizes = append(l.sizes, r.Trials)
		}
	}
	if len(l.sizes) == 0 {
		return nil
	}
	slices.SortFunc(l.labels, natural)
	slices.Sort(l.sizes)
	return l
}

// at is the row of a contender with numbers; nil if it has none.
func (l *latencies) at(label string, trials int) *runner.Latency {
	i := slices.IndexFunc(l.rows, func(r runner.Latency) bool {
		return r.Contender == label && r.Trials == trials && r.Status == runner.Done
	})
	if i < 0 {
		return nil
	}
	return &l.rows[i]
}
