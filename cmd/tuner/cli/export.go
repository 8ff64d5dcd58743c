package cli

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial/export"
)

func exportCommand(st *State, db *dbFlags) *cobra.Command {
	var form, file string
	c := &cobra.Command{
		Use:   "export NAME",
		Short: "Write all trials of a study as CSV, JSON, JSON lines or Markdown",
		Long: `Writes all trials of a study, in the order of their numbers.

csv and md have the columns number, state, a column each parameter, a column
each metric, reason, created, started, finished (UTC), and ran: the seconds that
its attempts took, without the time in which it waited. A parameter that is
inactive in a trial is empty there, and "" is an empty text. Where a parameter and
a metric or one of these columns share a name, they are called params.NAME and
metrics.NAME.
json is a list of trials, jsonl one trial a line; both keep the types of values.
tuner import reads csv, json and jsonl.`,
		Example: "  tuner export mnist -o csv --file trials.csv",
		Args:    wantArgs(1, 1, "export NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if form == "" {
				form = formOf(file, "csv")
			}
			if err := oneOf("output", form, export.Forms...); err != nil {
				return err
			}
			return db.looking(ctx, func(s reader) error {
				study, err := db.find(ctx, s, args[0])
				if err != nil {
					return err
				}
				return exportTo(st, file, func(w *bufio.Writer) error {
					late, err := export.Write(ctx, w, s, study, store.TrialFilter{}, form)
					if err == nil && len(late) > 0 {
						fmt.Fprintf(st.Stderr, "tuner: the study went on meanwhile: %s came up too late to be exported; export again for it\n", strings.Join(late, ", "))
					}
					return err
				})
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().StringVarP(&form, "output", "o", "", "csv, json, jsonl or md (default: by the file's name, else csv)")
	c.Flags().StringVar(&file, "file", "", "file to write, replaced if it exists (default: stdout)")
	completeChoice(c, "output", export.Forms...)
	return c
}

// formOf is the form that a file's name says.
func formOf(file, def string) string {
	ext := strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
	if slices.Contains(export.Forms, ext) {
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
