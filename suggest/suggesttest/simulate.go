package suggesttest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Study is a study to simulate: an algorithm that proposes, workers that
// evaluate, and what goes wrong on the way.
type Study struct {
	// Space is the first version of the space.
	Space *space.Space
	// Value is the objective's value at a point; nil is Bowl. A NaN makes the
	// trial infeasible.
	Value func(*space.Space, space.Point) float64
	// Trials is how many trials are created. Fewer are if the space is
	// exhausted.
	Trials int
	// Workers is how many trials are pending at once at most; 0 is 1. With
	// several, trials finish in a random order.
	Workers int
	// Batch is how many trials are asked for at once at most; 0 is 1.
	Batch int
	// Chaos mixes in trials that are pruned, fail, are infeasible or cancelled,
	// lost attempts, reports, and points that a user enqueues.
	Chaos bool
	// Rests lets trials end as pruned and go on later as another trial of the same
	// number, as the engine tells of those that wait for a promotion.
	Rests bool
	// Seed determines the order of the events; it has nothing to do with the
	// algorithm's.
	Seed uint64
	// Next, if set, is the space version from the middle of the study on.
	Next *space.Space
}

// Log is what happened in a simulated study.
type Log struct {
	Events []trial.Event
	Asks   []Ask
}

// Ask is one call of Suggest.
type Ask struct {
	// Basis is the number of events that were observed before.
	Basis     int
	Request   suggest.Request
	Proposals []suggest.Proposal
	Err       error
	// Space is the version that was current.
	Space *space.Space
}

// Points are all proposed points in order.
func (l *Log) Points() []space.Point {
	var out []space.Point
	for _, a := range l.Asks {
		for _, p := range a.Proposals {
			out = append(out, p.Point)
		}
	}
	return out
}

// Simulate runs the study with s, which must be new. It ends early when s
// returns an error, which is that of the last Ask.
func Simulate(ctx context.Context, s suggest.Suggester, study Study) *Log {
	if study.Value == nil {
		study.Value = Bowl
	}
	study.Workers, study.Batch = max(study.Workers, 1), max(study.Batch, 1)
	sim := &simulation{Study: study, suggester: s, space: study.Space,
		rand: rand.New(rand.NewPCG(study.Seed, 0x5eed)), log: &Log{}}
	sim.run(ctx)
	return sim.log
}

type simulation struct {
	Study
	suggester suggest.Suggester
	space     *space.Space // current version
	version   int
	rand      *rand.Rand
	log       *Log
	open      []openTrial
	resting   []openTrial
	next      int64
	buffer    []trial.Event // handed to Observe and overwritten afterwards
}

type openTrial struct {
	number int64
	space  *space.Space
	point  space.Point
	step   int64
}

func (m *simulation) run(ctx context.Context) {
	for m.next < int64(m.Trials) || len(m.open) > 0 {
		if m.Next != nil && m.space != m.Next && m.next >= int64(m.Trials/2) {
			m.space, m.version = m.Next, 1
			m.emit(trial.Event{Kind: trial.EventSpace, Trial: -1, Space: m.Next})
		}
		free := min(m.Workers-len(m.open), m.Trials-int(m.next))
		switch {
		case len(m.open) < m.Workers && len(m.resting) > 0 && m.rand.IntN(3) == 0:
			m.resume()
		case free > 0 && (len(m.open) == 0 || m.rand.IntN(3) > 0):
			if !m.create(ctx, free) {
				m.Trials = int(m.next) // the rest runs out
			}
		case m.Chaos && m.rand.IntN(3) == 0:
			m.disturb()
		default:
			m.finish()
		}
	}
}

// create asks for up to free trials; false if there are no more.
func (m *simulation) create(ctx context.Context, free int) bool {
	if m.Chaos && m.rand.IntN(20) == 0 {
		if p, err := m.space.SampleFeasible(m.rand); err == nil { // a user's point
			m.start(p)
			return true
		}
	}
	a := Ask{Basis: len(m.log.Events), Space: m.space}
	for range 1 + m.rand.IntN(min(free, m.Batch)) {
		a.Request.Numbers = append(a.Request.Numbers, m.next+int64(len(a.Request.Numbers)))
	}
	a.Request.Pending = m.pending()
	m.log.Asks = append(m.log.Asks, a)
	last := &m.log.Asks[len(m.log.Asks)-1]
	last.Proposals, last.Err = m.suggester.Suggest(ctx, a.Request)
	for _, p := range last.Proposals {
		m.start(p.Point)
	}
	return last.Err == nil
}

func (m *simulation) pending() []suggest.Pending {
	var out []suggest.Pending
	for _, t := range m.open {
		out = append(out, suggest.Pending{Number: t.number, Point: t.point})
	}
	slices.SortFunc(out, func(a, b suggest.Pending) int { return int(a.Number - b.Number) })
	return out
}

func (m *simulation) start(p space.Point) {
	m.begin(openTrial{number: m.next, space: m.space, point: p})
	m.next++
}

func (m *simulation) begin(t openTrial) {
	m.open = append(m.open, t)
	m.emit(trial.Event{Kind: trial.EventCreated, Trial: t.number, Point: slices.Clone(t.point), SpaceVersion: 1 + m.version})
	m.emit(trial.Event{Kind: trial.EventStarted, Trial: t.number})
}

// disturb makes a report, or loses an attempt.
func (m *simulation) disturb() {
	t := &m.open[m.rand.IntN(len(m.open))]
	if m.rand.IntN(8) == 0 {
		t.step = 0
		m.emit(trial.Event{Kind: trial.EventRequeued, Trial: t.number})
		m.emit(trial.Event{Kind: trial.EventStarted, Trial: t.number})
		return
	}
	t.step++
	m.emit(trial.Event{Kind: trial.EventReported, Trial: t.number, Report: trial.Report{
		Trial: t.number, Attempt: 1, Metric: Metric, Step: t.step, Value: m.rand.Float64()}})
}

// resume lets a trial that rests go on.
func (m *simulation) resume() {
	i := m.rand.IntN(len(m.resting))
	t := m.resting[i]
	m.resting = slices.Delete(m.resting, i, i+1)
	m.begin(t)
}

// finish ends a random trial, or lets it rest.
func (m *simulation) finish() {
	i := m.rand.IntN(len(m.open))
	t := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	v := m.Value(t.space, t.point)
	if m.Rests && !math.IsNaN(v) && m.rand.IntN(2) == 0 {
		t.step += 5
		m.resting = append(m.resting, t)
		m.emit(trial.Event{Kind: trial.EventFinished, Trial: t.number, Finish: &trial.Finish{
			State: types.Pruned, Values: []float64{v + 10/float64(t.step)}, Step: t.step, Duration: time.Second}})
		return
	}
	f := &trial.Finish{State: types.Completed, Values: []float64{v}, Step: t.step - 1, Duration: time.Second}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		f.State, f.Values = types.Infeasible, nil
	}
	if m.Chaos {
		switch m.rand.IntN(10) {
		case 0:
			f.State = types.Pruned
			if f.Values = []float64{v}; f.Step < 0 {
				f.Values = []float64{math.NaN()}
			}
		case 1:
			f.State, f.Values = types.Failed, nil
		case 2:
			f.State, f.Values = types.Infeasible, nil
		case 3:
			f.State, f.Values = types.Cancelled, nil
		case 4:
			f.Violations = []float64{m.rand.Float64() - 0.5, -1}
		}
	}
	m.emit(trial.Event{Kind: trial.EventFinished, Trial: t.number, Finish: f})
}

// emit appends an event and shows it to the algorithm in a slice that is
// overwritten afterwards, because algorithms must not keep it.
func (m *simulation) emit(e trial.Event) {
	e.Seq = int64(len(m.log.Events))
	e.Time = time.Unix(1_700_000_000+e.Seq, 0).UTC()
	m.log.Events = append(m.log.Events, e)
	m.buffer = append(m.buffer[:0], e)
	m.suggester.Observe(m.buffer)
	m.buffer[0] = trial.Event{Kind: "overwritten", Trial: -7, Seq: -7}
}

// Metric is the objective of the simulated studies.
const Metric = "loss"

// Bowl is the sum, over the active parameters, of the squared distance to 0.3
// in the unit cube, in which choices lie side by side.
func Bowl(s *space.Space, p space.Point) float64 {
	x, active := make([]float64, s.Len()), make([]bool, s.Len())
	s.Encode(p, x, active)
	sum := 0.0
	for i := range x {
		if active[i] {
			sum += (x[i] - 0.3) * (x[i] - 0.3)
		}
	}
	return sum
}

// Text shows a point for a message.
func Text(s *space.Space, p space.Point) string {
	b, err := s.Params(p).AppendJSON(nil)
	if err != nil {
		return fmt.Sprintf("%v (%v)", p, err)
	}
	return string(b)
}
