package runner

import (
	"fmt"
	"strings"
)

// EndsBest is in the Note of a run whose best trial the watching rule would have
// ended.
const EndsBest = "the best trial among them"

// Early is what the Note of a run with a stopper says of its trials.
type Early struct {
	Trials, Completed, Pruned, Diverged int
	// Watched is true of a stopper that only watched; then Ends is the number of
	// trials that it would have ended, Saves the share of all steps in percent, and
	// EndsBest whether the best trial is among them.
	Watched  bool
	Ends     int
	Saves    float64
	EndsBest bool
}

const (
	trialsNote  = "%d trials, of which %d completed, %d pruned, %d diverged"
	watchedNote = "it would have ended %d, %f%% of the steps"
	noteBreak   = "; "
)

// String is the Note.
func (e Early) String() string {
	text := fmt.Sprintf(trialsNote, e.Trials, e.Completed, e.Pruned, e.Diverged)
	if !e.Watched {
		return text
	}
	text += noteBreak + fmt.Sprintf(strings.Replace(watchedNote, "%f", "%.0f", 1), e.Ends, e.Saves)
	if e.EndsBest {
		text += ", " + EndsBest
	}
	return text
}

// Early reads the Note; false if the run had no stopper.
func (r *Result) Early() (Early, bool) {
	var e Early
	if r.Status != Done || !HasStopper(r.Contender) {
		return e, false
	}
	trials, watched, ok := strings.Cut(r.Note, noteBreak)
	if n, err := fmt.Sscanf(trials, trialsNote, &e.Trials, &e.Completed, &e.Pruned, &e.Diverged); n != 4 || err != nil {
		return e, false
	}
	if !ok {
		return e, true
	}
	e.Watched = true
	e.EndsBest = strings.HasSuffix(watched, EndsBest)
	n, err := fmt.Sscanf(watched, watchedNote, &e.Ends, &e.Saves)
	return e, n == 2 && err == nil
}
