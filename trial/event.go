package trial

import (
	"encoding/json"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// EventKind is the kind of an event.
type EventKind string

// The event kinds.
const (
	// EventCreated: a trial with a point exists; it is pending until finished.
	EventCreated EventKind = "created"
	// EventDrawn: the program of a trial in an open space asked for a parameter, or
	// ended without asking for all that its point had; Point is what the trial is
	// expected to be now.
	EventDrawn EventKind = "drawn"
	// EventStarted: an attempt of the trial was leased.
	EventStarted EventKind = "started"
	// EventReported: a report was counted.
	EventReported EventKind = "reported"
	// EventRequeued: its attempt was lost or interrupted; still pending. The
	// reports of that attempt are void.
	EventRequeued EventKind = "requeued"
	// EventPaused: its attempt ended where the stopper wants it to wait; its
	// reports stay. EventStarted ends the pause. Finish has the values so far, in
	// the form of a pruned trial's.
	EventPaused EventKind = "paused"
	// EventFinished: the trial reached a final state.
	EventFinished EventKind = "finished"
	// EventSpace: the study has a new space version.
	EventSpace EventKind = "space"
	// EventStudy: the study changed its state or budget.
	EventStudy EventKind = "study"
)

// Event is one thing that happened in a study. Events are numbered without gap
// by Seq and never change: what algorithms and stoppers know is a pure function
// of them.
type Event struct {
	Seq   int64
	Kind  EventKind
	Trial int64 // number; -1 for events of the study
	Time  time.Time

	// Point and SpaceVersion are set for EventCreated and EventDrawn. Point belongs
	// to the space version that was current then. In an open space it has values
	// of dynamic parameters that the program has not asked for yet; that of an
	// EventDrawn is nil if what the trial is expected to be has not changed.
	Point        space.Point
	SpaceVersion int
	// Copy is set for the EventCreated of a trial that goes on from another's state.
	Copy *types.Copy
	// Report is set for EventReported.
	Report Report
	// Finish is set for EventFinished.
	Finish *Finish
	// Space is set for EventSpace: the new version.
	Space *space.Space
	// Detail is for people and subscribers, not for algorithms.
	Detail json.RawMessage
}

// Finish is the result of a trial.
type Finish struct {
	State  types.State
	Reason string
	// Values has one value for each objective of the study, in order. For a
	// completed trial all are finite. For a pruned one they are the values at
	// the highest step reached, NaN where there is none. Else nil.
	Values []float64
	// Step is the highest step of the first objective's reports; -1 none.
	Step int64
	// Duration is from the first attempt's lease to the end.
	Duration time.Duration
	// Violations has one value for each outcome constraint, feasible if <= 0.
	Violations []float64
}
