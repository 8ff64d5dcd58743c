// Package report makes a Markdown report with SVG pictures from the results of
// package runner: regret curves, ranks, tests, ratios with intervals, latency.
//
//	results, err := runner.ReadResults(dir)
//	latencies, err := runner.ReadLatency(dir)
//	r, err := report.Build(results, latencies, report.Config{})
//	err = r.Write(filepath.Join(dir, "report"))
//
// # Measure
//
// A run is judged by the natural logarithm of its normalised regret, (value -
// optimum) / (median - optimum) of the true value of the trial that looked best
// so far, or that the tuner recommended at the end; it is not less than
// runner.RegretFloor. As long as a run has no value at all (each trial diverged)
// it counts like the worst run of any contender on the problem with as many
// trials, and not better than the median. Means are taken over seeds, then over
// problems, each of which weighs the same; contenders are compared on the
// (problem, seed) pairs that both have.
//
// The same results and configuration make the same report, bit for bit on one
// architecture; it has neither dates nor names of machines.
package report
