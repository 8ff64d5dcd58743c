package sqlstore

import (
	"database/sql"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
	"gorm.io/gorm/schema"

	"github.com/jackc/pgx/v5"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/pgtest"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/storetest"
)

// Postgres is the server that the tests of this binary share.
var Postgres pgtest.Server

// column is what the models and the migrated tables must agree on.
type column struct {
	Kind     string // int, float, text or bytes
	Nullable bool
}

// newDatabase returns an empty database of the dialect.
func newDatabase(t *testing.T, d dialect) *sql.DB {
	t.Helper()
	var db *sql.DB
	if d == sqliteDialect {
		path := filepath.Join(t.TempDir(), "x.db")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if db, err = sql.Open("sqlite", (&sqliteFile{path: path}).dsn()); err != nil {
			t.Fatal(err)
		}
	} else {
		c, err := pgx.ParseConfig(Postgres.DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		db = stdlib.OpenDB(*c)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// tables reads the schema of a database.
func tables(t *testing.T, d dialect, db *sql.DB) map[string]map[string]column {
	t.Helper()
	query := `SELECT m.name, c.name, c.type, c."notnull" = 0 AND c.pk = 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT IN ('sqlite_sequence', 'goose_db_version')`
	if d == postgresDialect {
		query = `SELECT table_name, column_name, data_type, is_nullable = 'YES' FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name <> 'goose_db_version'`
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}()
	kinds := map[string]string{
		"INTEGER": "int", "REAL": "float", "TEXT": "text", "BLOB": "bytes",
		"bigint": "int", "double precision": "float", "text": "text", "bytea": "bytes",
	}
	out := map[string]map[string]column{}
	for rows.Next() {
		var table, name, kind string
		var nullable bool
		if err := rows.Scan(&table, &name, &kind, &nullable); err != nil {
			t.Fatal(err)
		}
		if out[table] == nil {
			out[table] = map[string]column{}
		}
		if kinds[kind] == "" {
			t.Fatalf("%s.%s has the unexpected type %s", table, name, kind)
		}
		out[table][name] = column{kinds[kind], nullable}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// modelled is the same as the models tell it.
func modelled(t *testing.T) map[string]map[string]column {
	t.Helper()
	out := map[string]map[string]column{}
	var cache sync.Map
	for _, m := range models() {
		s, err := schema.Parse(m, &cache, schema.NamingStrategy{})
		if err != nil {
			t.Fatal(err)
		}
		out[s.Table] = map[string]column{}
		for _, f := range s.Fields {
			c := column{Nullable: f.FieldType.Kind() == reflect.Pointer}
			switch f.IndirectFieldType.Kind() {
			case reflect.Int64:
				c.Kind = "int"
			case reflect.Float64:
				c.Kind = "float"
			case reflect.String:
				c.Kind = "text"
			case reflect.Slice:
				c.Kind = "bytes"
				// A nil slice is NULL, so the type does not tell.
				c.Nullable = s.Table == "commands" && f.DBName == "response"
			default:
				t.Fatalf("%s.%s has the unexpected type %s", s.Table, f.DBName, f.FieldType)
			}
			out[s.Table][f.DBName] = c
		}
	}
	return out
}

func TestModelsEqualTheMigratedSchema(t *testing.T) {
	for _, d := range []dialect{sqliteDialect, postgresDialect} {
		t.Run(d.String(), func(t *testing.T) {
			db := newDatabase(t, d)
			if err := migrate(t.Context(), d, db, "x"); err != nil {
				t.Fatal(err)
			}
			got := tables(t, d, db)
			if diff := cmp.Diff(modelled(t), got); diff != "" {
				t.Errorf("models (-) and tables (+) differ:\n%s", diff)
			}
			for _, spec := range tableSpecs {
				want := slices.Sorted(func(yield func(string) bool) {
					for name := range got[spec.name] {
						if name != "id" && !yield(name) {
							return
						}
					}
				})
				if diff := cmp.Diff(want, slices.Sorted(slices.Values(spec.columns))); diff != "" {
					t.Errorf("%s: columns (-) and inserted columns (+) differ:\n%s", spec.name, diff)
				}
			}
		})
	}
}

// TestDeletedStudyLeavesNothing keeps a new table from being forgotten in
// studyModels.
func TestDeletedStudyLeavesNothing(t *testing.T) {
	all := modelled(t)
	for _, m := range studyModels() {
		name := m.(schema.Tabler).TableName()
		if _, ok := all[name]["study_id"]; !ok {
			t.Errorf("%s has no study_id", name)
		}
		delete(all, name)
	}
	for name, columns := range all {
		if _, ok := columns["study_id"]; ok {
			t.Errorf("%s has a study_id, but is no study model", name)
		}
	}
}

func TestMigrationsUpDownUp(t *testing.T) {
	for _, d := range []dialect{sqliteDialect, postgresDialect} {
		t.Run(d.String(), func(t *testing.T) {
			db := newDatabase(t, d)
			p, err := provider(d, db)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			first := tables(t, d, db)
			if _, err := p.DownTo(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if left := tables(t, d, db); len(left) > 0 {
				t.Errorf("tables left after all migrations were undone: %v", left)
			}
			if _, err := p.Up(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, tables(t, d, db)); diff != "" {
				t.Errorf("the second time differs:\n%s", diff)
			}
		})
	}
}

// TestListingsUseIndexes keeps pages fast at a million trials: no order may
// sort or scan whole tables.
func TestListingsUseIndexes(t *testing.T) {
	s, err := Open(t.Context(), Config{DSN: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	// With statistics, for those make the planner bold.
	if err := storetest.NewFeed(t, s, "x").RunTrials(t.Context(), 500, 2); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.do(t.Context(), func(tx *gorm.DB) error { return tx.Exec("ANALYZE").Error }); err != nil {
		t.Fatal(err)
	}
	var queries []string
	err = s.readers.Callback().Query().After("gorm:query").Register("capture", func(db *gorm.DB) {
		queries = append(queries, db.Explain(db.Statement.SQL.String(), db.Statement.Vars...))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, sort := range []store.TrialSort{store.SortNumber, store.SortMetric, store.SortFinished} {
		for _, desc := range []bool{false, true} {
			for _, f := range []store.TrialFilter{{}, {States: []types.State{types.Completed, types.Failed, types.Running}}} {
				f.Sort, f.Desc, f.Limit = sort, desc, 10
				if sort == store.SortMetric {
					f.Metric = "loss"
				}
				from := f.First()
				for ok := true; ok; from, ok = f.Next(from) {
					for _, start := range []bool{true, false} {
						at := from
						at.Start = start
						if _, err := s.page(s.readers, 1, &f, at, 10); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
	if len(queries) < 30 {
		t.Fatalf("only %d queries were seen", len(queries))
	}
	for _, q := range queries {
		var plan []struct{ Detail string }
		if err := s.readers.Raw("EXPLAIN QUERY PLAN " + q).Scan(&plan).Error; err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for _, line := range plan {
			if strings.Contains(line.Detail, "TEMP B-TREE") || strings.Contains(line.Detail, "SCAN trials") {
				t.Errorf("%s\n\t%v", q, plan)
			}
		}
	}
}
