package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/gotuner/tuner/benchmarks/runner"
)

// benchEvery is the time between two lines where there is no terminal, and
// benchTick where there is one.
const (
	benchEvery = 30 * time.Second
	benchTick  = 100 * time.Millisecond
)

// benchProgress is the line of progress: one that changes on a terminal, else a
// line now and then. Faults have lines of their own.
type benchProgress struct {
	st    *State
	shown time.Time
	width int // of the line that stands there
}

func (p *benchProgress) show(at runner.Progress) {
	if last := at.Last; last != nil && last.Status == runner.Failed {
		p.clear()
		fmt.Fprintf(p.st.Stderr, "%s on %s, seed %d: %s\n", last.Contender, last.Problem, last.Seed, printable(last.Note))
	}
	width, _ := p.st.Size()
	now := p.st.Now()
	wait := benchEvery
	if width > 0 {
		wait = benchTick
	}
	if at.Last != nil && at.Done < at.Total && now.Sub(p.shown) < wait {
		return
	}
	p.shown = now
	line := benchLine(at)
	if width == 0 {
		fmt.Fprintln(p.st.Stderr, line)
		return
	}
	line = clip(line, max(width-1, 1))
	p.clear()
	fmt.Fprint(p.st.Stderr, line)
	p.width = len([]rune(line))
}

// clear removes the line that stands on the terminal.
func (p *benchProgress) clear() {
	if p.width > 0 {
		fmt.Fprint(p.st.Stderr, "\r"+strings.Repeat(" ", p.width)+"\r")
		p.width = 0
	}
}

// end leaves the terminal to what follows.
func (p *benchProgress) end() { p.clear() }

func benchLine(at runner.Progress) string {
	s := fmt.Sprintf("%d of %s", at.Done, plural(int64(at.Total), "run"))
	if at.Stored > 0 {
		s += fmt.Sprintf(", %d of them stored before", at.Stored)
	}
	if at.Last != nil {
		s += ", " + formatDuration(at.Elapsed)
		if at.Done < at.Total && at.Left > 0 {
			s += ", about " + formatDuration(at.Left) + " to go"
		}
		s += ": " + at.Last.Contender + " on " + at.Last.Problem
	}
	return s
}
