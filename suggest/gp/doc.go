// Package gp is Bayesian optimisation: a Gaussian process models the objective,
// and each trial goes where it expects the greatest improvement.
//
// Sources: Jones, Schonlau and Welch, "Efficient Global Optimization of Expensive
// Black-Box Functions", J. Global Optim. 13, 1998 (the method); Rasmussen and
// Williams, "Gaussian Processes for Machine Learning", 2006 (the model); Ament and
// others, NeurIPS 2023 (the logarithm of the expected improvement); Hvarfner,
// Hellsten and Nardi, ICML 2024 (the prior of the lengths); Song and others,
// arXiv:2408.11527 (the warping of the worse half). The functions say which
// equation they are.
//
// # The rule
//
// The first trials, startup of them, are a Latin hypercube. Then:
//
//   - Coordinates: the position of a number or an ordinal on its scale, from 0 to
//     1, that of a level the middle of its cell; the index of an unordered choice.
//   - Values: the worse half drawn together, then mean 0 and variance 1 (normalise). A trial without a usable result, or that violates an outcome
//     constraint, has the worst value of all. Failed and cancelled ones are not
//     used: they say nothing about the point.
//   - Kernel: Matern 5/2 with a length for each parameter; choices are at the
//     distance 0 or 1. An inactive number lies beside the middle of its range, an
//     inactive choice is one of its own.
//   - Hyperparameters: the better mode of the posterior density that L-BFGS finds from
//     two starts; anew with each trial up to 30, then with each twelfth more. The
//     noise is learnt; how much of it is expected depends on whether the study is
//     deterministic. Both starts have little of it, so that a better mode with much
//     noise may be missed. While all values are the same it is the mode of the prior.
//   - Pending trials count as if they came out as expected: they take away variance,
//     and an improvement is one over them too.
//   - Acquisition: the logarithm of the expected improvement over the best
//     expectation at a trial. It is looked for among 1,500 points of the whole space
//     and 500 around the five best trials; the best four are moved along its slope
//     and, choice by choice and level by level, across; the best that is allowed is
//     proposed.
//
// # Trials that ended early
//
// A pruned trial tells what its point had at a step, not at the end. From the first
// of them on the length of a trial is one more coordinate, ln(1+step)/ln(1+longest),
// where longest is the last step of the longest that completed, and 1 for those that
// did, with a length scale of its own, and there is a term
// for the trend over it, trend (1-s)(1-s'), which is 0 at the end of a trial. So the
// values of short trials bear on whole ones as far as they turn out to. This is the
// joint model of Klein, Tiao, Lienart, Archambeau and Seeger, "Model-based
// Asynchronous Hyperparameter and Neural Architecture Search", arXiv:2003.10865, on
// the last value of each trial only, and with another kernel of the length.
//
// A trial that waited for a promotion and went on counts with all that it had.
//
// What that gains is in docs/adr/0017-gaussian-process.md.
//
// # Many trials
//
// Of more than max_trials, the model takes the best third and the newest others.
//
// # Cost
//
// With n trials in the model, d parameters and m candidates, a fit takes some 60
// times O(n^3 + n^2 d), a proposal O(n^3 + m (n^2 + n d)); memory O(n^2 d). The
// proposals depend on floating-point sums in the order of the events, so they are
// the same bit for bit on one GOARCH only, as the contract has it.
//
// There is no snapshot: a study that is loaded needs one fit.
package gp
