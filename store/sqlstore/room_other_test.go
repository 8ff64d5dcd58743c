//go:build !linux

package sqlstore_test

// smallDiskChild needs a file system of its own, which only Linux gives easily.
func smallDiskChild([]string) int { return 1 }
