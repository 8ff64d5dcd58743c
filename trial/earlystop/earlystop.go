// Package earlystop is the contract of the rules that end a running trial that
// cannot win, and the rules themselves.
package earlystop

import (
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Stopper decides on running trials by their reports. It is incremental, and
// its decisions equal those of the rule computed from scratch on all events.
// It is used by one goroutine at a time.
type Stopper interface {
	// Observe takes the next event of the study in the order of Seq, each once,
	// including every EventReported.
	Observe(e trial.Event)
	// Decide says whether the trial of r, the report just observed, should end.
	Decide(r trial.Report) Decision
}

// Blind is implemented by stoppers that do not look at reports: a study with one
// is loaded without them.
type Blind interface {
	Stopper
	// SeesNoReports does nothing.
	SeesNoReports()
}

// Decision is a stopper's answer.
type Decision struct {
	Stop bool
	// Reason says in words why, with the numbers, such as "error 0.42 at step 3
	// is worse than the median 0.31 of 12 trials". Set if Stop.
	Reason string
}

// Config is what a Stopper is built from.
type Config struct {
	Objectives []types.Objective
	// Settings are complete and checked.
	Settings trial.Settings
	Seed     int64
}

// Rule describes one stopper to users and builds it.
type Rule struct {
	Name     string
	Doc      string
	Version  int
	Settings []trial.Setting
	New      func(Config) (Stopper, error)
}
