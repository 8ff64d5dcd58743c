package sqlstore_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// refused checks that a database is refused with the code, in a message that
// has all the parts and a remedy.
func refused(t *testing.T, cfg sqlstore.Config, code types.Code, parts ...string) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), cfg)
	if err == nil {
		closeStore(t, s)
		t.Fatalf("%s was opened", cfg.DSN)
	}
	refusal(t, err, code, parts...)
}

func refusal(t *testing.T, err error, code types.Code, parts ...string) {
	t.Helper()
	e, ok := err.(*types.Error) //nolint:errorlint // it must be one itself, so that nothing else is shown
	if !ok || e.Code != code || e.Remedy == "" {
		t.Fatalf("got %v (%T, code %s), want a *types.Error of code %s with a remedy", err, err, types.CodeOf(err), code)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
	t.Log(err)
}

// run executes SQL on a file.
func run(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// filled makes a database with a study of n trials and closes it.
func filled(t *testing.T, n int) (path string) {
	t.Helper()
	path = newFile(t)
	s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.NewFeed(t, s, "study").RunTrials(t.Context(), n, 3); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	return path
}

func TestReopenSeesAll(t *testing.T) {
	path := filled(t, 20)
	for _, dsn := range []string{path, "sqlite:" + path} {
		s, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
		if err != nil {
			t.Fatal(err)
		}
		storetest.CheckDense(t, s, "study", 20)
		closeStore(t, s)
	}
	left, err := filepath.Glob(path + "-*")
	if err != nil || len(left) > 0 {
		t.Errorf("the closed database leaves %v (%v)", left, err)
	}
}

func TestNewFileAndFolderAreMineAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b c%41?", "tuner#1.db")
	s := open(t, sqlstore.Config{DSN: path})
	if err := storetest.NewFeed(t, s, "study").RunTrials(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]os.FileMode{
		path: 0o600, path + "-wal": 0o600, path + ".lock": 0o600,
		filepath.Dir(path): 0o700 | os.ModeDir, filepath.Dir(filepath.Dir(path)): 0o700 | os.ModeDir,
	} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has the mode %v, want %v", p, info.Mode(), want)
		}
	}
}

func TestBadConfig(t *testing.T) {
	path := newFile(t)
	for _, c := range []struct {
		cfg  sqlstore.Config
		part string
	}{
		{sqlstore.Config{}, "no database"},
		{sqlstore.Config{DSN: path, Durability: "some"}, `"some"`},
		{sqlstore.Config{DSN: ":memory:"}, "no file"},
		{sqlstore.Config{DSN: "sqlite:"}, "no file"},
		{sqlstore.Config{DSN: "mysql://root@localhost/x"}, "mysql"},
		{sqlstore.Config{DSN: "postgres://host:port/x"}, "connection string"},
		{sqlstore.Config{DSN: filepath.Dir(path)}, "is a folder"},
		{sqlstore.Config{DSN: "/dev/null"}, "no regular file"},
		{sqlstore.Config{DSN: "/dev/null/tuner.db"}, "cannot be opened"},
	} {
		refused(t, c.cfg, types.Invalid, c.part)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused configuration made a file")
	}
}

func TestDamagedFiles(t *testing.T) {
	whole, err := os.ReadFile(filled(t, 50))
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("this is no database\n", 500))
	schema := bytes.Clone(whole)
	for i := 100; i < 4096; i++ {
		schema[i] = 0xA5
	}
	version := bytes.Clone(whole) // the table of goose, the first one made
	for i := 4096; i < 8192; i++ {
		version[i] = 0xA5
	}
	for name, c := range map[string]struct {
		content []byte
		part    string
	}{
		"a text file":        {text, "no SQLite database"},
		"a short text file":  {text[:5], "no SQLite database"},
		"a broken schema":    {schema, "damaged"},
		"a broken table":     {version, "damaged"},
		"a header alone":     {whole[:100], "damaged"},
		"the half of a file": {whole[:len(whole)/2/4096*4096], "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
			refused(t, sqlstore.Config{DSN: path}, types.Invalid, path, c.part)
			if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 {
				t.Errorf("beside it lie %v, %v", left, err)
			}
			if err := os.WriteFile(path+".lock", nil, 0o600); err != nil { // another's, who may have the file open
				t.Fatal(err)
			}
			refused(t, sqlstore.Config{DSN: path}, types.Invalid, path)
			if _, err := os.Stat(path + ".lock"); err != nil {
				t.Error("the lock file of another is gone:", err)
			}
		})
	}
}

func TestForeignFiles(t *testing.T) {
	for name, statements := range map[string][]string{
		"other tables":         {"CREATE TABLE bookmarks (url TEXT)"},
		"other application ID": {"PRAGMA application_id = 12345"},
		"other, in WAL":        {"PRAGMA journal_mode = WAL", "CREATE TABLE studies (id INTEGER)"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t)
			run(t, path, statements...)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, sqlstore.Config{DSN: path}, types.Invalid, path, "another program")
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("the file of another program was changed")
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
				t.Errorf("beside it lie %v, %v", entries, err)
			}
		})
	}
}

func TestNewerSchema(t *testing.T) {
	path := filled(t, 3)
	run(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	// A newer schema that says that this build may use it is used.
	storetest.CheckDense(t, open(t, sqlstore.Config{DSN: path}), "study", 3)
	run(t, path, "UPDATE schema_meta SET min_reader = 9999")
	refused(t, sqlstore.Config{DSN: path}, types.Invalid, path, "newer tuner", "9999")
}

func TestNewerSchemaPostgres(t *testing.T) {
	dsn := sqlstore.Postgres.DSN(t)
	closeStore(t, open(t, sqlstore.Config{DSN: dsn}))
	query(t, dsn, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	closeStore(t, open(t, sqlstore.Config{DSN: dsn}))
	query(t, dsn, "UPDATE schema_meta SET min_reader = 9999")
	refused(t, sqlstore.Config{DSN: dsn}, types.Invalid, "newer tuner", "9999")
}

// TestEmptyFileIsNew also covers a process that died between creating the file
// and creating the schema.
func TestEmptyFileIsNew(t *testing.T) {
	for _, statements := range [][]string{nil, {fmt.Sprintf("PRAGMA application_id = %d", 0x54554E52)}} {
		path := newFile(t)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, path, statements...)
		s := open(t, sqlstore.Config{DSN: path})
		if err := storetest.NewFeed(t, s, "study").RunTrials(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDurabilityIsSet(t *testing.T) {
	for durability, want := range map[string]string{"": "2", "full": "2", "normal": "1"} {
		s := open(t, sqlstore.Config{DSN: newFile(t), Durability: durability})
		if got := sqlstore.Setting(t, s, "PRAGMA synchronous"); got != want {
			t.Errorf("durability %q: synchronous is %s, want %s", durability, got, want)
		}
		if got := sqlstore.Setting(t, s, "PRAGMA journal_mode"); got != "wal" {
			t.Errorf("the journal is %s", got)
		}
	}
	for durability, want := range map[string]string{"full": "on", "normal": "off"} {
		s := open(t, sqlstore.Config{DSN: sqlstore.Postgres.DSN(t), Durability: durability})
		if got := sqlstore.Setting(t, s, "SHOW synchronous_commit"); got != want {
			t.Errorf("durability %q: synchronous_commit is %s, want %s", durability, got, want)
		}
	}
}
