package pgtest_test

import (
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gotuner/tuner/internal/pgtest"
)

var server pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	server.Stop()
	os.Exit(code)
}

func TestSchemasAreApart(t *testing.T) {
	for range 2 { // the same table twice, in two schemas
		c, err := pgx.Connect(t.Context(), server.DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), "CREATE TABLE apart (x int)"); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsCommittedOutlivesACrash(t *testing.T) {
	var own pgtest.Server
	t.Cleanup(own.Stop) // after the schema is gone
	dsn := own.DSN(t)
	with := func(do func(c *pgx.Conn) error) {
		t.Helper()
		c, err := pgx.Connect(t.Context(), dsn)
		if err == nil {
			err = errors.Join(do(c), c.Close(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	with(func(c *pgx.Conn) error {
		_, err := c.Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS x")
		return err
	})
	own.Crash(t)
	if c, err := pgx.Connect(t.Context(), dsn); err == nil {
		_ = c.Close(t.Context())
		t.Fatal("it still answers")
	}
	own.Resume(t)
	var x int
	with(func(c *pgx.Conn) error { return c.QueryRow(t.Context(), "SELECT x FROM kept").Scan(&x) })
	if x != 7 {
		t.Errorf("it has %d", x)
	}
}
