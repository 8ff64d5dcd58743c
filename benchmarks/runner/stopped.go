package runner

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// The marks between an algorithm and a stopper: the stopper ends trials, or only
// says which it would have ended.
const (
	stops   = "+"
	watches = "~"
)

// Watches says that the stopper of a contender's name only watches.
func Watches(name string) bool { return strings.Contains(name, watches) }

// HasStopper says that a contender's name names a stopper too, as "tpe+asha" and
// "optuna-tpe+hyperband" do: its runs are of learning curves.
func HasStopper(name string) bool { return strings.ContainsAny(name, stops+watches) }

// Stopped makes a contender of an algorithm and a stopper in the forms in which a
// sweep takes them: "tpe+asha", "tpe:startup=5+asha:eta=4", "tpe+none"; with
// "tpe~asha" the stopper only watches.
func Stopped(algorithms suggest.Registry, text string) (Contender, error) {
	mark := stops
	algorithm, stopper, ok := strings.Cut(text, stops)
	if !ok {
		mark = watches
		algorithm, stopper, _ = strings.Cut(text, watches)
	}
	c, err := InProcess(algorithms, algorithm)
	if err != nil {
		return c, err
	}
	component, err := trial.ParseComponent(stopper)
	if err != nil {
		return c, err
	}
	rule, settings, err := earlystop.Rules().Resolve(component)
	if err != nil {
		return c, err
	}
	if rule.Copies {
		return c, types.Errorf(types.Unsupported, "the harness cannot copy trials, as %s does", rule.Name).
			WithRemedy("compare another stopper")
	}
	open := c.Open
	c.Name, c.Version = text, c.Version+mark+strconv.Itoa(rule.Version)
	c.Settings += mark + settingsText(settings)
	c.Doc = fmt.Sprintf("%s with the stopper %s", algorithm, stopper)
	c.Curves = true
	c.Open = func(ctx context.Context, study Study) (Searcher, error) {
		s, err := open(ctx, study)
		if err != nil {
			return nil, err
		}
		st, err := earlystop.New(component, earlystop.Config{
			Objectives: []types.Objective{{Metric: Metric, Goal: types.Minimize}}, Seed: study.Seed,
		})
		if err != nil {
			return nil, err
		}
		in := s.(*inProcess) //nolint:forcetypeassert // InProcess makes no other
		if mark == watches {
			return &watched{inProcess: in, tally: earlystop.NewTally(st, Metric, -1), ended: map[int64]bool{}}, nil
		}
		ends := &stopped{inProcess: in, stopper: st}
		if p, ok := st.(earlystop.Promoter); ok {
			return &promoted{stopped: ends, promoter: p, points: map[int64]space.Point{}}, nil
		}
		return ends, nil
	}
	return c, nil
}

// stopped is an algorithm with a stopper, which sees the events that the engine
// would show it.
type stopped struct {
	*inProcess
	stopper earlystop.Stopper
	seen    int64 // events before this were observed
}

var (
	_ Reporter = (*stopped)(nil)
	_ Reporter = (*watched)(nil)
	_ Judge    = (*watched)(nil)
)

// Ask implements Searcher. The stopper has seen what happened before.
func (s *stopped) Ask(ctx context.Context, n int) ([]Trial, error) {
	s.show(s.stopper.Observe)
	return s.inProcess.Ask(ctx, n)
}

// show gives the stopper the events that it has not seen. Those that the
// algorithm has seen already are gone, so that this comes before each Ask.
func (s *stopped) show(observe func(trial.Event)) {
	for _, e := range s.waiting {
		if e.Seq >= s.seen {
			observe(e)
			s.seen = e.Seq + 1
		}
	}
}

// Report implements Reporter.
func (s *stopped) Report(_ context.Context, number, step int64, value float64) (bool, error) {
	r := s.report(number, step, value)
	s.show(s.stopper.Observe)
	return s.stopper.Decide(r).Stop, nil
}

// Prune implements Reporter.
func (s *stopped) Prune(_ context.Context, number int64) error {
	return s.prune(number)
}

// promoted is an algorithm with a stopper that lets trials wait. To the algorithm
// a pause is an end as pruned, and going on is another trial of that number, as
// the engine tells it.
type promoted struct {
	*stopped
	promoter earlystop.Promoter
	points   map[int64]space.Point // of those that wait
}

var _ Pauser = (*promoted)(nil)

// Budget implements Pauser.
func (s *promoted) Budget(number int64) (step int64, waits bool) {
	s.show(s.stopper.Observe)
	step, whole := s.promoter.Budget(number)
	return step, !whole
}

// Pause implements Pauser.
func (s *promoted) Pause(_ context.Context, number int64) error {
	s.show(s.stopper.Observe)
	i := slices.IndexFunc(s.pending, func(p suggest.Pending) bool { return p.Number == number })
	if i < 0 {
		return types.Errorf(types.Invalid, "trial %d is not pending", number)
	}
	s.points[number] = s.pending[i].Point
	if err := s.prune(number); err != nil {
		return err
	}
	s.only(trial.Event{Kind: trial.EventPaused, Trial: number})
	return nil
}

// Promote implements Pauser.
func (s *promoted) Promote() (number int64, ok bool) {
	s.show(s.stopper.Observe)
	number = s.promoter.Promote(false)
	if number < 0 {
		return 0, false
	}
	p := s.points[number]
	s.emit(trial.Event{Kind: trial.EventCreated, Trial: number, Point: p, SpaceVersion: 1})
	started := trial.Event{Kind: trial.EventStarted, Trial: number}
	s.emit(started)
	s.only(started)
	i, _ := slices.BinarySearchFunc(s.pending, number, func(q suggest.Pending, n int64) int { return cmp.Compare(q.Number, n) })
	s.pending = slices.Insert(s.pending, i, suggest.Pending{Number: number, Point: p})
	return number, true
}

// only shows the stopper e instead of what the algorithm is about to see.
func (s *promoted) only(e trial.Event) {
	s.seen = s.seq
	e.Seq = s.seq - 1
	s.stopper.Observe(e)
}

// report emits a report of a running trial.
func (s *inProcess) report(number, step int64, value float64) trial.Report {
	r := trial.Report{Seq: s.seq, Trial: number, Attempt: 1, Metric: Metric, Step: step, Value: value}
	if s.last == nil {
		s.last = map[int64]trial.Report{}
	}
	s.last[number] = r
	s.emit(trial.Event{Kind: trial.EventReported, Trial: number, Report: r})
	return r
}

// prune ends a trial as the engine does: with its value at the highest step.
func (s *inProcess) prune(number int64) error {
	r, ok := s.last[number]
	if !ok || !s.land(number) {
		return types.Errorf(types.Invalid, "trial %d is not pending, or has no report", number)
	}
	s.emit(trial.Event{Kind: trial.EventFinished, Trial: number, Finish: &trial.Finish{
		State: types.Pruned, Values: []float64{r.Value}, Step: r.Step, Duration: time.Second,
	}})
	return nil
}

// land takes a trial out of the pending ones.
func (s *inProcess) land(number int64) bool {
	i := slices.IndexFunc(s.pending, func(p suggest.Pending) bool { return p.Number == number })
	if i >= 0 {
		s.pending = slices.Delete(s.pending, i, i+1)
	}
	delete(s.last, number)
	return i >= 0
}

// watched is an algorithm without a stopper, and a stopper that watches it.
type watched struct {
	*inProcess
	tally *earlystop.Tally
	seen  int64
	ended map[int64]bool
}

// Ask implements Searcher.
func (s *watched) Ask(ctx context.Context, n int) ([]Trial, error) {
	s.show()
	return s.inProcess.Ask(ctx, n)
}

func (s *watched) show() {
	for _, e := range s.waiting {
		if e.Seq < s.seen {
			continue
		}
		s.seen = e.Seq + 1
		before := s.tally.Result().Trials
		s.tally.Observe(e)
		if s.tally.Result().Trials > before {
			s.ended[e.Trial] = true
		}
	}
}

// Report implements Reporter.
func (s *watched) Report(_ context.Context, number, step int64, value float64) (bool, error) {
	s.report(number, step, value)
	s.show()
	return false, nil
}

// Prune implements Reporter; it is not called.
func (s *watched) Prune(_ context.Context, number int64) error { return s.prune(number) }

// Judge implements Judge.
func (s *watched) Judge(e *Early, best []int64) {
	s.show()
	r := s.tally.Result()
	e.Watched, e.Ends, e.Saves = true, r.Trials, 100*float64(r.Steps)/math.Max(1, float64(r.OfSteps))
	e.EndsBest = len(best) > 0 && !slices.ContainsFunc(best, func(n int64) bool { return !s.ended[n] })
}
