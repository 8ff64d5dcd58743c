package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// curvePoints is how many reports of a metric show reads.
const curvePoints = 48

// trialDetail is a trial with what show adds to it.
type trialDetail struct {
	Study string `json:"study"`
	types.Trial
	// Reports are the curves of the last attempt, thinned.
	Reports []types.Report `json:"reports,omitempty"`
	// Expected is what the trials around it had shown before.
	Expected *expectation `json:"expected,omitempty"`
	// Command runs it again.
	Command string `json:"command,omitempty"`
}

func showTrial(ctx context.Context, w *bufio.Writer, st *State, db reader, study trial.Study, number int64, asJSON bool) error {
	t, err := findTrial(ctx, db, study, number)
	if err != nil {
		return err
	}
	attempts, err := db.Attempts(ctx, study.ID, number)
	if err != nil {
		return err
	}
	d := trialDetail{Study: study.Spec.Name, Trial: t.View(attempts)}
	decisions, err := db.Decisions(ctx, study.ID, number)
	if err != nil {
		return err
	}
	for _, x := range decisions {
		d.Decisions = append(d.Decisions, types.Stop{Step: x.Step, Kind: x.Kind, Reason: x.Reason, Time: x.Time})
	}
	reports, err := db.Reports(ctx, study.ID, number, "", curvePoints)
	if err != nil {
		return err
	}
	for _, r := range reports {
		d.Reports = append(d.Reports, types.Report{Metric: r.Metric, Step: r.Step, Value: types.Float(r.Value)})
	}
	spaces, err := spacesOf(ctx, db, study.ID)
	if err != nil {
		return err
	}
	sp, err := versionOf(spaces, number, t.SpaceVersion)
	if err != nil {
		return err
	}
	if d.OutsideSpace, err = isOutside(spaces, &t); err != nil {
		return err
	}
	if d.Expected, err = expect(ctx, db, study, sp, &d.Trial); err != nil {
		return err
	}
	if study.Spec.Run != nil {
		if d.Command, err = rerunCommand(study.Spec, sp, &t, attempts, st.Dir); err != nil {
			return err
		}
	}
	if asJSON {
		return writeJSON(w, d)
	}
	return printTrial(ctx, w, st, db, study, sp, d)
}

func printTrial(ctx context.Context, w *bufio.Writer, st *State, db reader, study trial.Study, sp *space.Space, d trialDetail) error {
	s := st.outStyle()
	fmt.Fprintf(w, "%s · %s\n", s.bold(fmt.Sprintf("%s trial %d", d.Study, d.Number)), s.state(d.State))
	if d.Reason != "" {
		fmt.Fprintln(w, printable(d.Reason))
	}
	if d.OutsideSpace {
		fmt.Fprintln(w, strings.TrimSpace(outsideLine))
	}
	for _, x := range d.Decisions {
		if x.Reason != d.Reason {
			fmt.Fprintf(w, "at step %d: %s\n", x.Step, printable(x.Reason))
		}
	}
	fmt.Fprintln(w)
	table(w, append([][]string{{"parameter", "value"}}, paramRows(sp, d.Params)...))
	if len(d.Metrics) > 0 {
		fmt.Fprintln(w)
		table(w, metricRows(study.Spec.Objectives, d.Metrics))
	}
	if rows := curveRows(study.Spec.Objectives, d.Reports); len(rows) > 1 {
		fmt.Fprintln(w)
		tableFit(w, rows, terminalWidth(st.Stdout), s)
	}
	fmt.Fprintln(w)
	out := trialFacts(d, st.now())
	line, err := lineage(ctx, db, study, d.Copy)
	if err != nil {
		return err
	}
	out = append(out, line...)
	explained, err := explainFacts(ctx, db, study, d.Explain)
	if err != nil {
		return err
	}
	if d.Expected != nil && !slices.ContainsFunc(explained, func(f fact) bool { return f.name == expectedWords }) {
		out = append(out, d.Expected.facts()...)
	}
	out = append(out, explained...)
	if d.Command != "" {
		out = append(out, fact{"run it again", d.Command})
	}
	facts(w, out)
	if len(d.Attempts) > 0 {
		fmt.Fprintln(w)
		tableFit(w, attemptRows(&d.Trial, st.now()), terminalWidth(st.Stdout), s)
		for _, a := range d.Attempts {
			if a.Dir != "" {
				fmt.Fprintf(w, "directory %d  %s\n", a.Number, printable(a.Dir))
			}
		}
	}
	return nil
}

// metricRows puts the objectives first.
func metricRows(os []types.Objective, metrics map[string]types.Float) [][]string {
	rows := [][]string{{"metric", "value"}}
	names := slices.Sorted(maps.Keys(metrics))
	for _, o := range os {
		if v, ok := metrics[o.Metric]; ok {
			rows = append(rows, []string{"  " + o.Metric, formatFloat(float64(v))})
			names = slices.DeleteFunc(names, func(n string) bool { return n == o.Metric })
		}
	}
	for _, n := range names {
		rows = append(rows, []string{"  " + n, formatFloat(float64(metrics[n]))})
	}
	return rows
}

// curveRows describes the curve of each metric that has more than one report,
// the objectives first. Reports are in the order of metric and step.
func curveRows(os []types.Objective, reports []types.Report) [][]string {
	rows := [][]string{{"curve", "", "first", "last", "least", "greatest", "steps"}}
	objective := func(metric string) int {
		for i, o := range os {
			if o.Metric == metric {
				return i
			}
		}
		return len(os)
	}
	var curves [][]types.Report
	for len(reports) > 0 {
		n := 1
		for n < len(reports) && reports[n].Metric == reports[0].Metric {
			n++
		}
		if n > 1 {
			curves = append(curves, reports[:n])
		}
		reports = reports[n:]
	}
	slices.SortStableFunc(curves, func(a, b []types.Report) int {
		return cmp.Compare(objective(a[0].Metric), objective(b[0].Metric))
	})
	for _, c := range curves {
		values := make([]float64, len(c))
		for i, r := range c {
			values[i] = float64(r.Value)
		}
		last := c[len(c)-1]
		low, high := extremes(values)
		rows = append(rows, []string{"  " + c[0].Metric, sparks(values), formatFloat(values[0]), formatFloat(values[len(values)-1]),
			formatFloat(low), formatFloat(high), fmt.Sprintf("%d to %d", c[0].Step, last.Step)})
	}
	return rows
}

func trialFacts(d trialDetail, now time.Time) []fact {
	out := []fact{{"chosen by", d.Origin}}
	if d.Arm != "" {
		out[0].text += ", " + d.Arm
	}
	if d.SpaceVersion > 1 {
		out = append(out, fact{"space", "version " + strconv.Itoa(d.SpaceVersion)})
	}
	out = append(out, fact{"created", formatTime(d.Created)})
	if d.Started != nil {
		out = append(out, fact{"started", formatTime(*d.Started)})
	}
	if d.Finished != nil {
		out = append(out, fact{"finished", formatTime(*d.Finished)})
	}
	if d.Started != nil {
		out = append(out, fact{"took", tookText(&d.Trial, now)})
	}
	return out
}

// expectedWords stand before the value that was expected of a trial.
const expectedWords = "expected value"

// explainFacts puts what the algorithm said about its choice in words. Lists of
// numbers under "nearest" are trials, shown with their values.
func explainFacts(ctx context.Context, db reader, study trial.Study, explain json.RawMessage) ([]fact, error) {
	if len(explain) == 0 {
		return nil, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(explain, &m); err != nil {
		return []fact{{"explanation", string(explain)}}, nil //nolint:nilerr // another program's, not an object
	}
	words := map[string]string{"expected": expectedWords, "below": "good trials", "above": "other trials", "nearest": "nearest good ones"}
	var out []fact
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text := string(m[k])
		switch k {
		case "nearest":
			var numbers []int64
			if err := json.Unmarshal(m[k], &numbers); err == nil {
				if text, err = trialsText(ctx, db, study, numbers); err != nil {
					return nil, err
				}
			}
		case "changed":
			text = changedText(m[k])
		case "expected":
			var v float64
			if err := json.Unmarshal(m[k], &v); err == nil {
				text = formatFloat(v)
			}
		}
		if text != "" {
			out = append(out, fact{orDefault(words[k], k), text})
		}
	}
	return out, nil
}

// lineage says whose state a trial began with, back to the one that began anew.
func lineage(ctx context.Context, db reader, study trial.Study, c *types.Copy) (out []fact, err error) {
	if c == nil {
		return nil, nil
	}
	text := fmt.Sprintf("trial %d at step %d (its attempt %d), in the place of trial %d", c.Of, c.Step, c.Attempt, c.For)
	out = append(out, fact{"goes on from", text})
	var steps []string
	for from := c; from != nil; {
		t, err := db.Trial(ctx, study.ID, from.Of)
		if types.CodeOf(err) == types.NotFound {
			break
		}
		if err != nil {
			return nil, err
		}
		steps = append(steps, fmt.Sprintf("trial %d to step %d", from.Of, from.Step))
		from = t.Basis.Copy
	}
	if len(steps) > 1 {
		slices.Reverse(steps)
		out = append(out, fact{"lineage", strings.Join(steps, ", ") + ", then this one"})
	}
	return out, nil
}

// changedText is "lr 0.012, was 0.01; bs 32, was 64".
func changedText(raw json.RawMessage) string {
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		return string(raw)
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+" "+m[k])
	}
	return orDefault(strings.Join(parts, "; "), "nothing")
}

// trialsText is "3 (loss 0.21), 7 (loss 0.25)".
func trialsText(ctx context.Context, db reader, study trial.Study, numbers []int64) (string, error) {
	var parts []string
	for _, n := range numbers {
		t, err := db.Trial(ctx, study.ID, n)
		if types.CodeOf(err) == types.NotFound {
			continue
		}
		if err != nil {
			return "", err
		}
		part := strconv.FormatInt(n, 10)
		if v := valuesText(study.Spec.Objectives, t.Metrics); v != "" {
			part += " (" + v + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", "), nil
}

func attemptRows(t *types.Trial, now time.Time) [][]string {
	rows := [][]string{{"attempt", "state", "exit", "signal", "took", "executor", "on", "reason"}}
	as := t.Attempts
	for _, a := range as {
		exit := ""
		if a.Exit != nil {
			exit = strconv.Itoa(*a.Exit)
		}
		end := now
		if a.Ended != nil {
			end = *a.Ended
		}
		took := end.Sub(a.Leased)
		if ran, ok := ranFor(t.Metrics); ok && len(as) == 1 {
			took = ran
		}
		rows = append(rows, []string{strconv.Itoa(a.Number), string(a.State), exit, a.Signal,
			formatDuration(took), a.Executor, machineOf(a.Node), a.Reason})
	}
	return withoutEmpty(rows)
}

// state colours a trial's state.
func (s style) state(x types.State) string {
	switch x {
	case types.Completed:
		return s.green(string(x))
	case types.Failed:
		return s.red(string(x))
	case types.Pruned, types.Infeasible, types.Cancelled:
		return s.yellow(string(x))
	case types.Queued, types.Running, types.Paused:
	}
	return string(x)
}
