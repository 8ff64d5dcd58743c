package types

import "time"

// AttemptRef names one attempt of one trial. Token fences it: only the holder
// of the lease knows it.
type AttemptRef struct {
	Study   int64  `json:"study"`
	Trial   int64  `json:"trial"`
	Attempt int    `json:"attempt"`
	Token   string `json:"token"`
}

// LeaseRequest asks for a trial to run.
type LeaseRequest struct {
	// Study is the ID of the study. A server, which finds the study by its name,
	// refuses the request if the study of that name has another ID; 0 is any.
	Study int64 `json:"study,omitempty"`
	// Worker names the agent; stable over its restarts.
	Worker string `json:"worker"`
	// Key makes the request idempotent: the same key answers the same lease.
	// Empty for callers whose call cannot be repeated.
	Key string `json:"key,omitempty"`
	// Executor names what will run it ("local", "inproc", …).
	Executor string `json:"executor,omitempty"`
	Node     string `json:"node,omitempty"`
	// Wait is how long the call may block until a trial is there.
	Wait Duration `json:"wait,omitempty"`
	// TTL is the lease asked for; 0 is the engine's default.
	TTL Duration `json:"ttl,omitempty"`
	// Texts asks for Lease.Texts.
	Texts bool `json:"texts,omitempty"`
	// Max is how many trials the caller takes at once; 0 means 1.
	Max int `json:"max,omitempty" minimum:"0" maximum:"1000"`
	// Labels are what the worker has, such as gpu=a100. A study that requires a
	// label (StudySpec.Require) gives trials only to those who have it.
	Labels map[string]string `json:"labels,omitempty"`
}

// LeaseStatus says what a LeaseReply holds.
type LeaseStatus string

// The lease statuses.
const (
	LeaseGranted LeaseStatus = "granted"
	// LeaseWait: nothing to run now, but there may be later (all of the budget
	// is running elsewhere, or the study is paused).
	LeaseWait LeaseStatus = "wait"
	// LeaseDone: this study hands out no more trials. Reason says why.
	LeaseDone LeaseStatus = "done"
)

// LeaseReply answers a LeaseRequest.
type LeaseReply struct {
	Status LeaseStatus `json:"status"`
	Leases []Lease     `json:"leases,omitempty"`
	Reason string      `json:"reason,omitempty"`
}

// Lease is a trial handed out to be run by the holder and by nobody else until
// it expires.
type Lease struct {
	Ref     AttemptRef `json:"ref"`
	Expires time.Time  `json:"expires"`
	Params  Params     `json:"params"`
	// Texts is what a command sees of each parameter, in the order of Params.
	Texts []string `json:"texts,omitempty"`
	// Inactive names the parameters that are not part of Params.
	Inactive []string `json:"inactive,omitempty"`
	Seed     int64    `json:"seed"`
	Budget   float64  `json:"budget,omitempty"`
	// ResumeFrom is the last sealed checkpoint directory of an earlier attempt.
	ResumeFrom string `json:"resume_from,omitempty"`
	// Copy says whose state the trial begins with, until it has one of its own; nil
	// for most.
	Copy *Copy  `json:"copy,omitempty"`
	Arm  string `json:"arm,omitempty"`
}

// Decision is what the holder of a lease has to do.
type Decision struct {
	// Stop asks the holder to end the attempt as soon as it can.
	Stop bool `json:"stop,omitempty"`
	// Kind says why: pruned, cancelled, timeout, superseded or drain.
	Kind StopKind `json:"kind,omitempty"`
	// Reason in words, with the numbers.
	Reason  string    `json:"reason,omitempty"`
	Expires time.Time `json:"expires"`
}

// StopKind is why an attempt was asked to stop.
type StopKind string

// The stop kinds.
const (
	StopPruned     StopKind = "pruned"
	StopCancelled  StopKind = "cancelled"
	StopTimeout    StopKind = "timeout"
	StopSuperseded StopKind = "superseded"
	StopInterrupt  StopKind = "interrupted"
	// StopPaused: the trial goes on later from its checkpoint, if it is good.
	StopPaused StopKind = "paused"
)

// ReportRequest carries reports of one attempt.
type ReportRequest struct {
	Ref     AttemptRef `json:"ref"`
	Reports []Report   `json:"reports"`
	// Cursor is how far the collector had read when it saw these reports; it is
	// stored in the reports' transaction and given back on adoption.
	Cursor string `json:"cursor,omitempty"`
	// Buffered lets the backend acknowledge before the reports are stored; they
	// are stored at the latest with Finish.
	Buffered bool `json:"buffered,omitempty"`
}

// Beat tells that an attempt is alive and how far it is.
type Beat struct {
	Ref   AttemptRef   `json:"ref"`
	State AttemptState `json:"state"`
	// Handle is what the executor needs to find the attempt again; stored when
	// it is not empty and differs from what was stored before.
	Handle string `json:"handle,omitempty"`
	Dir    string `json:"dir,omitempty"`
	// Stopping is the stop intent, stored before any signal is sent.
	Stopping StopKind `json:"stopping,omitempty"`
	Reason   string   `json:"reason,omitempty"`
}

// HeartbeatRequest renews the leases of a worker.
type HeartbeatRequest struct {
	Worker string `json:"worker"`
	Beats  []Beat `json:"beats"`
	// Wait is how long the call may block for a decision that is not yet known.
	Wait Duration `json:"wait,omitempty"`
}

// HeartbeatReply has one decision for each beat, in the same order.
type HeartbeatReply struct {
	Decisions []Decision `json:"decisions"`
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. Interrupted and OutcomeLost put the trial back in the queue.
const (
	OutcomeCompleted   Outcome = "completed"
	OutcomePruned      Outcome = "pruned"
	OutcomeFailed      Outcome = "failed"
	OutcomeInfeasible  Outcome = "infeasible"
	OutcomeCancelled   Outcome = "cancelled"
	OutcomeInterrupted Outcome = "interrupted"
	OutcomeLost        Outcome = "lost"
)

// FinishRequest ends an attempt. It is idempotent: the same request again
// answers as the first time.
type FinishRequest struct {
	Ref     AttemptRef `json:"ref"`
	Outcome Outcome    `json:"outcome"`
	// Reason in words for every outcome but completed.
	Reason string `json:"reason,omitempty"`
	// Reports that were not sent before, stored in the same transaction.
	Reports []Report `json:"reports,omitempty"`
	Cursor  string   `json:"cursor,omitempty"`
	// Metrics are final values; a metric that is absent here takes its value
	// from its reports by the study's strategy.
	Metrics map[string]Float `json:"metrics,omitempty"`
	Exit    *int             `json:"exit,omitempty"`
	Signal  string           `json:"signal,omitempty"`
	// Dir is the attempt's directory, which a short attempt had no beat to tell.
	Dir string `json:"dir,omitempty"`
	// Next asks for a new lease in the same call.
	Next *LeaseRequest `json:"next,omitempty"`
}

// FinishReply tells what became of the trial.
type FinishReply struct {
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"`
	// Value is the first objective's, if the trial is over and has one.
	Value *Float      `json:"value,omitempty"`
	Next  *LeaseReply `json:"next,omitempty"`
}
