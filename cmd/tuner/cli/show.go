package cli

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/executor/argv"
)

func showCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show NAME [NUMBER]",
		Short: "Show all about a study, or about one of its trials",
		Example: `  tuner show mnist
  tuner show mnist 17
  tuner show mnist/17 --json`,
		Args: wantArgs(1, 2, "show NAME [NUMBER]"),
		RunE: func(c *cobra.Command, args []string) error {
			name, number, err := studyAndTrial(args)
			if err != nil {
				return err
			}
			ctx := c.Context()
			return db.looking(ctx, func(s reader) error {
				study, err := db.find(ctx, s, name)
				if err != nil {
					return err
				}
				return st.printing(func(w *bufio.Writer) error {
					if number >= 0 {
						return showTrial(ctx, w, st, s, study, number, asJSON)
					}
					return showStudy(ctx, w, st, db, s, study, asJSON)
				})
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func showStudy(ctx context.Context, w *bufio.Writer, st *State, f *dbFlags, db reader, study trial.Study, asJSON bool) error {
	counts, err := db.Counts(ctx, study.ID)
	if err != nil {
		return err
	}
	row, err := f.studyRow(ctx, db, study, counts)
	if err != nil {
		return err
	}
	if row.Stopped, err = countStopped(ctx, db, study.ID, row.Spec, row.Counts); err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, row)
	}
	s := st.outStyle()
	spec := row.Spec
	title := s.bold(spec.Name) + " · " + string(row.State)
	if row.Reason != "" {
		title += " · " + printable(row.Reason)
	}
	fmt.Fprintf(w, "%s\n%s\n", title, countsText(row.Counts))
	if row.left != "" {
		fmt.Fprintln(w, row.left)
	}
	if row.Stopped != nil {
		fmt.Fprintln(w, row.Stopped.text(spec.Stopper))
	}
	away, err := aside(ctx, db, spec.Project)
	if err != nil {
		return err
	}
	for _, a := range away {
		fmt.Fprintln(w, a)
	}
	spaces, err := spacesOf(ctx, db, study.ID)
	if err != nil {
		return err
	}
	for _, n := range row.Best {
		t, err := db.Trial(ctx, study.ID, n)
		if err != nil {
			return err
		}
		sp, err := versionOf(spaces, n, t.SpaceVersion)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "best  %s (trial %d)\n", valuesText(spec.Objectives, t.Metrics), n)
		outside, err := isOutside(spaces, &t)
		if err != nil {
			return err
		}
		if outside {
			fmt.Fprintln(w, outsideLine)
		}
		table(w, paramRows(sp, t.Params))
	}
	fmt.Fprintln(w)
	spaceTable(w, st, spaces[len(spaces)-1])
	fmt.Fprintln(w)
	facts(w, studyFacts(row))
	return nil
}

// spaceTable prints the parameters as a sweep does, without advice.
func spaceTable(w *bufio.Writer, st *State, sp *space.Space) {
	params := make([]space.Parameter, sp.Len())
	for i := range params {
		params[i] = *sp.Param(i)
	}
	rows := [][]string{{"parameter", "type", "values", "scale", "default", "only if"}}
	for _, r := range grammar.Rows(params) {
		rows = append(rows, []string{r.Name, r.Type, r.Values, r.Scale, r.Default, r.When})
	}
	tableFit(w, withoutEmpty(rows), terminalWidth(st.Stdout), st.outStyle())
	for _, c := range sp.Constraints() {
		fmt.Fprintln(w, "constraint  "+printable(c))
	}
}

// withoutEmpty leaves out the columns in which nothing stands below the head.
func withoutEmpty(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for j := range rows[0] {
		if slices.ContainsFunc(rows[1:], func(r []string) bool { return r[j] != "" }) {
			for i, r := range rows {
				out[i] = append(out[i], r[j])
			}
		}
	}
	return out
}

type fact struct{ name, text string }

// studyFacts are the settings of a study and where it comes from.
func studyFacts(r studyRow) []fact {
	spec := r.Spec
	out := []fact{
		{"objective", objectivesText(spec.Objectives)},
		{"algorithm", componentText(spec.Algorithm)},
		{"stopper", componentText(spec.Stopper)},
		{"budget", budgetText(spec.Budget)},
		{"at once", limitText(int64(spec.Parallelism))},
		{"seed", strconv.FormatInt(spec.Seed, 10)},
		{"strategy", orDefault(spec.Strategy, "last")},
	}
	if len(spec.Require) > 0 {
		out = append(out, fact{"for", "workers with " + labelsText(spec.Require)})
	}
	if spec.Run == nil {
		out = append(out, fact{"command", "none: its trials are told, not run"})
	} else {
		out = append(out, runFacts(*spec.Run)...)
	}
	if r.SpaceVersion > 1 {
		out = append(out, fact{"space", "version " + strconv.Itoa(r.SpaceVersion)})
	}
	out = append(out, attributeFacts(spec.Attributes)...)
	out = append(out, fact{"project", spec.Project}, fact{"created", formatTime(r.Created)})
	if r.Last != nil {
		out = append(out, fact{"last trial", formatTime(*r.Last)})
	}
	if by := r.runBy(); by != "-" {
		out = append(out, fact{"run by", by})
	}
	return out
}

// runFacts say how the trials run.
func runFacts(run types.RunSpec) []fact {
	out := []fact{{"command", argv.Quote(run.Command)}, {"directory", run.Dir}}
	for _, e := range run.Env {
		out = append(out, fact{"environment", e})
	}
	for _, f := range []fact{
		{"timeout", durationText(run.Timeout)}, {"grace", durationText(run.Grace)}, {"stop signal", run.StopSignal},
		{"step", run.Step}, {"metric regex", strings.Join(run.MetricRegex, "  ")}, {"metric file", run.MetricFile}, {"keep", run.Keep},
	} {
		if f.text != "" {
			out = append(out, f)
		}
	}
	if run.InfeasibleExit != 0 {
		out = append(out, fact{"infeasible", "exit code " + strconv.Itoa(run.InfeasibleExit)})
	}
	return out
}

// attributeFacts are the user's notes; those that a sweep makes get their names
// in words.
func attributeFacts(attrs map[string]string) []fact {
	rest := maps.Clone(attrs)
	var out []fact
	if commit := rest["git.commit"]; commit != "" {
		if rest["git.dirty"] == "true" {
			commit += ", with changes that are not committed"
		}
		out = append(out, fact{"git commit", commit})
	}
	for _, k := range []fact{{"host", "host"}, {"version", "tuner.version"}} {
		if v := rest[k.text]; v != "" {
			out = append(out, fact{k.name, v})
		}
	}
	for _, k := range []string{"git.commit", "git.dirty", "host", "tuner.version"} {
		delete(rest, k)
	}
	for _, k := range slices.Sorted(maps.Keys(rest)) {
		out = append(out, fact{k, rest[k]})
	}
	return out
}

// facts prints names and texts in two columns.
func facts(w *bufio.Writer, fs []fact) {
	width := 0
	for _, f := range fs {
		width = max(width, len(f.name))
	}
	for _, f := range fs {
		fmt.Fprintf(w, "%-*s  %s\n", width, printable(f.name), printable(f.text))
	}
}

// labelsText is gpu=a100, zone=b.
func labelsText(labels map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, k+"="+labels[k])
	}
	return strings.Join(parts, ", ")
}

// componentText is NAME:setting=value,…, as it is typed.
func componentText(c types.Component) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c.Settings)) {
		parts = append(parts, fmt.Sprintf("%s=%v", k, c.Settings[k]))
	}
	if len(parts) == 0 {
		return c.Name
	}
	return c.Name + ":" + strings.Join(parts, ",")
}

func budgetText(b types.Budget) string {
	var parts []string
	if b.Trials > 0 {
		parts = append(parts, plural(b.Trials, "trial"))
	}
	if b.Time > 0 {
		parts = append(parts, formatDuration(time.Duration(b.Time)))
	}
	if b.Target != nil {
		parts = append(parts, "until "+formatFloat(*b.Target))
	}
	if b.Patience > 0 {
		parts = append(parts, "until "+plural(b.Patience, "trial")+" without a better one")
	}
	if b.Cost.Metric != "" {
		parts = append(parts, "at most "+formatFloat(b.Cost.Limit)+" of "+b.Cost.Metric)
	}
	if b.StopWhen == "unlikely" {
		parts = append(parts, "until more is unlikely to pay")
	}
	switch {
	case b.MaxFailures > 0:
		parts = append(parts, "at most "+plural(b.MaxFailures, "failure"))
	case b.MaxFailures < 0:
		parts = append(parts, "any number of failures")
	}
	if len(parts) == 0 {
		return "no limit"
	}
	return strings.Join(parts, ", ")
}

func durationText(d types.Duration) string {
	if d == 0 {
		return ""
	}
	return formatDuration(time.Duration(d))
}

func limitText(n int64) string {
	if n == 0 {
		return "as many as the sweeps run"
	}
	return plural(n, "trial")
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// valuesText is "loss 0.31, time 12".
func valuesText(os []types.Objective, metrics map[string]float64) string {
	var parts []string
	for _, o := range os {
		v, ok := metrics[o.Metric]
		if !ok {
			continue
		}
		parts = append(parts, o.Metric+" "+formatFloat(v))
	}
	return strings.Join(parts, ", ")
}

// paramRows are parameters and their values for people, for table. sp is the
// version of the space that they belong to.
func paramRows(sp *space.Space, ps types.Params) [][]string {
	rows := make([][]string, len(ps))
	for i, p := range ps {
		rows[i] = []string{"  " + p.Name, shortValue(sp, p)}
	}
	return rows
}

func paramText(sp *space.Space, p types.Param) string {
	i := sp.Index(p.Name)
	if i < 0 {
		return formatValue(p.Value)
	}
	return sp.Text(i, p.Value)
}
