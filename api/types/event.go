package types

import (
	"encoding/json"
	"time"
)

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events.
const (
	// EventCreated: a trial with Params exists.
	EventCreated EventKind = "created"
	// EventStarted: the trial was handed out.
	EventStarted EventKind = "started"
	// EventDrawn: the trial's program asked for a parameter of an open space;
	// Detail has its name, value and what chose it.
	EventDrawn EventKind = "drawn"
	// EventReported: a report was counted.
	EventReported EventKind = "reported"
	// EventRequeued: the attempt was lost or interrupted, and its reports are void.
	EventRequeued EventKind = "requeued"
	// EventPaused: its attempt ended where the stopper wants it to wait; its
	// reports stay.
	EventPaused EventKind = "paused"
	// EventFinished: the trial reached a final state.
	EventFinished EventKind = "finished"
	// EventSpace: the study has a new version of its space.
	EventSpace EventKind = "space"
	// EventStudy: the study changed its state or limits; Detail says how.
	EventStudy EventKind = "study"
)

// Event is one thing that happened in a study. Events are numbered by Seq from
// 0, without gap, and never change.
type Event struct {
	Seq  int64     `json:"seq"`
	Kind EventKind `json:"kind" enum:"created,started,drawn,reported,requeued,paused,finished,space,study"`
	Time time.Time `json:"time"`
	// Trial is its number; nil for events of the study.
	Trial *int64 `json:"trial,omitempty"`

	// Params, Origin and SpaceVersion are of EventCreated.
	Params       Params `json:"params,omitempty"`
	Origin       string `json:"origin,omitempty"`
	SpaceVersion int    `json:"space_version,omitempty"`

	// Attempt, Metric, Step and Value are of EventReported.
	Attempt int    `json:"attempt,omitempty"`
	Metric  string `json:"metric,omitempty"`
	Step    *int64 `json:"step,omitempty"`
	Value   *Float `json:"value,omitempty"`

	// State, Reason and Metrics are of EventFinished.
	State   State            `json:"state,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Metrics map[string]Float `json:"metrics,omitempty"`

	Detail json.RawMessage `json:"detail,omitempty"`
}

// EventPage answers a request for events that is not a stream.
type EventPage struct {
	Events []Event `json:"events"`
	// Next is the value of "after" for the next page. It is always there: later
	// there may be more.
	Next string `json:"next"`
}
