package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/gotuner/tuner/internal/filelock"
)

// The audit log keeps so many files of about so many bytes: the oldest goes when
// a new one begins.
const (
	auditFiles = 8
	auditBytes = 16 << 20
)

// noAudit is the value of --audit-log for none.
const noAudit = "off"

// openAudit opens the audit log: a file that only the user can read, beside the
// database unless path says where. It is nil for noAudit. withdraw removes a file
// that was made for it, before anybody could write to it.
func (f *dbFlags) openAudit(path, tokenPath string) (log *slog.Logger, file io.Closer, withdraw func(), err error) {
	withdraw = func() {}
	switch {
	case path == noAudit:
		return nil, io.NopCloser(nil), withdraw, nil // nothing to close
	case path == "":
		path = strings.TrimSuffix(tokenPath, filepath.Ext(tokenPath)) + ".audit.log"
	case !filepath.IsAbs(path):
		path = filepath.Join(f.st.Dir, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, nil, nil, usagef("cannot make the folder of the audit log: %w", cause(err)).WithField("--audit-log")
	}
	if _, err := os.Lstat(path); os.IsNotExist(err) {
		withdraw = func() { _ = os.Remove(path) } // it is empty
	}
	r := &rotated{path: path, most: auditBytes}
	if err := r.open(); err != nil {
		return nil, nil, nil, usagef("cannot write the audit log %s: %w", path, cause(err)).WithField("--audit-log").
			WithRemedy("name another file, or off")
	}
	plain := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.LevelKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(r, &slog.HandlerOptions{ReplaceAttr: plain})), r, withdraw, nil
}

// rotated is a file that is appended to, and begun anew when it is long: then it
// gets the suffix .1, the one before .2, and so on. Several processes may write
// one. It is safe for concurrent use.
type rotated struct {
	path string
	most int64

	mu   sync.Mutex
	file *os.File
}

func (r *rotated) open() error {
	f, err := os.OpenFile(r.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if r.file != nil {
		_ = r.file.Close() // what was written to it is there
	}
	r.file = f
	return nil
}

// Write appends a line.
func (r *rotated) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := r.file.Stat() // others may write it, too
	if err == nil && info.Size() > 0 && info.Size()+int64(len(p)) > r.most {
		err = r.rotate(info)
	}
	if err != nil {
		return 0, err
	}
	return r.file.Write(p)
}

// rotate begins a new file, unless another process has done so.
func (r *rotated) rotate(mine os.FileInfo) error {
	lock, err := filelock.Wait(r.path + ".lock")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }() // it ends with the process at the latest
	now, err := os.Stat(r.path)
	if err == nil && os.SameFile(mine, now) {
		for i := auditFiles - 1; i > 0; i-- {
			from := r.path
			if i > 1 {
				from = fmt.Sprintf("%s.%d", r.path, i-1)
			}
			if err := os.Rename(from, fmt.Sprintf("%s.%d", r.path, i)); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	return r.open()
}

// Close implements io.Closer.
func (r *rotated) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}
