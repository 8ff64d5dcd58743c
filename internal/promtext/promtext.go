// Package promtext counts things and writes them in Prometheus's text format,
// version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats).
// Prometheus's own library does the same and links 2.2 MB, most of them protocol
// buffers, which nobody asks this program for; tests compare the two.
package promtext

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// ContentType is what a page is served as.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// The kinds of families.
const (
	CounterKind   = "counter"
	GaugeKind     = "gauge"
	HistogramKind = "histogram"
	SummaryKind   = "summary"
)

var (
	helpEscape  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// Page is a page in the making. The zero value is an empty one. One goroutine
// writes it.
type Page struct{ b []byte }

// Bytes is what was written so far.
func (p *Page) Bytes() []byte { return p.b }

// Family begins a family; its samples follow.
func (p *Page) Family(name, kind, help string) {
	p.b = append(p.b, "# HELP "+name+" "+helpEscape.Replace(help)+"\n# TYPE "+name+" "+kind+"\n"...)
}

// Sample writes a value; labels are names and values in turn.
func (p *Page) Sample(name string, value float64, labels ...string) {
	p.b = append(p.b, name...)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		p.b = append(append(append(append(p.b, sep), labels[i]...), `="`...), valueEscape.Replace(labels[i+1])+`"`...)
	}
	if len(labels) > 0 {
		p.b = append(p.b, '}')
	}
	p.b = append(append(append(p.b, ' '), number(value)...), '\n')
}

// One writes a family of one sample.
func (p *Page) One(name, kind, help string, value float64, labels ...string) {
	p.Family(name, kind, help)
	p.Sample(name, value, labels...)
}

// number is a value as the format has it.
func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Count is a number that goes up, or up and down for a gauge. The zero value is
// ready; all methods may be called at once.
type Count struct{ n atomic.Int64 }

// Inc adds one.
func (c *Count) Inc() { c.n.Add(1) }

// Dec takes one away.
func (c *Count) Dec() { c.n.Add(-1) }

func (c *Count) write(p *Page, name string, labels []string) {
	p.Sample(name, float64(c.n.Load()), labels...)
}

// Histogram counts values by size. All methods may be called at once.
type Histogram struct {
	bounds []float64 // ascending; a value is counted at the first that is not below it
	mu     sync.Mutex
	counts []uint64 // one more than bounds
	sum    float64
}

// NewHistogram returns an empty one with these bounds, which it keeps.
func NewHistogram(bounds []float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(v float64) {
	i := sort.SearchFloat64s(h.bounds, v)
	h.mu.Lock()
	h.counts[i]++
	h.sum += v
	h.mu.Unlock()
}

func (h *Histogram) write(p *Page, name string, labels []string) {
	h.mu.Lock()
	counts, sum := slices.Clone(h.counts), h.sum
	h.mu.Unlock()
	var n uint64
	for i, c := range counts {
		n += c
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i]
		}
		p.Sample(name+"_bucket", float64(n), append(slices.Clip(labels), "le", number(bound))...)
	}
	p.Sample(name+"_sum", sum, labels...)
	p.Sample(name+"_count", float64(n), labels...)
}

// series is what a family has one or several of.
type series interface {
	write(p *Page, name string, labels []string)
}

// Write writes a family of one series.
func Write(p *Page, name, kind, help string, s series) {
	p.Family(name, kind, help)
	s.write(p, name, nil)
}

// Vec is a family with a series for each combination of the labels' values. All
// methods may be called at once.
type Vec[T series] struct {
	labels []string
	make   func() T
	mu     sync.Mutex
	all    map[string]T // by the values, behind each a zero byte
}

// NewVec returns a family without series, which makeOne makes when first needed.
func NewVec[T series](makeOne func() T, labels ...string) *Vec[T] {
	return &Vec[T]{labels: labels, make: makeOne, all: map[string]T{}}
}

// With returns the series of these values, one for each label.
func (v *Vec[T]) With(values ...string) T {
	key := strings.Join(values, "\x00")
	v.mu.Lock()
	defer v.mu.Unlock()
	s, ok := v.all[key]
	if !ok {
		s = v.make()
		v.all[key] = s
	}
	return s
}

// Write writes the family, its series in the order of their labels; nothing
// while there is none.
func (v *Vec[T]) Write(p *Page, name, kind, help string) {
	v.mu.Lock()
	all := make(map[string]T, len(v.all))
	keys := make([]string, 0, len(v.all))
	for k, s := range v.all {
		all[k] = s
		keys = append(keys, k)
	}
	v.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	slices.Sort(keys)
	p.Family(name, kind, help)
	for _, k := range keys {
		var labels []string
		for i, value := range strings.Split(k, "\x00") {
			labels = append(labels, v.labels[i], value)
		}
		all[k].write(p, name, labels)
	}
}
