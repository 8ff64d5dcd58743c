package runner

import (
	"context"
	"fmt"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// Reporter is a Searcher with a rule of early stopping: trials are told of step
// by step, and it says which to end.
type Reporter interface {
	// Report takes the value of a running trial at a step, from 1, and says
	// whether the trial is to end there.
	Report(ctx context.Context, number, step int64, value float64) (stop bool, err error)
	// Prune ends a trial that Report has said is to end.
	Prune(ctx context.Context, number int64) error
}

// Pauser is a Reporter whose rule may let trials wait and go on later from where
// they were.
type Pauser interface {
	Reporter
	// Budget is the step at which a running trial is to wait; false if it is to run
	// to its end.
	Budget(number int64) (step int64, waits bool)
	// Pause lets a running trial wait that is at its budget.
	Pause(ctx context.Context, number int64) error
	// Promote lets the trial that should go on now do so; false if there is none.
	Promote() (number int64, ok bool)
}

// Judge is a Reporter whose rule only watches: Report never stops, and at the
// end it is asked what would have been.
type Judge interface {
	// Judge adds what the rule would have done; best are the trials that tie for the
	// best value.
	Judge(e *Early, best []int64)
}

// training is a trial that a worker trains, step by step.
type training struct {
	number, index int64
	point         space.Point
	done          int     // steps
	end           float64 // of the step under way
	each          float64 // seconds a step
}

// curves is a run of whole learning curves: a worker that is free asks for a
// trial and trains it step by step, until it is told to stop, has no value (the
// training diverged) or is at the end of the curve. The budget is the steps of as
// many whole trials, whatever they are spent on, and checkpoints are counted in
// whole trials too. A trial that completed counts with its last value; others
// have none.
type curves struct {
	*run
	reporter Reporter
	steps    int
	spent    int
	now      float64
	training []training
	waiting  map[int64]training // paused, by number
	best     struct {
		numbers []int64 // all that tie
		value   float64
	}
	pruned, completed, diverged int
}

func (r *run) curves(ctx context.Context) error {
	reporter, ok := r.searcher.(Reporter)
	if !ok {
		return types.Errorf(types.Unsupported, "it takes no reports of running trials")
	}
	c := &curves{run: r, reporter: reporter, steps: r.instance.Steps(), waiting: map[int64]training{}}
	if c.steps == 0 {
		return types.Errorf(types.Unsupported, "the problem has no learning curves")
	}
	c.best.value = math.NaN()
	for c.spent < r.Budget*c.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(c.training) < r.Workers && c.promote() {
			continue
		}
		if len(c.training) < r.Workers && !r.exhausted {
			if err := c.start(ctx); err != nil {
				return err
			}
			continue
		}
		if len(c.training) == 0 {
			break // the space ran out of points
		}
		if err := c.step(ctx); err != nil {
			return err
		}
	}
	r.score.fill()
	early := Early{Trials: r.asked, Completed: c.completed, Pruned: c.pruned, Diverged: c.diverged}
	if j, ok := reporter.(Judge); ok {
		j.Judge(&early, c.best.numbers)
	}
	r.result.Note = early.String()
	return nil
}

// start gives a free worker a trial.
func (c *curves) start(ctx context.Context) error {
	trials, err := c.measured(ctx)
	if types.CodeOf(err) == types.Exhausted && len(trials) == 0 {
		c.exhausted = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for trial %d: %w", c.asked, err)
	}
	if len(trials) != 1 {
		return types.Errorf(types.Internal, "it answered an ask for one trial by %d", len(trials))
	}
	if err := c.instance.Space().Validate(trials[0].Point); err != nil {
		return fmt.Errorf("it proposed an invalid point: %w", recoded(err))
	}
	t := training{number: trials[0].Number, index: int64(c.asked), point: trials[0].Point, each: c.pace(trials[0].Point)}
	t.end = c.now + t.each
	c.asked++
	c.training = append(c.training, t)
	return nil
}

// promote gives a free worker a trial that waits; false if none is to go on.
func (c *curves) promote() bool {
	p, ok := c.reporter.(Pauser)
	if !ok {
		return false
	}
	n, ok := p.Promote()
	if !ok {
		return false
	}
	t := c.waiting[n]
	delete(c.waiting, n)
	t.end = c.now + t.each
	c.training = append(c.training, t)
	return true
}

// pace is the seconds that a step of the next trial takes.
func (c *curves) pace(p space.Point) float64 {
	if s, ok := c.instance.Runtime(p); ok && s > 0 && !math.IsInf(s, 0) {
		return s / float64(c.steps)
	}
	r := suggest.Stream(c.Seed, "runner/duration/"+c.problem.Name, int64(c.asked))
	return math.Exp(durationSpread * r.NormFloat64())
}

// step ends the step that ends first.
func (c *curves) step(ctx context.Context) error {
	first := 0
	for i, t := range c.training {
		if e := c.training[first]; t.end < e.end || t.end == e.end && t.index < e.index {
			first = i
		}
	}
	t := &c.training[first]
	c.now = t.end
	t.done++
	value := c.instance.CurveAt(t.point, t.done)
	t.end += t.each
	c.spent++
	over, err := c.tell(ctx, t, value)
	if err != nil {
		return fmt.Errorf("trial %d at step %d: %w", t.number, t.done, err)
	}
	if over {
		last := len(c.training) - 1
		c.training[first] = c.training[last]
		c.training = c.training[:last]
	}
	for len(c.score.best) < len(c.score.checkpoints) && c.spent >= c.score.checkpoints[len(c.score.best)]*c.steps {
		c.score.mark()
	}
	return nil
}

// tell reports the value and ends the trial if it is over.
func (c *curves) tell(ctx context.Context, t *training, value float64) (over bool, err error) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		c.diverged++
		return true, c.searcher.Tell(ctx, t.number, math.NaN())
	}
	stop, err := c.reporter.Report(ctx, t.number, int64(t.done), value)
	if err != nil {
		return false, err
	}
	switch {
	case t.done == c.steps: // nothing is saved by a stop here
		c.completed++
		if value < c.best.value || math.IsNaN(c.best.value) {
			c.best.numbers, c.best.value = c.best.numbers[:0], value
			c.score.least, c.score.ofObserved = value, value
		}
		if value == c.best.value {
			c.best.numbers = append(c.best.numbers, t.number)
		}
		return true, c.searcher.Tell(ctx, t.number, value)
	case stop:
		c.pruned++
		return true, c.reporter.Prune(ctx, t.number)
	}
	if p, ok := c.reporter.(Pauser); ok {
		if budget, waits := p.Budget(t.number); waits && int64(t.done) >= budget {
			c.waiting[t.number] = *t
			return true, p.Pause(ctx, t.number)
		}
	}
	return false, nil
}
