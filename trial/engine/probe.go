package engine

import (
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Probe is told what the engine does, for metrics. Fields may be nil; those that
// are not are called from many goroutines, with locks held, and must be quick.
type Probe struct {
	// Suggested: an algorithm proposed a point.
	Suggested func(algorithm string, took time.Duration)
	// Lost: the lease of an attempt ended without a sign of life.
	Lost func()
	// Took: this process became the owner of a study.
	Took func()
	// Dropped: a commit failed, and its study is loaded again.
	Dropped func()
}

func told(f func()) {
	if f != nil {
		f()
	}
}

// Totals are what the studies of this process have.
type Totals struct {
	Studies int64 // that it owns
	Leases  int64 // that are held now
	Trials  types.Counts
}

// Totals counts the studies that this process owns, from memory.
func (e *Engine) Totals() Totals {
	var t Totals
	for _, s := range e.ownedStudies() {
		s.mu.Lock()
		t.Studies++
		t.Leases += int64(len(s.running))
		c := s.counts
		s.mu.Unlock()
		t.Trials.Queued += c.Queued
		t.Trials.Running += c.Running
		t.Trials.Paused += c.Paused
		t.Trials.Completed += c.Completed
		t.Trials.Pruned += c.Pruned
		t.Trials.Failed += c.Failed
		t.Trials.Infeasible += c.Infeasible
		t.Trials.Cancelled += c.Cancelled
	}
	return t
}
