package executor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// roomSize is what a folder must have room for: a short log, in bytes.
const roomSize = 64 << 10

// NoRoom reports whether a folder has no room for even a short log, by writing
// one, for quotas are seen in no other way. A trial that failed there may have
// failed of it, and its output may be cut. A folder that is gone has room.
func NoRoom(dir string) bool {
	path := filepath.Join(dir, ".room")
	err := os.WriteFile(path, make([]byte, roomSize), 0o600)
	_ = os.Remove(path) // it may be half written, or not there
	return err != nil && !errors.Is(err, fs.ErrNotExist)
}
