// Package types holds the words that every part of tuner and every client
// share: the specification of a study, a trial, a report, a decision, and the
// Backend that hands out trials. It imports the standard library only, so that
// the Go SDK can be linked without anything else.
package types

import (
	"encoding/json"
	"time"
)

// Goal says which direction of a metric is better.
type Goal string

// The goals.
const (
	Minimize Goal = "min"
	Maximize Goal = "max"
)

// Objective is a metric with a goal.
type Objective struct {
	Metric string `json:"metric"`
	Goal   Goal   `json:"goal"`
}

// Component names an algorithm or a stopper with its settings. A setting that
// is absent has its documented default; one that the component does not know
// is an error that lists those it knows.
type Component struct {
	Name     string         `json:"name"`
	Settings map[string]any `json:"settings,omitempty"`
}

// Budget says when a study ends. A zero field sets no limit.
type Budget struct {
	// Trials counts completed, pruned, failed and infeasible trials.
	Trials int64 `json:"trials,omitempty"`
	// Time is measured from the study's first trial to the start of the last.
	Time Duration `json:"time,omitempty"`
	// Target ends the study once the first objective is at least as good.
	Target *float64 `json:"target,omitempty"`
	// Patience ends the study after so many finished trials without a better
	// first objective.
	Patience int64 `json:"patience,omitempty"`
	// MaxFailures ends the study after so many failed trials; -1 never.
	// 0 is the documented default.
	MaxFailures int64 `json:"max_failures,omitempty"`
	// Cost ends the study once a metric, summed over its trials, reaches a limit.
	Cost Cost `json:"cost,omitzero" required:"false"`
	// StopWhen is "unlikely" to end the study once going on is unlikely to pay, by
	// the rule of trial.Prospect; "" and "never" are not to.
	StopWhen string `json:"stop_when,omitempty" enum:"never,unlikely"`
}

// Cost is a limit on the sum of a metric's final values over all trials that
// ran, however they ended. A trial that completes without the metric stops the
// study: its cost would go unnoticed.
type Cost struct {
	Metric string  `json:"metric"`
	Limit  float64 `json:"limit"`
}

// StudySpec is what a user asks for: what a study is, not how far it has come.
// Its JSON form is stored, sent over the wire and compared when a study of the
// same name is continued. The tags "required" are for the schema of requests: a
// continuation may leave out what it does not change.
type StudySpec struct {
	Project string `json:"project" required:"false"`
	Name    string `json:"name"`
	// Space is the canonical JSON form of the search space
	// (docs/guide/space.md); the engine parses and validates it.
	Space      json.RawMessage `json:"space" required:"false"`
	Objectives []Objective     `json:"objectives" required:"false"`
	Algorithm  Component       `json:"algorithm" required:"false"`
	Stopper    Component       `json:"stopper" required:"false"`
	Budget     Budget          `json:"budget" required:"false"`
	// Seed of all randomness; 0 means that the engine draws one and stores it.
	Seed int64 `json:"seed" required:"false"`
	// Parallelism is how many trials run at once at most; 0 = no limit.
	Parallelism int `json:"parallelism,omitempty"`
	// Deterministic says whether the same point gives the same result:
	// "yes", "no" or "auto" (the default, which never repeats a point).
	Deterministic string `json:"deterministic,omitempty"`
	// Strategy turns the reports of a metric into the trial's value: "last"
	// (default), "min" or "max".
	Strategy string `json:"strategy,omitempty"`
	// Retries is how often a trial whose attempt was lost is handed out again.
	// 0 is the documented default, -1 never.
	Retries int `json:"retries,omitempty"`
	// Try lists points that are evaluated first, in this order.
	Try []Params `json:"try,omitempty"`
	// Run says how an executor runs a trial; empty for in-process functions
	// and ask/tell.
	Run *RunSpec `json:"run,omitempty"`
	// Require are the labels that a worker must have to be given a trial, such as
	// gpu=a100; each with the same value. At most 64.
	Require map[string]string `json:"require,omitempty"`
	// Extend accepts a changed space of an existing study; it is not stored.
	Extend bool `json:"extend,omitempty"`
	// Attributes are the user's own notes.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// RunSpec is how a process trial runs.
type RunSpec struct {
	// Command is an argv list with placeholders; no shell reads it.
	Command []string `json:"command"`
	Literal []string `json:"literal,omitempty"`
	Dir     string   `json:"dir,omitempty"`
	Env     []string `json:"env,omitempty"`

	Timeout    Duration `json:"timeout,omitempty"`
	Grace      Duration `json:"grace,omitempty"`
	StopSignal string   `json:"stop_signal,omitempty"`
	// InfeasibleExit is the exit code that declares a trial infeasible; 0 none.
	InfeasibleExit int `json:"infeasible_exit,omitempty"`

	Step        string   `json:"step,omitempty"`
	MetricRegex []string `json:"metric_regex,omitempty"`
	MetricFile  string   `json:"metric_file,omitempty"`
	// Keep says whose directories outlive the trial: "all" ("" too), "best",
	// "none" or the number of the best.
	Keep string `json:"keep,omitempty"`
}

// StudyState says whether a study hands out trials.
type StudyState string

// The study states. A finished study runs on when its budget is raised.
const (
	StudyActive   StudyState = "active"
	StudyPaused   StudyState = "paused"
	StudyFinished StudyState = "finished"
	StudyStopped  StudyState = "stopped"
)

// Study is a study as a client sees it.
type Study struct {
	ID      int64      `json:"id"`
	Spec    StudySpec  `json:"spec"`
	State   StudyState `json:"state"`
	Reason  string     `json:"reason,omitempty"`
	Created time.Time  `json:"created"`
	// CreatedBy is the user who made the study with a server, "" without one.
	CreatedBy string `json:"created_by,omitempty"`
	Counts    Counts `json:"counts"`
	// Best holds the numbers of the best trials: one for one objective, the
	// Pareto front for several, none before a trial completed.
	Best []int64 `json:"best,omitempty"`
	// Advice says why going on is unlikely to pay, if it is.
	Advice string `json:"advice,omitempty"`
	// SpaceVersion is the version of Spec.Space, from 1.
	SpaceVersion int `json:"space_version"`
	// Continued says that the study existed before this call.
	Continued bool `json:"continued,omitempty"`
}

// Counts is the number of trials in each state.
type Counts struct {
	Queued     int64 `json:"queued"`
	Running    int64 `json:"running"`
	Paused     int64 `json:"paused"`
	Completed  int64 `json:"completed"`
	Pruned     int64 `json:"pruned"`
	Failed     int64 `json:"failed"`
	Infeasible int64 `json:"infeasible"`
	Cancelled  int64 `json:"cancelled"`
}

// Spent is the part of the budget that is used up.
func (c Counts) Spent() int64 { return c.Completed + c.Pruned + c.Failed + c.Infeasible }

// Total is the number of trials.
func (c Counts) Total() int64 { return c.Spent() + c.Queued + c.Running + c.Paused + c.Cancelled }

// Duration is a time.Duration whose JSON form is text such as "1h30m".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}
