package sweepfile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/gotuner/tuner/api/types"
)

// Source is the text of a decoded file, for errors that are found later.
type Source struct {
	name  string
	lines []string
	at    map[string]place // by field: "trials", "params.lr", "command[2]"
}

// place is a position in the file, both from 1; column 0 means the whole line.
type place struct{ line, column int }

func newSource(name string, data []byte) *Source {
	return &Source{name: name, lines: strings.Split(string(data), "\n"), at: map[string]place{}}
}

// Locate adds the place in the file to an error that names its field, such as
// "command[2]" or "space.lr.low". Other errors come back as they are.
func (s *Source) Locate(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok || e.Field == "" {
		return err
	}
	field := strings.TrimPrefix(e.Field, "run.")
	if rest, ok := strings.CutPrefix(field, "space."); ok && !strings.HasPrefix(rest, "constraints[") {
		field = "params." + rest
	} else if ok {
		field = rest
	}
	for field != "" {
		if p, ok := s.at[field]; ok {
			return s.fault(p, "%s", e.Message).because(e)
		}
		field = field[:max(strings.LastIndexAny(field, ".["), 0)]
	}
	return err
}

// fault is an error at a place, to be completed by remedy or because.
type fault struct {
	source  *Source
	place   place
	message string
}

func (s *Source) fault(p place, format string, args ...any) *fault {
	return &fault{source: s, place: p, message: fmt.Sprintf(format, args...)}
}

// remedy makes the error. The excerpt stands last, so that the error reads as
// one sentence with a picture below it.
func (f *fault) remedy(format string, args ...any) *types.Error {
	message := fmt.Sprintf("%s:%d:%d: %s", f.source.name, f.place.line, f.place.column, f.message)
	if f.place.column == 0 {
		message = fmt.Sprintf("%s:%d: %s", f.source.name, f.place.line, f.message)
	}
	return types.Errorf(types.Invalid, "%s", message).
		WithRemedy("%s\n%s", fmt.Sprintf(format, args...), f.source.excerpt(f.place))
}

// because makes the error from one without a place.
func (f *fault) because(cause *types.Error) *types.Error {
	text := cause.Remedy
	if text == "" {
		text = "correct it there"
	}
	e := f.remedy("%s", text)
	e.Code, e.Err = cause.Code, cause
	return e
}

// excerpt shows a line with a caret below its column, cut to fit a terminal.
func (s *Source) excerpt(p place) string {
	const width = 90
	if p.line < 1 || p.line > len(s.lines) {
		return ""
	}
	line := []rune(strings.TrimRight(s.lines[p.line-1], "\r"))
	for i, r := range line {
		if r == '\t' {
			line[i] = ' '
		} else if !unicode.IsPrint(r) {
			line[i] = unicode.ReplacementChar
		}
	}
	column := min(max(p.column-1, 0), len(line))
	if first := column - width/2; first > 0 && len(line) > width {
		line, column = line[first:], column-first
	}
	line = line[:min(len(line), width)]
	number := fmt.Sprintf("%5d", p.line)
	out := fmt.Sprintf("%s | %s", number, string(line))
	if p.column == 0 {
		return out
	}
	return fmt.Sprintf("%s\n%s | %s^", out, strings.Repeat(" ", len(number)), strings.Repeat(" ", column))
}
