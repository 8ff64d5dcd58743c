// Package trial holds the domain: studies, trials, attempts, reports, the
// events they make, and the one state machine that changes their states. It
// does no I/O.
package trial

import (
	"encoding/json"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// Study is a study as its owner knows it.
type Study struct {
	ID   int64
	Spec types.StudySpec
	// Space is the compiled current version of Spec.Space.
	Space        *space.Space
	SpaceVersion int

	State   types.StudyState
	Reason  string
	Created time.Time
	// CreatedBy is the user who made the study with a server, the owner of a
	// token; "" without one. It is not the process of Ownership.
	CreatedBy string

	Ownership
	// NextSeq is the sequence number of the next event, NextNumber that of the
	// next trial; both from 0 and both advanced only in the writing transaction.
	NextSeq    int64
	NextNumber int64
}

// Ownership says which process may write a study.
type Ownership struct {
	Owner      string // "" nobody
	OwnerAddr  string // where the owner can be reached; may be empty
	Epoch      int64  // advanced by every takeover; every write carries it
	LeaseUntil time.Time
}

// Trial is one point to evaluate.
type Trial struct {
	ID           int64 // of the store; monotone over all studies
	Study        int64
	Number       int64
	State        types.State
	Reason       string
	SpaceVersion int
	Params       types.Params
	Origin       Origin
	// Basis, Arm and Explain tell how the point came about.
	Basis    Basis
	Arm      string
	Explain  json.RawMessage
	Priority int
	Parent   int64 // number of the trial it was derived from; -1 none
	Budget   float64
	// Attempts is the number of attempts so far.
	Attempts int
	// Lost counts the attempts that were lost, which Retries bounds.
	Lost     int
	Created  time.Time
	Started  time.Time // zero: never
	Finished time.Time // zero: not yet
	// Ran is how long its attempts took that are over, each from its lease to its
	// end; Since is when the one began that is not over, zero if there is none. A
	// store makes them of the attempts when it reads a trial; nobody writes them.
	Ran   time.Duration
	Since time.Time
	// Metrics are the final values, set when the trial finishes.
	Metrics map[string]float64
	// Step is the highest step of the first objective's reports; -1 none.
	Step int64
}

// Origin says who chose a trial's point.
type Origin string

// The origins.
const (
	FromAlgorithm Origin = "algorithm"
	FromDefault   Origin = "default" // the space's default point
	FromTry       Origin = "try"     // StudySpec.Try
	FromUser      Origin = "enqueued"
	FromImport    Origin = "imported"
)

// Basis is what an algorithm knew when it proposed a point: all events before
// Seq, and the points of the trials that were pending then. Together with the
// space version, settings, suggester version, seed and trial number it
// determines the proposal.
type Basis struct {
	Seq     int64   `json:"seq"`
	Pending []int64 `json:"pending,omitempty"`
	// Copy says from whose state the trial goes on, nil if it begins anew. It
	// never changes.
	Copy *types.Copy `json:"copy,omitempty"`
}

// Attempt is one try at running a trial.
type Attempt struct {
	Study    int64
	Trial    int64
	Number   int // from 1 within the trial
	State    types.AttemptState
	Token    string
	Worker   string
	Executor string
	Node     string
	// Handle is what the executor needs to find the attempt again.
	Handle        string
	HandleVersion int
	Dir           string
	// Stopping is the intent to stop, stored before any signal is sent: an
	// intended stop is never a failure, whatever the exit code.
	Stopping types.StopKind
	Reason   string
	Cursor   string // how far the collector's stored reports reach
	Exit     *int
	Signal   string
	Leased   time.Time
	Expires  time.Time
	Ended    time.Time // zero: not yet
	// Key is the LeaseRequest.Key that made it.
	Key string
}

// Report is a value of a metric at a step of a trial.
type Report struct {
	Seq     int64
	Trial   int64
	Attempt int
	Metric  string
	Step    int64
	Value   float64
	Time    time.Time
}

// Ref names a for its holder.
func (a *Attempt) Ref() types.AttemptRef {
	return types.AttemptRef{Study: a.Study, Trial: a.Trial, Attempt: a.Number, Token: a.Token}
}

// NotOwn is the error for a user who may change only what he has made.
func NotOwn(st Study, user string) error {
	whose := "no user: it was made in the database itself"
	if st.CreatedBy != "" {
		whose = st.CreatedBy
	}
	return types.Errorf(types.Forbidden, "the study %s belongs to %s, and this token changes only studies of %s", st.Spec.Name, whose, user).
		WithRemedy("choose another name, or use a token with the role admin")
}
