package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Strata are measurements by stratum: Strata[problem][seed][column]. All rows
// have the same columns, for example the logarithm of the regret after 25, 50 and
// 100 trials.
type Strata [][][]float64

// Means are, for each column, the mean over the strata of the mean of their
// rows: each stratum weighs the same. Empty strata do not count; nil if all are.
func Means(s Strata) []float64 {
	var sum []float64
	strata := 0
	for _, rows := range s {
		if len(rows) == 0 {
			continue
		}
		strata++
		if sum == nil {
			sum = make([]float64, len(rows[0]))
		}
		for _, row := range rows {
			for c, v := range row {
				sum[c] += v / float64(len(rows))
			}
		}
	}
	for c := range sum {
		sum[c] /= float64(strata)
	}
	return sum
}

// Bootstrap says how intervals are made.
type Bootstrap struct {
	// Resamples is their number, Level the probability that the interval covers
	// the true value, such as 0.95, and Seed that of the resampling.
	Resamples int
	Level     float64
	Seed      uint64
}

// Interval has the percentile limits of Means for each column when the rows of
// each stratum are drawn again with replacement. The strata stay as they are:
// problems are chosen, seeds are random. A stratum of one row adds no spread;
// where none has more, limits are NaN, and nil without any row.
func (b Bootstrap) Interval(s Strata) (low, high []float64) {
	columns, spread := 0, false
	for _, rows := range s {
		spread = spread || len(rows) > 1
		if len(rows) > 0 {
			columns = len(rows[0])
		}
	}
	if columns == 0 {
		return nil, nil
	}
	low, high = make([]float64, columns), make([]float64, columns)
	if !spread {
		for c := range columns {
			low[c], high[c] = math.NaN(), math.NaN()
		}
		return low, high
	}
	r := rand.New(rand.NewPCG(b.Seed, 0))
	drawn := make([][]float64, columns)
	again := make(Strata, len(s))
	for i, rows := range s {
		again[i] = make([][]float64, len(rows))
	}
	for range b.Resamples {
		for i, rows := range s {
			for j := range rows {
				again[i][j] = rows[r.IntN(len(rows))]
			}
		}
		for c, m := range Means(again) {
			drawn[c] = append(drawn[c], m)
		}
	}
	tail := (1 - b.Level) / 2
	for c, d := range drawn {
		slices.Sort(d)
		low[c] = stat.Quantile(tail, stat.LinInterp, d, nil)
		high[c] = stat.Quantile(1-tail, stat.LinInterp, d, nil)
	}
	return low, high
}
