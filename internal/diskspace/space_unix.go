//go:build !windows

// Package diskspace asks how much room a file system has.
package diskspace

import "golang.org/x/sys/unix"

// Of is what is free for this user in the file system of a folder, and the size
// of the file system, in bytes. Quotas and limits of processes are not known.
func Of(dir string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil //nolint:unconvert // the types differ by platform
}
