package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// pgSink is the sink of PostgreSQL. A group takes two round trips however
// large it is: BEGIN with all fences, then all rows with COMMIT. pgx prepares
// each statement once and keeps it.
type pgSink struct {
	conn *sql.Conn
	sql  map[string]string
}

var _ sink = (*pgSink)(nil)

func (s *pgSink) write(ctx context.Context, group []*encoded) (passed []bool, err error) {
	err = s.conn.Raw(func(c any) error {
		sc, ok := c.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("%T is no pgx connection", c)
		}
		// The caller's contexts end their waiting only, never a transaction.
		ctx := context.WithoutCancel(ctx)
		conn := sc.Conn()
		if passed, err = s.fences(ctx, conn, group); err == nil {
			err = s.rows(ctx, conn, group, passed)
		} else if conn.IsClosed() {
			err = unsent{err}
		}
		if err != nil && !conn.IsClosed() {
			_, _ = conn.Exec(ctx, "ROLLBACK") // a broken connection rolls back by itself
		}
		return err
	})
	return passed, err
}

func (s *pgSink) fences(ctx context.Context, conn *pgx.Conn, group []*encoded) (passed []bool, err error) {
	var b pgx.Batch
	b.Queue("BEGIN")
	query := postgresDialect.rewrite(statementSQL[fenceStatement])
	for _, e := range group {
		b.Queue(query, e.fence[:]...)
	}
	r := conn.SendBatch(ctx, &b)
	defer func() {
		if e := r.Close(); err == nil {
			err = e
		}
	}()
	if _, err := r.Exec(); err != nil {
		return nil, err
	}
	passed = make([]bool, len(group))
	for i := range group {
		tag, err := r.Exec()
		if err != nil {
			return nil, err
		}
		passed[i] = tag.RowsAffected() == 1
	}
	return passed, nil
}

func (s *pgSink) rows(ctx context.Context, conn *pgx.Conn, group []*encoded, passed []bool) (err error) {
	var b pgx.Batch
	for t := range numTables {
		for i, e := range group {
			if passed[i] {
				s.insert(&b, t, e.rows[t])
			}
		}
	}
	tables := b.Len()
	var steps []*step
	for i, e := range group {
		for j := range e.steps {
			if passed[i] {
				steps = append(steps, &e.steps[j])
				b.Queue(postgresDialect.rewrite(statementSQL[e.steps[j].statement]), e.steps[j].args...)
			}
		}
	}
	// COMMIT may go along only if nothing can ask for a rollback after it: an
	// error of SQL makes the server roll back by itself, a missed row does not.
	checked := false
	for _, st := range steps {
		checked = checked || st.missed != nil
	}
	if !checked {
		b.Queue("COMMIT")
	}
	after := b.Len() - tables - len(steps) // the COMMIT, if it is there
	if err := results(conn.SendBatch(ctx, &b), tables, steps, after); err != nil || !checked {
		return err
	}
	_, err = conn.Exec(ctx, "COMMIT")
	return err
}

// results reads the answers to a batch of pgx: before statements without
// condition, the steps, and after statements without condition.
func results(r pgx.BatchResults, before int, steps []*step, after int) (err error) {
	defer func() {
		if e := r.Close(); err == nil {
			err = e
		}
	}()
	for range before {
		if _, err := r.Exec(); err != nil {
			return err
		}
	}
	for _, st := range steps {
		tag, err := r.Exec()
		if err == nil && tag.RowsAffected() == 0 && st.missed != nil {
			err = st.missed()
		}
		if err != nil {
			return err
		}
	}
	for range after {
		if _, err := r.Exec(); err != nil {
			return err
		}
	}
	return nil
}

func (s *pgSink) insert(b *pgx.Batch, t table, rows []any) {
	spec := &tableSpecs[t]
	width := len(spec.columns)
	limit := maxRows
	if spec.keys > 0 {
		limit = 1 // one statement must not meet the same key twice
	}
	for len(rows) > 0 {
		n := min(len(rows)/width, limit)
		b.Queue(s.insertSQL(t, n), rows[:n*width]...)
		rows = rows[n*width:]
	}
}

func (s *pgSink) insertSQL(t table, n int) string {
	if s.sql == nil {
		s.sql = map[string]string{}
	}
	key := fmt.Sprint(t, n)
	if s.sql[key] == "" {
		s.sql[key] = t.insertSQL(postgresDialect, n)
	}
	return s.sql[key]
}

func (s *pgSink) close() {}
