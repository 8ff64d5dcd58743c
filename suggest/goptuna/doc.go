// Package goptuna offers the samplers of github.com/c-bata/goptuna v0.9.0 (MIT
// licence, Masashi Shibata) as the algorithms goptuna-random, goptuna-tpe and
// goptuna-cmaes, to compare with, and its table of Sobol's direction numbers to
// suggest/qmc. It is the only package that imports goptuna.
//
// # What is goptuna's and what is not
//
// goptuna-random asks goptuna.RandomSampler, goptuna-cmaes asks and tells
// cmaes.Optimizer, with the start of cmaes.Sampler. goptuna-tpe uses
// tpe.ParzenEstimator, DefaultGamma and DefaultWeights; the drawing and scoring
// around them is written anew, line by line with its faults, because goptuna
// takes them from the global generator of math/rand, which no seed repeats. Tests
// compare it with goptuna's own sampler in distribution. For the same reason
// random choices are drawn here.
//
// A goptuna sampler carries its generator from call to call, and so proposes
// according to how often it was asked. Here every trial has its own randomness
// (suggest.Stream), of which goptuna gets the seed: the random sampler is made
// anew for each trial, the optimizer of CMA-ES is given a new generator before
// each question. What it learned is a function of the events: TPE of the
// finished trials by number, CMA-ES of the generations, each told when its last
// result arrives.
//
// # Parameters
//
// Floats, integers and their steps, logarithmic floats and choices are goptuna's
// own distributions, ordered choices integers from 0. What goptuna does not know
// (logarithmic integers and steps, the reverse logarithm, ranges beyond its
// arithmetic) is its uniform distribution on [0, 1], laid on the parameter's
// scale. Priors are not used. A parameter is sampled whether active or not, and
// left out where inactive; TPE learns from the trials in which it was active.
// CMA-ES takes the numbers without a condition, at least two; the others are
// random, as in goptuna.
//
// A proposal that violates a constraint or was tried before is drawn again, up to
// 32 times; then, or when goptuna panics or returns an error, the point is one of
// tuner's own random draws with the arm "random". The arm of a point of goptuna's
// random sampler is "goptuna-random" in all three.
//
// Trials that failed or are infeasible are unknown to goptuna; CMA-ES does not use
// pruned ones either. Outcome constraints are ignored.
//
// # Faults of goptuna 0.9.0
//
// They are kept, because they are what the comparison is about; files and lines
// are goptuna's.
//
// All samplers:
//   - The default seed is 0 (sampler.go:110, tpe/sampler.go:79,
//     cmaes/sampler.go:233): workers that do not set one propose the same points.
//     Not kept.
//   - Choices and the components of mixtures are drawn from the global generator
//     whatever the seed (sampler.go:168, internal/random/multinomial.go:24 and 42).
//     Not kept.
//   - The random sampler never draws the last value of an integer, stepped or not
//     (sampler.go:144 and 150); of an integer from 0 to 1 it is always 0. It also
//     makes the first trials of TPE.
//
// TPE:
//   - The mass of a mixture within the range lacks a pair of brackets
//     (tpe/sampler.go:202) and is negative if the masses of the single components
//     below the range sum up to more than 1: of uniform results, 10 do that in
//     four cases of five, 20 nearly always. The logarithm of the density is NaN
//     then, all comparisons of scores are false, and the first candidate is
//     proposed: for numbers, goptuna's TPE is a draw from the density of the good
//     trials, whatever the bad ones say.
//   - Where that does not hide them: log-sum-exp is a plain sum of the logarithms
//     (:178), and the Mahalanobis distance is not squared (:272).
//   - With fewer choices than candidates (24) the best choice is proposed without
//     any randomness (:461): parallel trials agree on it. The weight of an
//     observation is looked up under the number of its choice (tpe/array.go:81).
//   - Steps of integers count as 1 (:406).
//   - Running trials are not considered.
//
// CMA-ES:
//   - The direction is ignored: it always minimises (cmaes/sampler.go:119). Not
//     kept: values are turned around to maximise.
//   - The step size is one for all parameters in their own units, a sixth of the
//     narrowest range (:331): a parameter with a range of 1000 beside one of 1 is
//     searched in a sixtieth of a percent of its range at first.
//   - The mean drifts by 1e-8 in every coordinate with every generation
//     (cmaes/optimizer.go:323).
//   - Whether it converged is looked at only with restarts (cmaes/sampler.go:128),
//     which are off by default and not offered here: it stays where it converged.
//     When its numbers break down, goptuna ends the study; here the rest is random.
//   - Results of a generation that arrive after its last are thrown away.
//
// Sobol's engine: see SobolVectors; besides, it fails at point 2^29 for the first
// coordinate's table is one entry short (sobol/engine.go:36), and keeps all points.
package goptuna
