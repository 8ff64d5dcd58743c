//go:build linux || darwin

package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
)

// TestReadOnly opens files as a user who may not write them, for root may
// write everything.
func TestReadOnly(t *testing.T) {
	path := filled(t, 2)
	folder := filepath.Dir(path)
	closed := newFile(t)
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(path, 0o444)
	chmod(path+".lock", 0o666)
	for _, p := range []string{folder, filepath.Dir(folder)} {
		chmod(p, 0o777)
	}
	chmod(filepath.Dir(closed), 0o555)
	self := filepath.Join(folder, "child")
	copySelf(t, self)
	for name, p := range map[string]string{"file": path, "folder": closed} {
		t.Run(name, func(t *testing.T) {
			cmd := child(t, "open", p)
			cmd.Path = self
			if os.Geteuid() == 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			refusal(t, outcome(t, cmd), types.Invalid, p, "cannot be written", "writable")
		})
	}
	chmod(filepath.Dir(closed), 0o755)
}

// limit bounds the size of files, which is how a full disk looks.
func limit(size uint64) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &l); err != nil {
		return err
	}
	l.Cur = min(size, l.Max)
	return unix.Setrlimit(unix.RLIMIT_FSIZE, &l)
}

// fullDiskChild commits until the disk is full, prints how far it came and the
// error, makes room, and goes on. With "new" it opens a new database instead.
func fullDiskChild(args []string) int {
	ctx := context.Background()
	signal.Ignore(unix.SIGXFSZ)
	if args[1] == "new" {
		if err := limit(8 << 10); err != nil {
			return complain(err)
		}
		return openChild(args)
	}
	s, err := sqlstore.Open(ctx, sqlstore.Config{DSN: args[0]})
	if err != nil {
		return complain(err)
	}
	f, err := resume(s, "study")
	if err == nil {
		err = limit(1 << 20)
	}
	if err != nil {
		return complain(err)
	}
	var full error
	for full == nil {
		ahead := *f
		if full = ahead.RunTrials(ctx, 1, 100); full == nil {
			*f = ahead
		}
	}
	// Still full: the same again, and reading goes on.
	st, err := s.StudyByID(ctx, f.Study.ID)
	if err != nil {
		return complain(err)
	}
	f.Seq, f.Number = st.NextSeq, st.NextNumber
	ahead := *f
	if err := ahead.RunTrials(ctx, 1, 100); types.CodeOf(err) != types.Unavailable {
		return complain(fmt.Errorf("the second error is %w", err))
	}
	acknowledged := f.Number
	if err := limit(unix.RLIM_INFINITY); err != nil {
		return complain(err)
	}
	if st, err = s.StudyByID(ctx, f.Study.ID); err != nil {
		return complain(err)
	}
	f.Seq, f.Number = st.NextSeq, st.NextNumber
	if f.Number < acknowledged {
		return complain(fmt.Errorf("%d trials of %d are left", f.Number, acknowledged))
	}
	if err := errors.Join(f.RunTrials(ctx, 1, 100), s.Close()); err != nil {
		return complain(fmt.Errorf("with room again: %w", err))
	}
	fmt.Println(f.Number)
	return printError(full)
}

func TestFullDisk(t *testing.T) {
	path := newFile(t)
	cmd := child(t, "full", path, "old")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var trials int
	var rest string
	if _, err := fmt.Sscanf(string(out), "%d\n%s", &trials, &rest); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	t.Logf("%s", out)
	if want := `{"code":"unavailable"`; len(rest) < len(want) || rest[:len(want)] != want {
		t.Errorf("the error is %s", out)
	}
	if trials < 100 { // 11 without emptying the write-ahead log
		t.Errorf("only %d trials were stored", trials)
	}
	s := open(t, sqlstore.Config{DSN: path})
	storetest.CheckDense(t, s, "study", trials)
	if got := sqlstore.Setting(t, s, "PRAGMA integrity_check"); got != "ok" {
		t.Error(got)
	}

	fresh := newFile(t)
	refusal(t, outcome(t, child(t, "full", fresh, "new")), types.Unavailable, fresh, "full")
	// With room it is a new database, for nothing half-made is left.
	open(t, sqlstore.Config{DSN: fresh})
}
