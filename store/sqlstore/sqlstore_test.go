package sqlstore_test

import (
	"os"
	"testing"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/store/storetest/modeltest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	sqlstore.Postgres.Stop()
	os.Exit(code)
}

// openPostgres opens a new schema.
func openPostgres(tb testing.TB) store.Store {
	s, err := sqlstore.Open(tb.Context(), sqlstore.Config{DSN: sqlstore.Postgres.DSN(tb), Durability: "normal"})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestConformanceSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openSQLite("normal")(t) })
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
