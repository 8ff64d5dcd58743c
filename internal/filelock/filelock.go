// Package filelock takes advisory locks on files, which the operating system
// releases when the process ends, however it ends.
package filelock

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrHeld means that another process (or another Lock of this one) holds the
// lock.
var ErrHeld = errors.New("the lock is held")

// Lock is a held lock.
type Lock struct {
	f    *os.File
	made bool
}

// Try takes the lock of the file at path, which is made with its folder if it
// is missing, or returns ErrHeld.
func Try(path string) (*Lock, error) { return take(path, false) }

// Wait takes the lock of the file at path and waits for it if it is held.
func Wait(path string) (*Lock, error) { return take(path, true) }

func take(path string, wait bool) (*Lock, error) {
	for {
		f, made, err := open(path)
		for try := 0; try < 3 && errors.Is(err, fs.ErrNotExist); try++ {
			f, made, err = open(path) // another process took the empty folder away meanwhile
		}
		if err != nil {
			return nil, err
		}
		if err := lock(f, wait); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		gone, err := removed(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if !gone {
			return &Lock{f, made}, nil
		}
		if err := f.Close(); err != nil { // its holder withdrew it before we had it
			return nil, err
		}
	}
}

// open opens the file, which is made with its folder if it is missing.
func open(path string) (f *os.File, made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, err
	}
	for range withdrawals {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, true, err
		}
		f, err = os.OpenFile(path, os.O_RDWR, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, false, err
		}
	}
	return nil, false, err
}

// withdrawals is how often a file may go between the two steps of open. It is
// bounded because a link that leads nowhere looks the same.
const withdrawals = 100

// Free reports whether the file exists and nobody holds its lock.
func Free(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return lock(f, false) == nil // closing releases it
}

// Release gives the lock up and leaves the file.
func (l *Lock) Release() error { return l.f.Close() }

// Withdraw gives the lock up and takes the file away if this lock made it. Who
// waits for it makes it anew: take sees that what it got is gone.
func (l *Lock) Withdraw() error {
	if !l.made {
		return l.Release()
	}
	return errors.Join(remove(l.f), l.f.Close())
}

// Path is the file's path.
func (l *Lock) Path() string { return l.f.Name() }
