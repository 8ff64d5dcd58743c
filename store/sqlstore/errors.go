package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/gotuner/tuner/api/types"
)

// sqliteCode is the primary result code of an error of SQLite, -1 if err is
// none.
func sqliteCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return -1
}

// sqliteLongCode is the extended result code, -1 if err is no error of SQLite.
func sqliteLongCode(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()
	}
	return -1
}

// isBusy reports that another process has the database locked, or that
// PostgreSQL ended the transaction in favour of another (40: a deadlock): the
// same again will do.
func isBusy(err error) bool {
	if strings.HasPrefix(sqlState(err), "40") {
		return true
	}
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// isBroken reports that the connection cannot be used any more.
func isBroken(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok || pgconn.SafeToRetry(err) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	// 57P01 … 57P05: the server shuts down or ended the session. 25P03: the
	// transaction stood still for too long. 08: connection.
	state := sqlState(err)
	return strings.HasPrefix(state, "57P") || state == "25P03" || strings.HasPrefix(state, "08")
}

// isOldPlan reports that a statement was prepared before a later version of
// tuner gave its table another column. pgx has thrown it away, so that the next
// try prepares it anew; nothing has been done.
func isOldPlan(err error) bool {
	return sqlState(err) == "0A000" && strings.Contains(err.Error(), "cached plan")
}

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// isOutage reports that err would meet every other batch as well.
func isOutage(err error) bool { return types.CodeOf(err) == types.Unavailable }

// isDuplicate reports that a unique key exists already.
func isDuplicate(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return sqlState(err) == "23505"
}

// also adds the error of tidying up to err, which stays what it is if that
// went well.
func also(err, tidying error) error {
	switch {
	case tidying == nil:
		return err
	case err == nil:
		return tidying
	}
	return errors.Join(err, tidying)
}

// unsent is the error of a connection that broke before a transaction could
// have been committed: it can be tried again.
type unsent struct{ error }

func (e unsent) Unwrap() error { return e.error }

// classify turns an error of a database into one of ours, which says what to
// do; one of ours stays as it is.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*types.Error](err); ok {
		return e
	}
	if isBroken(err) {
		return types.Errorf(types.Unavailable, "there is no connection to the database server: %w", err).
			WithRemedy("see whether the server runs and can be reached")
	}
	if code := sqliteCode(err); code >= 0 {
		return classifySQLite(code, err)
	}
	if state := sqlState(err); state != "" {
		return classifyPostgres(state, err)
	}
	if errors.Is(err, context.Canceled) {
		return types.Errorf(types.Unavailable, "the database was not waited for: %w", err)
	}
	return types.Errorf(types.Internal, "database: %w", err)
}

func classifySQLite(code int, err error) error {
	switch code {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return types.Errorf(types.Unavailable, "the database stayed locked by another process for %s: %w", busyPatience, err).
			WithRemedy("see which process holds it (fuser or lsof on the file) and try again")
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		return types.Errorf(types.Unavailable, "the database could not be written or read: %w", err).
			WithRemedy("see whether the disk is full (df), over quota, or failing; nothing half-written remains")
	case sqlite3.SQLITE_NOTADB:
		return types.Errorf(types.Invalid, "the file is no SQLite database: %w", err).
			WithRemedy("name another file, or move this one away")
	case sqlite3.SQLITE_CORRUPT:
		return types.Errorf(types.Invalid, "the database is damaged: %w", err).
			WithRemedy("restore a backup, or try: sqlite3 FILE .recover | sqlite3 NEWFILE")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return types.Errorf(types.Invalid, "the database cannot be written: %w", err).
			WithRemedy("make the file and its folder writable for you, or name another file")
	case sqlite3.SQLITE_CANTOPEN:
		return types.Errorf(types.Invalid, "the database cannot be opened: %w", err).
			WithRemedy("see whether the folder exists and the file and its folder are readable and writable for you")
	}
	return types.Errorf(types.Internal, "database: %w", err)
}

func classifyPostgres(state string, err error) error {
	switch {
	case strings.HasPrefix(state, "53"): // insufficient resources
		return types.Errorf(types.Unavailable, "the database server has not enough resources: %w", err).
			WithRemedy("see whether its disk is full or it has too many connections")
	case strings.HasPrefix(state, "40"), strings.HasPrefix(state, "55"), strings.HasPrefix(state, "57"):
		return types.Errorf(types.Unavailable, "the database server ended the transaction: %w", err).
			WithRemedy("try again")
	case strings.HasPrefix(state, "25006"):
		return types.Errorf(types.Invalid, "the database cannot be written: %w", err).
			WithRemedy("connect to the primary server, with a role that may write")
	case strings.HasPrefix(state, "28"), strings.HasPrefix(state, "3D"), strings.HasPrefix(state, "3F"), state == "42501":
		return types.Errorf(types.Invalid, "the database server refuses: %w", err).
			WithRemedy("see the user, password, database name and rights in the connection string")
	}
	return types.Errorf(types.Internal, "database: %w", err)
}
