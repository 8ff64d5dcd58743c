package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// openSQLite opens a new file with the durability.
func openSQLite(durability string) func(testing.TB) store.Store {
	return func(tb testing.TB) store.Store {
		s, err := sqlstore.Open(tb.Context(), sqlstore.Config{
			DSN: filepath.Join(tb.TempDir(), "tuner.db"), Durability: durability,
		})
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
}

// BenchmarkTrial is the number of DESIGN 5: whole trials with ten reports each,
// every commit waited for.
func BenchmarkTrial(b *testing.B) {
	for _, durability := range []string{"normal", "full"} {
		b.Run("sqlite/"+durability, func(b *testing.B) { storetest.BenchmarkTrial(b, openSQLite(durability)) })
	}
	b.Run("postgres/normal", func(b *testing.B) { storetest.BenchmarkTrial(b, openPostgres) })
}
