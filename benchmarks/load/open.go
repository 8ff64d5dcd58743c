package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// The open loop: 100 workers whose trials last 5 s and report 20 times are 20
// asks and 400 reports a second.
const (
	openWorkers  = 100
	openTrial    = 5 * time.Second
	openReports  = 20
	openFinished = 5000
	openBatch    = 1000
)

// openLoop measures the time from when a worker would have sent a request to its
// answer: a server that stands still for a moment is charged for every request
// that should have been sent meanwhile.
func openLoop(ctx context.Context, b *bench, args []string) error {
	length := b.flags.Duration("for", time.Minute, "how long it is measured, after two trials of each worker that do not count")
	bins, err := b.parse(ctx, args)
	if err != nil {
		return err
	}
	for range b.rounds {
		for _, bin := range bins {
			if len(bins) > 1 {
				fmt.Println(filepath.Base(bin))
			}
			if err := openOnce(ctx, b, bin, *length); err != nil {
				return err
			}
		}
	}
	return nil
}

func openOnce(ctx context.Context, b *bench, bin string, length time.Duration) (err error) {
	s, err := start(ctx, bin, b.fresh())
	if err != nil {
		return err
	}
	defer func() {
		if e := s.stop(); err == nil {
			err = e
		}
	}()
	c := s.dial()
	defer c.close()
	if err := create(c, "load", "tpe"); err != nil {
		return err
	}
	if err := fillFinished(c, "load", openFinished); err != nil {
		return err
	}
	var asks, reports, ends latencies
	var all sync.WaitGroup
	errs := make(chan error, openWorkers)
	began := time.Now()
	counts := began.Add(2 * openTrial)
	end := counts.Add(length)
	cpu := s.cpu()
	for i := range openWorkers {
		o := &openWorker{worker: newWorker(s.dial(), "load", "w"+strconv.Itoa(i)), r: rand.New(rand.NewPCG(1, uint64(i))),
			asks: &asks, reports: &reports, ends: &ends, counts: counts}
		first := began.Add(time.Duration(i) * openTrial / openWorkers)
		all.Go(func() {
			defer o.close()
			errs <- o.run(ctx, first, end)
		})
	}
	all.Wait()
	cpus := (s.cpu() - cpu).Seconds() / time.Since(began).Seconds()
	close(errs)
	for e := range errs {
		if e != nil {
			return e
		}
	}
	b.goal("ask, p99, at 20/s", asks.quantile(0.99), 10, "ms", false)
	fmt.Println("    asks   ", &asks)
	b.goal("report, p99, at 400/s", reports.quantile(0.99), 5, "ms", false)
	fmt.Println("    reports", &reports)
	fmt.Println("    ends   ", &ends)
	fmt.Printf("    server %.2f CPUs\n", cpus)
	return nil
}

// fillFinished imports finished trials at random points.
func fillFinished(c *conn, study string, n int) error {
	r := rand.New(rand.NewPCG(2, 3))
	for done := 0; done < n; done += openBatch {
		body := []byte(`{"trials":[`)
		for i := range openBatch {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(body, `{"state":"completed","params":`...)
			lr, units := 1e-5+0.09*r.Float64(), int64(8+r.IntN(505))
			body, _ = types.Params{{Name: "lr", Value: lr}, {Name: "drop", Value: 0.8 * r.Float64()}, {Name: "units", Value: units},
				{Name: "depth", Value: int64(1 + r.IntN(8))}, {Name: "opt", Value: []string{"sgd", "adam", "lion"}[r.IntN(3)]}}.AppendJSON(body)
			body = append(body, `,"metrics":{"loss":`...)
			body = append(types.AppendFloat(body, lr*float64(units)), "}}"...)
		}
		if _, err := c.post(studies+"/"+study+"/trials/import", append(body, "]}"...), nil); err != nil {
			return err
		}
	}
	return nil
}

// openWorker sends its requests at times that do not depend on the answers.
type openWorker struct {
	*worker

	r                   *rand.Rand
	asks, reports, ends *latencies
	counts              time.Time // calls that were meant for later count
}

// at waits for the time of a request, sends it, and notes how long after that
// time it was answered.
func (o *openWorker) at(ctx context.Context, due time.Time, to *latencies, call func() error) error {
	if wait := time.Until(due); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := call(); err != nil {
		return err
	}
	if due.After(o.counts) {
		to.add(time.Since(due))
	}
	return nil
}

// run begins a trial every five seconds.
func (o *openWorker) run(ctx context.Context, first, end time.Time) error {
	const step = openTrial / (openReports + 2)
	for begin := first; begin.Before(end); begin = begin.Add(openTrial) {
		// Workers are not in step with each other.
		jitter := func() time.Duration { return time.Duration(o.r.Int64N(int64(step / 2))) }
		if err := o.at(ctx, begin, o.asks, o.ask); err != nil {
			return err
		}
		for i := range openReports {
			due := begin.Add(time.Duration(i+1)*step + jitter())
			if err := o.at(ctx, due, o.reports, func() error { return o.report(i, 1) }); err != nil {
				return err
			}
		}
		if err := o.at(ctx, begin.Add((openReports+1)*step+jitter()), o.ends, o.end); err != nil {
			return err
		}
	}
	return nil
}

// end completes the trial and asks for no other.
func (w *worker) end() error {
	b := append(w.begin(), `,"outcome":"completed","metrics":{"loss":`...)
	b = append(types.AppendFloat(b, w.loss()), "}}"...)
	w.body = b
	_, err := w.post(w.of("finish"), b, nil)
	return err
}
