// Package cmaes is the covariance matrix adaptation evolution strategy: it draws
// generations of points from a normal distribution (and, for choices, from
// categorical ones), ranks them, and moves, turns and stretches the distribution
// towards the good ones. Only ranks matter: any objective of the same order gives
// the same points, until the criterion tolfun compares values.
//
// Sources: Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv 1604.00772
// (2016), for the rule, with negative weights and cumulative step-size
// adaptation; Auger and Hansen, "A restart CMA evolution strategy with increasing
// population size", CEC 2005 (IPOP); Hansen, "Benchmarking a BI-population CMA-ES
// on the BBOB-2009 function testbed", GECCO 2009 (BIPOP); Hansen, "Injecting
// external solutions into CMA-ES", arXiv 1110.4181 (2011); Nomura, Watanabe,
// Akimoto, Ozaki and Onishi, "Warm starting CMA-ES for hyperparameter
// optimization", AAAI 2021; Nomura, Akimoto and Ono, "CMA-ES with learning rate
// adaptation", GECCO 2023; Hamano, Saito, Nomura and Shirakawa, "CMA-ES with
// margin", GECCO 2022; Hamano, Saito, Nomura, Uchida and Shirakawa, "CatCMA",
// GECCO 2024. The constants, the update, the adaptation of rates, the margin and
// the update of choices are tested against the package cmaes 0.13.1 of Python.
//
// # Coordinates
//
// Numbers (ordinals too) are laid on the unit cube of package space, on their
// scale. A continuous coordinate has no bounds for the distribution: a strip of a
// tenth of the range beyond each end means the end, and further out the line is
// reflected. So no draw is wasted or distorted as by resampling or clipping, and
// an optimum at an end is reached exactly. Discrete coordinates beyond an end are
// the end, and the margin keeps the mean near.
//
// Integers and steps: the margin moves the mean and stretches the deviation of a
// coordinate so that it leaves its cell in at least one draw in
// (coordinates · population). Unlike in the paper the mean moves by the stretched
// step (else it cannot follow once the stretch is great) and the stretch is taken
// back where the deviation has become as wide as a cell. On the mixed sphere of
// the tests that halves the trials, and no search stays stuck.
//
// Categorical parameters and bools are drawn independently of all else, with
// probabilities bounded below and moved as in CatCMA. Unlike there the normal
// distribution keeps its negative weights.
//
// A parameter's prior sets the mean and the deviation of the first search.
//
// Conditional parameters have their coordinates always. Where one is inactive its
// draw is left out of the point and takes part in the update all the same:
// selection acts on it by chance, which does not bias it. Points of others have
// the current mean there.
//
// # Constraints and repeats
//
// A trial draws up to 100 points until one is feasible and was not tried before.
// Then it takes a random point (suggest.Ask.Fresh, arm "random"), which counts in
// its generation. A generation of which at least half could find nothing untried
// ends the search and restarts it elsewhere.
//
// # Ranks
//
// Completed trials by value; behind them pruned ones, first those that came
// further, then by their value there; then those that violate outcome
// constraints, by how much; then infeasible, then failed ones. Cancelled trials
// do not count. Equal ones are ordered by number.
//
// # Generations and parallel trials
//
// Asking never waits: every trial is drawn from the newest distribution. A
// generation closes when as many of its own trials as the population have
// finished. All results since the last closing then count, in one ranking: own
// ones with importance 1, late ones (drawn g generations ago) with 2^-g, points of
// others (enqueued, imported) with 1/2, all of these together no more than the own
// ones. A result of importance v occupies v ranks (see weigh). The step of a result
// that is not the generation's own is shortened to a length that the distribution
// could have drawn, and the path of the step size sees own ones only, because
// others lie around another mean. Results of an ended search do not count in the
// next one.
//
// # Warm start
//
// If at least 20 trials have completed before the first draw, the first
// distribution is that of the best tenth (Nomura et al. 2021, with their
// gamma = alpha = 0.1). It is made anew when these trials have grown by 3 %; those
// since, and fewer than 20, count in the first generation. A new version of the
// space begins anew, with all trials that are valid in it.
//
// # Restarts
//
// A search ends when its deviations are below tolx of the first, when the values
// of the last generation and the best of the last 10 + 30n/λ differ by at most
// tolfun, when the condition of C exceeds 1e14, when neither best nor median
// values have improved for long, or for the reasons above. The next starts at a
// random feasible point.
//
// # Repeatability
//
// There is no random state. The draws of trial n come from its own stream, and
// what is observed of a created trial is found by drawing again: it belongs to the
// generation if its number's draw gives its point under the current distribution.
// A memory of recent draws saves doing it twice.
//
// # Cost
//
// Everything for one trial takes about 3 µs with 5, 8 µs with 20 and 70 µs with
// 100 parameters (BenchmarkSuggest); C is decomposed every n/10 generations. The
// memory is O(n²) and one point for each finished trial. There is no snapshot:
// replaying costs as much as running.
package cmaes
