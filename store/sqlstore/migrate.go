package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/gotuner/tuner/api/types"
)

//go:embed migrations
var migrationFiles embed.FS

// versionTable is where goose keeps which migrations were applied.
const versionTable = "goose_db_version"

// provider is goose for the dialect.
func provider(d dialect, db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations/"+d.String())
	if err != nil {
		return nil, err
	}
	gd := goose.DialectSQLite3
	if d == postgresDialect {
		gd = goose.DialectPostgres
	}
	return goose.NewProvider(gd, db, files, goose.WithDisableGlobalRegistry(true))
}

// migrate brings the schema up to date. The caller holds the lock that keeps
// other processes from doing the same. A newer schema is left alone and used if
// it says that this build can (schema_meta.min_reader).
func migrate(ctx context.Context, d dialect, db *sql.DB, where string) error {
	p, err := provider(d, db)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return checkNewer(ctx, db, where, current, target)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating from schema %d to %d: %w", current, target, err)
	}
	return nil
}

func checkNewer(ctx context.Context, db *sql.DB, where string, current, target int64) error {
	var minReader int64
	if err := db.QueryRowContext(ctx, "SELECT min_reader FROM schema_meta").Scan(&minReader); err != nil {
		return err
	}
	if minReader <= target {
		return nil
	}
	return tooNew(where, current, target)
}

func tooNew(where string, current, target int64) error {
	return types.Errorf(types.Invalid, "%s was written by a newer tuner (schema %d, this one knows %d)", where, current, target).
		WithField("db").WithRemedy("use that version of tuner or a later one")
}
