package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gotuner/tuner/api/types"
)

var _ Clearer = (*Processes)(nil)

// AsideMark is in the names of directories that Clear has renamed: 12.old-….
const AsideMark = ".old-"

// Clear renames what lies where a new attempt belongs: directories of a study that
// was removed together with its database, of one of the same name in another
// database that uses the folder too, or of trials that a restored database does not
// know. The executor would take what ran there for this attempt. Nothing is done
// while something runs there.
func (p *Processes) Clear(l types.Lease) error {
	dir := p.attemptDir(l.Ref)
	attempts := []string{dir}
	if l.Ref.Attempt == 1 { // then nothing of the trial can be here yet
		dir = filepath.Dir(dir)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return diskFault("look for earlier directories of the trial", err)
		}
		attempts = nil
		for _, e := range entries {
			attempts = append(attempts, filepath.Join(dir, e.Name()))
		}
	}
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, a := range attempts {
		lock := filepath.Join(a, "lock")
		if _, err := os.Lstat(lock); err == nil && !p.Free(lock) {
			return types.Errorf(types.Conflict, "%s is where trial %d would run, and a trial of another database runs there", dir, l.Ref.Trial).
				WithField("dir").WithRemedy("choose another --dir or --name, or wait until it has ended")
		}
	}
	stem := dir + AsideMark + p.Now().UTC().Format("20060102T150405")
	for name, n := stem, 2; ; n++ {
		if _, err := os.Lstat(name); err == nil {
			name = stem + "-" + strconv.Itoa(n)
			continue
		}
		if err := os.Rename(dir, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return diskFault("set a directory aside that is in the way of a trial", err)
		}
		break
	}
	if p.Warn != nil {
		p.Warn("directories of trials that this study does not know lay in its folder: those in the way are renamed to NUMBER" + AsideMark + "…")
	}
	return nil
}
