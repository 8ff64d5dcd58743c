// Package earlystop is the contract of the rules that end a running trial that
// cannot win, and the rules themselves.
//
// A rule is a pure function of its settings and of the events of a study: it
// knows no clock, no store and no randomness of its own. So it can be asked
// without any engine, as by a benchmark on recorded curves:
//
//	rule, err := earlystop.New(types.Component{Name: "asha"}, earlystop.Config{
//		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}})
//
//	rule.Observe(trial.Event{Kind: trial.EventCreated, Trial: 0})
//	rule.Observe(trial.Event{Kind: trial.EventStarted, Trial: 0})
//	r := trial.Report{Trial: 0, Metric: "loss", Step: 1, Value: 0.3}
//	rule.Observe(trial.Event{Kind: trial.EventReported, Trial: 0, Report: r})
//	if d := rule.Decide(r); d.Stop { … }
//	rule.Observe(trial.Event{Kind: trial.EventFinished, Trial: 0,
//		Finish: &trial.Finish{State: types.Pruned, Values: []float64{0.3}}})
//
// What a rule looks at: Kind, Trial, the Report's Metric, Step and Value, and
// State and Values of the Finish. EventStarted and EventFinished tell it how
// many workers there are. Package simulate runs whole searches in this way, and
// Tally asks a rule about a search that went by without it.
package earlystop

import (
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
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

// Budgeter is implemented by stoppers that know how far a trial should train.
type Budgeter interface {
	Stopper
	// Budget is the step up to which the trial should train now, 0 if that is not
	// known; whole says that it is complete then.
	Budget(number int64) (step int64, whole bool)
}

// Promoter is implemented by stoppers that let trials wait and the best of them
// go on later. A trial whose attempt ends well at its budget or beyond, but is
// not whole then, is paused (EventPaused); when it is handed out again
// (EventStarted) it has the next budget.
type Promoter interface {
	Budgeter
	// Promote is the number of a paused trial that should go on now, -1 if none
	// should. last says that no trial runs and none will be created any more:
	// then the best are promoted that a search to the end needs.
	Promote(last bool) int64
}

// Breeder is implemented by promoters that replace trials by changed copies of
// better ones, which go on from those's saved state.
type Breeder interface {
	Promoter
	// Size is how many trials the population has at once.
	Size() int64
	// Full says that no trial should be created any more, but for copies.
	Full() bool
	// Breed is the copy to make now, which will be trial number; ok is false if
	// there is none. If the trial of c.For is not over, it ends as pruned, for
	// reason, once the copy is created (EventCreated with c).
	Breed(number int64) (c types.Copy, reason string, ok bool)
	// Explore is the point of the copy c that Breed gave: a change of point, that
	// of the trial c.Of, which is feasible in sp. It does not keep or change it.
	Explore(sp *space.Space, point space.Point, c types.Copy) space.Point
	// Spare is the number of a paused trial that goes on because no copy may be
	// created any more; -1 if there is none.
	Spare() int64
}

// Decision is a stopper's answer.
type Decision struct {
	Stop bool
	// Pause says that the trial should stop for now, with its checkpoint, and be
	// paused. Set by a Promoter only, and with Stop.
	Pause bool
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
	// Copies says that what New builds is a Breeder.
	Copies bool
	New    func(Config) (Stopper, error)
}
