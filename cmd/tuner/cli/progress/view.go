// Package progress renders how a sweep goes: a block for a terminal, one line
// an event for a log, one JSON object an event for a program. All of it is a
// pure function of what it is given: no clock, no terminal, no environment.
package progress

import (
	"time"

	"github.com/gotuner/tuner/api/types"
)

// View is what the live block shows.
type View struct {
	Study     string
	Objective types.Objective
	Algorithm string
	Stopper   string // "" or "none": no mention
	Seed      int64

	Counts types.Counts
	Total  int64 // of the budget; 0 if there is none
	// Elapsed is the time since this sweep began; Left is the estimate of what
	// remains (see Left), 0 if unknown.
	Elapsed time.Duration
	Left    time.Duration

	Running []Running // by number
	Best    *Best
	// History holds the objective's values of the completed trials in the order
	// in which they finished.
	History []float64
	// Recent are the last trials that were pruned, failed or infeasible, the
	// newest last.
	Recent []Ended
	// Notice is a sentence for the user, such as what the next Ctrl-C does.
	Notice string
}

// Running is a trial that runs.
type Running struct {
	Number int64
	Point  Point
	// Step and Value are of the last report of the objective; nil before it.
	Step    *int64
	Value   *float64
	Elapsed time.Duration
	// Note says what else is to be known, such as "starting" or "stopping".
	Note string
}

// Best is the best completed trial.
type Best struct {
	Number int64
	Point  Point
	Step   *int64
	Value  float64
	Took   time.Duration
	Note   string // in words, short; may be empty
}

// Ended is a trial that ended without completing.
type Ended struct {
	Number int64
	State  types.State
	Reason string
}

// Point is the parameters of a trial. Texts, in the same order, are what the
// command sees; without them the values are written in their canonical form.
// Numbers with more digits than anybody reads are shown rounded.
type Point struct {
	Params types.Params
	Texts  []string
}

// mostDigits is the length from which on a number is rounded.
const mostDigits = 8

// text is what to show of the i-th parameter.
func (p *Point) text(i int) string {
	v := p.Params[i].Value
	var text string
	if i < len(p.Texts) {
		text = p.Texts[i]
	} else {
		text = canonical(v)
	}
	if f, ok := v.(float64); ok && len(text) > mostDigits {
		return number(f)
	}
	return text
}

func canonical(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := types.AppendValue(nil, v)
	if err != nil {
		return "?"
	}
	return string(b)
}

// Left estimates the time that the rest of a budget takes at the rate of the
// trials so far; 0 if nothing can be said yet.
func Left(elapsed time.Duration, done, total int64) time.Duration {
	if done <= 0 || total <= done {
		return 0
	}
	return time.Duration(float64(elapsed) / float64(done) * float64(total-done))
}

// Options say how to render.
type Options struct {
	// Width is the number of columns; 0 is 80. No line is wider.
	Width int
	// Height is the number of lines that Block may use; 0 is no limit.
	Height int
	// Color allows ANSI colours (see ColorAllowed).
	Color bool
	// ASCII renders without block characters, for terminals that are not UTF-8.
	ASCII bool
}

func (o Options) width() int {
	if o.Width <= 0 {
		return 80
	}
	return o.Width
}

// ColorAllowed reports whether to colour: only on a terminal that can, and not
// if NO_COLOR is set to anything (https://no-color.org).
func ColorAllowed(terminal bool, noColor, term string) bool {
	return terminal && noColor == "" && term != "dumb"
}
