//go:build !windows

package cli

import "golang.org/x/sys/unix"

// diskSpace is what is free for this user, and the size of the file system, in
// bytes.
func diskSpace(dir string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil //nolint:unconvert // the types differ by platform
}
