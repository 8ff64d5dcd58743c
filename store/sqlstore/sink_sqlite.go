package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// sqliteSink is the sink of SQLite. It keeps its statements prepared for the
// life of the connection.
type sqliteSink struct {
	conn       *sql.Conn
	inserts    [numTables][maxRows + 1]driver.StmtExecContext
	statements [numStatements]driver.StmtExecContext

	begin, commit, rollback driver.StmtExecContext
	// args is reused by all statements, rows by all tables.
	args []driver.NamedValue
	rows []any
	open []driver.Stmt
}

var _ sink = (*sqliteSink)(nil)

func (s *sqliteSink) write(ctx context.Context, group []*encoded) (passed []bool, err error) {
	err = s.conn.Raw(func(c any) error {
		dc, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return fmt.Errorf("%T cannot prepare statements", c)
		}
		// The caller's contexts end their waiting only, never a transaction.
		ctx := context.WithoutCancel(ctx)
		if err := s.prepare(ctx, dc); err != nil {
			return err
		}
		if err := s.exec(ctx, s.begin); err != nil {
			return err
		}
		passed, err = s.transaction(ctx, dc, group)
		if err == nil {
			err = s.exec(ctx, s.commit)
		}
		if err != nil {
			// SQLite has rolled back by itself after some errors, and says so.
			_ = s.exec(ctx, s.rollback)
		}
		return err
	})
	return passed, err
}

// prepare makes the statements that every transaction needs.
func (s *sqliteSink) prepare(ctx context.Context, c driver.ConnPrepareContext) (err error) {
	if s.begin != nil {
		return nil
	}
	if s.commit, err = s.stmt(ctx, c, "COMMIT"); err != nil {
		return err
	}
	if s.rollback, err = s.stmt(ctx, c, "ROLLBACK"); err != nil {
		return err
	}
	s.begin, err = s.stmt(ctx, c, "BEGIN IMMEDIATE")
	return err
}

func (s *sqliteSink) transaction(ctx context.Context, c driver.ConnPrepareContext, group []*encoded) ([]bool, error) {
	passed, err := s.fence(ctx, c, group)
	if err != nil {
		return nil, err
	}
	for t := range numTables {
		// One statement for the rows of all batches, as far as they fit.
		s.rows = s.rows[:0]
		for i, e := range group {
			if passed[i] {
				s.rows = append(s.rows, e.rows[t]...)
			}
		}
		if err := s.insert(ctx, c, t, s.rows); err != nil {
			return nil, err
		}
	}
	for i, e := range group {
		if !passed[i] {
			continue
		}
		for _, st := range e.steps {
			n, err := s.run(ctx, c, st.statement, st.args)
			if err == nil && n == 0 && st.missed != nil {
				err = st.missed()
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return passed, nil
}

// fence lets the batches through whose study is where they expect it. Those that
// follow each other in one study, as the batches of a busy study do, take one
// step together.
func (s *sqliteSink) fence(ctx context.Context, c driver.ConnPrepareContext, group []*encoded) ([]bool, error) {
	passed := make([]bool, len(group))
	for i := 0; i < len(group); {
		end := i + 1
		for end < len(group) && group[end].follows(group[end-1]) {
			end++
		}
		args := group[i].fence
		copy(args[:2], group[end-1].fence[:2])
		n, err := s.run(ctx, c, fenceStatement, args[:])
		if err != nil {
			return nil, err
		}
		for j := i; j < end && n == 1; j++ {
			passed[j] = true
		}
		for j := i; j < end && n == 0 && end > i+1; j++ {
			n, err := s.run(ctx, c, fenceStatement, group[j].fence[:])
			if err != nil {
				return nil, err
			}
			passed[j] = n == 1
		}
		i = end
	}
	return passed, nil
}

func (s *sqliteSink) insert(ctx context.Context, c driver.ConnPrepareContext, t table, rows []any) error {
	width := len(tableSpecs[t].columns)
	for len(rows) > 0 {
		n := min(len(rows)/width, maxRows)
		st := s.inserts[t][n]
		if st == nil {
			var err error
			if st, err = s.stmt(ctx, c, t.insertSQL(sqliteDialect, n)); err != nil {
				return err
			}
			s.inserts[t][n] = st
		}
		if err := s.exec(ctx, st, rows[:n*width]...); err != nil {
			return fmt.Errorf("%s: %w", tableSpecs[t].name, err)
		}
		rows = rows[n*width:]
	}
	return nil
}

func (s *sqliteSink) run(ctx context.Context, c driver.ConnPrepareContext, id statement, args []any) (int64, error) {
	st := s.statements[id]
	if st == nil {
		var err error
		if st, err = s.stmt(ctx, c, statementSQL[id]); err != nil {
			return 0, err
		}
		s.statements[id] = st
	}
	r, err := st.ExecContext(ctx, s.named(args))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (s *sqliteSink) exec(ctx context.Context, st driver.StmtExecContext, args ...any) error {
	_, err := st.ExecContext(ctx, s.named(args))
	return err
}

// named copies args to the form that the driver wants.
func (s *sqliteSink) named(args []any) []driver.NamedValue {
	for len(s.args) < len(args) {
		s.args = append(s.args, driver.NamedValue{Ordinal: len(s.args) + 1})
	}
	for i, a := range args {
		s.args[i].Value = a
	}
	return s.args[:len(args)]
}

func (s *sqliteSink) stmt(ctx context.Context, c driver.ConnPrepareContext, query string) (driver.StmtExecContext, error) {
	st, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", query, err)
	}
	s.open = append(s.open, st)
	x, ok := st.(driver.StmtExecContext)
	if !ok {
		return nil, fmt.Errorf("%T cannot be executed", st)
	}
	return x, nil
}

func (s *sqliteSink) close() {
	_ = s.conn.Raw(func(any) error {
		for _, st := range s.open {
			_ = st.Close() // the connection closes next; what fails here cannot matter
		}
		return nil
	})
	s.open = nil
}
