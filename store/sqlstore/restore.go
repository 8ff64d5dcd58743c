package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// Restore puts a backup in the place of the SQLite database at path. The backup
// is read through SQLite and checked whole, so a copy that is damaged, of
// another program or of a newer version is refused (Invalid) and nothing is
// changed; it is not changed itself. A database that has studies is replaced
// with force only (Conflict), one that any process has open never
// (Unavailable), and one of another program never (Invalid).
func Restore(ctx context.Context, backup, path string, force bool) (err error) {
	f := &sqliteFile{path: path, full: true}
	if info, err := os.Stat(backup); err != nil || !info.Mode().IsRegular() {
		if err == nil {
			err = errors.New("it is no regular file")
		}
		return types.Errorf(types.Invalid, "the backup %s cannot be read: %w", backup, err).
			WithRemedy("name a file that tuner backup wrote")
	}
	if err := (&sqliteFile{path: backup}).checkHeader(); err != nil { // before anything is made
		return err
	}
	if err := f.makeFolder(); err != nil {
		return err
	}
	lock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return f.refuse(err)
	}
	defer func() {
		_, missing := os.Stat(path)
		err = joinErrs(err, f.unlock(lock, errors.Is(missing, fs.ErrNotExist)))
	}()
	if err := f.replaceable(ctx, force); err != nil {
		return err
	}
	tmp, err := tempName(path)
	if err != nil {
		return err
	}
	if err := copyChecked(ctx, backup, tmp); err != nil {
		return joinErrs(err, removeIfThere(tmp))
	}
	// A log of the old database must not be taken for one of the new.
	for _, side := range []string{"-wal", "-shm", "-journal"} {
		if err := removeIfThere(path + side); err != nil {
			return joinErrs(f.refuse(err), removeIfThere(tmp))
		}
	}
	if err := settle(tmp, path); err != nil {
		return joinErrs(f.refuse(err), removeIfThere(tmp))
	}
	return nil
}

// replaceable checks that nobody loses anything by a new file in the place of
// this one, and leaves it without a log.
func (f *sqliteFile) replaceable(ctx context.Context, force bool) error {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return f.refuse(err)
	}
	db, err := sql.Open("sqlite", f.dsn("_pragma=busy_timeout(2000)"))
	if err != nil {
		return f.describe(err)
	}
	studies, err := f.vacate(ctx, db)
	err = joinErrs(err, db.Close())
	if err != nil {
		damaged := types.CodeOf(classify(err)) == types.Invalid && !errors.Is(err, errForeign)
		if damaged && force {
			return nil
		}
		if damaged {
			return types.Errorf(types.Conflict, "%w", f.describe(err)).WithRemedy("--force replaces it")
		}
		return f.describe(err)
	}
	if studies > 0 && !force {
		return types.Errorf(types.Conflict, "the database %s has studies (%d), which would be lost", f.path, studies).
			WithRemedy("back it up first; --force replaces it")
	}
	return nil
}

// errForeign marks a database of another program.
var errForeign = errors.New("not a tuner database")

// vacate counts the studies and moves the log into the file. That needs the
// file for this connection alone, so it fails while any process has it open.
func (f *sqliteFile) vacate(ctx context.Context, db *sql.DB) (studies int64, err error) {
	db.SetMaxOpenConns(1)
	if err := checkOurs(ctx, db); err != nil {
		return 0, err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM studies").Scan(&studies); err != nil {
		return 0, err
	}
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode = DELETE").Scan(&mode)
	if isBusy(err) || err == nil && !strings.EqualFold(mode, "delete") {
		return 0, types.Errorf(types.Unavailable, "another process uses the database %s", f.path).
			WithRemedy("stop it first (fuser or lsof on the file show it)")
	}
	return studies, err
}

func checkOurs(ctx context.Context, db *sql.DB) error {
	var id int64
	if err := db.QueryRowContext(ctx, "SELECT application_id FROM pragma_application_id").Scan(&id); err != nil {
		return err
	}
	if id != applicationID {
		return types.Errorf(types.Invalid, "it is the SQLite database of another program: %w", errForeign).
			WithRemedy("name a file of tuner")
	}
	return nil
}

// copyChecked copies a backup to tmp, checks the copy whole and brings it to
// this build's schema.
func copyChecked(ctx context.Context, backup, tmp string) error {
	src := &sqliteFile{path: backup}
	if err := src.copyTo(ctx, tmp); err != nil {
		return src.describe(err)
	}
	dst := &sqliteFile{path: tmp, full: true}
	db, err := sql.Open("sqlite", dst.dsn("_txlock=immediate", "_pragma=foreign_keys(1)"))
	if err != nil {
		return dst.describe(err)
	}
	db.SetMaxOpenConns(1)
	err = migrate(ctx, sqliteDialect, db, backup)
	if err == nil {
		err = sound(ctx, db)
	}
	if err = joinErrs(err, db.Close()); err != nil {
		return src.describe(err)
	}
	return nil
}

func (f *sqliteFile) copyTo(ctx context.Context, tmp string) (err error) {
	abs, err := filepath.Abs(f.path)
	if err != nil {
		return err
	}
	f.path = abs
	db, err := sql.Open("sqlite", f.dsn("_pragma=busy_timeout(5000)"))
	if err != nil {
		return err
	}
	defer func() { err = joinErrs(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if err := checkOurs(ctx, db); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", tmp)
	return err
}

// sound fails if SQLite finds damage.
func sound(ctx context.Context, db *sql.DB) error {
	var first string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&first); err != nil {
		return err
	}
	if first != "ok" {
		return types.Errorf(types.Invalid, "it is damaged: %s", first).WithRemedy("use another backup")
	}
	return nil
}
