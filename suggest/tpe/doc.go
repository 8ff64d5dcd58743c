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
// # Cost
//
// A suggestion takes O(candidates * n * d) after O(n) bookkeeping: kernel
// shapes that repeat (choices, short integer ranges) are evaluated once. There
// is no snapshot, because replaying events only appends to columns, and the
// first suggestion after a replay sorts them once, O(d * n log n).
package tpe
