// Package qmc proposes the points of a low-discrepancy sequence: Sobol's, or
// Halton's, scrambled by the seed. They cover every parameter, and the first
// ones every pair of parameters, more evenly than random points do, at any
// number of trials and best at powers of two.
//
// Sources: Sobol', "On the distribution of points in a cube and the approximate
// evaluation of integrals", USSR Computational Mathematics and Mathematical
// Physics 7 (1967); Joe and
// Kuo, "Constructing Sobol sequences with better two-dimensional projections",
// SIAM J. Sci. Comput. 30 (2008), whose direction numbers are used; Owen,
// "Randomly permuted (t,m,s)-nets and (t,s)-sequences", MCQMC 1994, for the
// scrambling; Burley, "Practical Hash-based Owen Scrambling", JCGT 9(4) (2020),
// for doing it by hashing instead of storing a tree; Matoušek, "On the
// L2-discrepancy for anchored boxes", J. Complexity 14 (1998), for the affine
// permutations of Halton's digits. The use for tuning: Bousquet, Gelly, Kurach,
// Teytaud and Vincent, "Critical Hyper-Parameters: No Random, No Cry",
// arXiv 1706.03200.
//
// # Which point a trial gets
//
// Trial n gets point n of the sequence: nothing is counted, so parallel workers
// cannot get the same one and a restart changes nothing. A trial whose point
// came from elsewhere (a user enqueued it, or an earlier space version) leaves a
// gap: the sequence goes on as if that trial had its point. A few gaps cost
// little evenness; filling them would need a counter, or make a proposal depend
// on which results came first.
//
// Sobol's points come in blocks of 2^20 (fewer with more than 16 parameters, at
// least 1,024), each with a scrambling of its own, because the vectors of a
// longer block would take too long to find. Within a block the first 2^k points
// and every later aligned 2^k points are a net.
//
// # How a point becomes values
//
// Each parameter of more than one value has one coordinate, in the order of the
// space, whether active or not; inactive ones are left out of the point. Numbers
// are laid on the parameter's scale; discrete and categorical parameters take
// the cell into which the coordinate falls. A parameter with a prior takes the
// quantile of the prior.
//
// Sobol serves the first coordinates, up to its own limit (21,200 with goptuna's
// engine, more than a space may have), Halton those beyond it, with the odd
// primes as bases, which have nothing in common with Sobol's base 2.
//
// # Constraints and repeats
//
// If the point violates a constraint, or was tried before where points are not
// to be repeated, the trial takes the point of the same number from a second
// scrambling, independent of the first, and so on through 256 of them; what
// comes from one scrambling is evenly spread over the feasible part, and all
// are independent of other trials. Then it draws at random
// (suggest.Ask.Fresh); the proposal's arm is "random" then, else "qmc".
//
// # Scrambling
//
// owen is nested uniform scrambling: a digit is permuted by a permutation that a
// hash derives from the seed, the coordinate and the digits before it. For
// base 2 each digit is flipped or not by one bit of SplitMix64's finaliser over
// those digits. (Burley, after Laine and Karras, hashes all digits at once by
// multiplications that carry upwards; that is faster on a GPU but mixes the
// leading digits poorly. One hash a digit takes 0.1 µs a coordinate.) Below the
// digits of the sequence all digits are random, so that two trials never share
// a coordinate. shift adds a random number digit by digit without carry.
//
// # Cost
//
// A proposal costs O(d): about 3 µs for 10 parameters. The vectors of Sobol's
// sequence are found when the trial numbers reach them, which costs less than a
// draw of the engine a trial. There is no snapshot: replaying events only
// fills a set of keys.
package qmc
