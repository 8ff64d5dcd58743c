// Package sweepfile reads and writes sweep.yaml, the file form of the flags of
// `tuner sweep` (docs/guide/sweepfile.md).
//
// It is strict: an unknown key, a key given twice and a value of the wrong
// shape are errors with line, column and an excerpt. Values are read from the
// text of the file and not from what YAML makes of it, so that 1.10, 012, 0x1F,
// yes and 2026-01-02 stay what was written. What the values mean is checked by
// those who check the flags; Source.Locate adds the place to their errors.
package sweepfile

import (
	"encoding/json"
	"time"
)

// Version is the version of the file's form that this package reads and writes.
const Version = 1

// File is a sweep file. A field that is empty or nil was not given.
type File struct {
	Name    string
	Project string

	// Min or Max is the metric of the objective.
	Min string
	Max string

	Params      []Param
	Constraints []string
	// Try lists the points to evaluate first.
	Try []Point

	Trials      *int64
	Jobs        *int64
	Algorithm   string // NAME[:setting=value,…]
	Stopper     string // NAME[:setting=value,…]
	Seed        *int64
	For         *time.Duration
	Target      *float64
	Patience    *int64
	MaxFailures *int64
	MaxCost     string // METRIC=LIMIT
	StopWhen    string // never or unlikely

	// Command is an argument list; Literal are words that are no placeholders.
	Command []string
	Literal []string
	Cwd     string
	Env     []string // NAME=VALUE
	GPUs    []string

	Timeout        *time.Duration
	Grace          *time.Duration
	StopSignal     string
	Retries        *int64
	InfeasibleExit *int64

	Step           string
	MetricRegex    []string
	MetricFile     string
	MetricStrategy string

	Keep string
	DB   string
	Dir  string
	URL  string

	TokenFile  string
	Pin        string
	Durability string
}

// Param is a parameter in one of three forms; exactly one of Spec, Choices and
// JSON is set.
type Param struct {
	Name string
	// Spec is the text after the = of -p NAME=SPEC.
	Spec string
	// Choices are the items of a list.
	Choices []Value
	// JSON is the canonical form of the parameter, an object, as after the :=
	// of -p NAME:=JSON.
	JSON json.RawMessage
}

// Value is one value as it was written.
type Value struct {
	Text string
	// IsText says that Text looks like a number or a bool but was quoted, so
	// that it is a text.
	IsText bool
}

// Point is a point to try: either the text of --try, or its values by name.
type Point struct {
	Text   string
	Values []Assignment
}

// Assignment gives a parameter a value.
type Assignment struct {
	Name  string
	Value Value
}
