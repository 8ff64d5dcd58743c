package progress

import (
	"math"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// mostRecent is how many ended trials Block names.
const mostRecent = 3

// Block renders v for a terminal: lines of at most o.Width columns, at most
// o.Height of them.
func Block(v *View, o Options) []string {
	top := []line{heading(v), summary(v, o)}
	var bottom []line
	if l := curve(v, o); l != nil {
		bottom = append(bottom, l)
	}
	for _, e := range v.Recent[max(len(v.Recent)-mostRecent, 0):] {
		bottom = append(bottom, ended(e))
	}
	if v.Notice != "" {
		bottom = append(bottom, line{{v.Notice, yellow}})
	}
	rows := table(v)
	if o.Height > 0 {
		rows, bottom = fit(rows, bottom, o.Height-len(top))
	}
	lines := top
	for _, part := range [][]line{rows, bottom} {
		if len(part) > 0 {
			lines = append(append(lines, nil), part...)
		}
	}
	if o.Height > 0 {
		lines = lines[:min(len(lines), o.Height)]
	}
	out := make([]string, len(lines))
	for i := range lines {
		out[i] = lines[i].render(o)
	}
	return out
}

// fit shortens the table and what is below it to n lines; each of the two takes
// one more for the empty line above it. Of what is below, the last lines stay:
// the newest, and the notice.
func fit(rows, bottom []line, n int) ([]line, []line) {
	if len(rows)+len(bottom)+2 <= n {
		return rows, bottom
	}
	bottom = bottom[len(bottom)-min(len(bottom), max(n/3, 1)):]
	room := n - 1
	if len(bottom) > 0 {
		room -= len(bottom) + 1
	}
	switch {
	case len(rows) <= room:
		return rows, bottom
	case room < 2:
		return nil, bottom
	}
	hidden := len(rows) - (room - 1)
	rows = append(rows[:room-1:room-1], line{{"         and " + strconv.Itoa(hidden) + " more", dim}})
	return rows, bottom
}

// heading says what is searched and how.
func heading(v *View) line {
	var l line
	l.add(bold, v.Study)
	l.add(dim, "  "+string(v.Objective.Goal)+" ")
	l.add(cyan, v.Objective.Metric)
	with := []string{}
	for _, s := range []string{v.Algorithm, v.Stopper} {
		if s != "" && s != "none" {
			with = append(with, s)
		}
	}
	l.add(dim, "  "+strings.Join(append(with, "seed "+strconv.FormatInt(v.Seed, 10)), ", "))
	return l
}

// summary is the bar with the counts and the times.
func summary(v *View, o Options) line {
	var l line
	done := v.Counts.Spent()
	if v.Total > 0 {
		filled, rest := bar(done, v.Total, max(min(o.width()/4, 30), 8), o)
		l.add(green, filled)
		l.add(dim, rest)
		l.add(bold, "  "+strconv.FormatInt(done, 10)+"/"+strconv.FormatInt(v.Total, 10))
	} else {
		l.add(bold, strconv.FormatInt(done, 10)+" trials")
	}
	l.add(normal, "  "+duration(v.Elapsed))
	if v.Left > 0 {
		l.add(dim, ", "+duration(v.Left)+" left")
	}
	for _, c := range []struct {
		n     int64
		state types.State
	}{
		{v.Counts.Completed, types.Completed}, {v.Counts.Pruned, types.Pruned}, {v.Counts.Failed, types.Failed},
		{v.Counts.Infeasible, types.Infeasible}, {v.Counts.Queued, types.Queued}, {v.Counts.Paused, types.Paused},
	} {
		if c.n > 0 {
			l.add(normal, "  "+strconv.FormatInt(c.n, 10)+" ")
			l.add(stateStyle(c.state), string(c.state))
		}
	}
	return l
}

func stateStyle(s types.State) style {
	switch s {
	case types.Completed:
		return green
	case types.Pruned:
		return yellow
	case types.Failed, types.Infeasible:
		return red
	case types.Queued, types.Running, types.Paused, types.Cancelled:
	}
	return dim
}

// bar returns the filled and the empty part of a bar, to an eighth of a column.
func bar(done, total int64, width int, o Options) (filled, rest string) {
	eighths := int(math.Round(float64(min(done, total)) / float64(total) * float64(width) * 8))
	full := eighths / 8
	if o.ASCII {
		return strings.Repeat("#", full), strings.Repeat("-", width-full)
	}
	filled = strings.Repeat("█", full)
	if part := eighths % 8; part > 0 {
		filled += string([]rune(" ▏▎▍▌▋▊▉")[part])
		full++
	}
	return filled, strings.Repeat("░", width-full)
}

// table has a row for the best trial and one for each that runs, with a column
// for each parameter that one of them has.
func table(v *View) []line {
	if v.Best == nil && len(v.Running) == 0 {
		return nil
	}
	var names []string
	index := map[string]int{}
	point := func(p *Point) []string {
		for _, q := range p.Params {
			if _, ok := index[q.Name]; !ok {
				index[q.Name] = len(names)
				names = append(names, q.Name)
			}
		}
		cells := make([]string, len(names))
		for i, q := range p.Params {
			cells[index[q.Name]] = p.text(i)
		}
		return cells
	}
	var rows []row
	for _, r := range v.Running {
		rows = append(rows, row{label: "running", cells: fixed(r.Number, r.Step, r.Value, duration(r.Elapsed)), params: point(&r.Point), note: r.Note})
	}
	if b := v.Best; b != nil {
		rows = append([]row{{label: "best", best: true, cells: fixed(b.Number, b.Step, &b.Value, duration(b.Took)), params: point(&b.Point), note: b.Note}}, rows...)
	}
	header := row{header: true, cells: [4]string{"trial", "step", v.Objective.Metric, "time"}, params: names}
	return layout(append([]row{header}, rows...), len(names))
}

// row is a row of the table before its columns have their widths.
type row struct {
	header, best bool
	label        string
	cells        [4]string
	params       []string
	note         string
}

func fixed(trial int64, step *int64, value *float64, took string) [4]string {
	out := [4]string{strconv.FormatInt(trial, 10), "", "", took}
	if step != nil {
		out[1] = strconv.FormatInt(*step, 10)
	}
	if value != nil {
		out[2] = number(*value)
	}
	return out
}

// mostParam is the widest that a parameter's column gets.
const mostParam = 24

// widths are the widths of the table's columns.
type widths struct {
	cells   [4]int
	params  []int
	numeric []bool // a column of numbers is set flush right
}

func measure(rows []row, params int) widths {
	w := widths{params: make([]int, params), numeric: make([]bool, params)}
	for i := range w.numeric {
		w.numeric[i] = true
	}
	for _, r := range rows {
		for i, c := range r.cells {
			w.cells[i] = max(w.cells[i], columns(c))
		}
		for i, c := range r.params {
			w.params[i] = min(max(w.params[i], columns(c)), mostParam)
			if !r.header && c != "" {
				_, err := strconv.ParseFloat(c, 64)
				w.numeric[i] = w.numeric[i] && err == nil
			}
		}
	}
	return w
}

func layout(rows []row, params int) []line {
	w := measure(rows, params)
	out := make([]line, len(rows))
	for k, r := range rows {
		out[k] = r.line(&w)
	}
	return out
}

func (r *row) line(w *widths) line {
	cell, value := normal, cyan
	switch {
	case r.header:
		cell, value = dim, dim
	case r.best:
		cell, value = green, green
	}
	var l line
	l.add(cell, padRight(r.label, len("running")))
	for i, c := range r.cells {
		s := cell
		if i == 2 {
			s = value
		}
		l.add(s, "  "+padLeft(c, w.cells[i]))
	}
	l.add(normal, " ")
	for i := range w.params {
		c := ""
		if i < len(r.params) {
			c = r.params[i]
		}
		if columns(c) > mostParam {
			c = head(c, mostParam-1) + "…"
		}
		if w.numeric[i] {
			c = padLeft(c, w.params[i])
		}
		l.add(cell, "  "+padRight(c, w.params[i]))
	}
	if r.note != "" {
		l.add(yellow, "  "+r.note)
	}
	return l
}

// ended names a trial that did not complete, with its reason.
func ended(e Ended) line {
	var l line
	l.add(stateStyle(e.State), padRight(string(e.State), len("running")))
	l.add(normal, "  "+strconv.FormatInt(e.Number, 10))
	if e.Reason != "" {
		l.add(dim, "  "+e.Reason)
	}
	return l
}

// curve draws the best value so far over the completed trials.
func curve(v *View, o Options) line {
	best := bestSoFar(v.History, v.Objective.Goal)
	if len(best) < 2 {
		return nil
	}
	var l line
	l.add(dim, "best so far  ")
	l.add(cyan, sparkline(best, max(min(o.width()-40, 60), 8), o.ASCII))
	l.add(dim, "  "+number(best[0])+" to ")
	l.add(green, number(best[len(best)-1]))
	return l
}

// bestSoFar is the best of each beginning of values; NaN and infinities are no
// results.
func bestSoFar(values []float64, goal types.Goal) []float64 {
	var out []float64
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if n := len(out); n > 0 {
			if goal == types.Maximize {
				v = max(v, out[n-1])
			} else {
				v = min(v, out[n-1])
			}
		}
		out = append(out, v)
	}
	return out
}

// sparkline draws values in at most width columns, each the last of its share
// of the values. Positive values over more than a decade are drawn by their
// logarithm.
func sparkline(values []float64, width int, ascii bool) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	if ascii {
		levels = []rune("_.-=*#")
	}
	n := min(len(values), width)
	shown := make([]float64, n)
	for i := range shown {
		shown[i] = values[(i+1)*len(values)/n-1]
	}
	low, high := shown[0], shown[0]
	for _, v := range shown {
		low, high = min(low, v), max(high, v)
	}
	if low > 0 && high/low > 10 {
		for i := range shown {
			shown[i] = math.Log(shown[i])
		}
		low, high = math.Log(low), math.Log(high)
	}
	out := make([]rune, n)
	for i, v := range shown {
		// Halves, so that the span of two huge numbers does not overflow.
		at := 0.0
		if span := high/2 - low/2; span > 0 {
			at = (v/2 - low/2) / span
		}
		out[i] = levels[int(math.Round(at*float64(len(levels)-1)))]
	}
	return string(out)
}
