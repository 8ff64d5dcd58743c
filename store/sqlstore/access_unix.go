//go:build unix

package sqlstore

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// accessible returns why this process may not read and write an existing file.
// SQLite would find out too late: beside a file that it can only read it leaves
// a log with the same mode, which then is in the way of those who may write.
func accessible(path string) error {
	if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return nil
}
