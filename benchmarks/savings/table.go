package main

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// pair is a run of an arm and the one of the same seed that it is compared with.
type pair struct{ run, base *run }

// table compares each arm with the first, seed by seed.
func table(out io.Writer, runs []run, c config) error {
	fmt.Fprintln(out, "| stopper | trials | seeds | completed | epochs | CPU | wall time | best | its test | reaches the first one's best after | the first one's best is ended |")
	fmt.Fprintln(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, a := range c.arms {
		var ps []pair
		for seed := c.first; seed < c.first+c.seeds; seed++ {
			if p := (pair{find(runs, seed, a), find(runs, seed, c.arms[0])}); p.run != nil && p.base != nil {
				ps = append(ps, p)
			}
		}
		if len(ps) == 0 {
			continue
		}
		ended, asked := 0, 0 // of runs that were made before this stopper was named, nobody asked it
		for _, p := range ps {
			ends, ok := p.base.EndsBest[a.stopper]
			if ok {
				asked++
			}
			if ends {
				ended++
			}
		}
		_, err := fmt.Fprintf(out, "| %s | %d | %d | %.0f | %s | %s | %s | %.4f | %.4f | %s | %d of %d |\n", a.stopper, a.trials, len(ps),
			mean(ps, func(p pair) float64 { return float64(p.run.Completed) }),
			percent(ratio(ps, func(r *run) float64 { return float64(r.Steps) })),
			percent(ratio(ps, func(r *run) float64 { return r.CPU })),
			percent(ratio(ps, func(r *run) float64 { return r.Seconds })),
			mean(ps, func(p pair) float64 { return p.run.Best }), mean(ps, func(p pair) float64 { return p.run.Test }),
			reaches(ps), ended, asked)
		if err != nil {
			return err
		}
	}
	return nil
}

func mean(ps []pair, of func(pair) float64) float64 {
	sum := 0.0
	for _, p := range ps {
		sum += of(p)
	}
	return sum / float64(len(ps))
}

// ratio is the geometric mean over the pairs.
func ratio(ps []pair, of func(*run) float64) float64 {
	return math.Exp(mean(ps, func(p pair) float64 { return math.Log(of(p.run) / of(p.base)) }))
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// reaches says after which share of the other's CPU time, and of its wall time,
// the mean best value of the runs is as good as that of the others at their end.
func reaches(ps []pair) string {
	sign := 1.0
	if ps[0].base.Maximize {
		sign = -1
	}
	want := sign * mean(ps, func(p pair) float64 { return p.base.Best })
	text := ""
	for _, axis := range []struct {
		name  string
		at    func(point) float64
		whole func(*run) float64
	}{
		{"CPU", func(q point) float64 { return q.CPU }, func(r *run) float64 { return r.CPU }},
		{"wall", func(q point) float64 { return q.Seconds }, func(r *run) float64 { return r.Seconds }},
	} {
		var shares []float64
		for _, p := range ps {
			for _, q := range p.run.Improved {
				shares = append(shares, axis.at(q)/axis.whole(p.base))
			}
		}
		slices.Sort(shares)
		got := "never"
		for _, share := range shares {
			if mean(ps, func(p pair) float64 { return bestAt(p.run, sign, axis.at, share*axis.whole(p.base)) }) <= want+1e-12 {
				got = percent(share)
				break
			}
		}
		if text != "" {
			text += ", "
		}
		text += got + " " + axis.name
	}
	return text
}

// bestAt is the best value by then, by its sign the smallest; infinite before the
// first.
func bestAt(r *run, sign float64, at func(point) float64, limit float64) float64 {
	best := math.Inf(1)
	for _, q := range r.Improved {
		if at(q) <= limit+1e-9 {
			best = sign * q.Value
		}
	}
	return best
}
