package collect

import (
	"bytes"
	"math"
	"math/bits"
	"strings"
	"unicode"

	"github.com/gotuner/tuner/api/types"
)

// Output is the Collector of the process contract (docs/guide/process-contract.md):
// it finds metrics in the lines that a command prints and in its metric file.
//
// Its memory is bounded, whatever it is fed: by MaxLine for each stream, by the
// limits on names, and by the reports since the last Take.
type Output struct {
	cfg      Config
	patterns []pattern
	// byRegex has the metrics that only patterns give.
	byRegex map[string]bool
	// phrases are the wanted names that are no single word, such as "val loss".
	phrases [][]byte

	streams []*stream
	metrics []*metric // in order of appearance, the wanted ones first
	byName  map[string]*metric
	others  int // metrics beside Config.Metrics that are reported

	infeasible bool
	reason     string

	reports []types.Report
	line    line
	clean   []byte // scratch of stripANSI
}

var _ Collector = (*Output)(nil)

// stream is what is known of one stream.
type stream struct {
	name string
	// read counts the bytes that were taken, partial holds those of them after
	// the last line end.
	read    int64
	partial []byte
	// skipping says that the bytes up to the next line end belong to a line that
	// was too long.
	skipping bool
}

// metric is a name that appeared, or is wanted.
type metric struct {
	name     string
	wanted   bool
	reported bool
	own      bool // it came on a line {"tuner":"trial"}, and is read from such alone

	count int64 // of lines with it
	last  float64
	// next is the step of a value without one. counted says that it has steps
	// that are no whole numbers (the epoch 0.5), so that all are counted.
	next    int64
	counted bool
	// owed is a report that was thinned out and comes with the final Take unless
	// a later one does.
	owed *types.Report
}

// New returns an Output at the start of all streams. The error is of code
// types.Invalid and names the pattern or setting at fault.
func New(cfg Config) (*Output, error) {
	patterns, err := compile(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.MaxLine < 0 || cfg.Others < -1 {
		return nil, types.Errorf(types.Invalid, "MaxLine %d and Others %d must not be negative", cfg.MaxLine, cfg.Others)
	}
	if cfg.MaxLine == 0 {
		cfg.MaxLine = defaultMaxLine
	}
	switch cfg.Others {
	case 0:
		cfg.Others = DefaultOthers
	case -1:
		cfg.Others = 0
	}
	o := &Output{cfg: cfg, patterns: patterns, byName: map[string]*metric{}, byRegex: map[string]bool{}}
	for _, name := range cfg.Metrics {
		if o.byName[name] != nil {
			continue
		}
		o.add(&metric{name: name, wanted: true, reported: true})
		if nameBefore([]byte(name)) > 0 {
			o.phrases = append(o.phrases, []byte(name))
		}
	}
	for _, p := range patterns {
		for _, name := range p.names {
			if name != "" && (o.byName[name] != nil || !isStepName(cfg.Step, []byte(name))) {
				o.byRegex[name] = true
			}
		}
	}
	return o, nil
}

func (o *Output) add(m *metric) {
	o.metrics = append(o.metrics, m)
	o.byName[m.name] = m
}

// stream returns the stream of that name.
func (o *Output) stream(name string) *stream {
	for _, s := range o.streams {
		if s.name == name {
			return s
		}
	}
	s := &stream{name: name}
	o.streams = append(o.streams, s)
	return s
}

// Write implements Collector.
func (o *Output) Write(name string, p []byte) {
	s := o.stream(name)
	s.read += int64(len(p))
	ends := newFinder(p, '\n', '\r')
	start := 0
	for end := ends.next(); end >= 0; end = ends.next() {
		text := p[start:end]
		start = end + 1
		switch {
		case s.skipping:
			s.skipping = false
		case len(s.partial)+len(text) > o.cfg.MaxLine:
			// Skipped as a whole.
		case len(s.partial) > 0:
			s.partial = append(s.partial, text...)
			o.take(s, s.partial)
		default:
			o.take(s, text)
		}
		s.drop()
	}
	o.keep(s, p[start:])
}

// keep adds p to the partial line of s.
func (o *Output) keep(s *stream, p []byte) {
	if s.skipping || len(p) == 0 {
		return
	}
	if len(s.partial)+len(p) > o.cfg.MaxLine {
		s.skipping = true
		s.drop()
		return
	}
	s.partial = append(s.partial, p...)
}

// drop forgets the partial line, and its memory if it was long.
func (s *stream) drop() {
	if cap(s.partial) > 64<<10 {
		s.partial = nil
	}
	s.partial = s.partial[:0]
}

// take reads one whole line of s.
func (o *Output) take(s *stream, text []byte) {
	if len(o.patterns) == 0 && bytes.IndexByte(text, '=') < 0 && bytes.IndexByte(text, ':') < 0 {
		return
	}
	// Only what is said to tuner counts outside the metric file.
	deaf := o.cfg.FileOnly && s.name != "file"
	if deaf && !bytes.Contains(text, []byte("tuner")) {
		return
	}
	text, o.clean = stripANSI(text, o.clean)
	l := &o.line
	l.scan(text, o.phrases)
	if l.infeasible && !o.infeasible {
		o.infeasible, o.reason = true, clip(l.reason, maxReason)
	}
	if deaf && !l.report {
		return
	}
	if len(o.patterns) > 0 && !l.report {
		o.match(text)
	}
	if len(l.pairs) == 0 {
		return
	}
	named := o.cfg.Step
	if l.own {
		named = "" // its step is called step
	}
	step := l.step(named)
	for _, p := range l.pairs {
		o.value(p, step, l.own)
	}
}

// match replaces the pairs of the metrics that patterns read by what they find.
func (o *Output) match(text []byte) {
	l := &o.line
	kept := l.pairs[:0]
	for _, p := range l.pairs {
		if !o.byRegex[string(p.name)] {
			kept = append(kept, p)
		}
	}
	l.pairs, l.index = kept, nil
	for _, p := range o.patterns {
		for _, m := range p.re.FindAllSubmatchIndex(text, maxSeen) {
			for g, name := range p.names {
				if name == "" || m[2*g] < 0 {
					continue
				}
				if v, ok := wholeNumber(bytes.TrimRight(text[m[2*g]:m[2*g+1]], " \t,;%")); ok {
					l.set([]byte(name), v)
				}
			}
		}
	}
}

// value counts one value of a line, and reports it where it should. own says that
// the program reports the metric itself: what else it prints of that is for people.
func (o *Output) value(p pair, step stepOf, own bool) {
	m := o.byName[string(p.name)]
	if m == nil {
		if m = o.other(p.name); m == nil {
			return
		}
	}
	if m.own && !own {
		return
	}
	m.own = own
	m.last = p.value
	m.count++
	if !m.reported {
		return
	}
	at := m.stepFor(step)
	r := types.Report{Metric: m.name, Step: at, Value: types.Float(p.value)}
	switch {
	case m.wanted:
		o.reports = append(o.reports, r)
	case math.IsNaN(p.value) || math.IsInf(p.value, 0):
	case thinned(m.count - 1):
		m.owed = &r
	default:
		m.owed = nil
		o.reports = append(o.reports, r)
	}
}

// other returns the metric of a name that is not known as it stands, or nil if
// it is a step, cannot be printed, or there are enough names.
func (o *Output) other(name []byte) *metric {
	if isStepName(o.cfg.Step, name) || bytes.ContainsFunc(name, unicode.IsControl) {
		return nil
	}
	valid := strings.ToValidUTF8(string(name), "�")
	if m := o.byName[valid]; m != nil {
		return m
	}
	if len(o.metrics) >= maxSeen+len(o.cfg.Metrics) {
		return nil
	}
	m := &metric{name: valid, reported: o.others < o.cfg.Others}
	if m.reported {
		o.others++
	}
	o.add(m)
	return m
}

// stepFor returns the step of the next value: the one on the line if it is a
// whole number and those before were too, else one more than the last.
func (m *metric) stepFor(step stepOf) int64 {
	if step.found && !step.whole {
		m.counted = true
	}
	at := m.next
	if step.found && !m.counted {
		at = step.step
	}
	m.next = max(m.next, at+1)
	return at
}

// thinned says whether the k-th value (from 0) of a metric that is not wanted is
// left out: none of the first 256, then all but 128 of each doubling.
func thinned(k int64) bool {
	if k < 256 {
		return false
	}
	return k%(1<<(bits.Len64(uint64(k))-8)) != 0
}

// Take implements Collector.
func (o *Output) Take(final bool) (reports []types.Report, cursor string) {
	if final {
		for _, s := range o.streams {
			if len(s.partial) > 0 {
				o.take(s, s.partial)
			}
			s.drop()
			s.skipping = false
		}
		for _, m := range o.metrics {
			if m.owed != nil {
				o.reports = append(o.reports, *m.owed)
				m.owed = nil
			}
		}
	}
	reports, o.reports = o.reports, nil
	return reports, o.cursor()
}

// Offsets implements Collector.
func (o *Output) Offsets() map[string]int64 {
	offsets := make(map[string]int64, len(o.streams))
	for _, s := range o.streams {
		offsets[s.name] = s.read
	}
	return offsets
}

// Infeasible implements Collector.
func (o *Output) Infeasible() (reason string, ok bool) {
	if o.infeasible && o.reason == "" {
		return "the program declared it infeasible without a reason", true
	}
	return o.reason, o.infeasible
}

// Seen implements Collector. The names are in order of appearance, the wanted
// ones first; of the others at most 256 are known.
func (o *Output) Seen() []Seen {
	var seen []Seen
	for _, m := range o.metrics {
		if m.count > 0 {
			seen = append(seen, Seen{Metric: m.name, Count: m.count, Last: m.last})
		}
	}
	return seen
}

// clip shortens s to at most n bytes and makes it valid UTF-8.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "")
}
