package sqlstore

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// lockPatience is how long Open waits for another process that is just
// creating or migrating the same database.
const lockPatience = 60 * time.Second

// errLocked is what tryLock returns while another holds the lock.
var errLocked = errors.New("locked")

// lockFile takes an exclusive lock on the file, which it creates if need be and
// leaves there: to remove it would let two processes lock two files of one
// name. The operating system drops the lock of a process that dies.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	patience := time.After(lockPatience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := tryLock(f)
		if err == nil {
			return func() error { return errors.Join(dropLock(f), f.Close()) }, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, also(err, f.Close())
		}
		select {
		case <-patience:
			err = types.Errorf(types.Unavailable, "another process has held %s for %s", path, lockPatience).
				WithRemedy("see which process it is (fuser or lsof) and try again")
			return nil, also(err, f.Close())
		case <-ctx.Done():
			err = types.Errorf(types.Unavailable, "gave up waiting for %s, which another process holds: %w", path, context.Cause(ctx))
			return nil, also(err, f.Close())
		case <-ticker.C:
		}
	}
}
