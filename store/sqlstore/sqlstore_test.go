package sqlstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/store/storetest/modeltest"
)

// childEnv makes the test binary a child process that does what its value says
// (see children).
const childEnv = "TUNER_STORE_CHILD"

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		os.Exit(children[task](os.Args[1:]))
	}
	code := m.Run()
	sqlstore.Postgres.Stop()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// open opens the database and closes it at the end.
func open(tb testing.TB, cfg sqlstore.Config) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeStore(tb, s) })
	return s
}

func closeStore(tb testing.TB, s store.Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Error(err)
	}
}

func newFile(tb testing.TB) string { return filepath.Join(tb.TempDir(), "tuner.db") }

// openSQLite opens a new file with the durability.
func openSQLite(durability string) func(testing.TB) store.Store {
	return func(tb testing.TB) store.Store {
		return sqlstore.SmallBlocks(open(tb, sqlstore.Config{DSN: newFile(tb), Durability: durability}))
	}
}

// openPostgres opens a new schema.
func openPostgres(tb testing.TB) store.Store {
	return open(tb, sqlstore.Config{DSN: sqlstore.Postgres.DSN(tb), Durability: "normal"})
}

// openNetwork opens a new file as if it were on a network file system.
func openNetwork(tb testing.TB) store.Store {
	s, err := sqlstore.OpenOn(tb.Context(), sqlstore.Config{DSN: newFile(tb)}, "nfs", "here", 1, func(int) bool { return true })
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeStore(tb, s) })
	return s
}

func TestConformanceSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openSQLite("normal")(t) })
}

func TestConformanceSQLiteOnNetwork(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openNetwork(t) })
}

func TestConformancePostgres(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openPostgres(t) })
}

func TestModelSQLite(t *testing.T) {
	modeltest.Run(t, func(t *testing.T) store.Store { return openSQLite("normal")(t) })
}

func TestModelPostgres(t *testing.T) {
	modeltest.Run(t, func(t *testing.T) store.Store { return openPostgres(t) })
}

// BenchmarkTrial measures whole trials with ten reports each, every commit
// waited for.
func BenchmarkTrial(b *testing.B) {
	for _, durability := range []string{"normal", "full"} {
		b.Run("sqlite/"+durability, func(b *testing.B) { storetest.BenchmarkTrial(b, openSQLite(durability)) })
	}
	b.Run("postgres/normal", func(b *testing.B) { storetest.BenchmarkTrial(b, openPostgres) })
}
