package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// studyRow is a study in a listing.
type studyRow struct {
	types.Study
	// BestMetrics are the objectives' values of the first of Best.
	BestMetrics map[string]types.Float `json:"best_metrics,omitempty"`
	// Owner is the process that runs it.
	Owner string `json:"owner,omitempty"`
	// LeftBy is the process that ran it and died before the study was finished.
	LeftBy string `json:"left_by,omitempty"`
	// Last is when its last trial finished.
	Last *time.Time `json:"last_finished,omitempty"`
	// Stopped is what the stopper saved, for show alone.
	Stopped *stoppedSteps `json:"stopped,omitempty"`

	left string // the sentence about LeftBy
}

func lsCommand(st *State, db *dbFlags) *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list"},
		Short:   "List the studies",
		Args:    wantArgs(0, 0, "ls"),
		RunE: func(c *cobra.Command, _ []string) error {
			rows, err := db.listStudies(c.Context(), all)
			if err != nil {
				return err
			}
			return st.printing(func(w *bufio.Writer) error {
				if asJSON {
					return writeJSON(w, rows)
				}
				return lsTable(w, st, rows, all)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVarP(&all, "all-projects", "a", false, "list the studies of all projects")
	return c
}

// listStudies reads all rows. A user who has no database yet has no studies;
// one who named a database that is not there made a mistake.
func (f *dbFlags) listStudies(ctx context.Context, all bool) ([]studyRow, error) {
	rows := []studyRow{}
	if f.db == "" && f.st.Getenv("TUNER_DB") == "" && types.CodeOf(f.exists()) == types.NotFound {
		return rows, nil
	}
	project := f.project
	if all {
		project = ""
	}
	err := f.looking(ctx, func(db reader) error {
		return eachStudy(ctx, db, project, func(s store.StudySummary) error {
			row, err := f.studyRow(ctx, db, s.Study, s.Counts)
			rows = append(rows, row)
			return err
		})
	})
	return rows, err
}

func (f *dbFlags) studyRow(ctx context.Context, db reader, st trial.Study, counts types.Counts) (studyRow, error) {
	v, err := studyView(ctx, db, st, counts)
	row := studyRow{Study: v, Owner: f.ownerOf(st), left: f.left(st)}
	if by := f.leftBy(st); row.left != "" && !isServer(by) {
		row.LeftBy = by
	}
	if url, uerr := f.server(); uerr == nil && url != "" && st.State == types.StudyActive {
		row.Owner = url // it hands the trials out, whether it has the study in memory or not
	}
	if err != nil {
		return row, err
	}
	if len(v.Best) > 0 {
		t, err := db.Trial(ctx, st.ID, v.Best[0])
		if err != nil {
			return row, err
		}
		row.BestMetrics = map[string]types.Float{}
		for _, o := range st.Spec.Objectives {
			row.BestMetrics[o.Metric] = types.Float(t.Metrics[o.Metric])
		}
	}
	last, _, err := db.ListTrials(ctx, st.ID, store.TrialFilter{Sort: store.SortFinished, Desc: true, Limit: 1})
	if err != nil {
		return row, err
	}
	if len(last) > 0 && !last[0].Finished.IsZero() {
		row.Last = &last[0].Finished
	}
	return row, nil
}

func lsTable(w *bufio.Writer, st *State, rows []studyRow, all bool) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "no studies yet; tuner help sweep shows how to make one")
		return err
	}
	now := st.now()
	out := [][]string{{"study", "state", "trials", "running", "best", "objective", "created", "last", "run by"}}
	for _, r := range rows {
		name := r.Spec.Name
		if all {
			name = r.Spec.Project + "/" + name
		}
		last := time.Time{}
		if r.Last != nil {
			last = *r.Last
		}
		out = append(out, []string{name, string(r.State), doneOf(r.Study), strconv.FormatInt(r.Counts.Running, 10),
			bestText(r), objectivesText(r.Spec.Objectives), formatAge(r.Created, now), formatAge(last, now), r.runBy()})
	}
	tableFit(w, out, terminalWidth(st.Stdout), st.outStyle())
	for _, r := range rows {
		if r.left != "" {
			fmt.Fprintln(w, r.left)
		}
	}
	return nil
}

// doneOf is how far a study is, such as 12/50.
func doneOf(v types.Study) string {
	s := strconv.FormatInt(v.Counts.Spent(), 10)
	if v.Spec.Budget.Trials > 0 {
		s += "/" + strconv.FormatInt(v.Spec.Budget.Trials, 10)
	}
	return s
}

func bestText(r studyRow) string {
	if len(r.Best) == 0 {
		return "-"
	}
	if len(r.Spec.Objectives) > 1 {
		return plural(int64(len(r.Best)), "trial")
	}
	return formatFloat(float64(r.BestMetrics[r.Spec.Objectives[0].Metric]))
}

func objectivesText(os []types.Objective) string {
	var parts []string
	for _, o := range os {
		parts = append(parts, string(o.Goal)+" "+o.Metric)
	}
	return strings.Join(parts, ", ")
}

// runBy names the process that runs the study.
func (r *studyRow) runBy() string {
	if r.LeftBy != "" {
		return leftShort
	}
	return orDefault(r.Owner, "-")
}
