// Package problems has what search algorithms are compared on: functions with a
// known optimum, and tables and surrogates of real tuning data.
//
//	catalog, err := problems.Open(dataDir) // "" without data
//	chosen, skipped, err := catalog.Tier("quick")
//	in, err := chosen[0].Open(chosen[0].InstanceFor(seed))
//	p := in.Space().Sample(r)
//	seen := in.Observe(p, noise)              // what the tuner is told
//	optimum, exact := in.Optimum()
//	regret := in.Evaluate(p) - optimum        // what it is judged by
//	scaled := regret / (in.Median() - optimum)
//
// Everything is minimised; a metric that is better when larger is negated.
// A Problem has numbered instances that share a space (InstanceFor spreads
// seeds over them). An Instance is for one goroutine; Evaluate and Observe do
// not allocate.
//
// # Groups
//
//   - bbob5, bbob20: the 24 noiseless BBOB functions with COCO's own instances,
//     so that published results are comparable; BBOB makes them in any
//     dimension.
//   - classic: well-known functions, shifted, mirrored and rotated by instance,
//     so that no optimum is in the centre.
//   - noisy: functions of both with additive or multiplicative noise.
//   - mixed: integers, choices and floats together (mixint-*, branches-*,
//     categorical-*, network).
//   - conditional: trees of parameters (models, layers).
//   - tables: measured configurations (HPOBench, HPOlib, NAS-Bench-201, moot,
//     two grids). A tuner sees the result of one training seed, regret is
//     measured by the mean over the seeds. Where not all points are measured,
//     the nearest configuration answers.
//   - surrogates: YAHPO Gym's networks at full fidelity. Their optimum is the
//     best known, not exact. lcbench has learning curves; all know runtimes.
//   - curves: TaskSet, with learning curves and diverged trainings (NaN).
//
// Numeric parameters of tables are ordinal with their values as choices; a
// driver of a tuner without ordinals passes the level as an integer.
//
// # Data
//
// The last three groups need the data folder, of which nothing is part of this
// repository. Only the instances for development are listed; the others are
// refused, because they judge releases.
package problems
