package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
	"github.com/gotuner/tuner/store/storetest"
	"github.com/gotuner/tuner/trial"
)

const (
	smallDisk = 8 << 20 // bytes
	noMount   = 77      // the exit code of a child that may not mount
)

// TestSmallDisk runs on a disk smaller than a write-ahead log may become: it is
// used to its end, what fails for lack of room is not half there, and a log that
// has room in the file is emptied to go on.
func TestSmallDisk(t *testing.T) {
	cmd := child(t, "small", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.ExitCode() == noMount || errors.Is(err, unix.EPERM) {
		t.Skip("nothing can be mounted here")
	}
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// smallDiskChild fills a disk of its own and prints what it saw.
func smallDiskChild(args []string) int {
	dir := args[0]
	err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallDisk))
	}
	if err != nil {
		return noMount
	}
	ctx := context.Background()
	path := filepath.Join(dir, "tuner.db")
	steps := []func(ctx context.Context, path string) error{goesOnInTheFile, usedToItsEnd, sound}
	for _, step := range steps {
		if err := step(ctx, path); err != nil {
			return complain(err)
		}
	}
	return 0
}

// goesOnInTheFile removes a study, which leaves room in the file, and fills what
// is left of the disk: what is stored then fits into the file, but not into the
// log behind what is there.
func goesOnInTheFile(ctx context.Context, path string) error {
	s, f, err := openStudy(ctx, path, "first")
	if err == nil {
		err = errors.Join(f.RunTrials(ctx, 100, 200), s.Close()) // now they are in the file
	}
	if err == nil {
		s, f, err = openStudy(ctx, path, "first")
	}
	if err == nil {
		err = s.DeleteStudy(ctx, f.Study.ID, f.Study.Epoch)
	}
	if err == nil {
		f, err = resume(s, "second")
	}
	if err == nil {
		err = f.RunTrials(ctx, 1, 200)
	}
	if err != nil {
		return err
	}
	spare := filepath.Join(filepath.Dir(path), "spare")
	fill, err := os.Create(spare)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	_ = fill.Close() // of a full disk
	log, err := os.Stat(path + "-wal")
	if err != nil {
		return err
	}
	fmt.Printf("a log of %d KiB\n", log.Size()>>10)
	if err := f.RunTrials(ctx, 50, 200); err != nil {
		return fmt.Errorf("trial %d, with room in the file: %w", f.Number, err)
	}
	return errors.Join(os.Truncate(spare, 512<<10), s.Close())
}

// usedToItsEnd stores trials until the disk is full; most of it must be the file
// then. With some room again, it goes on.
func usedToItsEnd(ctx context.Context, path string) error {
	s, f, err := openStudy(ctx, path, "second")
	if err != nil {
		return err
	}
	for err == nil {
		ahead := *f
		if err = ahead.RunTrials(ctx, 1, 200); err == nil {
			*f = ahead
		}
	}
	if types.CodeOf(err) != types.Unavailable || !strings.Contains(err.Error(), "disk is full") {
		return fmt.Errorf("on a full disk: %w", err)
	}
	file, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Printf("full after %d trials, the file has %d KiB of %d\n", f.Number, file.Size()>>10, smallDisk>>10)
	if file.Size() < smallDisk*3/4 {
		return fmt.Errorf("the disk is full, but the file has %d bytes only", file.Size())
	}
	return errors.Join(os.Remove(filepath.Join(filepath.Dir(path), "spare")), s.Close())
}

// sound looks whether all trials are there, once, and the file is whole.
func sound(ctx context.Context, path string) error {
	s, f, err := openStudy(ctx, path, "second")
	if err != nil {
		return err
	}
	h, err := s.Health(ctx)
	if err != nil || len(h.Faults) > 0 {
		return fmt.Errorf("%v, %w", h.Faults, err)
	}
	count, next := f.Number, int64(0)
	err = store.EachTrial(ctx, s, f.Study.ID, store.TrialFilter{}, func(tr *trial.Trial) error {
		// The last one was started perhaps, but not ended.
		if tr.Number != next || tr.State != types.Completed && tr.Number < count-1 {
			return fmt.Errorf("trial %d is %s where %d should be", tr.Number, tr.State, next)
		}
		next++
		return nil
	})
	if err != nil || next != count {
		return fmt.Errorf("%d trials, not %d, %w", next, count, err)
	}
	return s.Close()
}

func openStudy(ctx context.Context, path, name string) (*sqlstore.Store, *storetest.Feed, error) {
	s, err := sqlstore.Open(ctx, sqlstore.Config{DSN: path})
	if err != nil {
		return nil, nil, err
	}
	f, err := resume(s, name)
	return s, f, err
}
