package runner

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
)

// FileName is the name of a contender's file of results: letters, digits and
// "-_.=+~" of its name, "_" for anything else.
func FileName(contender string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("-_.=+~", r):
			return r
		}
		return '_'
	}, contender) + ".csv"
}

// ReadResults reads all runs that are stored in a folder, those of
// LatencyFile left out. Of several rows with one key the last counts, unless it
// failed and an earlier one did not. They are sorted by contender, problem,
// seed, budget and workers. A folder that is not there is an error of code
// types.NotFound.
func ReadResults(dir string) ([]Result, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, types.Errorf(types.NotFound, "there is no folder of results %s", dir).
			WithRemedy("make one by tuner bench run --out %s", dir)
	}
	if err != nil {
		return nil, types.Errorf(types.Unavailable, "read results: %w", err)
	}
	var all []Result
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".csv" || e.Name() == LatencyFile {
			continue
		}
		path := filepath.Join(dir, e.Name())
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, types.Errorf(types.Unavailable, "read results: %w", err)
		}
		rows, _, err := resultColumns().parse(path, content, (*Result).check)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	all = latest(all)
	slices.SortFunc(all, func(a, b Result) int {
		return cmp.Or(
			cmp.Compare(a.Contender, b.Contender), cmp.Compare(a.Problem, b.Problem), cmp.Compare(a.Seed, b.Seed),
			cmp.Compare(a.Budget, b.Budget), cmp.Compare(a.Workers, b.Workers), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Settings, b.Settings), cmp.Compare(a.Harness, b.Harness))
	})
	return all, nil
}

// latest keeps one row a key.
func latest(rows []Result) []Result {
	at := map[Key]int{}
	var out []Result
	for _, r := range rows {
		k := r.Key()
		i, known := at[k]
		switch {
		case !known:
			at[k] = len(out)
			out = append(out, r)
		case r.Status != Failed || out[i].Status == Failed:
			out[i] = r
		}
	}
	return out
}

// file is a contender's file, open for the rows of one set. It is safe for
// concurrent use.
type file struct {
	path string
	rows []Result // that were there
	lock *filelock.Lock

	mu sync.Mutex
	f  *os.File
}

// openFile reads a contender's file, which is made if it is missing, drops a
// torn last line, and keeps other processes from writing to it.
func openFile(dir, contender string) (_ *file, err error) {
	path := filepath.Join(dir, FileName(contender))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, types.Errorf(types.Invalid, "make the folder of results: %w", err).WithField("out")
	}
	lock, err := filelock.Try(filepath.Join(dir, "."+FileName(contender)+".lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, types.Errorf(types.Conflict, "another process writes to %s", path).
			WithRemedy("wait for it, or give another folder by --out")
	}
	if err != nil {
		return nil, types.Errorf(types.Unavailable, "lock %s: %w", path, err)
	}
	out := &file{path: path, lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.close())
		}
	}()
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, types.Errorf(types.Unavailable, "read results: %w", err)
	}
	rows, whole, err := resultColumns().parse(path, content, (*Result).check)
	if err != nil {
		return nil, err
	}
	out.rows = rows
	if out.f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return nil, types.Errorf(types.Invalid, "open %s: %w", path, err).WithField("out")
	}
	if whole < len(content) {
		if err := out.f.Truncate(int64(whole)); err != nil {
			return nil, types.Errorf(types.Unavailable, "drop the torn end of %s: %w", path, err)
		}
	}
	if whole == 0 {
		return out, out.write(resultColumns().header())
	}
	return out, nil
}

// append stores a row by one write, so that a row is there or not.
func (f *file) append(r *Result) error { return f.write(resultColumns().row(r)) }

func (f *file) write(line []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.f.Write(line); err != nil {
		return types.Errorf(types.Unavailable, "write %s: %w", f.path, err).
			WithRemedy("make room; the runs that are stored are not made again")
	}
	return nil
}

func (f *file) close() error {
	var err error
	if f.f != nil {
		err = f.f.Close()
	}
	return errors.Join(err, f.lock.Release())
}
