//go:build !linux && !darwin

package sqlstore_test

// fullDiskChild needs a limit of file sizes, which only the other platforms of
// the tests have.
func fullDiskChild([]string) int { return 2 }
