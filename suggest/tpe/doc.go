// Package tpe is the tree-structured Parzen estimator in the form and with the
// defaults of Optuna 5 (optuna/samplers/_tpe), written anew from its rules.
//
// Sources: Bergstra, Bardenet, Bengio and Kégl, "Algorithms for
// Hyper-Parameter Optimization", NIPS 2011 (the method); Falkner, Klein and
// Hutter, "BOHB", ICML 2018 (the multivariate kernels); Watanabe,
// "Tree-Structured Parzen Estimator", arXiv 2304.11127 (the ablation behind the
// defaults).
//
// # The rule
//
// Until startup trials have completed or were pruned, points are random. Then
// the trials are ranked: completed ones by value, pruned ones by the deepest
// step and then the value there, those that violate an outcome constraint by
// the sum of their violations. The first min(ceil(gamma*n), gamma_max) are the
// good ones; the others, the infeasible ones and those still running (the
// constant liar) are the bad ones. Failed and cancelled trials are not used.
//
// Both sets become a density, l of the good and g of the bad: a mixture with
// one kernel a trial and one prior kernel, each a product over the parameters.
// Candidates are drawn from l and the one with the greatest log l - log g is
// proposed, the first of several.
//
//   - Weights: 1 each up to 25 trials; beyond, the newest 25 have 1 and the
//     others rise linearly from 1/m to 1 in the order of their numbers. The
//     prior kernel has prior_weight.
//   - Numbers: in their logarithm for logarithmic scales. The kernel of a trial
//     is a normal distribution truncated to the domain, whose deviation is the
//     greater distance to its two neighbours (the ends of the domain count as
//     neighbours, but not for the outermost of two and more), clipped to
//     [range/min(100, m+2), range]. The prior kernel lies in the middle with
//     the range as deviation.
//   - Integers, steps and ordinals (by index): the domain is half a step longer
//     at both ends, and a value has the mass of its cell.
//   - Choices: 1/(m+1) for each choice and 1 more for the trial's own,
//     normalised; the prior kernel is uniform.
//
// # Conditional spaces
//
// As Optuna's group=True: parameters that were active in exactly the same
// trials form a group, groups are modelled independently of each other, and a
// group knows only the trials in which it was active. All groups propose, and
// what is inactive under the proposed parents is dropped. With
// multivariate=false every parameter is a group.
//
// # Deviations from Optuna 5
//
//   - Constraints on parameters are respected: candidates that violate one are
//     set aside; see propose.
//   - Where a study is deterministic, no finished or pending point is proposed
//     again.
//   - A trial without a usable result (state infeasible) belongs to the bad
//     ones; Optuna forgets it and may propose its neighbourhood for ever.
//   - A parameter's own prior is the prior kernel of l. That of g stays broad:
//     a narrow one would make g vanish where the user expects nothing, and
//     log l - log g prefer just these points.
//   - Of equal observations the one with the lowest number counts as the
//     outermost; Optuna leaves it to numpy's unstable sort.
//   - The randomness of a trial depends on the seed and its number alone.
//
// # Many trials
//
// The density g of the bad trials is exact while there are at most above_cap of
// them. Of more, above_cap have a kernel: the newest three quarters, and a
// weighted sample of the older ones that stands for the rest (see selection);
// those pending have one besides. Their bandwidths follow from the neighbours
// among the trials with kernels, not among all: the gaps in so many are mostly
// below the least bandwidth, a hundredth of the domain, in either case, and where
// they are not, a wider kernel suits a trial that stands for several. The choice
// depends on which trials there are and on nothing else, so replays agree.
// above_cap=0 keeps all.
//
// With the default, over 2,000 trials beyond the cap made no measurable
// difference to what a search finds (four functions in 5 and in 10 dimensions,
// ten seeds each, 3,000 trials: the mean ratio of the best values with 1024
// kernels and with all was 1.04 and 1.01, with standard errors of 6 % and 4 %).
// The densities do differ: in one or two dimensions little; in ten, g with its
// narrow kernels depends on the nearest bad trial, which may be one that was left
// out, and which of the candidates wins is then another one.
//
// # Cost
//
// A suggestion takes O(candidates * min(n, above_cap) * d), and O(log n) a
// result that came since; with above_cap=0, O(candidates * n * d). Kernels that
// cannot come within reach of the greatest are left out as soon as a bound shows
// it, kernel shapes that repeat (choices, short integer ranges) are evaluated
// once, and what did not change since the last suggestion is not computed again;
// none of this changes a bit of an exact density. In a capped one, kernels 20
// nats below the greatest are left out (each less than 3e-9 of the sum),
// and narrow cells have their mass by a series that is right to 1e-8.
//
// There is no snapshot, because replaying events only appends to columns, and
// the first suggestion after a replay sorts them once, O(n log n).
package tpe
