package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// latencies collects how long calls took.
type latencies struct {
	mu  sync.Mutex
	all []time.Duration
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	l.all = append(l.all, d)
	l.mu.Unlock()
}

// quantile is in milliseconds; the share q of the calls took at most that long.
func (l *latencies) quantile(q float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return 0
	}
	slices.Sort(l.all)
	return milli(l.all[min(int(q*float64(len(l.all))), len(l.all)-1)])
}

func (l *latencies) String() string {
	return fmt.Sprintf("%d calls: p50 %.2f, p90 %.2f, p99 %.2f, p99.9 %.2f, max %.2f ms",
		len(l.all), l.quantile(0.5), l.quantile(0.9), l.quantile(0.99), l.quantile(0.999), l.quantile(1))
}

func milli(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
