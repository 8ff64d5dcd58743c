package types

import "encoding/json"

// What one request may hold; more is sent in several. The tags below say the same.
const (
	// MostReports is for reports, of the call or of the end of an attempt.
	MostReports = 20_000
	// MostTrials is for points, finished trials, numbers and beats.
	MostTrials = 100_000
)

// The bodies of requests and answers that exist on the wire only, because the
// path says the rest.

// StudyPage answers a listing of studies.
type StudyPage struct {
	Studies []Study `json:"studies"`
	// Next is the value of "after" for the next page; "" after the last.
	Next string `json:"next,omitempty"`
}

// StudyPatch changes a study: either its state, or its limits and its space.
type StudyPatch struct {
	// State is active, paused or stopped.
	State  StudyState `json:"state,omitempty"`
	Reason string     `json:"reason,omitempty"`
	// Budget replaces the whole budget.
	Budget      *Budget `json:"budget,omitempty"`
	Parallelism *int    `json:"parallelism,omitempty"`
	// Space becomes the next version of the space, wider, narrower or with other
	// parameters. Trials that are not valid in it stay, but the algorithm does not
	// see them any more; those that run go on.
	Space json.RawMessage `json:"space,omitempty"`
	// Require replaces the labels that workers must have; {} is none.
	Require map[string]string `json:"require,omitzero" required:"false"`
	// Key makes the request idempotent: the same key answers as the first time.
	Key string `json:"key,omitempty"`
}

// TrialPage answers a listing of trials, which come without their attempts.
type TrialPage struct {
	Trials []Trial `json:"trials"`
	// Next is the value of "after" for the next page; "" after the last.
	Next string `json:"next,omitempty"`
}

// EnqueueBody adds trials at given points.
type EnqueueBody struct {
	Points []Params `json:"points" maxItems:"100000"`
	Key    string   `json:"key,omitempty"`
}

// ImportBody adds finished trials.
type ImportBody struct {
	Trials []FinishedTrial `json:"trials" maxItems:"100000"`
	Key    string          `json:"key,omitempty"`
}

// CancelBody cancels trials.
type CancelBody struct {
	Numbers []int64 `json:"numbers" maxItems:"100000"`
	Reason  string  `json:"reason,omitempty"`
	Key     string  `json:"key,omitempty"`
}

// ReportBody is a ReportRequest of the attempt in the path. There is no Buffered:
// what a server has answered is stored.
type ReportBody struct {
	// Token is that of the lease; the process of an attempt, which shows it in
	// Authorization, leaves it out.
	Token   string   `json:"token,omitempty"`
	Reports []Report `json:"reports" maxItems:"20000"`
	Cursor  string   `json:"cursor,omitempty"`
}

// FinishBody is a FinishRequest of the attempt in the path.
type FinishBody struct {
	Token   string           `json:"token"`
	Outcome Outcome          `json:"outcome"`
	Reason  string           `json:"reason,omitempty"`
	Reports []Report         `json:"reports,omitempty" maxItems:"20000"`
	Cursor  string           `json:"cursor,omitempty"`
	Metrics map[string]Float `json:"metrics,omitempty" maxProperties:"1000"`
	Exit    *int             `json:"exit,omitempty"`
	Signal  string           `json:"signal,omitempty"`
	Dir     string           `json:"dir,omitempty"`
	Next    *LeaseRequest    `json:"next,omitempty"`
}

// BeatBody is a Beat of an attempt of the study in the path.
type BeatBody struct {
	Trial    int64        `json:"trial"`
	Attempt  int          `json:"attempt"`
	Token    string       `json:"token"`
	State    AttemptState `json:"state"`
	Handle   string       `json:"handle,omitempty"`
	Dir      string       `json:"dir,omitempty"`
	Stopping StopKind     `json:"stopping,omitempty"`
	Reason   string       `json:"reason,omitempty"`
}

// HeartbeatBody is a HeartbeatRequest for the study in the path.
type HeartbeatBody struct {
	Worker string     `json:"worker"`
	Beats  []BeatBody `json:"beats" maxItems:"100000"`
	Wait   Duration   `json:"wait,omitempty"`
}

// AdoptBody is an AdoptRequest for the study in the path.
type AdoptBody struct {
	Study  int64  `json:"study,omitempty"`
	Worker string `json:"worker"`
}

// AdoptReply answers an AdoptBody.
type AdoptReply struct {
	Attempts []Adopted `json:"attempts"`
}

// SpaceList holds the versions of a study's space, the first at index 0.
type SpaceList struct {
	Spaces []json.RawMessage `json:"spaces"`
}

// Curve holds the reports of a trial's last attempt that made any, by metric
// and step.
type Curve struct {
	Reports []Report `json:"reports"`
}

// ServerInfo tells what a server is.
type ServerInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// API is the number of the API's version, as in its paths.
	API int `json:"api"`
}

// Problem is an error as it is sent (RFC 9457, application/problem+json), with
// the fields of Error beside those of the standard.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   Code   `json:"code"`
	Field  string `json:"field,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Errors lists all faults of a body, the first of which is in Detail and
	// Field.
	Errors []Fault `json:"errors,omitempty"`
	// Request is the ID under which the server's log has the request.
	Request string `json:"request,omitempty"`
}

// Fault is one of several faults of a request.
type Fault struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Signal tells whether an attempt has to end.
type Signal struct {
	// Attempt is the one that this is about; 0 if the trial has none yet.
	Attempt int  `json:"attempt"`
	Stop    bool `json:"stop"`
	// Kind is pruned, cancelled, timeout, interrupted or superseded, and Reason
	// says why in words, if Stop.
	Kind   StopKind `json:"kind,omitempty"`
	Reason string   `json:"reason,omitempty"`
}
