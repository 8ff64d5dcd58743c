package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver "sqlite", without cgo
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
)

// applicationID marks a SQLite file as ours: "TUNR".
const applicationID = 0x54554E52

// Sizes of SQLite's caches, in KiB of each connection, used as needed.
const (
	writerCache = 32 << 10
	readerCache = 8 << 10
)

// checkpointPages is the length of the write-ahead log, in pages of 4 KiB, at
// which the writer moves it into the file: long, because the pages at the end
// of each table are written again by every commit, but moved only once.
const checkpointPages = 8192

// keptLog is how much of a write-ahead log that readers made long is kept when
// it begins anew, in bytes.
const keptLog = 2 * checkpointPages * 4096

// sqliteFile is the file being opened.
type sqliteFile struct {
	path    string
	full    bool
	network string // the network file system, if any
}

func openSQLite(ctx context.Context, cfg Config, env environment, path string) (_ *Store, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, types.Errorf(types.Invalid, "%s: %w", path, err).WithField("db")
	}
	f := &sqliteFile{path: abs, full: cfg.Durability == "full"}
	if err := f.makeFolder(); err != nil {
		return nil, err
	}
	if f.network, err = env.fileSystem(filepath.Dir(abs)); err != nil {
		return nil, types.Errorf(types.Invalid, "cannot tell the file system of %s: %w", abs, err).WithField("db")
	}
	if err := f.checkHeader(); err != nil {
		return nil, err
	}
	// The lock keeps two processes from creating or migrating one file at once.
	lock, err := lockFile(ctx, abs+".lock")
	if err != nil {
		return nil, f.refuse(err)
	}
	defer func() {
		bad := err != nil && types.CodeOf(err) == types.Invalid // the file, for everybody
		err = also(err, f.unlock(lock, bad))
	}()
	release := func() error { return nil }
	if f.network != "" {
		if release, err = claim(abs, f.network, env); err != nil {
			return nil, err
		}
	}
	s, err := f.open(ctx, cfg)
	if err != nil {
		return nil, also(err, release())
	}
	s.after = release
	return s, nil
}

// unlock gives the lock up. If nobody can have the file open as ours, the lock file
// goes too where we made it; but a network file system may not tell those who wait
// for it that it has gone.
func (f *sqliteFile) unlock(l *filelock.Lock, unused bool) error {
	if unused && f.network == "" {
		return l.Withdraw()
	}
	return l.Release()
}

func (f *sqliteFile) makeFolder() error {
	info, err := os.Stat(f.path)
	if err == nil && info.IsDir() {
		return types.Errorf(types.Invalid, "%s is a folder", f.path).WithField("db").WithRemedy("name a file in it")
	}
	if err == nil && !info.Mode().IsRegular() {
		return types.Errorf(types.Invalid, "%s is no regular file", f.path).WithField("db").WithRemedy("name another file")
	}
	if err == nil {
		if err := accessible(f.path); err != nil {
			return f.refuse(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return f.refuse(err)
	}
	return nil
}

// refuse makes the error for a file that the operating system does not let us
// use.
func (f *sqliteFile) refuse(err error) error {
	var e *types.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, fs.ErrPermission) || isReadOnlyFS(err):
		return types.Errorf(types.Invalid, "the database %s cannot be written: %w", f.path, err).WithField("db").
			WithRemedy("make the file and its folder writable for you, or name another file")
	case isDiskFull(err):
		return types.Errorf(types.Unavailable, "the database %s cannot be written: %w", f.path, err).WithField("db").
			WithRemedy("make room on the disk (df) or in your quota")
	}
	return types.Errorf(types.Invalid, "the database %s cannot be opened: %w", f.path, err).WithField("db").
		WithRemedy("name a file in a folder that you can write to")
}

// describe names the file in an error of the database.
func (f *sqliteFile) describe(err error) error {
	var e *types.Error
	if errors.As(classify(err), &e) && e.Field == "" {
		named := *e
		named.Message, named.Field = f.path+": "+e.Message, "db"
		return &named
	}
	return classify(err)
}

func (f *sqliteFile) open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := f.create(); err != nil {
		return nil, err
	}
	params := []string{
		"_txlock=immediate", "_pragma=busy_timeout(5000)", "_pragma=foreign_keys(1)",
		fmt.Sprintf("_pragma=cache_size(-%d)", writerCache),
	}
	if f.network != "" {
		params = append(params, "_pragma=locking_mode(EXCLUSIVE)")
	}
	pool, err := sql.Open("sqlite", f.dsn(params...))
	if err != nil {
		return nil, f.describe(err)
	}
	pool.SetMaxOpenConns(1)
	pools := []*sql.DB{pool}
	defer func() {
		if err != nil {
			for _, p := range pools {
				err = also(err, p.Close())
			}
		}
	}()
	room := newRoom(f.path)
	if err = f.prepare(ctx, pool); isFull(err) && room.makeRoom(ctx, pool) {
		err = f.prepare(ctx, pool)
	}
	if err != nil {
		return nil, f.describe(err)
	}
	s := &Store{dialect: sqliteDialect, log: cfg.Logger, now: cfg.Now}
	s.writer = &writer{
		db: pool, dialect: sqliteDialect, log: cfg.Logger, now: cfg.Now, wrote: cfg.Wrote, setUp: f.setUp, openGorm: openGormSQLite, tidy: f.tidy,
	}
	if f.network == "" {
		s.writer.room = room
		readers, err := sql.Open("sqlite", f.dsn("_pragma=busy_timeout(5000)", "_query_only=1",
			fmt.Sprintf("_pragma=cache_size(-%d)", readerCache)))
		if err != nil {
			return nil, f.describe(err)
		}
		readers.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
		readers.SetMaxIdleConns(4)
		pools = append(pools, readers)
		if s.readers, err = openGormSQLite(readers); err != nil {
			return nil, f.describe(err)
		}
	}
	// Readers close first, so that the writer's end, the last connection, can
	// take the write-ahead log away.
	for _, p := range slices.Backward(pools) {
		s.pools = append(s.pools, p)
	}
	if err := s.writer.start(ctx); err != nil {
		return nil, f.describe(err)
	}
	return s, nil
}

// create makes an empty file, which is an empty database, so that its mode is
// ours and not the umask's. An existing file is never opened here: closing it
// would drop the locks that another connection of this process has on it.
func (f *sqliteFile) create() error {
	if _, err := os.Stat(f.path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f.refuse(err)
	}
	if err := file.Close(); err != nil {
		return f.refuse(err)
	}
	return nil
}

// dsn is the URI of the file with parameters for the driver.
func (f *sqliteFile) dsn(params ...string) string {
	path := filepath.ToSlash(f.path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw&" + strings.Join(params, "&")}
	return u.String()
}

// prepare checks that the file is ours or empty, and migrates it.
func (f *sqliteFile) prepare(ctx context.Context, pool *sql.DB) error {
	var id, tables int64
	err := pool.QueryRowContext(ctx, "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id").
		Scan(&id, &tables)
	if err != nil {
		return err
	}
	if id != applicationID && (id != 0 || tables != 0) {
		return f.foreign()
	}
	// Really a write, even of what is there already: a file that can only be
	// read opens without complaint, and even begins a transaction.
	mark := fmt.Sprintf("BEGIN IMMEDIATE; PRAGMA application_id = %d; COMMIT", applicationID)
	if _, err := pool.ExecContext(ctx, mark); err != nil {
		_, _ = pool.ExecContext(ctx, "ROLLBACK") // the first error is the one that tells
		return err
	}
	if err := f.setMode(ctx, pool); err != nil {
		return err
	}
	if err := migrate(ctx, sqliteDialect, pool, f.path); err != nil {
		return orDamaged(ctx, pool, err)
	}
	return nil
}

// orDamaged is err, or that the file is damaged if it is: what cannot be read in it
// goose may take for missing.
func orDamaged(ctx context.Context, pool *sql.DB, err error) error {
	var found string
	qerr := pool.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case ctx.Err() != nil, types.CodeOf(classify(err)) != types.Internal:
		return err
	case qerr != nil && sqliteCode(qerr) == sqlite3.SQLITE_CORRUPT:
		return qerr
	case qerr == nil && found != "ok":
		return classifySQLite(sqlite3.SQLITE_CORRUPT, errors.New(strings.ReplaceAll(found, "\n", " ")))
	}
	return err
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// setMode chooses the journal. A write-ahead log lets readers and a writer
// work at once, but needs memory that processes share, which no network file
// system gives.
func (f *sqliteFile) setMode(ctx context.Context, c execer) error {
	mode := fmt.Sprintf("PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = %d", keptLog)
	if f.network != "" {
		mode = "PRAGMA journal_mode = DELETE" // with the exclusive lock of the DSN
	}
	sync := "NORMAL"
	if f.full {
		sync = "FULL"
	}
	_, err := c.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA synchronous = %s; PRAGMA wal_autocheckpoint = %d", mode, sync, checkpointPages))
	return err
}

// setUp makes a connection the writer's: the writer waits for locks itself,
// more eagerly than SQLite's busy handler, whose pauses of up to 100 ms would
// starve it beside a busy process.
func (f *sqliteFile) setUp(ctx context.Context, c *sql.Conn) error {
	if err := f.setMode(ctx, c); err != nil {
		return err
	}
	_, err := c.ExecContext(ctx, "PRAGMA busy_timeout = 0")
	return err
}

// tidy refreshes the statistics of the query planner and, at the end, empties
// the write-ahead log. Another process may be at work: then it does so later.
func (f *sqliteFile) tidy(ctx context.Context, c *sql.Conn, final bool) error {
	mode := "PASSIVE"
	if final {
		mode = "TRUNCATE"
	}
	_, err := c.ExecContext(ctx, "PRAGMA optimize; PRAGMA wal_checkpoint("+mode+")")
	if isBusy(err) {
		return nil
	}
	return err
}

func openGormSQLite(c gorm.ConnPool) (*gorm.DB, error) {
	return gorm.Open(sqlite.Dialector{DriverName: "sqlite", Conn: c}, gormConfig())
}
