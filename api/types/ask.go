package types

import "time"

// ExecutorAsk is the executor of trials that were asked for: nothing of tuner
// runs them, and their values are told.
const ExecutorAsk = "ask"

// ExecutorInProcess is the executor of trials that are functions of the SDK: they
// have no directories.
const ExecutorInProcess = "inproc"

// AskBody asks for trials to evaluate without a worker that renews leases.
type AskBody struct {
	// N is how many; 0 means 1.
	N int `json:"n,omitempty" minimum:"0" maximum:"1000"`
	// TTL is how long a trial may take without any report before it is handed
	// out again; 0 means 24 h.
	TTL Duration `json:"ttl,omitempty"`
	// Wait is how long the call may block until a trial is there.
	Wait Duration `json:"wait,omitempty"`
	// Worker is shown with the attempts; "" means "ask".
	Worker string `json:"worker,omitempty"`
	// Labels are what the caller has, where the study requires some.
	Labels map[string]string `json:"labels,omitempty"`
	// Key makes the request idempotent: the same key answers as the first time.
	Key string `json:"key,omitempty" maxLength:"256"`
	// Study is the ID of the study, which the study of that name must have; 0 is
	// any.
	Study int64 `json:"study,omitempty"`
}

// AskReply answers an AskBody.
type AskReply struct {
	// Status is granted if there are trials, wait if there may be some later, and
	// done if there will be none. Reason says why for the latter two.
	Status LeaseStatus  `json:"status"`
	Reason string       `json:"reason,omitempty"`
	Trials []AskedTrial `json:"trials"`
}

// AskedTrial is a trial to evaluate.
type AskedTrial struct {
	Number int64  `json:"number"`
	Params Params `json:"params"`
	// Attempt and Token are for the calls of an attempt, which may be used
	// instead of telling.
	Attempt int    `json:"attempt"`
	Token   string `json:"token"`
	// Expires is when the trial is handed out again if nothing is heard of it.
	Expires time.Time `json:"expires"`
	Seed    int64     `json:"seed"`
	Budget  float64   `json:"budget,omitempty"`
}

// Asked is a reply to a lease as one to an AskBody.
func (r LeaseReply) Asked() AskReply {
	out := AskReply{Status: r.Status, Reason: r.Reason, Trials: []AskedTrial{}}
	for _, l := range r.Leases {
		out.Trials = append(out.Trials, AskedTrial{Number: l.Ref.Trial, Params: l.Params, Attempt: l.Ref.Attempt, Token: l.Ref.Token,
			Expires: l.Expires, Seed: l.Seed, Budget: l.Budget})
	}
	return out
}

// TellBody ends the trial of the path, which was asked for. The same again is
// answered as the first time; another value for a trial that is over is a
// conflict.
type TellBody struct {
	// Outcome is completed ("" too), failed, infeasible, pruned or interrupted,
	// which puts the trial back into the queue and needs Attempt.
	Outcome Outcome `json:"outcome,omitempty"`
	// Value is that of the study's one objective; Metrics are values by name. A
	// metric that is absent takes its value from its reports.
	Value   *Float           `json:"value,omitempty"`
	Metrics map[string]Float `json:"metrics,omitempty"`
	// Reason in words for every outcome but completed.
	Reason string `json:"reason,omitempty"`
	// Attempt is that of the AskedTrial: if the trial was handed out again since,
	// the call is refused. 0 is any.
	Attempt int `json:"attempt,omitempty" minimum:"0"`
}

// TellRequest is a TellBody with the trial it is for.
type TellRequest struct {
	Study int64 `json:"study"`
	Trial int64 `json:"trial"`

	TellBody
}

// ReportAskedBody reports values of the trial of the path, which was asked for.
// It renews its lease.
type ReportAskedBody struct {
	// Step is that of all values; without it each metric is counted from 0, and
	// only a Key makes the request idempotent.
	Step *int64 `json:"step,omitempty" minimum:"0"`
	// Key makes the request idempotent: the same key answers as the first time.
	Key string `json:"key,omitempty" maxLength:"256"`
	// Value is that of the study's first objective; Metrics are values by name.
	Value   *Float           `json:"value,omitempty"`
	Metrics map[string]Float `json:"metrics,omitempty"`
	// Attempt is as in TellBody.
	Attempt int `json:"attempt,omitempty" minimum:"0"`
}

// ReportAskedRequest is a ReportAskedBody with the trial it is for.
type ReportAskedRequest struct {
	Study int64 `json:"study"`
	Trial int64 `json:"trial"`

	ReportAskedBody
}
