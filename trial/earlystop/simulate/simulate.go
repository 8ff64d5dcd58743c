// Package simulate runs whole searches in virtual time: workers that train
// trials step by step, report, and obey a stopper. Trials that it pauses go on
// from where they were, copies from where that is of which they are one. There is
// no clock and no goroutine; the same Search gives the same Result.
package simulate

import (
	"container/heap"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// Metric is the objective of every simulated search.
const Metric = "loss"

// Search is what to simulate. A trial reports once a step, from step 1 on, and
// its value is that of its last report.
type Search struct {
	Stopper types.Component
	// Goal is that of the metric; "" is types.Minimize.
	Goal types.Goal
	// Trials is how many are started, copies included; 0 is as many as there are,
	// with a stopper that makes copies. Workers is how many run at once; 0 is 1.
	Trials, Workers int
	// Steps is the length of a whole trial.
	Steps int64
	// Value is what a trial reports at a step. It is called in the order of
	// virtual time; a trial's first call follows the end of those that made way
	// for it.
	Value func(number, step int64) float64
	// Duration is the virtual time that a step takes; nil is 1 for each.
	Duration func(number, step int64) float64
	// Ended is told how each trial ended, in the order of virtual time; may be nil.
	Ended func(Trial)
	Seed  int64
}

// Trial is how a simulated trial ended.
type Trial struct {
	Number int64
	// Copy says what it is a copy of, nil if it began at step 1.
	Copy   *types.Copy
	State  types.State // completed, pruned (also if it was paused at the end), or infeasible: its last value is not finite
	Step   int64       // its last
	Value  float64     // at that step
	Reason string      // of a pruned one
}

// Result is how a search went.
type Result struct {
	// Trials are in the order of their numbers.
	Trials []Trial
	// Steps is how many were made, OfSteps how many would have been without a
	// stopper; copies do not count there.
	Steps, OfSteps int64
	// Best is the number of the best completed trial, -1 if none completed.
	Best int64
	// Time is when the last trial ended.
	Time float64
}

// Pruned is the number of pruned trials.
func (r *Result) Pruned() (n int) {
	for _, t := range r.Trials {
		if t.State == types.Pruned {
			n++
		}
	}
	return n
}

// Run simulates s. Its errors are of code types.Invalid: a stopper or a setting
// that does not exist.
func Run(s Search) (Result, error) {
	if s.Goal == "" {
		s.Goal = types.Minimize
	}
	rule, err := earlystop.New(s.Stopper, earlystop.Config{
		Objectives: []types.Objective{{Metric: Metric, Goal: s.Goal}}, Seed: s.Seed})
	if err != nil {
		return Result{}, err
	}
	r := run{Search: s, rule: rule, out: Result{Best: -1, OfSteps: int64(s.Trials) * s.Steps}}
	if b, ok := rule.(earlystop.Breeder); ok {
		r.out.OfSteps = b.Size() * s.Steps
	}
	for range max(1, s.Workers) {
		r.start(0)
	}
	for len(r.queue) > 0 {
		r.step(heap.Pop(&r.queue).(report))
		if len(r.queue) == 0 { // all have ended or wait
			r.promote(r.out.Time, true)
		}
	}
	for n := range r.out.Trials {
		if t := &r.out.Trials[n]; t.State == types.Paused {
			t.State, t.Reason = types.Pruned, "it waits for nothing any more"
			r.finish(*t)
		}
	}
	return r.out, nil
}

// run is a Search under way.
type run struct {
	Search
	rule  earlystop.Stopper
	seq   int64
	queue reports
	out   Result
}

// report is one that is due.
type report struct {
	at           float64
	number, step int64
}

func (r *run) event(e trial.Event) {
	e.Seq = r.seq
	r.seq++
	r.rule.Observe(e)
}

// promote lets a paused trial go on, if one should.
func (r *run) promote(now float64, last bool) bool {
	p, ok := r.rule.(earlystop.Promoter)
	if !ok {
		return false
	}
	return r.goOn(now, p.Promote(last))
}

// goOn lets the paused trial n run; it reports whether there is one.
func (r *run) goOn(now float64, n int64) bool {
	if n < 0 {
		return false
	}
	r.event(trial.Event{Kind: trial.EventStarted, Trial: n})
	r.due(now, n, r.out.Trials[n].Step+1)
	return true
}

// start lets a paused trial go on or begins the next one, if there is any.
func (r *run) start(now float64) {
	b, breeds := r.rule.(earlystop.Breeder)
	if breeds && r.breed(now, b) || r.promote(now, false) {
		return
	}
	if breeds && b.Full() || r.spent(breeds) || r.Steps < 1 {
		return
	}
	r.begin(now, Trial{Number: int64(len(r.out.Trials))}, 1)
}

// spent reports whether no trial may be created any more.
func (r *run) spent(breeds bool) bool {
	return len(r.out.Trials) >= r.Trials && (r.Trials > 0 || !breeds)
}

func (r *run) begin(now float64, t Trial, step int64) {
	r.out.Trials = append(r.out.Trials, t)
	r.event(trial.Event{Kind: trial.EventCreated, Trial: t.Number, Copy: t.Copy})
	r.event(trial.Event{Kind: trial.EventStarted, Trial: t.Number})
	r.due(now, t.Number, step)
}

// breed makes the copy that is due, or lets the trial go on that it would have
// replaced.
func (r *run) breed(now float64, b earlystop.Breeder) bool {
	number := int64(len(r.out.Trials))
	c, reason, ok := b.Breed(number)
	if !ok {
		return false
	}
	if r.spent(true) {
		return r.goOn(now, b.Spare())
	}
	r.begin(now, Trial{Number: number, Copy: &c}, c.Step+1)
	if t := &r.out.Trials[c.For]; t.State == types.Paused {
		t.State, t.Reason = types.Pruned, reason
		r.finish(*t)
	}
	return true
}

func (r *run) due(now float64, number, step int64) {
	d := 1.0
	if r.Duration != nil {
		d = r.Duration(number, step)
	}
	heap.Push(&r.queue, report{now + d, number, step})
}

// step makes a report and what follows from it.
func (r *run) step(p report) {
	r.out.Steps++
	r.out.Time = p.at
	v := r.Value(p.number, p.step)
	rep := trial.Report{Seq: r.seq, Trial: p.number, Attempt: 1, Metric: Metric, Step: p.step, Value: v}
	r.event(trial.Event{Kind: trial.EventReported, Trial: p.number, Report: rep})
	t := Trial{Number: p.number, Copy: r.out.Trials[p.number].Copy, Step: p.step, Value: v}
	switch d := r.rule.Decide(rep); {
	case d.Stop:
		t.State, t.Reason = types.Pruned, d.Reason
	case p.step < r.Steps:
		if !r.full(p) {
			r.due(p.at, p.number, p.step+1)
			return
		}
		t.State = types.Paused
		r.out.Trials[p.number] = t
		r.event(trial.Event{Kind: trial.EventPaused, Trial: p.number})
		r.start(p.at)
		return
	case math.IsNaN(v) || math.IsInf(v, 0):
		t.State = types.Infeasible
	default:
		t.State = types.Completed
		if r.out.Best < 0 || r.better(v, r.out.Trials[r.out.Best].Value) {
			r.out.Best = p.number
		}
	}
	r.out.Trials[p.number] = t
	r.finish(t)
	r.start(p.at)
}

// full reports whether a trial has used its budget up, but is not whole.
func (r *run) full(p report) bool {
	b, ok := r.rule.(earlystop.Promoter)
	if !ok {
		return false
	}
	budget, whole := b.Budget(p.number)
	return !whole && p.step >= budget
}

// finish tells the end of t.
func (r *run) finish(t Trial) {
	fin := &trial.Finish{State: t.State, Step: t.Step}
	if t.State != types.Infeasible {
		fin.Values = []float64{t.Value}
	}
	r.event(trial.Event{Kind: trial.EventFinished, Trial: t.Number, Finish: fin})
	if r.Ended != nil {
		r.Ended(t)
	}
}

func (r *run) better(a, b float64) bool {
	if r.Goal == types.Maximize {
		return a > b
	}
	return a < b
}

// reports is a heap by time, then by number.
type reports []report

// Len implements heap.Interface.
func (q reports) Len() int { return len(q) }

// Less implements heap.Interface.
func (q reports) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].number < q[j].number
}

// Swap implements heap.Interface.
func (q reports) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *reports) Push(x any) { *q = append(*q, x.(report)) }

// Pop implements heap.Interface.
func (q *reports) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}
