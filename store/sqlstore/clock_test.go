package sqlstore

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// All who share a PostgreSQL database go by its clock, however wrong their own is
// and becomes; a file is on one machine.
func TestNowIsTheDatabases(t *testing.T) {
	const far = time.Hour // of both clocks, beside which no slow machine counts
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "x.db"), "postgres": Postgres.DSN(t)} {
		var wrong atomic.Int64
		here := func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }
		for _, by := range []time.Duration{far, -far} {
			wrong.Store(int64(by))
			s, err := Open(t.Context(), Config{DSN: dsn, Now: here})
			if err != nil {
				t.Fatal(err)
			}
			want := func(when string, by time.Duration) {
				t.Helper()
				if name == "postgres" {
					by = 0
				}
				if off := time.Until(s.Now()) - by; off.Abs() > far/2 {
					t.Errorf("%s, %s: its time is %v off", name, when, off)
				}
			}
			want("at the start", by)
			wrong.Store(int64(-by))
			if name == "postgres" {
				if err := s.askTime(t.Context()); err != nil {
					t.Error(err)
				}
			}
			want("after the clock was set", -by)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
