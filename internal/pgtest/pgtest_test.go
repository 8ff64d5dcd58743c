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
	kept := func(after string) {
		t.Helper()
		var x int
		with(func(c *pgx.Conn) error { return c.QueryRow(t.Context(), "SELECT x FROM kept").Scan(&x) })
		if x != 7 {
			t.Errorf("after %s it has %d", after, x)
		}
	}
	own.Crash(t)
	if c, err := pgx.Connect(t.Context(), dsn); err == nil {
		_ = c.Close(t.Context())
		t.Fatal("it still answers")
	}
	own.Resume(t)
	kept("a crash")

	held, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	own.Restart(t)
	if err := held.Ping(t.Context()); err == nil {
		t.Error("a connection outlived a restart")
	}
	kept("a restart")

	if held, err = pgx.Connect(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	own.KillBackend(t)
	for held.Ping(t.Context()) == nil { // its process is killed, or ended by the server soon
		if t.Context().Err() != nil {
			t.Fatal("the connection lives on")
		}
	}
	own.Restart(t) // it recovers in its own time; this waits for it
	kept("the death of a backend")
}
