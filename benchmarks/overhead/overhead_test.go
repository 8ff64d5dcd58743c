//go:build linux

// Package overhead measures what a trial costs over the same command started by
// xargs -P2. The figures are in ../README.md.
package overhead

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/store/sqlstore"
)

// The first trials are left out: they start the supervisor and warm up caches.
const (
	warm  = 20
	count = 500
)

// BenchmarkProcess runs a command that does nothing, two at a time, under tuner
// sweep and under xargs in turn, and reports milliseconds a command of each and
// their difference.
func BenchmarkProcess(b *testing.B) {
	bin := filepath.Join(b.TempDir(), "tuner")
	if out, err := exec.Command("go", "build", "-o", bin, "github.com/gotuner/tuner/cmd/tuner").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	var swept, plain time.Duration
	n := 0
	for b.Loop() {
		n++
		swept += sweep(b, bin, filepath.Join(b.TempDir(), fmt.Sprintf("%d.db", n)))
		plain += xargs(b, warm+count) - xargs(b, warm)
	}
	each := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(n) / count }
	b.ReportMetric(each(swept), "tuner-ms/trial")
	b.ReportMetric(each(plain), "xargs-ms/command")
	b.ReportMetric(each(swept-plain), "overhead-ms/trial")
	b.ReportMetric(0, "ns/op")
}

// sweep returns how long the trials behind the first ones took, by their stored
// times.
func sweep(b *testing.B, bin, db string) time.Duration {
	b.Helper()
	cmd := exec.Command(bin, "sweep", "--db", db, "--name", "overhead", "--min", "trial.elapsed", "--algorithm", "random",
		"-p", "x=0.0..1.0", "-n", fmt.Sprint(warm+count), "-j", "2", "-q", "--", "true", "{x}")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("sweep: %v\n%s", err, out)
	}
	ctx := context.Background()
	s, err := sqlstore.Open(ctx, sqlstore.Config{DSN: db, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	st, err := s.Study(ctx, "default", "overhead")
	if err != nil {
		b.Fatal(err)
	}
	ts, _, err := s.ListTrials(ctx, st.ID, store.TrialFilter{Sort: store.SortFinished, Limit: 2 * count})
	if err != nil {
		b.Fatal(err)
	}
	if len(ts) != warm+count {
		b.Fatalf("%d trials are stored", len(ts))
	}
	return ts[len(ts)-1].Finished.Sub(ts[warm-1].Finished)
}

func xargs(b *testing.B, n int) time.Duration {
	b.Helper()
	cmd := exec.Command("xargs", "-P2", "-n1", "true")
	cmd.Stdin = strings.NewReader(strings.Repeat("0.5\n", n))
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("xargs: %v\n%s", err, out)
	}
	return time.Since(start)
}
