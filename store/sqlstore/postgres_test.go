package sqlstore_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// query executes SQL on a server.
func query(t *testing.T, dsn, statement string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), statement, args...); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func with(t *testing.T, dsn, key, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestPostgresRefusals(t *testing.T) {
	dsn := sqlstore.Postgres.DSN(t)
	query(t, dsn, "CREATE TABLE bookmarks (url text)")
	refused(t, sqlstore.Config{DSN: dsn}, types.Invalid, "another program", "search_path")
	refused(t, sqlstore.Config{DSN: with(t, dsn, "search_path", "nowhere")}, types.Invalid, "none of the schemas")
	refused(t, sqlstore.Config{DSN: with(t, dsn, "dbname", "nowhere")}, types.Invalid, "nowhere")
	refused(t, sqlstore.Config{DSN: with(t, dsn, "host", t.TempDir())}, types.Unavailable, "server runs")
	refused(t, sqlstore.Config{DSN: with(t, dsn, "user", "nobody-known")}, types.Invalid, "nobody-known")
}

// TestPostgresConnectionLost ends all connections of a store, as a restart of
// the server does: the store connects anew.
func TestPostgresConnectionLost(t *testing.T) {
	dsn := with(t, sqlstore.Postgres.DSN(t), "application_name", "lost-"+t.Name())
	s := open(t, sqlstore.Config{DSN: dsn})
	f := storetest.NewFeed(t, s, "study")
	for range 3 {
		if err := f.RunTrials(t.Context(), 2, 2); err != nil {
			t.Fatal(err)
		}
		query(t, with(t, dsn, "application_name", "killer"),
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", "lost-"+t.Name())
		// Nothing was under way, so nobody needs to know.
		if _, err := s.StudyByID(t.Context(), f.Study.ID); err != nil {
			t.Fatal(err)
		}
	}
	storetest.CheckDense(t, s, "study", int(f.Number))
}

// TestPostgresOwnerStandsStill: a process that was stopped in a transaction
// keeps nobody from taking its study over, and goes on when it wakes up.
func TestPostgresOwnerStandsStill(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	dsn := sqlstore.Postgres.DSN(t)
	s := open(t, sqlstore.Config{DSN: dsn})
	f := storetest.NewFeed(t, s, "study")
	held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() { ended <- sqlstore.Hold(t, s, f.Study.ID, held, release) }()
	<-held
	other := open(t, sqlstore.Config{DSN: dsn})
	after := time.Now().Add(time.Hour) // its lease is over
	st, err := other.Acquire(t.Context(), f.Study.ID, "other", "", after, time.Minute)
	if err != nil || st.Owner != "other" {
		t.Fatalf("the owner is %q: %v", st.Owner, err)
	}
	close(release)
	if err := <-ended; types.CodeOf(err) != types.Unavailable {
		t.Errorf("the transaction that stood still: %v", err)
	}
	if err := f.RunTrials(t.Context(), 1, 1); types.CodeOf(err) != types.Superseded {
		t.Errorf("the former owner: %v, want %s", err, types.Superseded)
	}
}
