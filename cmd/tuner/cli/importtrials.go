package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/export"
)

func importCommand(st *State, db *dbFlags) *cobra.Command {
	var form string
	var asJSON bool
	c := &cobra.Command{
		Use:   "import NAME FILE",
		Short: "Add results from elsewhere to a study",
		Long: `Adds the trials of a file as finished trials of a study, so that its algorithm
learns from them. All are added, or none if one of them is wrong. They get new
numbers; those that are not finished are left out.

The file is what tuner export writes as csv, json or jsonl. By hand, a CSV file
with a column each parameter and one for the metric is enough: state is
"completed" where it is missing, and a column that is no parameter is a metric.
FILE - is standard input.`,
		Example: "  tuner import mnist old.csv",
		Args:    wantArgs(2, 2, "import NAME FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			if form != "" {
				if err := oneOf("format", form, "csv", "json", "jsonl"); err != nil {
					return err
				}
			}
			b, err := readInput(st, args[1])
			if err != nil {
				return err
			}
			ctx := c.Context()
			return db.changing(ctx, args[0], func(at *site, study trial.Study) error {
				return importInto(ctx, st, at, study, args[1], form, b, asJSON)
			})
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return db.completeStudy(c, args, word)
		},
	}
	c.Flags().StringVar(&form, "format", "", "csv, json or jsonl (default: seen from the file)")
	c.Flags().BoolVar(&asJSON, "json", false, "print the numbers of the new trials as JSON")
	completeChoice(c, "format", "csv", "json", "jsonl")
	return c
}

func readInput(st *State, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(st.Stdin)
	}
	b, err := os.ReadFile(st.path(file))
	if err != nil {
		return nil, usagef("read the file to import: %w", err)
	}
	return b, nil
}

func importInto(ctx context.Context, st *State, at *site, study trial.Study, file, form string, b []byte, asJSON bool) error {
	sp, err := space.Parse(study.Spec.Space)
	if err != nil {
		return types.Errorf(types.Internal, "the stored space: %w", err)
	}
	r := importer{file: file, space: sp, objectives: study.Spec.Objectives}
	if err := r.read(form, b); err != nil {
		return err
	}
	if len(r.trials) == 0 {
		return usagef("%s has no finished trial", file)
	}
	reply, err := at.Control(ctx, types.ControlRequest{Study: study.ID, Kind: types.Import, Trials: r.trials})
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(st.Stdout, map[string][]int64{"numbers": reply.Numbers})
	}
	text := fmt.Sprintf("%s were added to %s as %s", plural(int64(len(r.trials)), "trial"), study.Spec.Name, rangeText(reply.Numbers))
	if len(r.trials) == 1 {
		text = strings.Replace(text, "were", "was", 1)
	}
	if r.unfinished > 0 {
		text += fmt.Sprintf("; %d that are not finished were left out", r.unfinished)
	}
	_, err = fmt.Fprintln(st.Stdout, text)
	return err
}

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

// importer reads finished trials and checks each as the engine will, so that a
// fault is found with its line.
type importer struct {
	file       string
	space      *space.Space
	objectives []types.Objective
	trials     []types.FinishedTrial
	unfinished int
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

func (r *importer) read(form string, b []byte) error {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")) // a spreadsheet's byte order mark
	if !utf8.Valid(b) {
		return usagef("%s is no UTF-8 text", r.file).WithRemedy("save it as UTF-8")
	}
	if form == "" {
		form = "csv"
		switch t := bytes.TrimSpace(b); {
		case len(t) > 0 && t[0] == '[':
			form = "json"
		case len(t) > 0 && t[0] == '{':
			form = "jsonl"
		}
	}
	if form == "csv" {
		return r.readCSV(b)
	}
	return r.readJSON(b)
}

// add checks a trial and keeps it.
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
	r.trials = append(r.trials, t)
	return nil
}

// readJSON reads a list of trials, or trials one after the other.
func (r *importer) readJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	line := func() int { return lineOfNext(b, d.InputOffset()) }
	list := len(bytes.TrimSpace(b)) > 0 && bytes.TrimSpace(b)[0] == '['
	if list {
		if _, err := d.Token(); err != nil {
			return r.at(line(), err)
		}
	}
	for {
		if list && !d.More() {
			if _, err := d.Token(); err != nil {
				return r.at(line(), fmt.Errorf("the list does not end: %w", err))
			}
			if rest := bytes.TrimSpace(b[d.InputOffset():]); len(rest) > 0 {
				return r.at(line(), usagef("there is more behind the list"))
			}
			return nil
		}
		var t types.Trial
		start := line()
		err := d.Decode(&t)
		if errors.Is(err, io.EOF) && !list {
			return nil
		}
		if err != nil {
			return r.at(start, usagef("%s", strings.TrimPrefix(err.Error(), "json: ")).
				WithRemedy("a trial is an object with params, state and metrics, as tuner export -o json writes it"))
		}
		if t.State == "" {
			t.State = types.Completed
		}
		if err := r.add(start, types.FinishedTrial{Params: t.Params, State: t.State, Metrics: t.Metrics, Reason: t.Reason}); err != nil {
			return err
		}
	}
}

// lineOfNext is the line, from 1, of the value that follows the offset.
func lineOfNext(b []byte, offset int64) int {
	next := bytes.TrimLeft(b[offset:], " \t\r\n,")
	return 1 + bytes.Count(b[:len(b)-len(next)], []byte("\n"))
}

// readCSV reads a table with a head.
func (r *importer) readCSV(b []byte) error {
	c := csv.NewReader(bytes.NewReader(b))
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
		case slices.Contains(export.Columns, name):
			out[i] = fixedCell(name)
		case isParam:
			if r.space.Index(param) < 0 {
				return nil, r.at(1, usagef("there is no parameter %q", param).WithRemedy("%s", "the parameters are "+strings.Join(namesOf(r.space), ", ")))
			}
			found = true
			out[i] = r.paramCell(param)
		default:
			out[i] = metricCell(metric)
		}
	}
	if !found {
		return nil, r.at(1, usagef("no column is a parameter").
			WithRemedy("the first line names the columns; the parameters are %s", strings.Join(namesOf(r.space), ", ")))
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
		v, err := grammar.Value(p, text)
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
