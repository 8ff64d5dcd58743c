package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/gotuner/tuner/api/types"
)

// migrationLock is the key of the advisory lock under which one process at a
// time migrates: "tunr" in ASCII.
const migrationLock = 0x74756e72

// maxPostgresConns bounds the connections of one Store: the writer's and those
// for reading.
const maxPostgresConns = 8

// stillTransaction is how long a transaction may stand still. A process that is
// stopped in the middle of one, or whose network is cut, would else keep the row
// of its study locked, and nobody could take the study over.
const stillTransaction = 5 * time.Second

func openPostgres(ctx context.Context, cfg Config) (_ *Store, err error) {
	pc, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		// The error of pgx hides the password.
		return nil, types.Errorf(types.Invalid, "bad connection string: %w", err).WithField("db").
			WithRemedy("use postgres://user@host:5432/name")
	}
	where := fmt.Sprintf("the database %s on %s", pc.Database, pc.Host)
	pool := stdlib.OpenDB(*pc)
	pool.SetMaxOpenConns(maxPostgresConns)
	pool.SetMaxIdleConns(4)
	defer func() {
		if err != nil {
			err = also(err, pool.Close())
		}
	}()
	if err := preparePostgres(ctx, pool, where); err != nil {
		return nil, describe(where, err)
	}
	s := &Store{dialect: postgresDialect, log: cfg.Logger, now: cfg.Now, pools: []*sql.DB{pool}}
	if s.readers, err = openGormPostgres(pool); err != nil {
		return nil, describe(where, err)
	}
	s.writer = &writer{
		db: pool, dialect: postgresDialect, log: cfg.Logger, now: cfg.Now, wrote: cfg.Wrote, openGorm: openGormPostgres,
		setUp: func(ctx context.Context, c *sql.Conn) error {
			level := "on"
			if cfg.Durability == "normal" {
				level = "off"
			}
			_, err := c.ExecContext(ctx, "SET synchronous_commit = "+level+
				fmt.Sprintf("; SET idle_in_transaction_session_timeout = %d", stillTransaction.Milliseconds()))
			return err
		},
		// Autovacuum looks after the rest.
		tidy: func(context.Context, *sql.Conn, bool) error { return nil },
	}
	if err := s.writer.start(ctx); err != nil {
		return nil, describe(where, err)
	}
	return s, nil
}

func describe(where string, err error) error {
	var e *types.Error
	if errors.As(classify(err), &e) && e.Field == "" {
		named := *e
		named.Message, named.Field = where+": "+e.Message, "db"
		return &named
	}
	return classify(err)
}

// preparePostgres checks that the schema is ours or empty, and migrates it.
func preparePostgres(ctx context.Context, pool *sql.DB, where string) (err error) {
	// The lock belongs to this connection; a process that dies lets it go.
	c, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = also(err, c.Close()) }()
	if _, err := c.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return err
	}
	defer func() {
		_, e := c.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
		err = also(err, e)
	}()
	var schema sql.NullString
	var ours, others int64
	err = c.QueryRowContext(ctx, `SELECT current_schema(), count(*) FILTER (WHERE tablename = 'schema_meta'),
		count(*) FILTER (WHERE tablename NOT IN ('schema_meta', $1))
		FROM pg_tables WHERE schemaname = current_schema()`, versionTable).Scan(&schema, &ours, &others)
	switch {
	case err != nil:
		return err
	case !schema.Valid:
		return types.Errorf(types.Invalid, "%s has none of the schemas of search_path", where).WithField("db").
			WithRemedy("create the schema first")
	case others > 0 && ours == 0:
		return types.Errorf(types.Invalid, "the schema %s of %s has tables of another program", schema.String, where).
			WithField("db").WithRemedy("make a database or a schema for tuner alone (…?search_path=tuner)")
	}
	return migrate(ctx, postgresDialect, pool, where)
}

func openGormPostgres(c gorm.ConnPool) (*gorm.DB, error) {
	return gorm.Open(postgres.New(postgres.Config{Conn: c}), gormConfig())
}
