package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial/bulk"
	"github.com/gotuner/tuner/trial/export"
)

// rangeText is "trial 4" or "trials 4 to 9", for ascending numbers without gap.
func rangeText(numbers []int64) string {
	switch len(numbers) {
	case 0:
		return "no trials"
	case 1:
		return "trial " + strconv.FormatInt(numbers[0], 10)
	}
	return fmt.Sprintf("trials %d to %d", numbers[0], numbers[len(numbers)-1])
}

// importer reads finished trials, one after the other, and checks each as the
// engine will, so that a fault is found with its line.
type importer struct {
	file       string
	space      *space.Space
	objectives []types.Objective
	unfinished int64
	found      func(line int, t types.FinishedTrial) error
}

func (r *importer) at(line int, err error) error {
	e := types.Errorf(types.Invalid, "%s:%d: %w", r.file, line, err)
	if t, ok := errors.AsType[*types.Error](err); ok {
		e = types.Errorf(types.Invalid, "%s:%d: %s", r.file, line, t.Message)
		e.Remedy = t.Remedy
		if t.Field != "" {
			e.Message = fmt.Sprintf("%s:%d: %s: %s", r.file, line, strings.TrimPrefix(t.Field, "params."), t.Message)
		}
	}
	return e
}

// read calls found for each finished trial; an error of it ends the reading.
func (r *importer) read(form string, in io.Reader, found func(line int, t types.FinishedTrial) error) error {
	r.found, r.unfinished = found, 0
	b := bufio.NewReaderSize(&utf8Reader{from: in, file: r.file}, 64<<10)
	if mark, err := b.Peek(3); err == nil && string(mark) == "\xef\xbb\xbf" { // a spreadsheet's byte order mark
		_, _ = b.Discard(3) // they are there
	}
	if form == "" {
		form = formSeen(b)
	}
	if form == "csv" {
		return r.readCSV(b)
	}
	return r.readJSON(b)
}

// formSeen is the form of what begins so.
func formSeen(b *bufio.Reader) string {
	for n := 64; ; n *= 2 {
		begin, err := b.Peek(min(n, b.Size()))
		switch t := bytes.TrimSpace(begin); {
		case len(t) > 0 && t[0] == '[':
			return "json"
		case len(t) > 0 && t[0] == '{':
			return "jsonl"
		case len(t) > 0 || err != nil || n >= b.Size():
			return "csv"
		}
	}
}

// utf8Reader refuses what is no UTF-8.
type utf8Reader struct {
	from io.Reader
	file string
	rest []byte // the beginning of a character, of the last read
}

// Read implements io.Reader.
func (u *utf8Reader) Read(b []byte) (int, error) {
	n, err := u.from.Read(b)
	text := slices.Concat(u.rest, b[:n])
	whole := len(text)
	for i := 1; i <= min(utf8.UTFMax-1, len(text)) && err == nil; i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				whole -= i
			}
			break
		}
	}
	if !utf8.Valid(text[:whole]) {
		return 0, usagef("%s is no UTF-8 text", u.file).WithRemedy("save it as UTF-8")
	}
	u.rest = text[whole:]
	return n, err
}

// add checks a trial and hands it on.
func (r *importer) add(line int, t types.FinishedTrial) error {
	if !slices.Contains(trialStates, t.State) {
		return r.at(line, usagef("%q is no state of a trial", t.State).WithRemedy("use completed, pruned, failed, infeasible or cancelled"))
	}
	if !t.State.Finished() {
		r.unfinished++
		return nil
	}
	p, err := r.space.FromParams(t.Params)
	if err == nil {
		err = r.space.Validate(p)
	}
	if err != nil {
		return r.at(line, err)
	}
	if t.State == types.Completed {
		for _, o := range r.objectives {
			v, ok := t.Metrics[o.Metric]
			if !ok {
				return r.at(line, usagef("a completed trial needs the metric %s", o.Metric))
			}
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return r.at(line, usagef("%s is %s in a completed trial", o.Metric, formatFloat(f)).WithRemedy("its state is infeasible"))
			}
		}
	}
	return r.found(line, t)
}

// readJSON reads a list of trials, or trials one after the other.
func (r *importer) readJSON(in io.Reader) error {
	from := bulk.NewReader(in)
	for {
		t, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if e, ok := errors.AsType[*types.Error](err); ok && strings.HasPrefix(e.Field, "line ") {
				inner := *e
				inner.Field = ""
				return r.at(from.Line(), &inner)
			} else if ok {
				return e
			}
			return usagef("%s: %w", r.file, err)
		}
		if err := r.add(from.Line(), t); err != nil {
			return err
		}
	}
}

// readCSV reads a table with a head.
func (r *importer) readCSV(in io.Reader) error {
	c := csv.NewReader(in)
	c.ReuseRecord = true
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return usagef("%s is empty", r.file)
	}
	if err != nil {
		return r.csvError(err)
	}
	cols, err := r.columns(slices.Clone(head))
	if err != nil {
		return err
	}
	for {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.csvError(err)
		}
		line, _ := c.FieldPos(0)
		t := types.FinishedTrial{State: types.Completed, Metrics: map[string]types.Float{}}
		for i, put := range cols {
			if cells[i] == "" {
				continue
			}
			if err := put(&t, cells[i]); err != nil {
				return r.at(line, err)
			}
		}
		if err := r.add(line, t); err != nil {
			return err
		}
	}
}

func (r *importer) csvError(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		if errors.Is(e.Err, csv.ErrFieldCount) {
			return r.at(e.Line, usagef("the line has more or fewer cells than the head"))
		}
		return r.at(e.Line, usagef("column %d: %w", e.Column, e.Err))
	}
	if e, ok := errors.AsType[*types.Error](err); ok {
		return e
	}
	return usagef("%s: %w", r.file, err)
}

// columns are what a cell of each column does to a trial.
func (r *importer) columns(head []string) ([]func(*types.FinishedTrial, string) error, error) {
	out := make([]func(*types.FinishedTrial, string) error, len(head))
	seen := map[string]bool{}
	found := false
	for i, name := range head {
		if name = strings.TrimSpace(name); name == "" || seen[name] {
			return nil, r.at(1, usagef("column %d has the heading %q, which is empty or there already", i+1, name))
		}
		seen[name] = true
		param, isParam := strings.CutPrefix(name, export.ParamPrefix)
		metric, isMetric := strings.CutPrefix(name, export.MetricPrefix)
		if !isParam && !isMetric {
			isParam = r.space.Index(name) >= 0
		}
		switch {
		case slices.Contains(export.Columns, name), slices.Contains(export.CopyColumns, name):
			out[i] = fixedCell(name)
		case isParam:
			if r.space.Index(param) < 0 {
				return nil, r.at(1, usagef("the space has no parameter %q", param).WithRemedy("%s", r.space.Has()))
			}
			found = true
			out[i] = r.paramCell(param)
		default:
			out[i] = metricCell(metric)
		}
	}
	if !found {
		return nil, r.at(1, usagef("no column is a parameter").
			WithRemedy("the first line names the columns; of the space, %s", r.space.Has()))
	}
	return out, nil
}

func fixedCell(name string) func(*types.FinishedTrial, string) error {
	return func(t *types.FinishedTrial, text string) error {
		switch name {
		case "state":
			t.State = types.State(text)
		case "reason":
			t.Reason = text
		}
		return nil // numbers and times are new
	}
}

func (r *importer) paramCell(name string) func(*types.FinishedTrial, string) error {
	p := r.space.Param(r.space.Index(name))
	return func(t *types.FinishedTrial, text string) error {
		v, err := grammar.Value(p, export.CellText(text))
		if err != nil {
			return err
		}
		t.Params = append(t.Params, types.Param{Name: name, Value: v})
		return nil
	}
}

func metricCell(name string) func(*types.FinishedTrial, string) error {
	return func(t *types.FinishedTrial, text string) error {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return usagef("%q is no number", text).WithField(name).WithRemedy("a column that is no parameter is a metric; leave it out if it is neither")
		}
		t.Metrics[name] = types.Float(v)
		return nil
	}
}
