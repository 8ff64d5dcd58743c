package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// staleLock is the age from which the lock file of a process that has ended is
// of no use to those that take its studies over.
const staleLock = time.Minute

// gcFlags are the flags of tuner gc.
type gcFlags struct {
	keep    string
	dryRun  bool
	orphans bool
	json    bool
}

// garbage is what gc removes of one study, or of one that is gone.
type garbage struct {
	Project string `json:"project"`
	Study   string `json:"study"`
	// Orphan says that the database has no such study.
	Orphan bool     `json:"orphan,omitempty"`
	Paths  []string `json:"paths"`
	Bytes  int64    `json:"bytes"`
	// Kept says why an orphan stays; "" for what goes.
	Kept string `json:"kept,omitempty"`
}

func gcCommand(st *State, db *dbFlags) *cobra.Command {
	var f gcFlags
	c := &cobra.Command{
		Use:   "gc [NAME …]",
		Short: "Remove directories of trials that are no longer needed",
		Long: `Removes directories of trials: of the studies NAME, or of all of the project.
Results stay in the database. Trials that are queued, paused or running always
keep their directories. --keep says which finished ones do too:

  all   all of them (the default: only leftovers are removed)
  best  those of the best trial
  N     those of the N best trials
  none  none

Without names, directories whose study is gone are removed as well, if they are
beside a SQLite database, where nobody else's can be; elsewhere other databases
may use the folder too, and --orphans says that they do not.`,
		Example: "  tuner gc --keep best --dry-run",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			keep, err := parseKeep(f.keep)
			if err != nil {
				return err
			}
			if url, err := db.server(); err != nil {
				return err
			} else if url != "" {
				return db.elsewhere(url)
			}
			ctx := c.Context()
			return db.reading(ctx, func(s store.Store) error {
				found, err := f.find(ctx, db, s, keep, args)
				if err != nil {
					return err
				}
				if !f.dryRun {
					if err := sweepOut(found); err != nil {
						return err
					}
					if err := f.dropLocks(db); err != nil {
						return err
					}
				}
				return f.report(st, found)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	fs.StringVar(&f.keep, "keep", "all", "finished trials that keep their directories: all, best, none or a number of the best")
	fs.BoolVar(&f.dryRun, "dry-run", false, "only show what would be removed")
	fs.BoolVar(&f.orphans, "orphans", false, "remove directories of unknown studies, also from a folder that other databases might use")
	fs.BoolVar(&f.json, "json", false, "print what was removed as JSON")
	completeChoice(c, "keep", "all", "best", "none")
	return c
}

// elsewhere is the error of gc with a server, which knows no directories.
func (f *dbFlags) elsewhere(url string) error {
	e := types.Errorf(types.Unsupported, "gc works on a database (--db), for directories of trials lie where they ran").WithField("--url")
	base, err := f.remoteBase(url)
	if err != nil {
		return err
	}
	return e.WithRemedy("those of sweeps and workers of this server that ran here are in %s; tuner rm removes those of a study with it", base)
}

func (f *gcFlags) find(ctx context.Context, db *dbFlags, s store.Store, keep retention, names []string) ([]garbage, error) {
	dsn, err := db.dsn()
	if err != nil {
		return nil, err
	}
	dir, err := db.trialsDir(dsn)
	if err != nil {
		return nil, err
	}
	found := []garbage{}
	ours := f.orphans || db.dir == "" && !isPostgres(dsn)
	if len(names) == 0 {
		if found, err = lost(ctx, s, dir, ours); err != nil {
			return nil, err
		}
		if err := eachStudy(ctx, s, db.project, func(x store.StudySummary) error {
			names = append(names, x.Study.Spec.Name)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		study, err := db.find(ctx, s, name)
		if err != nil {
			return nil, err
		}
		g, err := expiredOf(ctx, s, study, dir, keep, ours)
		if err != nil {
			return nil, err
		}
		if len(g.Paths) > 0 {
			found = append(found, g)
		}
	}
	return found, nil
}

// expiredOf finds what the rule gives up of a study, in all of its folders.
func expiredOf(ctx context.Context, s store.Store, study trial.Study, dir string, keep retention, leftovers bool) (garbage, error) {
	g := garbage{Project: study.Spec.Project, Study: study.Spec.Name}
	folders, err := studyDirs(ctx, s, study, dir)
	if err != nil {
		return g, err
	}
	for _, folder := range folders {
		dirs, err := keep.expired(ctx, s, study, folder, leftovers)
		if err != nil {
			return g, err
		}
		for _, d := range dirs {
			if err := g.add(d.path); err != nil {
				return g, err
			}
		}
	}
	return g, nil
}

func (g *garbage) add(path string) error {
	n, err := sizeOf(path)
	if err != nil {
		return types.Errorf(types.Unavailable, "measure a directory: %w", err)
	}
	g.Paths = append(g.Paths, path)
	g.Bytes += n
	return nil
}

// lost finds the folders of studies that the database does not have. They stay
// if the folder is not this database's alone.
func lost(ctx context.Context, s store.Store, dir string, ours bool) ([]garbage, error) {
	// Folders first: a study that is made meanwhile has its row before its
	// folder.
	folders, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		return nil, types.Errorf(types.Invalid, "%s: %w", dir, err).WithField("--dir")
	}
	known := map[string]bool{}
	if err := eachStudy(ctx, s, "", func(x store.StudySummary) error {
		known[filepath.Join(x.Study.Spec.Project, x.Study.Spec.Name)] = true
		return nil
	}); err != nil {
		return nil, err
	}
	out := []garbage{}
	for _, folder := range folders {
		project, name := filepath.Base(filepath.Dir(folder)), filepath.Base(folder)
		if known[filepath.Join(project, name)] || project[0] == '.' || name[0] == '.' {
			continue
		}
		g := garbage{Project: project, Study: name, Orphan: true}
		dirs, err := trialDirsIn(folder)
		if err != nil {
			return nil, err
		}
		if len(dirs) == 0 && !isAgentsOnly(folder) {
			continue // nothing of ours
		}
		for _, d := range dirs {
			if busyDir(d.path) {
				g.Kept = "a trial in it still runs"
			}
		}
		if g.Kept == "" && !ours {
			g.Kept = "another database may use it; --orphans removes it"
		}
		if err := g.add(folder); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}

// isAgentsOnly reports whether nothing but the agents' state is left of a
// study's folder.
func isAgentsOnly(folder string) bool {
	entries, err := os.ReadDir(folder)
	return err == nil && len(entries) == 1 && entries[0].Name() == ".agents"
}

func sweepOut(found []garbage) error {
	for _, g := range found {
		if g.Kept != "" {
			continue
		}
		for _, p := range g.Paths {
			if err := os.RemoveAll(p); err != nil {
				return types.Errorf(types.Unavailable, "remove a directory: %w", err)
			}
		}
	}
	return nil
}

// dropLocks removes the lock files that processes left behind which were
// killed.
func (f *gcFlags) dropLocks(db *dbFlags) error {
	dir, err := db.folder()
	if err != nil {
		return err
	}
	left, err := deadLocks(dir, db.st.Now())
	for _, l := range left {
		if rerr := os.Remove(l); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = join(err, rerr)
		}
	}
	return err
}

// deadLocks are the lock files of processes that ended a while ago without
// removing them.
func deadLocks(dir string, now time.Time) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, ".owners", "*.lock"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, l := range files {
		info, err := os.Stat(l)
		if err == nil && now.Sub(info.ModTime()) > staleLock && filelock.Free(l) {
			out = append(out, l)
		}
	}
	return out, nil
}

func (f *gcFlags) report(st *State, found []garbage) error {
	return st.printing(func(w *bufio.Writer) error {
		if f.json {
			return writeJSON(w, struct {
				DryRun  bool      `json:"dry_run,omitempty"`
				Removed []garbage `json:"removed"`
			}{f.dryRun, found})
		}
		rows := [][]string{{"study", "directories", "size", ""}}
		var sum, dirs int64
		for _, g := range found {
			what := ""
			if g.Orphan {
				what = "its study is gone"
			}
			if g.Kept != "" {
				what += "; stays: " + g.Kept
			} else {
				sum += g.Bytes
				dirs += int64(len(g.Paths))
			}
			rows = append(rows, []string{g.Project + "/" + g.Study, strconv.Itoa(len(g.Paths)), formatBytes(g.Bytes), what})
		}
		if len(found) > 0 {
			tableFit(w, withoutEmpty(rows), terminalWidth(st.Stdout), st.outStyle())
		}
		verb := "removed"
		if f.dryRun {
			verb = "would be removed"
		}
		_, err := fmt.Fprintf(w, "%d directories, %s, %s\n", dirs, formatBytes(sum), verb)
		return err
	})
}
