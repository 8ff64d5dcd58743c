// Package runner compares tuners: it runs contenders on problems with seeds,
// under the same conditions for all, and keeps the results in CSV files.
//
//	tpe, err := runner.InProcess(builtin.Algorithms(), "tpe:above_cap=0")
//	set := runner.Set{
//		Contenders: append(peers.Contenders(peers.Config{}), tpe),
//		Problems:   chosen, Seeds: []int64{1, 2, 3}, Budget: 100, Dir: "benchmarks/results/quick",
//	}
//	out, err := set.Run(ctx)                 // goes on where it stopped
//	all, err := runner.ReadResults(set.Dir)  // of all sets
//
// # A run
//
// A Contender opens a Searcher for a study: one seed on the instance of a
// problem that belongs to the seed (problems.Problem.InstanceFor). The objective
// is evaluated here. What does not come from the contender's points is a function
// of the problem, the seed and the place of a trial in the order of the asks:
// its noise, and how long it takes where the problem does not know that. So all
// contenders meet the same.
//
// With several workers the trials run at the same time on a simulated clock: a
// free worker asks for one trial, and the trial that ends first is told next, of
// several the one that was asked for first. Time passes only while trials run, so
// that runs repeat whatever the machine.
//
// A run is judged by true values: of the best trial so far, and of the one that a
// user would take, which is the best by its observed value, or at the end what
// the tuner itself recommends. That tells apart who copes with noise.
//
// # Runs of learning curves
//
// A contender with a stopper ("tpe+asha", "optuna-tpe+hyperband", "tpe+none")
// trains its trials step by step on problems that have learning curves, and may
// end them early. Its budget is the steps of as many whole trials, and checkpoints
// are counted in whole trials, so that all contenders are compared at equal cost. A
// trial whose training diverges ends there for everybody. With "tpe~asha" the
// stopper watches only, and the note of the run says whether it would have ended
// the best trial.
//
// # What is measured
//
// Times are the tuner's own (Coster), so that the way to another process is no
// disadvantage. An ask of our own algorithms includes the observation of what was
// told since the last. Processor time is that of the asking thread; where the
// operating system does not tell (anything but Linux) it is the time on the
// clock. Allocations are counted in each tenth ask, which is not timed, and only
// if one run is made at a time.
//
// # Files
//
// There is one file for each contender (FileName), to which each run appends a
// row (Result) by one write. A row that a crash cut off is dropped at the next
// opening; so is nothing else. A row is reused if its Key is the same: contender,
// version, settings, harness, problem, instance, seed, budget and workers. In the
// lists of a row a value that equals the one before is left empty.
package runner
