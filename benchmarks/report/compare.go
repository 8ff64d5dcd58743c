package report

import (
	"maps"
	"math"
	"slices"

	"github.com/gotuner/tuner/benchmarks/report/stats"
)

// alpha is the level of the tests and level that of the intervals.
const (
	alpha = 0.05
	level = 0.95
)

// estimate is a geometric mean, or a ratio of two, with its interval.
type estimate struct {
	value, low, high float64
	problems, pairs  int
}

// estimateOf is NaN where there is no pair.
func estimateOf(s stats.Strata, b stats.Bootstrap) estimate {
	e := estimate{value: math.NaN(), low: math.NaN(), high: math.NaN()}
	e.problems, e.pairs = sizes(s)
	if e.pairs == 0 {
		return e
	}
	low, high := b.Interval(s)
	e.value, e.low, e.high = math.Exp(stats.Means(s)[0]), math.Exp(low[0]), math.Exp(high[0])
	return e
}

// balance says on how many problems one contender is better than another by the
// mean over the common seeds.
type balance struct{ better, equal, worse int }

func balanceOf(differences stats.Strata) balance {
	var b balance
	for _, rows := range differences {
		if len(rows) == 0 {
			continue
		}
		switch m := stats.Means(stats.Strata{rows})[0]; {
		case math.Abs(m) < sameLog:
			b.equal++
		case m < 0:
			b.better++
		default:
			b.worse++
		}
	}
	return b
}

// sameLog is the difference of logarithms that is taken for rounding.
const sameLog = 1e-9

// duel are the problems on which one contender is significantly better or worse
// than another.
type duel struct {
	wins, ties, losses int
	// powerless is the number of problems on which the seeds are too few for any
	// result to be significant; they are among the ties.
	powerless int
}

func (d duel) plus(e duel) duel {
	return duel{d.wins + e.wins, d.ties + e.ties, d.losses + e.losses, d.powerless + e.powerless}
}

// duelOf tests the problems one by one and corrects for their number.
func duelOf(differences stats.Strata) duel {
	var tests []stats.SignedRank
	var p []float64
	var seeds []int
	for _, rows := range differences {
		if len(rows) == 0 {
			continue
		}
		flat := make([]float64, len(rows))
		for i, row := range rows {
			flat[i] = row[0]
		}
		test := stats.TestSignedRank(flat)
		tests, p, seeds = append(tests, test), append(p, test.P), append(seeds, len(rows))
	}
	var d duel
	for i, adjusted := range stats.Holm(p) {
		switch {
		case adjusted > alpha:
			d.ties++
		case tests[i].Minus > tests[i].Plus:
			d.wins++
		default:
			d.losses++
		}
		// With all signs equal p is 2/2^n, which Holm multiplies by the number of
		// tests for the first of them.
		if math.Exp2(float64(1-seeds[i]))*float64(len(p)) > alpha {
			d.powerless++
		}
	}
	return d
}

// ranking compares many contenders at once.
type ranking struct {
	stats.Friedman
	// contenders are those ranked, in the order of their numbers.
	contenders []int
	// difference is Nemenyi's; NaN where there is nothing to test.
	difference float64
}

// rank ranks the contenders that have runs with t trials on at least half of the
// problems. Blocks are the problems on which all of these share seeds, of which
// the mean is taken.
func (d *data) rank(problems []*problem, t int) ranking {
	var k ranking
	for c := range d.contenders {
		if n, _ := sizes(own(problems, c, t)); n > 0 && 2*n >= len(problems) {
			k.contenders = append(k.contenders, c)
		}
	}
	var blocks [][]float64
	for _, p := range problems {
		if block := p.block(k.contenders, t); block != nil {
			blocks = append(blocks, block)
		}
	}
	k.Friedman = stats.TestFriedman(blocks)
	k.difference = math.NaN()
	if len(k.contenders) > 1 && len(blocks) > 1 {
		k.difference = stats.CriticalDifference(len(k.contenders), len(blocks), alpha)
	}
	return k
}

// block are the means of the contenders over the seeds that all of them have; nil
// without such seeds.
func (p *problem) block(contenders []int, t int) []float64 {
	if len(contenders) == 0 {
		return nil
	}
	sums, seeds := make([]float64, len(contenders)), 0
	for _, seed := range slices.Sorted(maps.Keys(p.runs[contenders[0]])) {
		row := make([]float64, 0, len(contenders))
		for _, c := range contenders {
			if v, ok := p.runs[c][seed].at(t); ok {
				row = append(row, v)
			}
		}
		if len(row) < len(contenders) {
			continue
		}
		seeds++
		for i, v := range row {
			sums[i] += v
		}
	}
	if seeds == 0 {
		return nil
	}
	for i := range sums {
		// What differs by rounding only is a tie.
		sums[i] = math.Round(sums[i]/float64(seeds)/sameLog) * sameLog
	}
	return sums
}

// curve is the course of a contender over the trials.
type curve struct {
	contender      int
	trials         []int
	mid, low, high []float64
}

// firstOnCurve is where curves begin if they reach ten times as far: the first
// trials are random for all.
const firstOnCurve = 5

// curves are those of the contenders with runs, up to the number of trials that
// all runs of the contender reach.
func (d *data) curves(problems []*problem, b stats.Bootstrap) []curve {
	var out []curve
	for c := range d.contenders {
		shortest, longest := math.MaxInt, (*run)(nil)
		for _, p := range problems {
			for _, seed := range slices.Sorted(maps.Keys(p.runs[c])) {
				r := p.runs[c][seed]
				shortest = min(shortest, r.Budget)
				if longest == nil || r.Budget > longest.Budget {
					longest = r
				}
			}
		}
		if longest == nil {
			continue
		}
		k := curve{contender: c}
		for _, t := range longest.Checkpoints {
			if t <= shortest && (t >= firstOnCurve || shortest < 10*firstOnCurve) {
				k.trials = append(k.trials, t)
			}
		}
		s := own(problems, c, k.trials...)
		k.mid = stats.Means(s)
		k.low, k.high = b.Interval(s)
		for _, logs := range [][]float64{k.mid, k.low, k.high} {
			for i, v := range logs {
				logs[i] = math.Exp(v)
			}
		}
		out = append(out, k)
	}
	return out
}
