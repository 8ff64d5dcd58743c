package earlystop

import "github.com/gotuner/tuner/trial"

func noneRule() Rule {
	return Rule{
		Name:    "none",
		Doc:     "Lets every trial run to its end.",
		Version: 1,
		New:     func(Config) (Stopper, error) { return none{}, nil },
	}
}

// none never stops a trial.
type none struct{}

var _ Blind = none{}

// Observe implements Stopper.
func (none) Observe(trial.Event) {}

// SeesNoReports implements Blind.
func (none) SeesNoReports() {}

// Decide implements Stopper.
func (none) Decide(trial.Report) Decision { return Decision{} }
