package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "a.lock")
	if Free(path) {
		t.Error("a lock whose file does not exist is reported as free")
	}
	l, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("second holder: %v, want ErrHeld", err)
	}
	if Free(path) {
		t.Error("a held lock is reported as free")
	}
	waited := make(chan error)
	go func() {
		w, err := Wait(path)
		if err == nil {
			err = w.Release()
		}
		waited <- err
	}()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("waiting for the lock: %v", err)
	}
	if !Free(path) {
		t.Error("a released lock is reported as held")
	}
}

// TestWithdrawnFileIsNoLock lets many take the lock, hold it for a moment and
// withdraw it: never do two hold it, which they would if one had the lock of the
// file that another took away. The one who did not make the file leaves it.
func TestWithdrawnFileIsNoLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.lock")
	var inside sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				l, err := Wait(path)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.TryLock() {
					runtime.Gosched()
					inside.Unlock()
				} else {
					t.Error("two hold the lock")
				}
				if err := l.Withdraw(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, err := os.Stat(path); runtime.GOOS != "windows" && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the withdrawn file is there: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Try(path)
	if err == nil {
		err = l.Withdraw()
	}
	if err != nil || !Free(path) {
		t.Errorf("the file of another is not there and free after a withdrawal: %v", err)
	}
}
