package sqlstore_test

import (
	"os"
	"testing"

	"github.com/gotuner/tuner/internal/pgtest"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// postgres is the server that the tests of this binary share.
var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// openPostgres opens a new schema.
func openPostgres(tb testing.TB) store.Store {
	s, err := sqlstore.Open(tb.Context(), sqlstore.Config{DSN: postgres.DSN(tb), Durability: "normal"})
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
