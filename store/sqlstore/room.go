package sqlstore

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/gotuner/tuner/internal/diskspace"
)

// readersPatience is how long a full disk waits for readers, who keep the
// write-ahead log from being emptied while they read a page.
const readersPatience = time.Second

// room keeps the write-ahead log from filling a disk. What is in the log needs
// room a second time when it moves into the file, and a commit that only lacks
// room at the end of the log would find it in a log that was emptied.
type room struct {
	file string
	// hopeless is how much was free when the log could not be emptied for lack of
	// room: as long as there is no more, it is not tried again. -1 is never.
	hopeless int64
}

func newRoom(file string) *room { return &room{file: file, hopeless: -1} }

// isFull reports that a write found no room: on the disk, in a quota or within
// the limit of a file's size, which SQLite does not tell from other trouble.
func isFull(err error) bool {
	code := sqliteCode(err)
	if code == sqlite3.SQLITE_IOERR {
		long := sqliteLongCode(err)
		return long == sqlite3.SQLITE_IOERR_WRITE || long == sqlite3.SQLITE_IOERR_SHMSIZE
	}
	return code == sqlite3.SQLITE_FULL
}

// watch empties the log when it is longer than what is left of the disk, so that
// it can still be emptied. It is called after every transaction and costs two
// calls of the operating system.
func (r *room) watch(ctx context.Context, c pragmas) error {
	info, err := os.Stat(r.file + "-wal")
	if err != nil || info.Size() == 0 {
		return nil //nolint:nilerr // there is none
	}
	if free, ok := r.free(); !ok || free > info.Size() || free <= r.hopeless {
		return nil
	}
	_, err = r.empty(ctx, c)
	return err
}

// makeRoom empties the log of a disk that is full and reports whether a transaction
// that found no room may find some now.
func (r *room) makeRoom(ctx context.Context, c pragmas) bool {
	if free, ok := r.free(); ok && free <= r.hopeless {
		return false
	}
	patience := time.After(readersPatience)
	for {
		done, err := r.empty(ctx, c)
		if done || err != nil {
			return done
		}
		select {
		case <-patience:
			return false
		case <-time.After(busyPause):
		}
	}
}

func (r *room) free() (free int64, ok bool) {
	free, _, err := diskspace.Of(filepath.Dir(r.file))
	return free, err == nil
}

// empty moves what is in the log to its place in the file and gives the log's
// room back to the disk. done is false if others read or write just now.
func (r *room) empty(ctx context.Context, c pragmas) (done bool, err error) {
	var busy, log, moved int64
	err = c.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	r.hopeless = -1
	if free, ok := r.free(); isFull(err) && ok {
		r.hopeless = free
	}
	if isBusy(err) {
		return false, nil
	}
	return err == nil && busy == 0, err
}

// pragmas is a connection.
type pragmas interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
