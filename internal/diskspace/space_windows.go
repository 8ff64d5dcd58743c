// Package diskspace asks how much room a file system has.
package diskspace

import "golang.org/x/sys/windows"

// Of is what is free for this user in the file system of a folder, and the size
// of the file system, in bytes.
func Of(dir string) (free, total int64, err error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var f, t uint64
	err = windows.GetDiskFreeSpaceEx(p, &f, &t, nil)
	return int64(f), int64(t), err
}
