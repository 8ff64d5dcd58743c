package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The shapes of a trial with ten reports.
var restModes = []struct {
	name       string
	durability string
	each       int // reports a request
	goal       float64
}{
	{"one report a request, FULL", "full", 1, 500},
	{"one report a request, NORMAL", "normal", 1, 900},
	{"ten reports a request, FULL", "full", 10, 2500},
	{"ten reports a request, NORMAL", "normal", 10, 2500},
}

const reportsATrial = 10

// rest measures closed loops: each client sends its next request when the last
// one is answered. The end of a trial asks for the next, as agents do, so that a
// trial takes eleven requests, or two.
func rest(ctx context.Context, b *bench, args []string) error {
	clients := b.flags.Int("clients", 8, "clients at once")
	length := b.flags.Duration("for", 10*time.Second, "how long each is measured, after two seconds that do not count")
	only := b.flags.String("mode", "", "only this one: single-full, single-normal, batch-full or batch-normal")
	bins, err := b.parse(ctx, args)
	if err != nil {
		return err
	}
	for _, m := range restModes {
		short := map[int]string{1: "single-", 10: "batch-"}[m.each] + m.durability
		if *only != "" && *only != short {
			continue
		}
		best := make([]float64, len(bins))
		for range b.rounds {
			for i, bin := range bins {
				r, err := restOnce(ctx, b, bin, m.durability, m.each, *clients, *length)
				if err != nil {
					return err
				}
				what := m.name
				if len(bins)*b.rounds > 1 {
					what += " (" + filepath.Base(bin) + ")"
				}
				b.goal(what, r.rate, m.goal, "trials/s", true)
				fmt.Printf("    %d trials, %.0f requests/s, server %.2f CPUs, %.0f µs of CPU a trial, peak RSS %.0f MiB\n", r.trials, r.rate*float64(reportsATrial/m.each+1), r.cpus, r.cpus/r.rate*1e6, r.peak)
				best[i] += r.rate / float64(b.rounds)
			}
		}
		for i := 1; i < len(bins); i++ {
			fmt.Printf("    %s over %s: %.2f\n", bins[i], bins[0], best[i]/best[0])
		}
	}
	return nil
}

type restResult struct {
	rate, cpus, peak float64
	trials           int64
}

var databases atomic.Int64

// fresh is the path of a database that does not exist.
func (b *bench) fresh() string {
	return filepath.Join(b.scrap, strconv.FormatInt(databases.Add(1), 10), "t.db")
}

func restOnce(ctx context.Context, b *bench, bin, durability string, each, clients int, length time.Duration) (r restResult, err error) {
	s, err := start(ctx, bin, b.fresh(), "--durability", durability)
	if err != nil {
		return r, err
	}
	defer func() {
		if e := s.stop(); err == nil {
			err = e
		}
	}()
	c := s.dial()
	defer c.close()
	if err := create(c, "load", "random"); err != nil {
		return r, err
	}
	var done atomic.Int64
	run, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	errs := make(chan error, clients)
	for i := range clients {
		w := newWorker(s.dial(), "load", "w"+strconv.Itoa(i))
		all.Go(func() {
			defer w.close()
			errs <- closedLoop(run, w, each, &done)
		})
	}
	tick := func(d time.Duration) { // or until a client has failed
		select {
		case <-time.After(d):
		case err = <-errs:
		}
	}
	tick(2 * time.Second)
	before, cpu, began := done.Load(), s.cpu(), time.Now()
	if err == nil {
		tick(length)
	}
	took := time.Since(began)
	r.trials = done.Load() - before
	r.rate = float64(r.trials) / took.Seconds()
	r.cpus = (s.cpu() - cpu).Seconds() / took.Seconds()
	stop()
	all.Wait()
	for len(errs) > 0 && err == nil {
		err = <-errs
	}
	if err != nil {
		return r, err
	}
	if _, r.peak, err = s.memory(); err != nil {
		return r, err
	}
	stored, err := count(c, "load")
	if err == nil && stored != done.Load() {
		err = fmt.Errorf("%d trials were acknowledged, and the server has %d", done.Load(), stored)
	}
	return r, err
}

// closedLoop runs trials until ctx ends.
func closedLoop(ctx context.Context, w *worker, each int, done *atomic.Int64) error {
	if err := w.ask(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		for step := 0; step < reportsATrial; step += each {
			if err := w.report(step, each); err != nil {
				return err
			}
		}
		if err := w.finish(); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}
