package sqlstore_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// TestBackupWhileWriting takes a backup beside a store that is written to: it
// holds the trials up to one moment, and opens like any database.
func TestBackupWhileWriting(t *testing.T) {
	s := open(t, sqlstore.Config{DSN: newFile(t)})
	f := storetest.NewFeed(t, s, "study")
	if err := f.RunTrials(t.Context(), 20, 5); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := f.RunTrials(t.Context(), 1, 5); err != nil {
				done <- err
				return
			}
		}
	}()
	path := filepath.Join(t.TempDir(), "saved")
	err := s.Backup(t.Context(), path)
	close(stop)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has the mode %v", info.Mode())
	}
	copied := open(t, sqlstore.Config{DSN: path})
	st, err := copied.Study(t.Context(), "default", "study")
	if err != nil {
		t.Fatal(err)
	}
	counts, err := copied.Counts(t.Context(), st.ID)
	if err != nil {
		t.Fatal(err)
	}
	if counts.Total() != st.NextNumber || st.NextNumber < 20 {
		t.Errorf("the backup has %d trials, and the next number is %d", counts.Total(), st.NextNumber)
	}
	if h, err := copied.Health(t.Context()); err != nil || len(h.Faults) > 0 || h.Schema != h.Known || h.Known == 0 {
		t.Errorf("health %+v, %v", h, err)
	}
	only(t, filepath.Dir(path), "saved")
}

// only checks that a folder has these files beside those of SQLite and locks.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if n := e.Name(); !strings.HasSuffix(n, "-wal") && !strings.HasSuffix(n, "-shm") && !strings.HasSuffix(n, ".lock") {
			got = append(got, n)
		}
	}
	if d := cmp.Diff(names, got); d != "" {
		t.Error(d)
	}
}

func TestBackupRefusals(t *testing.T) {
	s := open(t, sqlstore.Config{DSN: newFile(t)})
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refusal(t, s.Backup(t.Context(), taken), types.Conflict, "exists")
	refusal(t, s.Backup(t.Context(), filepath.Join(dir, "none", "x")), types.Invalid, "none")
	refusal(t, s.Backup(t.Context(), dir), types.Conflict, "exists")
	only(t, dir, "taken")
}

func TestBackupOfPostgresIsPgDump(t *testing.T) {
	s := open(t, sqlstore.Config{DSN: sqlstore.Postgres.DSN(t)})
	refusal(t, s.Backup(t.Context(), filepath.Join(t.TempDir(), "x")), types.Unsupported, "pg_dump")
	h, err := s.Health(t.Context())
	if err != nil || h.Schema != h.Known || h.Known == 0 || !strings.HasPrefix(h.Backend, "PostgreSQL 1") {
		t.Errorf("health %+v, %v", h, err)
	}
	if h.Skew > 60 || h.Skew < -60 {
		t.Errorf("the clocks of one machine differ by %v s", h.Skew)
	}
}

// saved is a backup of a database with a study of n trials.
func saved(t *testing.T, n int) string {
	t.Helper()
	s := open(t, sqlstore.Config{DSN: filled(t, n)})
	path := filepath.Join(t.TempDir(), "saved")
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

func trials(t *testing.T, path string) int64 {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: path})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	list, err := s.ListStudies(t.Context(), "", "", 0)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d studies, %v", len(list), err)
	}
	return list[0].Counts.Total()
}

func TestRestore(t *testing.T) {
	backup := saved(t, 3)
	before, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}

	fresh := filepath.Join(t.TempDir(), "folder", "new.db")
	if err := sqlstore.Restore(t.Context(), backup, fresh, false); err != nil {
		t.Fatal(err)
	}
	if n := trials(t, fresh); n != 3 {
		t.Errorf("%d trials in a new place", n)
	}
	only(t, filepath.Dir(fresh), "new.db")

	used := filled(t, 5)
	refusal(t, sqlstore.Restore(t.Context(), backup, used, false), types.Conflict, "studies (1)", "--force")
	if n := trials(t, used); n != 5 {
		t.Errorf("%d trials after a refusal", n)
	}
	if err := sqlstore.Restore(t.Context(), backup, used, true); err != nil {
		t.Fatal(err)
	}
	if n := trials(t, used); n != 3 {
		t.Errorf("%d trials after a forced restoration", n)
	}
	only(t, filepath.Dir(used), filepath.Base(used))

	// A database without studies is nobody's loss.
	empty := newFile(t)
	closeStore(t, open(t, sqlstore.Config{DSN: empty}))
	if err := sqlstore.Restore(t.Context(), backup, empty, false); err != nil {
		t.Fatal(err)
	}

	after, err := os.ReadFile(backup)
	if err != nil || string(after) != string(before) {
		t.Errorf("the backup itself was changed (%v)", err)
	}
}

// TestRestoreOverOldLog restores over a database whose write-ahead log is still
// there, as a killed process leaves it: the log must not be applied to the new
// file.
func TestRestoreOverOldLog(t *testing.T) {
	backup := saved(t, 3)
	path := filled(t, 5)
	live := open(t, sqlstore.Config{DSN: path})
	f := storetest.NewFeed(t, live, "other")
	if err := f.RunTrials(t.Context(), 4, 2); err != nil {
		t.Fatal(err)
	}
	// The files as they are while the store is open are those of a crash.
	crashed := filepath.Join(t.TempDir(), "tuner.db")
	for _, side := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + side)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(crashed+side, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refusal(t, sqlstore.Restore(t.Context(), backup, crashed, false), types.Conflict, "studies (2)")
	if err := sqlstore.Restore(t.Context(), backup, crashed, true); err != nil {
		t.Fatal(err)
	}
	if n := trials(t, crashed); n != 3 {
		t.Errorf("%d trials", n)
	}
}

func TestRestoreRefusals(t *testing.T) {
	backup := saved(t, 3)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	garbage := write("garbage", []byte(strings.Repeat("no database ", 100)))
	cut := write("cut", good[:len(good)/2])
	newer := write("newer", good)
	run(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)", "UPDATE schema_meta SET min_reader = 99999")
	foreign := filepath.Join(dir, "foreign")
	run(t, foreign, "CREATE TABLE bookmarks (url TEXT)")

	path := filled(t, 5)
	for _, tt := range []struct {
		from  string
		code  types.Code
		parts []string
	}{
		{garbage, types.Invalid, []string{"garbage", "no SQLite database"}},
		{cut, types.Invalid, []string{"cut", "damaged"}},
		{newer, types.Invalid, []string{"newer tuner"}},
		{foreign, types.Invalid, []string{"foreign", "another program"}},
		{filepath.Join(dir, "absent"), types.Invalid, []string{"absent", "cannot be read"}},
		{dir, types.Invalid, []string{"no regular file"}},
	} {
		t.Run(filepath.Base(tt.from), func(t *testing.T) {
			refusal(t, sqlstore.Restore(t.Context(), tt.from, path, true), tt.code, tt.parts...)
			if n := trials(t, path); n != 5 {
				t.Errorf("%d trials are left of 5", n)
			}
			only(t, filepath.Dir(path), filepath.Base(path))
			fresh := newFile(t)
			refusal(t, sqlstore.Restore(t.Context(), tt.from, fresh, false), tt.code, tt.parts...)
			if left, err := os.ReadDir(filepath.Dir(fresh)); err != nil || len(left) > 0 {
				t.Errorf("a refused restoration to a new place leaves %v, %v", left, err)
			}
		})
	}

	// What it would replace: another program's database never, a damaged one
	// with force, one in use never.
	refusal(t, sqlstore.Restore(t.Context(), backup, foreign, true), types.Invalid, "another program")
	refusal(t, sqlstore.Restore(t.Context(), backup, garbage, false), types.Conflict, "--force")
	if err := sqlstore.Restore(t.Context(), backup, garbage, true); err != nil {
		t.Error(err)
	}
	s := open(t, sqlstore.Config{DSN: path})
	refusal(t, sqlstore.Restore(t.Context(), backup, path, true), types.Unavailable, "another process uses")
	if _, err := s.Study(t.Context(), "default", "study"); err != nil {
		t.Errorf("the store that used it: %v", err)
	}
	if _, err := os.Stat(fmt.Sprint(path, "-wal")); errors.Is(err, fs.ErrNotExist) {
		t.Error("the log of a database in use is gone")
	}
}
