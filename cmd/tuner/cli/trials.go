package cli

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// trialsFlags are the flags of tuner trials.
type trialsFlags struct {
	states []string
	sort   string
	desc   bool
	limit  int
	after  string
	json   bool
}

var (
	trialStates = []types.State{types.Queued, types.Running, types.Paused, types.Completed, types.Pruned, types.Failed,
		types.Infeasible, types.Cancelled}
	trialSorts = []string{"number", "value", "finished"}
)

func trialsCommand(st *State, db *dbFlags) *cobra.Command {
	var f trialsFlags
	c := &cobra.Command{
		Use:   "trials NAME",
		Short: "List the trials of a study",
		Long: `Lists the trials of a study, a page at a time. The last line says how to get the
next page. Of running trials the latest value is shown, with its step. What a trial
took is the time of its attempts: that in which it waited for the next one is left
out.`,
		Example: `  tuner trials mnist --sort value --limit 10
  tuner trials mnist --state failed,infeasible`,
		Args: wantArgs(1, 1, "trials NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return db.looking(ctx, func(s reader) error {
				study, err := db.find(ctx, s, args[0])
				if err != nil {
					return err
				}
				return listTrials(ctx, st, db, s, study, f)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	fs.StringSliceVar(&f.states, "state", nil, "only trials in these states, such as failed,running")
	fs.StringVar(&f.sort, "sort", "number", "order: number, value (of the objective) or finished (the time)")
	fs.BoolVar(&f.desc, "desc", false, "turn the order round")
	fs.IntVar(&f.limit, "limit", 50, "trials on a page")
	fs.StringVar(&f.after, "after", "", "the next page, as the previous one named it")
	fs.BoolVar(&f.json, "json", false, "print JSON: the trials, and the cursor of the next page as next")
	names := make([]string, len(trialStates))
	for i, s := range trialStates {
		names[i] = string(s)
	}
	completeChoice(c, "state", names...)
	completeChoice(c, "sort", trialSorts...)
	return c
}

// filter turns the flags into a filter of the store.
func (f *trialsFlags) filter(study trial.Study) (store.TrialFilter, error) {
	out := store.TrialFilter{Desc: f.desc, After: f.after, Limit: f.limit}
	if f.limit < 1 {
		return out, usagef("%d is no number of trials", f.limit).WithField("--limit").WithRemedy("use 1 or more")
	}
	if err := oneOf("sort", f.sort, trialSorts...); err != nil {
		return out, err
	}
	switch f.sort {
	case "number":
		out.Sort = store.SortNumber
	case "value":
		out.Sort, out.Metric = store.SortMetric, study.Spec.Objectives[0].Metric
	case "finished":
		out.Sort = store.SortFinished
	}
	var err error
	out.States, err = statesOf(f.states)
	return out, err
}

// statesOf checks the values of --state.
func statesOf(names []string) ([]types.State, error) {
	known := make([]string, len(trialStates))
	for i, s := range trialStates {
		known[i] = string(s)
	}
	var out []types.State
	for _, n := range names {
		if err := oneOf("state", n, known...); err != nil {
			return nil, err
		}
		out = append(out, types.State(n))
	}
	return out, nil
}

func listTrials(ctx context.Context, st *State, flags *dbFlags, db reader, study trial.Study, f trialsFlags) error {
	filter, err := f.filter(study)
	if err != nil {
		return err
	}
	page, next, err := db.ListTrials(ctx, study.ID, filter)
	if err != nil {
		return err
	}
	return st.printing(func(w *bufio.Writer) error {
		spaces, err := spacesOf(ctx, db, study.ID)
		if err != nil {
			return err
		}
		if f.json {
			outside, err := outsiders(spaces, page)
			if err != nil {
				return err
			}
			out := struct {
				Trials []types.Trial `json:"trials"`
				Next   string        `json:"next,omitempty"`
			}{Trials: []types.Trial{}, Next: next}
			for i := range page {
				v := page[i].View(nil)
				v.OutsideSpace = slices.Contains(outside, v.Number)
				out.Trials = append(out.Trials, v)
			}
			return writeJSON(w, out)
		}
		if len(page) == 0 {
			_, err := fmt.Fprintln(w, emptyPage(study, f))
			return err
		}
		rows, err := trialRows(ctx, st.now(), db, study, spaces, page)
		if err != nil {
			return err
		}
		tableFit(w, rows, terminalWidth(st.Stdout), st.outStyle())
		if next != "" {
			fmt.Fprintf(w, "more: tuner trials %s%s --after %s\n", quoted(study.Spec.Name), f.again(), quoted(next))
		}
		if left := flags.left(study); left != "" {
			fmt.Fprintln(w, left)
		}
		return nil
	})
}

func emptyPage(study trial.Study, f trialsFlags) string {
	switch {
	case study.NextNumber == 0:
		return study.Spec.Name + " has no trials yet"
	case f.after != "":
		return "there are no more trials"
	}
	return study.Spec.Name + " has no trial that is " + strings.Join(f.states, " or ")
}

// again are the flags that repeat the order and selection.
func (f *trialsFlags) again() string {
	s := ""
	if len(f.states) > 0 {
		s += " --state " + strings.Join(f.states, ",")
	}
	if f.sort != "number" {
		s += " --sort " + f.sort
	}
	if f.desc {
		s += " --desc"
	}
	if f.limit != 50 {
		s += " --limit " + strconv.Itoa(f.limit)
	}
	return s
}

func trialRows(ctx context.Context, now time.Time, db reader, study trial.Study, spaces []*space.Space, page []trial.Trial) ([][]string, error) {
	head := []string{"trial", "state"}
	for _, o := range study.Spec.Objectives {
		head = append(head, o.Metric)
	}
	params := paramNames(page)
	rows := [][]string{append(append(head, params...), "took", "reason")}
	for i := range page {
		t := &page[i]
		sp, err := versionOf(spaces, t.Number, t.SpaceVersion)
		if err != nil {
			return nil, err
		}
		row := []string{strconv.FormatInt(t.Number, 10), string(t.State)}
		for _, o := range study.Spec.Objectives {
			v, err := valueText(ctx, db, t, o.Metric)
			if err != nil {
				return nil, err
			}
			row = append(row, v)
		}
		for _, name := range params {
			text := "-" // inactive
			if v, ok := t.Params.Get(name); ok {
				text = shortValue(sp, types.Param{Name: name, Value: v})
			}
			row = append(row, text)
		}
		view := t.View(nil)
		rows = append(rows, append(row, tookText(&view, now), clip(t.Reason, 60)))
	}
	return withoutEmpty(rows), nil
}

// paramNames are the names of all parameters of the trials, in the order in
// which they first occur.
func paramNames(page []trial.Trial) []string {
	var names []string
	seen := map[string]bool{}
	for i := range page {
		for _, p := range page[i].Params {
			if !seen[p.Name] {
				seen[p.Name] = true
				names = append(names, p.Name)
			}
		}
	}
	return names
}

// shortValue is a value as a command sees it, but a number of a range to six
// digits: the exact one is for commands and programs.
func shortValue(sp *space.Space, p types.Param) string {
	i := sp.Index(p.Name)
	if f, isFloat := p.Value.(float64); isFloat && (i < 0 || sp.Param(i).Numeric()) {
		return formatFloat(f)
	}
	return paramText(sp, p)
}

// valueText is a trial's value of a metric, or the latest report of a trial
// that is not finished.
func valueText(ctx context.Context, db reader, t *trial.Trial, metric string) (string, error) {
	if v, ok := t.Metrics[metric]; ok {
		return formatFloat(v), nil
	}
	if t.State != types.Running {
		return "-", nil
	}
	rs, err := db.Reports(ctx, t.Study, t.Number, metric, 1)
	if err != nil || len(rs) == 0 {
		return "-", err
	}
	return fmt.Sprintf("%s @%d", formatFloat(rs[0].Value), rs[0].Step), nil
}

func tookText(t *types.Trial, now time.Time) string {
	if t.Started == nil {
		return "-"
	}
	return formatDuration(took(t, now))
}

// took is how long a trial that was started has been at work: the time of its
// attempts, without that in which it waited for the next. Of a trial that ran in
// one go its process tells it better, if it had one.
func took(t *types.Trial, now time.Time) time.Duration {
	if t.Since != nil {
		return time.Duration(t.Ran) + now.Sub(*t.Since)
	}
	whole := t.Started != nil && t.Finished != nil && t.Finished.Sub(*t.Started) == time.Duration(t.Ran)
	if ran, ok := ranFor(t.Metrics); ok && whole {
		return ran
	}
	return time.Duration(t.Ran)
}

// ranFor is how long the processes of a trial ran, if it had any: its end may have
// been told much later, when a server or the machine was back.
func ranFor[V ~float64](metrics map[string]V) (time.Duration, bool) {
	v, ok := metrics[elapsedMetric]
	return time.Duration(float64(v) * float64(time.Second)), ok
}

// elapsedMetric is measured of every process, in seconds.
const elapsedMetric = "trial.elapsed"
