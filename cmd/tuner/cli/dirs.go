package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/local"
)

// studyDirs are the folders of a study on this machine: where --dir says, and
// wherever else an attempt says that it ran, less those that a study of another
// database has come to use.
func studyDirs(ctx context.Context, db store.Store, study trial.Study, dir string) ([]string, error) {
	spec := study.Spec
	out := []string{filepath.Join(dir, spec.Project, spec.Name)}
	host, err := os.Hostname()
	if err != nil {
		return nil, types.Errorf(types.Internal, "this machine has no name: %w", err)
	}
	folders, err := db.AttemptFolders(ctx, study.ID, host)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		if f = filepath.Clean(f); isStudyDir(spec, f) && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return slices.DeleteFunc(out, func(f string) bool { return local.Foreign(f, study.ID, study.Created) }), nil
}

// isStudyDir reports whether the folder that an attempt's directory
// NUMBER/ATTEMPT lies in is PROJECT/STUDY, for nothing else is ever removed.
func isStudyDir(spec types.StudySpec, folder string) bool {
	return endsIn(folder, filepath.Join(spec.Project, spec.Name))
}

// isAttemptDir reports whether the directory of an attempt is one that tuner makes
// for it. What was run over a server has told the server where; nothing else is
// opened.
func isAttemptDir(spec types.StudySpec, a trial.Attempt) bool {
	tail := filepath.Join(spec.Project, spec.Name, strconv.FormatInt(a.Trial, 10), strconv.Itoa(a.Number))
	return endsIn(a.Dir, tail) && filepath.Clean(a.Dir) == a.Dir
}

// endsIn reports whether an absolute path ends in these elements.
func endsIn(path, tail string) bool {
	for tail != "." && tail != "" {
		if filepath.Base(path) != filepath.Base(tail) {
			return false
		}
		path, tail = filepath.Dir(path), filepath.Dir(tail)
	}
	return filepath.IsAbs(path)
}

// trialDir is the directory of one trial.
type trialDir struct {
	number int64
	path   string
}

// trialDirsIn are the directories of trials in a study's folder, by number.
func trialDirsIn(studyDir string) ([]trialDir, error) {
	entries, err := os.ReadDir(studyDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, types.Errorf(types.Unavailable, "look for directories of trials: %w", err)
	}
	var out []trialDir
	for _, e := range entries {
		n, err := strconv.ParseInt(e.Name(), 10, 64)
		if err != nil || n < 0 || !e.IsDir() || strconv.FormatInt(n, 10) != e.Name() {
			continue
		}
		out = append(out, trialDir{n, filepath.Join(studyDir, e.Name())})
	}
	slices.SortFunc(out, func(a, b trialDir) int { return int(min(max(a.number-b.number, -1), 1)) })
	return out, nil
}

// busyDir reports whether an attempt in a trial's directory still has its
// supervisor, which holds a lock as long as it answers for the attempt.
func busyDir(path string) bool {
	locks, err := filepath.Glob(filepath.Join(path, "*", "lock"))
	if err != nil {
		return true
	}
	for _, l := range locks {
		if _, err := os.Stat(l); err == nil && !filelock.Free(l) {
			return true
		}
	}
	return false
}

// sizeOf is the number of bytes of all files below path. What vanishes
// meanwhile counts nothing.
func sizeOf(path string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += info.Size()
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	return sum, err
}

// retention says which finished trials keep their directories.
type retention struct {
	all  bool
	best int // how many of the best; -1 those that the study counts as its best
}

// parseKeep reads the value of --keep.
func parseKeep(text string) (retention, error) {
	switch text {
	case "", "all":
		return retention{all: true}, nil
	case "none":
		return retention{}, nil
	case "best":
		return retention{best: -1}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return retention{}, usagef("%q is no rule", text).WithField("--keep").
			WithRemedy("use all, best, none, or a number of the best trials")
	}
	return retention{best: n}, nil
}

// kept are the trials whose directories stay beside those that are not
// finished.
func (r retention) kept(ctx context.Context, db reader, study trial.Study) (map[int64]bool, error) {
	out := map[int64]bool{}
	switch {
	case r.best < 0:
		numbers, err := engine.BestStored(ctx, db, study)
		for _, n := range numbers {
			out[n] = true
		}
		return out, err
	case r.best > 0:
		trials, err := bestTrials(ctx, db, study, r.best)
		for i := range trials {
			out[trials[i].Number] = true
		}
		return out, err
	}
	return out, nil
}

// expired are the directories of a study that the rule gives up: those of
// finished trials that it does not keep and, with leftovers, of numbers that the
// study has not reached (left by an earlier study of the name) and what its trials
// have set aside. A trial that may
// still run keeps its own.
func (r retention) expired(ctx context.Context, db reader, study trial.Study, studyDir string, leftovers bool) ([]trialDir, error) {
	// The directories are read before the trials, so that one that is made
	// meanwhile is not taken for a leftover.
	dirs, err := trialDirsIn(studyDir)
	if err != nil || len(dirs) == 0 {
		return nil, err
	}
	// Of a million trials few have a directory left, and fewer are unfinished.
	if study, err = db.StudyByID(ctx, study.ID); err != nil {
		return nil, err
	}
	if earlystop.Copies(study.Spec.Stopper) && study.State != types.StudyFinished && study.State != types.StudyStopped {
		r.all = true // a trial that is over may still be copied
	}
	open := map[int64]bool{}
	if err := store.EachTrial(ctx, db, study.ID, store.TrialFilter{States: []types.State{types.Queued, types.Running, types.Paused}}, func(t *trial.Trial) error {
		open[t.Number] = true
		return nil
	}); err != nil {
		return nil, err
	}
	// The best are looked for last: one that ends meanwhile is among the open.
	kept, err := r.kept(ctx, db, study)
	if err != nil {
		return nil, err
	}
	dirs = slices.DeleteFunc(dirs, func(d trialDir) bool {
		if d.number >= study.NextNumber {
			return !leftovers || busyDir(d.path)
		}
		return r.all || kept[d.number] || open[d.number] || busyDir(d.path)
	})
	if !leftovers {
		return dirs, nil
	}
	aside, err := asideIn(studyDir)
	return append(dirs, aside...), err
}

// asideIn are the directories of trials that have been set aside by new ones.
func asideIn(studyDir string) ([]trialDir, error) {
	entries, err := os.ReadDir(studyDir)
	if err != nil {
		return nil, types.Errorf(types.Unavailable, "look for directories of trials: %w", err)
	}
	var out []trialDir
	for _, e := range entries {
		number, _, ok := strings.Cut(e.Name(), agent.AsideMark)
		if n, err := strconv.ParseInt(number, 10, 64); ok && err == nil && e.IsDir() {
			out = append(out, trialDir{n, filepath.Join(studyDir, e.Name())})
		}
	}
	return out, nil
}
