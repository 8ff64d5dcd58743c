package filelock

import (
	"errors"
	"path/filepath"
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
