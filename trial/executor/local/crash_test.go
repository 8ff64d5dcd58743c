//go:build linux || darwin

package local

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/trial/executor"
)

// TestRandomKills kills the supervisor at random moments while attempts are
// started, run and end. Whatever happens: each attempt ends or is lost, runs at
// most once, and leaves no process.
func TestRandomKills(t *testing.T) {
	const rounds, attempts = 25, 4
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	f := newFixture(t, Config{})
	phases := map[executor.Phase]int{}
	for range rounds {
		f.wait(f.start(f.sh("exit 0"))) // Now there is a supervisor.
		victim := supervisorPid(t, f.state)
		var wg sync.WaitGroup
		delay := time.Duration(random.Int64N(int64(25 * time.Millisecond)))
		wg.Go(func() {
			<-time.After(delay)
			if err := unix.Kill(victim, unix.SIGKILL); err != nil {
				t.Errorf("kill the supervisor: %v", err)
			}
		})
		specs := make([]executor.Spec, attempts)
		statuses := make([]executor.Status, attempts)
		for i := range specs {
			specs[i] = f.sh(`printf x >>count; (sleep 0.005; sleep 0.005) & sleep 0.005; wait; exit 2`)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				h, err := f.ex.Start(ctx, specs[i])
				if err == nil {
					statuses[i], err = f.ex.Wait(ctx, h)
				}
				if err != nil {
					t.Errorf("attempt %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		table, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		for i, st := range statuses {
			phases[st.Phase]++
			if st.Phase != executor.Gone && (st.Phase != executor.Ended || st.Exit != 2) {
				t.Errorf("after %v: %+v, want ended with 2, or gone", delay, st)
			}
			count, err := os.ReadFile(filepath.Join(specs[i].AttemptDir, "count"))
			if err != nil && !errors.Is(err, os.ErrNotExist) || len(count) > 1 || st.Phase == executor.Ended && len(count) != 1 {
				t.Errorf("after %v: it ran %d times (%v) and %+v", delay, len(count), err, st)
			}
			for _, p := range table {
				if !p.zombie && marked(p.pid, specs[i].AttemptDir) {
					t.Errorf("after %v: process %d is left", delay, p.pid)
				}
			}
		}
	}
	t.Logf("%d ended, %d lost", phases[executor.Ended], phases[executor.Gone])
}
