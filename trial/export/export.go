// Package export writes the trials of a study as tables and JSON, at constant
// memory whatever their number.
package export

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Forms are the forms of an export.
var Forms = []string{CSV, JSON, JSONL, Markdown}

// The forms.
const (
	CSV      = "csv"
	JSON     = "json"
	JSONL    = "jsonl"
	Markdown = "md"
)

// Source is where trials are read. store.Store implements it.
type Source interface {
	Spaces(ctx context.Context, study int64) ([][]byte, error)
	ListTrials(ctx context.Context, study int64, f store.TrialFilter) ([]trial.Trial, string, error)
}

// Write writes the trials of a study that f selects, in the order of their
// numbers; of f only the conditions count. csv and md need to know all metrics
// first and so read the trials twice: late are those metrics that came up in
// between and are not in the table.
func Write(ctx context.Context, w *bufio.Writer, from Source, study trial.Study, f store.TrialFilter, form string) (late []string, err error) {
	if !slices.Contains(Forms, form) {
		return nil, types.Errorf(types.Invalid, "%q is no form of an export", form).WithField("format").WithRemedy("use one of %s", strings.Join(Forms, ", "))
	}
	f.Sort, f.Desc, f.After, f.Limit = store.SortNumber, false, "", 0
	x := &exporter{db: from, study: study, filter: f}
	err = x.write(ctx, w, form)
	return slices.Sorted(maps.Keys(x.omitted)), err
}

// exporter writes the trials of a study. It holds one page of them at a time.
type exporter struct {
	db      Source
	study   trial.Study
	filter  store.TrialFilter
	spaces  []*space.Space
	params  []string
	metrics []string
	copies  bool            // some trial is a copy of another
	omitted map[string]bool // metrics that came up after the head was written
}

func (x *exporter) write(ctx context.Context, w *bufio.Writer, form string) error {
	switch form {
	case JSON, JSONL:
		return x.asJSON(ctx, w, form == JSONL)
	}
	if err := x.readSpaces(ctx); err != nil {
		return err
	}
	x.findParams()
	if err := x.findMetrics(ctx); err != nil {
		return err
	}
	line := func(cells []string) error { return markdownRow(w, cells) }
	if form == CSV {
		c := csv.NewWriter(w)
		line = func(cells []string) error {
			if err := c.Write(cells); err != nil {
				return err
			}
			c.Flush()
			return c.Error()
		}
	}
	if err := line(x.head()); err != nil {
		return err
	}
	if form == Markdown {
		rule := make([]string, len(x.head()))
		for i := range rule {
			rule[i] = "---"
		}
		if err := line(rule); err != nil {
			return err
		}
	}
	return x.each(ctx, func(t *trial.Trial) error {
		cells, err := x.row(t)
		if err != nil {
			return err
		}
		return line(cells)
	})
}

func (x *exporter) each(ctx context.Context, do func(*trial.Trial) error) error {
	return store.EachTrial(ctx, x.db, x.study.ID, x.filter, do)
}

func (x *exporter) readSpaces(ctx context.Context) error {
	texts, err := x.db.Spaces(ctx, x.study.ID)
	if err != nil {
		return err
	}
	for i, b := range texts {
		sp, err := space.Parse(b)
		if err != nil {
			return types.Errorf(types.Internal, "version %d of the stored space: %w", i+1, err)
		}
		x.spaces = append(x.spaces, sp)
	}
	return nil
}

// findParams are the parameters of all versions of the space, those of the
// current one first.
func (x *exporter) findParams() {
	seen := map[string]bool{}
	for _, sp := range slices.Backward(x.spaces) {
		for i := range sp.Len() {
			if n := sp.Param(i).Name; !seen[n] {
				seen[n] = true
				x.params = append(x.params, n)
			}
		}
	}
}

// findMetrics are the metrics of all trials, the objectives first.
func (x *exporter) findMetrics(ctx context.Context) error {
	seen := map[string]bool{}
	for _, o := range x.study.Spec.Objectives {
		seen[o.Metric] = true
		x.metrics = append(x.metrics, o.Metric)
	}
	others := map[string]bool{}
	err := x.each(ctx, func(t *trial.Trial) error {
		x.copies = x.copies || t.Basis.Copy != nil
		for m := range t.Metrics {
			if !seen[m] {
				others[m] = true
			}
		}
		return nil
	})
	x.metrics = append(x.metrics, slices.Sorted(maps.Keys(others))...)
	return err
}

// Columns are those that every export has. Those after the metrics begin
// at reason.
var Columns = []string{"number", "state", "reason", "created", "started", "finished", "ran"}

// CopyColumns are the last ones, if any trial goes on from another's state: which
// one, and from which step.
var CopyColumns = []string{"copy_of", "copy_step"}

// The prefixes of parameters and metrics whose names would be ambiguous.
const (
	ParamPrefix  = "params."
	MetricPrefix = "metrics."
)

func (x *exporter) head() []string {
	out := slices.Clone(Columns[:2])
	for _, p := range x.params {
		out = append(out, column(p, ParamPrefix, x.metrics))
	}
	for _, m := range x.metrics {
		out = append(out, column(m, MetricPrefix, x.params))
	}
	out = append(out, Columns[2:]...)
	if x.copies {
		out = append(out, CopyColumns...)
	}
	return out
}

// column is the heading of a parameter or a metric: its name, with a prefix if
// something else has the name or it looks as if it had a prefix.
func column(name, prefix string, others []string) string {
	if slices.Contains(Columns, name) || slices.Contains(CopyColumns, name) || slices.Contains(others, name) ||
		strings.HasPrefix(name, ParamPrefix) || strings.HasPrefix(name, MetricPrefix) {
		return prefix + name
	}
	return name
}

func (x *exporter) row(t *trial.Trial) ([]string, error) {
	if t.SpaceVersion < 1 || t.SpaceVersion > len(x.spaces) {
		return nil, types.Errorf(types.Internal, "trial %d has the space version %d of %d", t.Number, t.SpaceVersion, len(x.spaces))
	}
	sp, texts := x.spaces[t.SpaceVersion-1], map[string]string{}
	for _, p := range t.Params {
		texts[p.Name] = cell(sp.Text(sp.Index(p.Name), p.Value))
	}
	out := []string{strconv.FormatInt(t.Number, 10), string(t.State)}
	for _, p := range x.params {
		out = append(out, texts[p])
	}
	left := len(t.Metrics)
	for _, m := range x.metrics {
		v, ok := t.Metrics[m]
		if !ok {
			out = append(out, "")
			continue
		}
		left--
		out = append(out, MetricText(v))
	}
	if left > 0 {
		x.omit(t)
	}
	out = append(out, t.Reason, timeText(t.Created), timeText(t.Started), timeText(t.Finished), ranText(t))
	switch c := t.Basis.Copy; {
	case !x.copies:
	case c == nil:
		out = append(out, "", "")
	default:
		out = append(out, strconv.FormatInt(c.Of, 10), strconv.FormatInt(c.Step, 10))
	}
	return out, nil
}

// ranText is how many seconds a trial's attempts took, empty if it had none.
func ranText(t *trial.Trial) string {
	if t.Started.IsZero() {
		return ""
	}
	return strconv.FormatFloat(t.Ran.Seconds(), 'f', -1, 64)
}

// cell is the text of a value in a table, where an empty cell is a parameter that
// is inactive: a text of nothing, or of nothing but quotes, gets quotes around it.
func cell(text string) string {
	if strings.Trim(text, `"`) == "" {
		return `"` + text + `"`
	}
	return text
}

// CellText is the text that a cell of a table has for a parameter.
func CellText(cell string) string {
	if len(cell) >= 2 && strings.Trim(cell, `"`) == "" {
		return cell[1 : len(cell)-1]
	}
	return cell
}

func (x *exporter) omit(t *trial.Trial) {
	if x.omitted == nil {
		x.omitted = map[string]bool{}
	}
	for m := range t.Metrics {
		if !slices.Contains(x.metrics, m) {
			x.omitted[m] = true
		}
	}
}

// MetricText is the shortest decimal that reads back as v.
func MetricText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strconv.FormatFloat(v, 'f', -1, 64)+"inity", "+")
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// asJSON writes trials as types.Trial, in a list or a line each.
func (x *exporter) asJSON(ctx context.Context, w *bufio.Writer, lines bool) error {
	write := func(s string) error { _, err := w.WriteString(s); return err }
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	first := true
	if !lines {
		if err := write("["); err != nil {
			return err
		}
	}
	err := x.each(ctx, func(t *trial.Trial) error {
		if !lines {
			sep := ",\n"
			if first {
				sep = "\n"
			}
			if err := write(sep); err != nil {
				return err
			}
		}
		first = false
		if lines {
			return e.Encode(t.View(nil))
		}
		var b strings.Builder
		inner := json.NewEncoder(&b)
		inner.SetEscapeHTML(false)
		if err := inner.Encode(t.View(nil)); err != nil {
			return err
		}
		return write(strings.TrimSuffix(b.String(), "\n"))
	})
	if err != nil || lines {
		return err
	}
	return write("\n]\n")
}

// markdownRow writes a row of a Markdown table.
func markdownRow(w io.Writer, cells []string) error {
	var b strings.Builder
	b.WriteString("|")
	for _, c := range cells {
		c = strings.NewReplacer("\\", "\\\\", "|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", "`", "\\`").Replace(c)
		b.WriteString(" " + c + " |")
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}
