package sqlstore

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/storetest"
)

// eachDialect runs a test with an empty database of each dialect, and with a way
// to bring it to a schema of testdata/later, as a later version does.
func eachDialect(t *testing.T, do func(t *testing.T, cfg Config, later func(version int64))) {
	t.Helper()
	for _, d := range []dialect{sqliteDialect, postgresDialect} {
		t.Run(d.String(), func(t *testing.T) {
			cfg := Config{DSN: filepath.Join(t.TempDir(), "x.db"), Durability: "normal"}
			if d == postgresDialect {
				cfg.DSN = Postgres.DSN(t)
			}
			do(t, cfg, func(version int64) { migrateLater(t, d, cfg.DSN, version) })
		})
	}
}

func migrateLater(t *testing.T, d dialect, dsn string, version int64) {
	t.Helper()
	all := fstest.MapFS{}
	for _, from := range []fs.FS{migrationFiles, os.DirFS("testdata/later")} {
		names, err := fs.Glob(from, "*/*.sql")
		if more, e := fs.Glob(from, "migrations/"+d.String()+"/*.sql"); e == nil {
			names = append(names, more...)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if text, err := fs.ReadFile(from, name); err != nil {
				t.Fatal(err)
			} else if strings.Contains(name, d.String()) {
				all[filepath.Base(name)] = &fstest.MapFile{Data: text}
			}
		}
	}
	var db *sql.DB
	kind := goose.DialectSQLite3
	if d == postgresDialect {
		c, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		db, kind = stdlib.OpenDB(*c), goose.DialectPostgres
	} else {
		var err error
		if db, err = sql.Open("sqlite", (&sqliteFile{path: dsn}).dsn("_txlock=immediate", "_pragma=busy_timeout(5000)")); err != nil {
			t.Fatal(err)
		}
	}
	p, err := goose.NewProvider(kind, db, all, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func openFor(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestLaterSchemaConformance: this version does all that it does on the schema
// of a later one.
func TestLaterSchemaConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite once more: the same code")
	}
	eachDialect(t, func(t *testing.T, _ Config, _ func(int64)) {
		storetest.Run(t, func(t *testing.T) store.Store {
			d := sqliteDialect
			cfg := Config{DSN: filepath.Join(t.TempDir(), "x.db"), Durability: "normal"}
			if strings.Contains(t.Name(), postgresDialect.String()) {
				d, cfg.DSN = postgresDialect, Postgres.DSN(t)
			}
			if s, err := Open(t.Context(), cfg); err != nil {
				t.Fatal(err)
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			migrateLater(t, d, cfg.DSN, 10000)
			return openFor(t, cfg)
		})
	})
}

// TestMigratedWhileInUse: a later version brings the schema up to date while
// this one works, as when replicas are updated one by one. Nothing fails, not
// even once.
func TestMigratedWhileInUse(t *testing.T) {
	eachDialect(t, func(t *testing.T, cfg Config, later func(int64)) {
		s := openFor(t, cfg)
		f := storetest.NewFeed(t, s, "study")
		id := f.Study.ID
		work := func() {
			t.Helper()
			ctx := t.Context()
			if err := f.RunTrials(ctx, 2, 2); err != nil {
				t.Fatal(err)
			}
			_, errs := s.StudyByID(ctx, id)
			_, e1 := s.Study(ctx, "default", "study")
			_, e2 := s.ListStudies(ctx, "", "", 10)
			_, e3 := s.Trial(ctx, id, 0)
			_, _, e4 := s.ListTrials(ctx, id, store.TrialFilter{Limit: 10})
			_, e5 := s.Attempts(ctx, id, 0)
			_, e6 := s.Reports(ctx, id, 0, "", 0)
			e7 := s.Events(ctx, id, 0, func(store.StoredEvent) error { return nil })
			_, e8 := s.AddCommand(ctx, id, "x", []byte("{}"), "", f.Now())
			_, e9 := s.PendingCommands(ctx, []int64{id}, 10)
			_, e10 := s.ListTokens(ctx, "")
			e11 := s.Renew(ctx, id, f.Study.Epoch, f.Now(), time.Minute)
			for i, err := range []error{errs, e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11, s.Compatible(ctx)} {
				if err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}
		}
		for range 3 { // so that every connection has its statements prepared
			work()
		}
		later(10000)
		for range 8 {
			work()
		}
		later(10001)
		if err := s.Compatible(t.Context()); types.CodeOf(err) != types.Invalid || !strings.Contains(err.Error(), "newer tuner (schema 10001") {
			t.Errorf("in use: %v", err)
		}
		if s, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "newer tuner (schema 10001") {
			t.Errorf("opened anew: %v, %v", s, err)
		}
	})
}

// alters finds what an earlier version could not live with. A migration that
// does it says so in schema_meta.
var (
	alters = regexp.MustCompile(`(?i)\b(DROP|RENAME|ALTER COLUMN|SET NOT NULL|ADD CONSTRAINT)\b`)
	added  = regexp.MustCompile(`(?i)ADD COLUMN[^;]*NOT NULL[^;]*`)
	raises = regexp.MustCompile(`(?i)UPDATE schema_meta SET min_reader`)
)

func TestMigrationsSayWhoCanUseThem(t *testing.T) {
	for _, from := range []fs.FS{migrationFiles, os.DirFS("testdata/later")} {
		names, err := fs.Glob(from, "*/*.sql")
		more, e := fs.Glob(from, "migrations/*/*.sql")
		if err != nil || e != nil {
			t.Fatal(err, e)
		}
		for _, name := range append(names, more...) {
			text, err := fs.ReadFile(from, name)
			if err != nil {
				t.Fatal(err)
			}
			up, _, _ := strings.Cut(string(text), "-- +goose Down")
			breaks := alters.MatchString(up)
			for _, a := range added.FindAllString(up, -1) {
				breaks = breaks || !strings.Contains(strings.ToUpper(a), "DEFAULT")
			}
			if breaks && !raises.MatchString(up) && !strings.Contains(name, "00001") {
				t.Errorf("%s changes what earlier versions use, and does not set schema_meta.min_reader", name)
			}
		}
	}
}
