package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/filelock"
)

// lockPatience is how long Open waits for another process that is just
// creating or migrating the same database.
const lockPatience = 60 * time.Second

// lockFile takes an exclusive lock on the file, which it creates if need be. Release
// leaves it there: it shows that the database has been opened as ours (checkHeader).
// The operating system drops the lock of a process that dies.
func lockFile(ctx context.Context, path string) (*filelock.Lock, error) {
	patience := time.NewTimer(lockPatience)
	defer patience.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		lock, err := filelock.Try(path)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, filelock.ErrHeld) {
			return nil, err
		}
		select {
		case <-patience.C:
			return nil, types.Errorf(types.Unavailable, "another process has held %s for %s", path, lockPatience).
				WithRemedy("see which process it is (fuser or lsof) and try again")
		case <-ctx.Done():
			return nil, types.Errorf(types.Unavailable, "gave up waiting for %s, which another process holds: %w", path, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
