package types

import (
	"encoding/json"
	"time"
)

// ControlKind is what a ControlRequest asks for.
type ControlKind string

// The control requests.
const (
	// Enqueue adds trials at given points (Points), before the algorithm's.
	Enqueue ControlKind = "enqueue"
	// Import adds finished trials (Trials).
	Import ControlKind = "import"
	// StopTrial cancels the trials of Numbers.
	StopTrial ControlKind = "stop_trial"
	// StopStudy ends the study: no new trials, running ones are cancelled.
	StopStudy ControlKind = "stop"
	// PauseStudy hands out no trials until ResumeStudy.
	PauseStudy ControlKind = "pause"
	// ResumeStudy goes on.
	ResumeStudy ControlKind = "resume"
	// Edit changes Budget, Parallelism, Require and Space where given.
	Edit ControlKind = "edit"
	// RemoveStudy deletes the study and all that belongs to it.
	RemoveStudy ControlKind = "remove"
)

// ControlRequest changes a study by hand.
type ControlRequest struct {
	Study int64       `json:"study"`
	Kind  ControlKind `json:"kind"`
	// Key makes the request idempotent; empty for callers that cannot repeat it.
	Key         string          `json:"key,omitempty"`
	Points      []Params        `json:"points,omitempty"`
	Trials      []FinishedTrial `json:"trials,omitempty"`
	Numbers     []int64         `json:"numbers,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Budget      *Budget         `json:"budget,omitempty"`
	Parallelism *int            `json:"parallelism,omitempty"`
	// Space becomes the next version of the space; trials that are not valid in it
	// stay, and the algorithm does not see them any more.
	Space json.RawMessage `json:"space,omitempty"`
	// Require replaces the labels that workers must have; empty and not nil: none.
	Require map[string]string `json:"require,omitzero"`
}

// FinishedTrial is a result from elsewhere.
type FinishedTrial struct {
	Params Params `json:"params"`
	// State is "" for Completed, where the objectives are in Metrics.
	State   State            `json:"state,omitempty" doc:"completed, pruned, failed, infeasible or cancelled; absent: completed, with the objectives in metrics"`
	Metrics map[string]Float `json:"metrics,omitempty"`
	Reason  string           `json:"reason,omitempty"`
}

// ControlReply answers a ControlRequest.
type ControlReply struct {
	Study Study `json:"study"`
	// Numbers are the trials that were added or cancelled.
	Numbers []int64 `json:"numbers,omitempty"`
	// Repeated: a request with the same key came before, and this is its answer.
	Repeated bool `json:"repeated,omitempty"`
}

// ImportResult answers a stream of finished trials.
type ImportResult struct {
	// Added are those that are new, Repeated those that had come with the key
	// before, LeftOut those that are not finished.
	Added    int64 `json:"added"`
	Repeated int64 `json:"repeated"`
	LeftOut  int64 `json:"left_out"`
	// Numbers are those of the added and the repeated ones, in the order of the
	// stream.
	Numbers []NumberRange `json:"numbers,omitempty"`
}

// NumberRange are trials that follow each other, both ends included.
type NumberRange struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// AdoptRequest asks for the open attempts of a worker after its restart, or on
// behalf of its heir. Whoever asks makes sure that the worker does not run.
type AdoptRequest struct {
	Study  int64  `json:"study"`
	Worker string `json:"worker"`
	// Outside says that the worker asks over the network: it gets only what was
	// leased over the network.
	Outside bool `json:"outside,omitempty"`
}

// OutsideNode ends the nodes of attempts that were leased over the network. What
// a caller says about its machine is shown to people, but must never be taken for
// a place on the server's own, where directories are removed and processes ended
// by that name.
const OutsideNode = "/url"

// Adopted is an attempt that its worker held before it restarted. Its lease has
// a new token.
type Adopted struct {
	Lease    Lease    `json:"lease"`
	Executor string   `json:"executor,omitempty"`
	Handle   string   `json:"handle,omitempty"`
	Dir      string   `json:"dir,omitempty"`
	Cursor   string   `json:"cursor,omitempty"`
	Stopping StopKind `json:"stopping,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	// Leased is when the attempt began; its timeout counts from there.
	Leased time.Time `json:"leased"`
}
