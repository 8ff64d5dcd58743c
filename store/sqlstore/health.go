package sqlstore

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"

	"gorm.io/gorm"
)

// Health is what can be said about a database without looking at studies.
type Health struct {
	// Backend is "SQLite" or "PostgreSQL", with its version.
	Backend string
	// Schema is the version of the database's schema, Known the one of this
	// build.
	Schema, Known int64
	// Journal is SQLite's journal mode.
	Journal string
	// Faults is what SQLite's integrity check found; empty is sound.
	Faults []string
	// Skew is how far the server's clock is ahead of this process's, in seconds
	// (PostgreSQL).
	Skew float64
}

// Health reads the state of the database. The integrity check reads the whole
// file.
func (s *Store) Health(ctx context.Context) (Health, error) {
	var h Health
	err := s.read(ctx, func(db *gorm.DB) error {
		h = Health{}
		db = db.WithContext(ctx)
		if err := db.Raw("SELECT max(version_id) FROM " + versionTable + " WHERE is_applied").Scan(&h.Schema).Error; err != nil {
			return err
		}
		if s.dialect != sqliteDialect {
			return s.postgresHealth(db, &h)
		}
		var version string
		if err := db.Raw("SELECT sqlite_version()").Scan(&version).Error; err != nil {
			return err
		}
		h.Backend = "SQLite " + version
		if err := db.Raw("PRAGMA journal_mode").Scan(&h.Journal).Error; err != nil {
			return err
		}
		if err := db.Raw("PRAGMA integrity_check(20)").Scan(&h.Faults).Error; err != nil {
			return err
		}
		if len(h.Faults) == 1 && h.Faults[0] == "ok" {
			h.Faults = nil
		}
		return nil
	})
	if err != nil {
		return h, err
	}
	h.Known, err = knownSchema(s.dialect)
	return h, err
}

// Compatible fails (Invalid) if a later version of tuner has changed the schema
// meanwhile in a way that this one cannot use.
func (s *Store) Compatible(ctx context.Context) error {
	known, err := knownSchema(s.dialect)
	if err != nil {
		return err
	}
	var row struct{ MinReader, Schema int64 }
	err = s.read(ctx, func(db *gorm.DB) error {
		return db.WithContext(ctx).Raw("SELECT min_reader, (SELECT max(version_id) FROM " + versionTable + " WHERE is_applied) AS schema FROM schema_meta").
			Scan(&row).Error
	})
	if err != nil || row.MinReader <= known {
		return err
	}
	return tooNew("the database", row.Schema, known)
}

func (s *Store) postgresHealth(db *gorm.DB, h *Health) error {
	var version string
	if err := db.Raw("SELECT current_setting('server_version')").Scan(&version).Error; err != nil {
		return err
	}
	h.Backend = "PostgreSQL " + version
	is, err := postgresTime(db)
	h.Skew = is.Sub(s.now()).Seconds()
	return err
}

// knownSchema is the version of the last migration of this build.
func knownSchema(d dialect) (int64, error) {
	files, err := fs.Glob(migrationFiles, "migrations/"+d.String()+"/*.sql")
	if err != nil || len(files) == 0 {
		return 0, joinErrs(err, nil)
	}
	var n int64
	_, err = fmt.Sscanf(filepath.Base(files[len(files)-1]), "%d_", &n)
	return n, err
}
