package promtext

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The sizes that the families of memory are sums of.
const (
	heapObjects  = "/memory/classes/heap/objects:bytes"
	heapUnused   = "/memory/classes/heap/unused:bytes"
	heapReleased = "/memory/classes/heap/released:bytes"
	heapFree     = "/memory/classes/heap/free:bytes"
	heapStacks   = "/memory/classes/heap/stacks:bytes"
	mspanInUse   = "/memory/classes/metadata/mspan/inuse:bytes"
	mcacheInUse  = "/memory/classes/metadata/mcache/inuse:bytes"
	tinyAllocs   = "/gc/heap/tiny/allocs:objects"
)

// runtimeFamily is a number of Go's runtime under the name that dashboards know
// it by: the sum of what runtime/metrics has under of.
type runtimeFamily struct {
	name, kind, help string
	of               []string
}

func runtimeFamilies() []runtimeFamily {
	return []runtimeFamily{
		{"go_gc_gogc_percent", GaugeKind, "Target of the heap's growth, as GOGC.", []string{"/gc/gogc:percent"}},
		{"go_gc_gomemlimit_bytes", GaugeKind, "Limit of the memory, as GOMEMLIMIT.", []string{"/gc/gomemlimit:bytes"}},
		{"go_memstats_alloc_bytes", GaugeKind, "Bytes of the heap in use.", []string{heapObjects}},
		{"go_memstats_alloc_bytes_total", CounterKind, "Bytes allocated on the heap so far, freed ones included.", []string{"/gc/heap/allocs:bytes"}},
		{"go_memstats_buck_hash_sys_bytes", GaugeKind, "Bytes of the profiles' tables.", []string{"/memory/classes/profiling/buckets:bytes"}},
		{"go_memstats_frees_total", CounterKind, "Objects freed on the heap so far.", []string{"/gc/heap/frees:objects", tinyAllocs}},
		{"go_memstats_gc_sys_bytes", GaugeKind, "Bytes of what the garbage collector keeps.", []string{"/memory/classes/metadata/other:bytes"}},
		{"go_memstats_heap_alloc_bytes", GaugeKind, "Bytes of the heap in use.", []string{heapObjects}},
		{"go_memstats_heap_idle_bytes", GaugeKind, "Bytes of the heap that wait for use.", []string{heapReleased, heapFree}},
		{"go_memstats_heap_inuse_bytes", GaugeKind, "Bytes of the heap's spans in use.", []string{heapObjects, heapUnused}},
		{"go_memstats_heap_objects", GaugeKind, "Objects on the heap.", []string{"/gc/heap/objects:objects"}},
		{"go_memstats_heap_released_bytes", GaugeKind, "Bytes of the heap given back to the system.", []string{heapReleased}},
		{"go_memstats_heap_sys_bytes", GaugeKind, "Bytes of the heap from the system.", []string{heapObjects, heapUnused, heapReleased, heapFree}},
		{"go_memstats_mallocs_total", CounterKind, "Objects allocated on the heap so far.", []string{"/gc/heap/allocs:objects", tinyAllocs}},
		{"go_memstats_mcache_inuse_bytes", GaugeKind, "Bytes of mcache structures in use.", []string{mcacheInUse}},
		{"go_memstats_mcache_sys_bytes", GaugeKind, "Bytes of mcache structures from the system.", []string{mcacheInUse, "/memory/classes/metadata/mcache/free:bytes"}},
		{"go_memstats_mspan_inuse_bytes", GaugeKind, "Bytes of mspan structures in use.", []string{mspanInUse}},
		{"go_memstats_mspan_sys_bytes", GaugeKind, "Bytes of mspan structures from the system.", []string{mspanInUse, "/memory/classes/metadata/mspan/free:bytes"}},
		{"go_memstats_next_gc_bytes", GaugeKind, "Bytes of the heap at which garbage is collected next.", []string{"/gc/heap/goal:bytes"}},
		{"go_memstats_other_sys_bytes", GaugeKind, "Bytes from the system for all else.", []string{"/memory/classes/other:bytes"}},
		{"go_memstats_stack_inuse_bytes", GaugeKind, "Bytes of goroutines' stacks.", []string{heapStacks}},
		{"go_memstats_stack_sys_bytes", GaugeKind, "Bytes of stacks from the system.", []string{heapStacks, "/memory/classes/os-stacks:bytes"}},
		{"go_memstats_sys_bytes", GaugeKind, "Bytes from the system.", []string{"/memory/classes/total:bytes"}},
		{"go_sched_gomaxprocs_threads", GaugeKind, "Threads that run Go code at once, as GOMAXPROCS.", []string{"/sched/gomaxprocs:threads"}},
	}
}

// Runtime writes what Go's runtime says of itself.
func Runtime(p *Page) {
	p.One("go_info", GaugeKind, "The version of Go.", 1, "version", runtime.Version())
	p.One("go_goroutines", GaugeKind, "Goroutines.", float64(runtime.NumGoroutine()))
	threads, _ := runtime.ThreadCreateProfile(nil)
	p.One("go_threads", GaugeKind, "Threads made so far.", float64(threads))

	stats := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&stats)
	p.Family("go_gc_duration_seconds", SummaryKind, "Pauses of all goroutines for the collection of garbage.")
	for i, q := range stats.PauseQuantiles {
		p.Sample("go_gc_duration_seconds", q.Seconds(), "quantile", number(float64(i)/float64(len(stats.PauseQuantiles)-1)))
	}
	p.Sample("go_gc_duration_seconds_sum", stats.PauseTotal.Seconds())
	p.Sample("go_gc_duration_seconds_count", float64(stats.NumGC))
	p.One("go_memstats_last_gc_time_seconds", GaugeKind, "Time of the last collection of garbage, in seconds since 1970.",
		float64(stats.LastGC.UnixNano())/1e9)

	families := runtimeFamilies()
	var samples []metrics.Sample
	for _, f := range families {
		for _, name := range f.of {
			samples = append(samples, metrics.Sample{Name: name})
		}
	}
	metrics.Read(samples)
	for _, f := range families {
		var sum float64
		for range f.of {
			sum += plain(samples[0].Value)
			samples = samples[1:]
		}
		p.One(f.name, f.kind, f.help, sum)
	}
}

// plain is a number of the runtime; NaN if this version of Go has none of that
// name, which a test would tell.
func plain(v metrics.Value) float64 {
	switch v.Kind() {
	case metrics.KindUint64:
		return float64(v.Uint64())
	case metrics.KindFloat64:
		return v.Float64()
	case metrics.KindBad, metrics.KindFloat64Histogram:
	}
	return math.NaN()
}
