package earlystop

// medianRule is the median stopping rule in the form of Optuna's MedianPruner:
// the rule percentile with 50. The idea is of Golovin et al., "Google Vizier",
// KDD 2017, section 3.2.2, who compare with running averages; Optuna, and this
// rule, compare with the values at the very step.
func medianRule() Rule {
	return Rule{
		Name: "median",
		Doc: "Ends a trial whose best value so far is worse than the median of the completed trials " +
			"at the same step.",
		Version:  2,
		Settings: quantileSettings(),
		New:      func(cfg Config) (Stopper, error) { return newQuantile(cfg, 50), nil },
	}
}
