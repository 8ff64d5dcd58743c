package runner

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// LatencyTest measures how the time of an ask grows with the number of finished
// trials. All contenders take turns in one run, ask by ask, so that a busy
// machine is as busy for all.
type LatencyTest struct {
	Contenders []Contender
	// Sizes are the numbers of finished trials to measure at.
	Sizes []int
	// Params is the number of parameters, all numeric; 0 is 10.
	Params int
	// Asks is how many asks are timed at each size; 0 is 30. Each is told, so that
	// the history grows by as many.
	Asks int
	Seed int64
	// Patience bounds the making of a history by a contender that is no
	// Preloader and has to be asked for all of it; 0 is 10 minutes a size.
	Patience time.Duration
	// Progress, if not nil, is told what is done next.
	Progress func(what string)
}

// Latency is how long a contender's asks took after a number of finished trials;
// times are in seconds.
type Latency struct {
	Contender, Version, Settings, Harness string
	// Params is the number of parameters, Trials that of finished trials before
	// the first of the asks.
	Params, Trials, Asks int
	// Status is Done, or says why there are no numbers, as Note does in words.
	Status Status
	Note   string
	// P50 to CPU are of an ask; CPU is its mean processor time. An ask of our own
	// algorithms includes the observation of the trial before.
	P50, P95, P99, Mean, CPU float64
	// Tell is the mean time to tell a trial, with the way to the tuner.
	Tell float64
	// Allocs is the mean number of heap allocations of an ask, counted in asks
	// of their own; NaN for other processes.
	Allocs float64
}

const (
	defaultParams   = 10
	defaultAsks     = 30
	defaultPatience = 10 * time.Minute
	// allocAsks is how many more asks count allocations.
	allocAsks = 5
	// preloadChunk is how many trials are handed over at once.
	preloadChunk = 5000
)

// Run measures. A contender that fails is left out from there on; the error is
// that of ctx or of the test itself.
func (t LatencyTest) Run(ctx context.Context) (out []Latency, err error) {
	t.Params, t.Asks = orDefault(t.Params, defaultParams), orDefault(t.Asks, defaultAsks)
	t.Patience = orDefault(t.Patience, defaultPatience)
	t.Sizes = slices.Sorted(slices.Values(t.Sizes))
	if len(t.Sizes) == 0 || t.Sizes[0] < 1 {
		return nil, types.Errorf(types.Invalid, "the sizes are %v", t.Sizes).WithField("at").WithRemedy("name at least one number of trials, from 1")
	}
	apart := t.Asks + allocAsks + 1 // that many trials are made at each size
	for i, n := range t.Sizes[1:] {
		if n-t.Sizes[i] < apart {
			return nil, types.Errorf(types.Invalid, "%d and %d trials are too near for %d asks", t.Sizes[i], n, t.Asks).
				WithField("at").WithRemedy("leave %d or more between the sizes", apart)
		}
	}
	sp, err := latencySpace(t.Params)
	if err != nil {
		return nil, err
	}
	m := &latencyRun{LatencyTest: t, space: sp}
	defer m.close()
	for _, c := range t.Contenders {
		m.enter(ctx, c)
	}
	for _, n := range m.Sizes {
		m.measure(ctx, n)
		if ctx.Err() != nil {
			return m.out, ctx.Err()
		}
	}
	return m.out, nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// latencySpace has of five parameters three linear floats, a logarithmic one and
// an integer.
func latencySpace(n int) (*space.Space, error) {
	params := make([]space.Parameter, n)
	for i := range params {
		p := space.Parameter{Name: "x" + strconv.Itoa(i+1), Kind: space.Float, Low: -5, High: 5}
		switch i % 5 {
		case 3:
			p.Low, p.High, p.Scale = 1e-5, 1, space.Log
		case 4:
			p.Kind, p.Low, p.High = space.Int, 1, 100
		}
		params[i] = p
	}
	return space.New(params, nil)
}

// bowl is the value of the points: the squared distance to a corner's
// neighbourhood, with a trace of everything else, so that no two are equal.
func bowl(s *space.Space, p space.Point) float64 {
	x := make([]float64, s.Len())
	s.Encode(p, x, nil)
	sum := 0.0
	for _, v := range x {
		sum += (v - 0.3) * (v - 0.3)
	}
	return sum
}

// lane is a contender in a latency test.
type lane struct {
	contender Contender
	searcher  Searcher
	finished  int
	failed    *Latency // why it is out
	costs     costs
	told      float64
}

type latencyRun struct {
	LatencyTest
	space *space.Space
	lanes []*lane
	out   []Latency
}

func (m *latencyRun) enter(ctx context.Context, c Contender) {
	l := &lane{contender: c}
	m.lanes = append(m.lanes, l)
	var err error
	if c.Check != nil {
		err = c.Check(ctx)
	}
	if err == nil {
		l.searcher, err = c.Open(ctx, Study{
			Name: "latency", Space: m.space, Seed: m.Seed, Budget: m.Sizes[len(m.Sizes)-1] + len(m.Sizes)*(m.Asks+allocAsks+1),
			Workers: 1, Deterministic: true,
		})
	}
	if err != nil {
		m.drop(l, err)
	}
}

// drop takes a contender out.
func (m *latencyRun) drop(l *lane, err error) {
	row := m.row(l, l.finished)
	row.Status = Failed
	if types.CodeOf(err) == types.Unsupported {
		row.Status = Unsupported
	}
	row.Note = oneLine(err.Error())
	l.failed = &row
}

func (m *latencyRun) row(l *lane, trials int) Latency {
	c := l.contender
	return Latency{
		Contender: c.Name, Version: c.Version, Settings: c.Settings, Harness: Version,
		Params: m.Params, Trials: trials, Asks: m.Asks, Status: Done, Allocs: math.NaN(),
	}
}

// measure fills all contenders up to n trials and times their asks in turn.
func (m *latencyRun) measure(ctx context.Context, n int) {
	for _, l := range m.lanes {
		l.costs, l.told = costs{}, 0
		if l.failed != nil {
			continue
		}
		m.sayf("%s: %d trials", l.contender.Name, n)
		if err := m.fill(ctx, l, n); err != nil {
			m.drop(l, fmt.Errorf("make a history of %d trials: %w", n, err))
		}
	}
	for _, l := range m.lanes {
		if l.failed == nil { // what a tuner prepares at its first look at the history is not timed
			if err := m.step(ctx, l); err != nil {
				m.drop(l, err)
			}
		}
	}
	runtime.GC() // of the histories, so that the asks do not pay for it
	m.sayf("time %d asks of each at %d trials", m.Asks, n)
	for range m.Asks {
		for _, l := range m.lanes {
			if l.failed == nil {
				if err := m.once(ctx, l); err != nil {
					m.drop(l, err)
				}
			}
		}
	}
	for _, l := range m.lanes {
		row := m.row(l, n)
		if l.failed != nil {
			row.Status, row.Note = l.failed.Status, l.failed.Note
		} else {
			var res Result
			l.costs.summarize(&res)
			row.P50, row.P95, row.P99, row.Mean = res.AskP50, res.AskP95, res.AskP99, res.AskMean
			row.CPU, row.Tell = res.CPU/float64(m.Asks), l.told/float64(m.Asks)
			row.Allocs = m.allocs(ctx, l)
		}
		m.out = append(m.out, row)
	}
}

// fill brings a contender to n finished trials: by random ones that are handed
// over, or by asking for them.
func (m *latencyRun) fill(ctx context.Context, l *lane, n int) error {
	if pre, ok := l.searcher.(Preloader); ok {
		if err := m.preload(ctx, l, pre, n); types.CodeOf(err) != types.Unsupported {
			return err
		} // else it has to be asked
	}
	inner, cancel := context.WithTimeout(ctx, m.Patience)
	defer cancel()
	for l.finished < n {
		if err := m.step(inner, l); err != nil {
			if inner.Err() != nil && ctx.Err() == nil {
				return types.Errorf(types.Unsupported, "after %v it had %d", m.Patience, l.finished)
			}
			return err
		}
	}
	return nil
}

func (m *latencyRun) preload(ctx context.Context, l *lane, pre Preloader, n int) error {
	for l.finished < n {
		count := min(n-l.finished, preloadChunk)
		points, values := make([]space.Point, count), make([]float64, count)
		for i := range points {
			points[i] = m.space.Sample(suggest.Stream(m.Seed, "runner/latency", int64(l.finished+i)))
			values[i] = bowl(m.space, points[i])
		}
		if err := pre.Preload(ctx, points, values); err != nil {
			return err
		}
		l.finished += count
	}
	return nil
}

// step is a trial that is not timed.
func (m *latencyRun) step(ctx context.Context, l *lane) error {
	t, err := askOne(ctx, l.searcher)
	if err != nil {
		return err
	}
	l.finished++
	return l.searcher.Tell(ctx, t.Number, bowl(m.space, t.Point))
}

// once is a trial that is timed.
func (m *latencyRun) once(ctx context.Context, l *lane) error {
	coster, _ := l.searcher.(Coster)
	begin := time.Now()
	t, err := askOne(ctx, l.searcher)
	if err != nil {
		return err
	}
	l.costs.add(coster, time.Since(begin))
	value := bowl(m.space, t.Point)
	begin = time.Now()
	err = l.searcher.Tell(ctx, t.Number, value)
	l.told += time.Since(begin).Seconds()
	l.finished++
	return err
}

// allocs counts in some more asks; NaN where that cannot be.
func (m *latencyRun) allocs(ctx context.Context, l *lane) float64 {
	if !l.contender.InProcess {
		return math.NaN()
	}
	var counts []float64
	for range allocAsks {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		t, err := askOne(ctx, l.searcher)
		runtime.ReadMemStats(&after)
		if err == nil {
			err = l.searcher.Tell(ctx, t.Number, bowl(m.space, t.Point))
		}
		if err != nil {
			m.drop(l, err)
			return math.NaN()
		}
		l.finished++
		counts = append(counts, float64(after.Mallocs-before.Mallocs))
	}
	return mean(counts)
}

func askOne(ctx context.Context, s Searcher) (Trial, error) {
	trials, err := s.Ask(ctx, 1)
	if err != nil {
		return Trial{}, err
	}
	if len(trials) != 1 {
		return Trial{}, types.Errorf(types.Internal, "it answered an ask for one trial by %d", len(trials))
	}
	return trials[0], nil
}

func (m *latencyRun) sayf(format string, args ...any) {
	if m.Progress != nil {
		m.Progress(fmt.Sprintf(format, args...))
	}
}

// close ends the contenders; what they say at the end changes no measurement.
func (m *latencyRun) close() {
	for _, l := range m.lanes {
		if l.searcher != nil {
			_ = l.searcher.Close()
		}
		if l.contender.Close != nil {
			_ = l.contender.Close()
		}
	}
}
