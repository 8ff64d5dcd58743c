package sqlstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
)

// Backup writes the database as it is at one moment to a new file, while it is
// in use: nobody waits for it. The file appears whole or not at all. Only
// SQLite: PostgreSQL has pg_dump (Unsupported).
func (s *Store) Backup(ctx context.Context, path string) error {
	if s.dialect != sqliteDialect {
		return types.Errorf(types.Unsupported, "a PostgreSQL database is backed up with its own tools").
			WithRemedy("pg_dump --format=custom --file=FILE \"$TUNER_DB\", and pg_restore to bring it back")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return types.Errorf(types.Invalid, "%s: %w", path, err).WithRemedy("name a file in a folder that you can write to")
		}
		return types.Errorf(types.Conflict, "%s exists", path).WithRemedy("name a new file, or remove it first")
	}
	tmp, err := tempName(path)
	if err != nil {
		return err
	}
	// The writer's connection is the one that every kind of file has; outside a
	// transaction VACUUM only reads.
	err = s.writer.wait(ctx, task{read: true, work: func(db *gorm.DB) error { return vacuumInto(ctx, db, tmp) }})
	if err == nil {
		err = settle(tmp, path)
	}
	if err != nil {
		return joinErrs(err, removeIfThere(tmp))
	}
	return nil
}

// tempName is a new name beside path, so that a rename within one file system
// brings it there.
func tempName(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", types.Errorf(types.Invalid, "%s cannot be written: %w", path, err).
			WithRemedy("name a file in a folder that you can write to")
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return f.Name(), nil
}

// vacuumInto copies the database, which may be tried again. The empty file
// that holds the name is allowed and keeps its mode, readable by its owner only.
func vacuumInto(ctx context.Context, db *gorm.DB, tmp string) error {
	if err := os.Truncate(tmp, 0); err != nil {
		return err
	}
	return db.WithContext(ctx).Exec("VACUUM INTO ?", tmp).Error
}

// settle brings a finished file to its place, also after a loss of power.
func settle(tmp, path string) error {
	if err := syncFile(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return types.Errorf(types.Unavailable, "move the finished copy to its place: %w", err).WithRemedy("name another file")
	}
	return syncFile(filepath.Dir(path))
}

func syncFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() && runtime.GOOS == "windows" {
		return nil // it syncs no folders
	}
	flag := os.O_RDWR
	if info.IsDir() {
		flag = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return joinErrs(f.Sync(), f.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// joinErrs is errors.Join that leaves a single error as it is.
func joinErrs(err, more error) error {
	if err == nil || more == nil {
		if err == nil {
			return more
		}
		return err
	}
	return errors.Join(err, more)
}
