package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

func rmCommand(st *State, db *dbFlags) *cobra.Command {
	var yes, asJSON bool
	c := &cobra.Command{
		Use:   "rm NAME",
		Short: "Remove a study, its trials and their directories",
		Long: `Removes a study with all that belongs to it: trials, reports, and the directories
of its trials on this machine. It asks first; -y answers. tuner export keeps the
results, tuner gc removes directories only.`,
		Args: wantArgs(1, 1, "rm NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return db.changing(ctx, args[0], func(at *site, study trial.Study) error {
				return removeStudy(ctx, st, db, at, study, yes, asJSON)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&asJSON, "json", false, "print what was removed as JSON")
	return c
}

func removeStudy(ctx context.Context, st *State, db *dbFlags, at *site, study trial.Study, yes, asJSON bool) error {
	name := study.Spec.Name
	if at.local != nil { // a server owns all of its studies, and says itself if trials run
		if owner := at.local.Engine.OwnerOf(study); owner != "" {
			return types.Errorf(types.Conflict, "%s is being run by %s", name, owner).
				WithRemedy("stop it first: tuner stop %s", quoted(name))
		}
	}
	// The attempts, which tell where the directories are, go with the study.
	all, err := at.dirs(ctx, db, study)
	if err != nil {
		return err
	}
	var dirs []string
	for _, d := range all {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
			dirs = append(dirs, d)
		}
	}
	if !yes {
		what := fmt.Sprintf("remove %s with %s", name, plural(study.NextNumber, "trial"))
		if len(dirs) > 0 {
			what += " and " + strings.Join(dirs, ", ")
		}
		if ok, err := confirm(st, what+"?"); err != nil || !ok {
			return err
		}
	}
	if _, err := at.Control(ctx, types.ControlRequest{Study: study.ID, Kind: types.RemoveStudy}); err != nil {
		return err
	}
	for _, d := range dirs {
		if err := os.RemoveAll(d); err != nil {
			return types.Errorf(types.Unavailable, "%s is removed, but its directory is not: %w", name, err)
		}
	}
	if asJSON {
		return writeJSON(st.Stdout, map[string]any{"study": name, "trials": study.NextNumber, "directories": append([]string{}, dirs...)})
	}
	_, err = fmt.Fprintf(st.Stdout, "%s is removed, with %s\n", name, plural(study.NextNumber, "trial"))
	return err
}

// confirm asks on a terminal; elsewhere nobody can answer, which is an error.
func confirm(st *State, question string) (bool, error) {
	f, ok := st.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false, usagef("%s Nobody is here to answer", question).WithRemedy("add -y")
	}
	if _, err := fmt.Fprintf(st.Stderr, "%s [y/N] ", question); err != nil {
		return false, err
	}
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil && line == "" {
		return false, &exitError{exitUsage, "nothing was removed"}
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, &exitError{exitUsage, "nothing was removed"}
}
