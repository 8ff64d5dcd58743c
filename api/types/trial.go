package types

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// State is the state of a trial. Package trial holds the table of the
// transitions between them, drawn in docs/state-machine.md.
type State string

// The trial states.
const (
	Queued     State = "queued"
	Running    State = "running"
	Paused     State = "paused"
	Completed  State = "completed"
	Pruned     State = "pruned"
	Failed     State = "failed"
	Infeasible State = "infeasible"
	Cancelled  State = "cancelled"
)

// Finished reports whether no transition leaves s.
func (s State) Finished() bool {
	switch s {
	case Completed, Pruned, Failed, Infeasible, Cancelled:
		return true
	case Queued, Running, Paused:
	}
	return false
}

// AttemptState is the state of an attempt.
type AttemptState string

// The attempt states.
const (
	Leased          AttemptState = "leased"
	AttemptStarting AttemptState = "starting"
	AttemptRunning  AttemptState = "running"
	Stopping        AttemptState = "stopping"
	Exited          AttemptState = "exited"
	Lost            AttemptState = "lost"
)

// Finished reports whether the attempt is over.
func (s AttemptState) Finished() bool { return s == Exited || s == Lost }

// Trial is a trial as a client sees it.
type Trial struct {
	Number       int64  `json:"number"`
	State        State  `json:"state"`
	Reason       string `json:"reason,omitempty"`
	Params       Params `json:"params"`
	SpaceVersion int    `json:"space_version"`
	// OutsideSpace says that Params are no point of the study's present space, which
	// was changed after the trial was made.
	OutsideSpace bool             `json:"outside_space,omitempty" doc:"its params are no point of the study's present space, which was changed since"`
	Metrics      map[string]Float `json:"metrics,omitempty"`
	Step         *int64           `json:"step,omitempty"`
	Origin       string           `json:"origin"`
	Arm          string           `json:"arm,omitempty"`
	Explain      json.RawMessage  `json:"explain,omitempty"`
	// Budget is how much of its resource it may use, where an algorithm says.
	Budget float64 `json:"budget,omitempty"`
	// Copy says from which trial's state it goes on, nil if it began anew.
	Copy     *Copy     `json:"copy,omitempty"`
	Attempts []Attempt `json:"attempts,omitempty"`
	// Decisions are those of the stopper and of people to end it.
	Decisions []Stop     `json:"decisions,omitempty"`
	Created   time.Time  `json:"created"`
	Started   *time.Time `json:"started,omitempty"`
	Finished  *time.Time `json:"finished,omitempty"`
	// Ran is how long its attempts took that are over, without the waiting between
	// them; Since is when the one began that is not over.
	Ran   Duration   `json:"ran,omitempty" doc:"how long its attempts took that are over, each from its lease to its end, without the waiting between them"`
	Since *time.Time `json:"since,omitempty" doc:"when the attempt began that is not over"`
}

// Copy says where a trial begins that goes on from another's saved state.
type Copy struct {
	// Of is the trial that saved the state, Attempt the one of its attempts that
	// did, and Step how far it was.
	Of      int64 `json:"of" doc:"the trial whose saved state it begins with"`
	Attempt int   `json:"attempt" doc:"the attempt of that trial that saved it"`
	Step    int64 `json:"step" doc:"the step up to which that trial had trained"`
	// For is the trial whose place it takes.
	For int64 `json:"for" doc:"the trial whose place it takes"`
}

// Stop is a decision to end a trial, as a client sees it.
type Stop struct {
	Step   int64     `json:"step"`
	Kind   StopKind  `json:"kind"`
	Reason string    `json:"reason"`
	Time   time.Time `json:"time"`
}

// Attempt is one try at running a trial as a client sees it.
type Attempt struct {
	Number   int          `json:"number"`
	State    AttemptState `json:"state"`
	Worker   string       `json:"worker,omitempty"`
	Executor string       `json:"executor,omitempty"`
	Reason   string       `json:"reason,omitempty"`
	Exit     *int         `json:"exit,omitempty"`
	Signal   string       `json:"signal,omitempty"`
	Node     string       `json:"node,omitempty"`
	Dir      string       `json:"dir,omitempty"`
	Leased   time.Time    `json:"leased"`
	Ended    *time.Time   `json:"ended,omitempty"`
}

// Report is a value of a named metric at a step of a running trial. A second
// report of the same metric and step replaces the first.
type Report struct {
	Metric string `json:"metric" maxLength:"512"`
	Step   int64  `json:"step"`
	Value  Float  `json:"value"`
}

// Float is a float64 whose JSON form also holds "NaN", "Infinity" and
// "-Infinity".
type Float float64

// MarshalJSON implements json.Marshaler.
func (f Float) MarshalJSON() ([]byte, error) {
	switch v := float64(f); {
	case math.IsNaN(v):
		return []byte(`"NaN"`), nil
	case math.IsInf(v, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(v, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return json.Marshal(v)
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*f = Float(math.NaN())
	case `"Infinity"`:
		*f = Float(math.Inf(1))
	case `"-Infinity"`:
		*f = Float(math.Inf(-1))
	default:
		var v *float64
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
		if v == nil {
			return fmt.Errorf("null is no number; write \"NaN\"")
		}
		*f = Float(*v)
	}
	return nil
}
