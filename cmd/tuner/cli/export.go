package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

var exportForms = []string{"csv", "json", "jsonl", "md"}

func exportCommand(st *State, db *dbFlags) *cobra.Command {
	var form, file string
	c := &cobra.Command{
		Use:   "export NAME",
		Short: "Write all trials of a study as CSV, JSON, JSON lines or Markdown",
		Long: `Writes all trials of a study, in the order of their numbers.

csv and md have the columns number, state, a column each parameter, a column
each metric, reason, created, started, finished (UTC). A parameter that is
inactive in a trial is empty there. Where a parameter and a metric or one of
these columns share a name, they are called params.NAME and metrics.NAME.
json is a list of trials, jsonl one trial a line; both keep the types of values.
tuner import reads csv, json and jsonl.`,
		Example: "  tuner export mnist -o csv --file trials.csv",
		Args:    wantArgs(1, 1, "export NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if form == "" {
				form = formOf(file, "csv")
			}
			if err := oneOf("output", form, exportForms...); err != nil {
				return err
			}
			return db.looking(ctx, func(s reader) error {
				study, err := db.find(ctx, s, args[0])
				if err != nil {
					return err
				}
				return exportTo(st, file, func(w *bufio.Writer) error {
					return (&exporter{st: st, db: s, study: study}).write(ctx, w, form)
				})
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().StringVarP(&form, "output", "o", "", "csv, json, jsonl or md (default: by the file's name, else csv)")
	c.Flags().StringVar(&file, "file", "", "file to write, replaced if it exists (default: stdout)")
	completeChoice(c, "output", exportForms...)
	return c
}

// formOf is the form that a file's name says.
func formOf(file, def string) string {
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
	if slices.Contains(exportForms, ext) {
		return ext
	}
	return def
}

// exportTo writes stdout, or a file that appears whole or not at all.
func exportTo(st *State, file string, do func(w *bufio.Writer) error) (err error) {
	if file == "" || file == "-" {
		return st.printing(do)
	}
	path := st.path(file)
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tuner-export-*")
	if err != nil {
		return usagef("write %s: %w", file, err).WithField("--file")
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name()) // it is of no use any more, and err is what matters
		}
	}()
	w := bufio.NewWriter(tmp)
	err = do(w)
	err = join(err, w.Flush())
	err = join(err, tmp.Chmod(0o644))
	if err = join(err, tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return usagef("write %s: %w", file, cause(err)).WithField("--file")
	}
	return nil
}

// path is a file that the user named.
func (s *State) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(s.Dir, file)
}

// exporter writes the trials of a study. It holds one page of them at a time.
type exporter struct {
	st      *State
	db      reader
	study   trial.Study
	spaces  []*space.Space
	params  []string
	metrics []string
	omitted map[string]bool // metrics that came up after the head was written
}

func (x *exporter) write(ctx context.Context, w *bufio.Writer, form string) error {
	switch form {
	case "json", "jsonl":
		return x.asJSON(ctx, w, form == "jsonl")
	}
	var err error
	if x.spaces, err = spacesOf(ctx, x.db, x.study.ID); err != nil {
		return err
	}
	x.findParams()
	if err := x.findMetrics(ctx); err != nil {
		return err
	}
	line := func(cells []string) error { return markdownRow(w, cells) }
	if form == "csv" {
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
	if form == "md" {
		rule := make([]string, len(x.head()))
		for i := range rule {
			rule[i] = "---"
		}
		if err := line(rule); err != nil {
			return err
		}
	}
	if err := x.each(ctx, func(t *trial.Trial) error {
		cells, err := x.row(t)
		if err != nil {
			return err
		}
		return line(cells)
	}); err != nil {
		return err
	}
	if len(x.omitted) > 0 {
		fmt.Fprintf(x.st.Stderr, "tuner: the study went on meanwhile: %s came up too late to be exported; export again for it\n",
			strings.Join(slices.Sorted(maps.Keys(x.omitted)), ", "))
	}
	return nil
}

func (x *exporter) each(ctx context.Context, do func(*trial.Trial) error) error {
	return eachTrial(ctx, x.db, x.study.ID, store.TrialFilter{}, do)
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

// fixedColumns are those that every export has. Those after the metrics begin
// at reason.
var fixedColumns = []string{"number", "state", "reason", "created", "started", "finished"}

const (
	paramPrefix  = "params."
	metricPrefix = "metrics."
)

func (x *exporter) head() []string {
	out := slices.Clone(fixedColumns[:2])
	for _, p := range x.params {
		out = append(out, column(p, paramPrefix, x.metrics))
	}
	for _, m := range x.metrics {
		out = append(out, column(m, metricPrefix, x.params))
	}
	return append(out, fixedColumns[2:]...)
}

// column is the heading of a parameter or a metric: its name, with a prefix if
// something else has the name or it looks as if it had a prefix.
func column(name, prefix string, others []string) string {
	if slices.Contains(fixedColumns, name) || slices.Contains(others, name) ||
		strings.HasPrefix(name, paramPrefix) || strings.HasPrefix(name, metricPrefix) {
		return prefix + name
	}
	return name
}

func (x *exporter) row(t *trial.Trial) ([]string, error) {
	sp, err := versionOf(x.spaces, t.Number, t.SpaceVersion)
	if err != nil {
		return nil, err
	}
	texts := textsOf(sp, t)
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
		out = append(out, metricText(v))
	}
	if left > 0 {
		x.omit(t)
	}
	return append(out, t.Reason, timeText(t.Created), timeText(t.Started), timeText(t.Finished)), nil
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

// metricText is the shortest decimal that reads back as v.
func metricText(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return formatFloat(v)
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
