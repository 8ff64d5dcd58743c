package earlystop

import "github.com/gotuner/tuner/trial"

// The default first rung of asha is this part of a whole trial: later where a
// trial is ended for good than where it is paused and may still go on.
const (
	firstRungStop    = 4
	firstRungPromote = 15
)

// ashaRule is asynchronous successive halving in its stopping variant.
//
// Source: Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar:
// "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020. The
// paper's algorithm 2 pauses trials at a rung and promotes the best of them
// later, which needs checkpoints. The stopping variant, which Syne Tune and
// Determined (since 0.38 the only one) use, decides at once: a trial that is
// not among the best 1/eta of the results that its rung has so far is ended,
// any other runs on. It needs nothing from the program but reports.
//
// The rungs are min_step, min_step*eta, min_step*eta^2, … below max_step. By
// default min_step is max(1, max_step/4), rounded down: two rungs at eta 3, after
// a quarter and three quarters of a trial. See halving for the exact rule, and
// docs/adr/0016-first-rung.md for why not earlier. With mode=promote, where a
// trial that is no good yet only waits, it is max(1, max_step/15).
//
// Deviations from Syne Tune and Determined, which end the second trial at a
// rung if it is worse than the first: a rung decides only from min_results
// results on, and none before max(5, workers) trials have completed. With
// min_results=1 and startup=0 the decisions are Determined's.
//
// With mode=promote it is the paper's algorithm 2; see promoting.
func ashaRule() Rule {
	return Rule{
		Name: "asha",
		Doc: "Ends a trial that is not among the best third (1/eta) of those that got as far, at steps that " +
			"grow threefold: asynchronous successive halving.",
		Version: 2,
		Settings: append([]trial.Setting{
			{Name: "min_step", Type: trial.IntSetting, Min: new(float64(1)),
				Doc: "Step of the first rung; auto is a quarter of max_step, with mode=promote a fifteenth, at least 1."},
		}, halvingSettings()...),
		New: newASHA,
	}
}

func newASHA(cfg Config) (Stopper, error) {
	eta := cfg.Settings.Int("eta")
	return newHalving(cfg, "asha", func(maxStep int64) *brackets {
		first := max(1, maxStep/firstRungStop)
		if cfg.Settings.String("mode") == modePromote {
			first = max(1, maxStep/firstRungPromote)
		}
		if !cfg.Settings.Auto("min_step") {
			first = cfg.Settings.Int("min_step")
		}
		return &brackets{rungs: [][]*rung{rungsFrom(first, eta, maxStep)}, assign: func(int64) int { return 0 }}
	})
}

// rungsFrom are first, first*eta, … below maxStep.
func rungsFrom(first, eta, maxStep int64) []*rung {
	var out []*rung
	for step := first; step < maxStep; step *= eta {
		out = append(out, &rung{step: step})
		if step > maxStep/eta {
			break // the next one lies above, and might overflow
		}
	}
	return out
}
