//go:build unix

package sqlstore_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/sqlstore"
)

func TestFileThatCannotBeWrittenIsLeftAlone(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; cmd/tuner tests it as another user")
	}
	dir := t.TempDir()
	cfg := sqlstore.Config{DSN: filepath.Join(dir, "tuner.db"), Now: time.Now}
	open := func() error {
		db, err := sqlstore.Open(context.Background(), cfg)
		if err != nil {
			return err
		}
		return db.Close()
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o400, 0} {
		if err := os.Chmod(cfg.DSN, mode); err != nil {
			t.Fatal(err)
		}
		if err := open(); types.CodeOf(err) != types.Invalid {
			t.Errorf("with mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(cfg.DSN, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("writable again: %v", err)
	}
}
