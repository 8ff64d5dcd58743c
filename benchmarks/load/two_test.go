package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gotuner/tuner/internal/pgtest"
)

var postgres pgtest.Server

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

const (
	twoClients = 8
	twoLength  = 5 * time.Second
)

// BenchmarkTwoServers compares two servers on one PostgreSQL with one, in turn:
// eight clients, divided between the servers, report one value a request. With
// a study each, half of the requests reach a server that does not own their
// study; on one study, too. The PostgreSQL is the tests', which does not wait
// for the disk, so the ratio is what counts: more than 0.85.
func BenchmarkTwoServers(b *testing.B) {
	bin, err := build(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for _, bc := range []struct {
		name   string
		shared bool
	}{{"studies", false}, {"study", true}} {
		b.Run(bc.name, func(b *testing.B) {
			var rates, costs [2]float64
			for b.Loop() {
				for n := range rates {
					rate, cost, err := twoOnce(b.Context(), bin, postgres.DSN(b), n+1, bc.shared)
					if err != nil {
						b.Fatal(err)
					}
					rates[n] += rate
					costs[n] += cost.Seconds() * 1000
				}
			}
			b.ReportMetric(rates[0]/float64(b.N), "one-trials/s")
			b.ReportMetric(rates[1]/float64(b.N), "two-trials/s")
			b.ReportMetric(rates[1]/rates[0], "two/one")
			b.ReportMetric(costs[0]/float64(b.N), "one-cpu-ms/trial")
			b.ReportMetric(costs[1]/float64(b.N), "two-cpu-ms/trial")
			b.ReportMetric(costs[0]/costs[1], "cpu-one/two")
			b.ReportMetric(0, "ns/op") // an op is many trials here
		})
	}
}

// twoOnce is the rate of n servers, checked against what they stored, and the
// processor time of all that a trial takes: clients, servers and PostgreSQL.
func twoOnce(ctx context.Context, bin, dsn string, n int, shared bool) (rate float64, cost time.Duration, err error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
	}()
	for range n {
		s, err := start(ctx, bin, dsn)
		if err != nil {
			return 0, 0, err
		}
		servers = append(servers, s)
	}
	study := func(i int) string {
		if shared {
			return "load"
		}
		return "load" + strconv.Itoa(i)
	}
	var done atomic.Int64
	run, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	errs := make(chan error, twoClients)
	for i := range twoClients {
		s := servers[i%n]
		if i == 0 || !shared {
			c := servers[(i/2)%n].dial() // who opens a study owns it
			if err := create(c, study(i), "random"); err != nil {
				return 0, 0, err
			}
			c.close()
		}
		w := newWorker(s.dial(), study(i), "w"+strconv.Itoa(i))
		all.Go(func() {
			defer w.close()
			errs <- closedLoop(run, w, 1, &done)
		})
	}
	tick := func(d time.Duration) {
		select {
		case <-time.After(d):
		case err = <-errs:
		}
	}
	tick(2 * time.Second)
	before, cpu, began := done.Load(), family(), time.Now()
	if err == nil {
		tick(twoLength)
	}
	trials := done.Load() - before
	rate = float64(trials) / time.Since(began).Seconds()
	cost = (family() - cpu) / time.Duration(max(trials, 1))
	stop()
	all.Wait()
	for len(errs) > 0 && err == nil {
		err = <-errs
	}
	if err != nil {
		return 0, 0, err
	}
	return rate, cost, noGap(servers[0], study, shared, done.Load())
}

// family is the processor time of this process and all that it has started, also
// indirectly, and that still run.
func family() time.Duration {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is a good one
	parent, used := map[int]int{}, map[int]time.Duration{}
	for _, name := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		parent[pid], _ = strconv.Atoi(f[1])
		used[pid] = ticks(f)
	}
	var sum time.Duration
	for pid := range used {
		for p := pid; p != 0; p = parent[p] {
			if p == os.Getpid() {
				sum += used[pid]
				break
			}
		}
	}
	return sum
}

// noGap compares what is stored with what was acknowledged: each trial once, and
// none missing.
func noGap(s *server, study func(int) string, shared bool, acknowledged int64) error {
	c := s.dial()
	defer c.close()
	var stored int64
	for i := range twoClients {
		if shared && i > 0 {
			break
		}
		n, err := count(c, study(i))
		if err != nil {
			return err
		}
		stored += n
		if err := dense(c, study(i)); err != nil {
			return err
		}
	}
	if stored != acknowledged {
		return fmt.Errorf("%d trials were acknowledged, and %d are stored", acknowledged, stored)
	}
	return nil
}

// dense checks that the numbers of a study's trials have no gap.
func dense(c *conn, study string) error {
	next, after := int64(0), ""
	for {
		var page struct {
			Trials []struct {
				Number int64 `json:"number"`
			} `json:"trials"`
			Next string `json:"next"`
		}
		if _, err := c.get(studies+"/"+study+"/trials?limit=1000"+after, &page); err != nil {
			return err
		}
		for _, t := range page.Trials {
			if t.Number != next {
				return fmt.Errorf("%s: after trial %d comes %d", study, next-1, t.Number)
			}
			next++
		}
		if page.Next == "" {
			return nil
		}
		after = "&after=" + page.Next
	}
}
