package earlystop

import (
	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Saving is what a rule would have saved of a search that ran without it.
type Saving struct {
	// Trials is how many trials the rule would have ended, Steps how many of
	// their OfSteps reports would not have been made.
	Trials         int
	Steps, OfSteps int
	// KeptBest says that the best trial would have run to its end.
	KeptBest bool
}

// Tally asks a rule, as a search goes by, what it would have done. The search
// itself would have gone on differently, so this is an estimate. It is used by
// one goroutine.
type Tally struct {
	rule    Stopper
	metric  string
	best    int64
	stopped map[int64]bool
	out     Saving
}

// NewTally returns a Tally of a rule on reports of metric; best is the number
// of the best trial, -1 if there is none.
func NewTally(rule Stopper, metric string, best int64) *Tally {
	return &Tally{rule: rule, metric: metric, best: best, stopped: map[int64]bool{}, out: Saving{KeptBest: true}}
}

// Observe takes the next event. What a trial did after the rule would have
// ended it does not count, and it ends as pruned.
func (t *Tally) Observe(ev trial.Event) {
	switch ev.Kind {
	case trial.EventReported:
		if ev.Report.Metric != t.metric {
			return
		}
		t.out.OfSteps++
		if t.stopped[ev.Trial] {
			t.out.Steps++
			return
		}
		t.rule.Observe(ev)
		if t.rule.Decide(ev.Report).Stop {
			t.stopped[ev.Trial] = true
			t.out.Trials++
			t.out.KeptBest = t.out.KeptBest && ev.Trial != t.best
		}
		return
	case trial.EventFinished:
		if t.stopped[ev.Trial] && ev.Finish != nil {
			pruned := *ev.Finish
			pruned.State = types.Pruned
			ev.Finish = &pruned
		}
	case trial.EventCreated, trial.EventDrawn, trial.EventStarted, trial.EventRequeued, trial.EventPaused, trial.EventSpace, trial.EventStudy:
	}
	t.rule.Observe(ev)
}

// Result is what was saved so far.
func (t *Tally) Result() Saving { return t.out }
