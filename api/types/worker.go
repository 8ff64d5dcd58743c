package types

import "time"

// WorkerInfo is what is known of a worker.
type WorkerInfo struct {
	// Node is its machine and Executor what runs its trials, as it said.
	Node     string `json:"node,omitempty"`
	Executor string `json:"executor,omitempty"`
	// Study is the last one that it got a trial of.
	Study string `json:"study,omitempty"`
	// Aside says why it gets no trials any more; "" if it does.
	Aside      string    `json:"aside,omitempty"`
	AsideSince time.Time `json:"aside_since,omitzero"`
}

// Worker is one that asked for trials, as a client sees it.
type Worker struct {
	Name string `json:"name"`
	// Owner is the owner of the token that used the name first: nobody else but
	// administrators may use it. "" is nobody, or who works without a server.
	Owner string `json:"owner,omitempty"`
	// Seen is when it last asked for something, to the minute or less.
	Seen time.Time `json:"seen"`

	WorkerInfo
}

// WorkerPage answers a listing of workers.
type WorkerPage struct {
	Workers []Worker `json:"workers"`
	// Next is the value of "after" for the next page; "" after the last.
	Next string `json:"next,omitempty"`
}

// WorkerPatch puts a worker aside or lets it back.
type WorkerPatch struct {
	Worker string `json:"worker"`
	// Aside is whether it gets no more trials.
	Aside bool `json:"aside"`
	// Reason says why it is put aside; "" means "put aside by hand".
	Reason string `json:"reason,omitempty"`
}
