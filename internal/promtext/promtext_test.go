package promtext

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

// library is a page as Prometheus's own library writes it.
func library(t *testing.T, list ...prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(list...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	enc := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestLikeTheLibrary: the same counts make the same page to the byte.
func TestLikeTheLibrary(t *testing.T) {
	bounds := []float64{.0005, .25, 1, 512}
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "a_total", Help: "Slash \\ and\nnew line."}, []string{"code", "route"})
	sizes := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "b_seconds", Help: "Sizes.", Buckets: bounds}, []string{"route"})
	open := prometheus.NewGauge(prometheus.GaugeOpts{Name: "c", Help: "Open."})
	lone := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "d", Help: "Lone.", Buckets: bounds})
	none := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "e_total", Help: "None."}, []string{"x"})

	ownCount := NewVec(func() *Count { return new(Count) }, "code", "route")
	ownSizes := NewVec(func() *Histogram { return NewHistogram(bounds) }, "route")
	var ownOpen Count
	ownLone := NewHistogram(bounds)
	ownNone := NewVec(func() *Count { return new(Count) }, "x")

	for i, route := range []string{"/v1/:x", `a"b\c` + "\nd", "", "/v1/:x"} {
		for range i + 1 {
			count.WithLabelValues("200", route).Inc()
			ownCount.With("200", route).Inc()
			ownOpen.Inc()
			open.Inc()
		}
		for _, v := range []float64{0, .0005, .00051, .25, 3, 512, 513, 1e9, math.Inf(1)}[:8+i%2] {
			sizes.WithLabelValues(route).Observe(v)
			ownSizes.With(route).Observe(v)
			lone.Observe(v)
			ownLone.Observe(v)
		}
	}
	open.Dec()
	ownOpen.Dec()

	var p Page
	ownCount.Write(&p, "a_total", CounterKind, "Slash \\ and\nnew line.")
	ownSizes.Write(&p, "b_seconds", HistogramKind, "Sizes.")
	Write(&p, "c", GaugeKind, "Open.", &ownOpen)
	Write(&p, "d", HistogramKind, "Lone.", ownLone)
	ownNone.Write(&p, "e_total", CounterKind, "None.")
	if got, want := string(p.Bytes()), library(t, count, sizes, open, lone, none); got != want {
		t.Errorf("got\n%s\nthe library writes\n%s", got, want)
	}
	if want := string(expfmt.NewFormat(expfmt.TypeTextPlain)); ContentType != want {
		t.Errorf("the type is %s, the library's %s", ContentType, want)
	}
}

// kinds are the lines of a page that say which families there are.
func kinds(page string) []string {
	out := map[string]bool{}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "# TYPE ") {
			out[line] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// TestSameFamilies: whatever the library tells of the runtime and of the process
// on this system is here too, and all of it has a value.
func TestSameFamilies(t *testing.T) {
	var p Page
	Runtime(&p)
	Process(&p)
	got := string(p.Bytes())
	want := library(t, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if g, w := kinds(got), kinds(want); !slices.Equal(g, w) {
		t.Errorf("families\n%s\nthe library has\n%s", strings.Join(g, ""), strings.Join(w, ""))
	}
	if strings.Contains(got, "NaN") {
		t.Errorf("this Go has no number for a family:\n%s", got)
	}
	// What does not change from one call to the next is the same.
	for _, name := range []string{"process_start_time_seconds", "process_max_fds", "process_virtual_memory_max_bytes",
		"go_info", "go_gc_gogc_percent", "go_gc_gomemlimit_bytes", "go_sched_gomaxprocs_threads", "go_memstats_mcache_sys_bytes"} {
		if g, w := line(got, name), line(want, name); g != w {
			t.Errorf("%s, the library has %s", g, w)
		}
	}
}

func line(page, name string) string {
	for l := range strings.Lines(page) {
		if strings.HasPrefix(l, name+" ") || strings.HasPrefix(l, name+"{") {
			return strings.TrimSpace(l)
		}
	}
	return "no " + name
}

// TestAtOnce: nothing is lost when many count, and a page made meanwhile is a
// page.
func TestAtOnce(t *testing.T) {
	v := NewVec(func() *Histogram { return NewHistogram([]float64{1, 2}) }, "who")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				v.With([]string{"a", "b"}[i%2]).Observe(float64(i % 3))
				if i%100 == 0 {
					v.Write(new(Page), "x", HistogramKind, "X.")
				}
			}
		})
	}
	wg.Wait()
	var p Page
	v.Write(&p, "x", HistogramKind, "X.")
	for _, want := range []string{`x_count{who="a"} 2000`, `x_count{who="b"} 2000`, `x_bucket{who="a",le="+Inf"} 2000`} {
		if !strings.Contains(string(p.Bytes()), want+"\n") {
			t.Errorf("no %s in\n%s", want, p.Bytes())
		}
	}
}
