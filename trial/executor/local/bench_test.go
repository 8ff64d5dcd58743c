//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/gotuner/tuner/trial/executor"
)

// BenchmarkProcess compares an attempt with a process that is started directly
// and whose output goes to two files as well. The difference is the overhead.
func BenchmarkProcess(b *testing.B) {
	env := os.Environ()
	b.Run("os_exec", func(b *testing.B) {
		root, i := b.TempDir(), 0
		for b.Loop() {
			i++
			dir := attemptDir(b, root, i)
			cmd := exec.Command("/bin/true")
			cmd.Env = env
			stdout, err := os.Create(filepath.Join(dir, stdoutFile))
			if err != nil {
				b.Fatal(err)
			}
			stderr, err := os.Create(filepath.Join(dir, stderrFile))
			if err != nil {
				b.Fatal(err)
			}
			cmd.Stdout, cmd.Stderr = stdout, stderr
			if err := errors.Join(cmd.Run(), stdout.Close(), stderr.Close()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("executor", func(b *testing.B) {
		root, i := b.TempDir(), 0
		ex := newExecutor(b, b.TempDir())
		defer ex.Close()
		for b.Loop() {
			i++
			dir := attemptDir(b, root, i)
			h, err := ex.Start(context.Background(), executor.Spec{
				Argv: []string{"/bin/true"}, Env: env, Dir: dir, AttemptDir: dir,
			})
			if err != nil {
				b.Fatal(err)
			}
			if st, err := ex.Wait(context.Background(), h); err != nil || st.Exit != 0 {
				b.Fatal(st, err)
			}
		}
	})
}

func attemptDir(b *testing.B, root string, i int) string {
	b.Helper()
	dir := filepath.Join(root, strconv.Itoa(i))
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	return dir
}
