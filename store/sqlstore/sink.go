package sqlstore

import (
	"context"
	"database/sql"
)

// sink writes groups of batches through one connection, which the writer
// goroutine alone uses. It speaks to the driver directly instead of through
// database/sql and gorm: a trial takes some thirty rows, and at thousands of
// trials a second the copying of arguments, the result objects and the locks
// of those layers would cost more than SQLite itself.
type sink interface {
	// write stores the batches in one transaction, in order. passed says which
	// of them the fence let through; the others wrote nothing. After an error
	// nothing is stored, unless the error is of a connection that broke during
	// COMMIT, when nobody can know.
	write(ctx context.Context, group []*encoded) (passed []bool, err error)
	close()
}

// maxRows is how many rows one statement inserts at most. Every number of rows
// below is a statement of its own, prepared when first needed.
const maxRows = 16

// newSink returns the sink of c's dialect.
func newSink(d dialect, c *sql.Conn) sink {
	if d == postgresDialect {
		return &pgSink{conn: c}
	}
	return &sqliteSink{conn: c}
}
