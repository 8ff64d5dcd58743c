package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/problems"
)

// Config says how a run is made.
type Config struct {
	Seed int64
	// Budget is the number of trials.
	Budget int
	// Workers is how many trials run at the same time; 0 is 1.
	Workers int
	// Timeout bounds the run; 0 does not.
	Timeout time.Duration
	// Allocs counts the allocations of contenders in this process. It is right
	// only if nothing else runs in it.
	Allocs bool
}

// Run lets a contender search the instance of a problem that belongs to the
// seed. What the contender does wrong is in the Result; the error is that of
// ctx, after which the Result is of no use.
//
// Everything but the points is the same for all contenders: the instance, the
// noise and the duration of the trial that is asked for as the k-th.
func Run(ctx context.Context, c Contender, p *problems.Problem, cfg Config) (Result, error) {
	cfg.Workers = max(cfg.Workers, 1)
	begin := time.Now()
	res := Result{
		Contender: c.Name, Version: c.Version, Settings: c.Settings, Harness: Version,
		Problem: p.Name, Group: p.Group, Instance: p.InstanceFor(cfg.Seed), Seed: cfg.Seed,
		Budget: cfg.Budget, Workers: cfg.Workers, Status: Done,
	}
	inner := ctx
	if cfg.Timeout > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
	}
	err := (&run{Config: cfg, result: &res, problem: p}).guarded(inner, c)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err != nil {
		if inner.Err() != nil {
			err = fmt.Errorf("not done after %v: %w", cfg.Timeout, err)
		}
		fail(&res, err)
	}
	res.Wall = time.Since(begin).Seconds()
	return res, nil
}

// fail makes res one without numbers.
func fail(res *Result, err error) {
	res.Status = Failed
	if types.CodeOf(err) == types.Unsupported {
		res.Status = Unsupported
	}
	res.Note = oneLine(err.Error())
	res.Checkpoints, res.Best, res.Recommended = nil, nil, nil
	res.AskP50, res.AskP95, res.AskP99, res.AskMean = 0, 0, 0, 0
	res.CPU, res.Allocs = 0, math.NaN()
}

// longestNote keeps the stack of another program from filling the file.
const longestNote = 500

func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if r := []rune(s); len(r) > longestNote {
		s = string(r[:longestNote]) + "…"
	}
	return s
}

// run is one run on its way.
type run struct {
	Config
	result    *Result
	problem   *problems.Problem
	instance  *problems.Instance
	searcher  Searcher
	coster    Coster // of the searcher; nil if it has none
	flights   flights
	asked     int
	exhausted bool
	score     score
	costs     costs
}

// guarded makes an error of a panic of the contender, so that one fault does not
// end a set of days.
func (r *run) guarded(ctx context.Context, c Contender) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return r.do(ctx, c)
}

func (r *run) do(ctx context.Context, c Contender) (err error) {
	if r.Budget < 1 {
		return types.Errorf(types.Invalid, "the budget is %d trials", r.Budget).WithField("budget")
	}
	r.instance, err = r.problem.Open(r.result.Instance)
	if err != nil {
		return fmt.Errorf("open the problem: %w", err)
	}
	r.result.Optimum, r.result.Exact = r.instance.Optimum()
	r.result.Median = r.instance.Median()
	r.searcher, err = c.Open(ctx, Study{
		Name: fmt.Sprintf("%s/seed-%d", r.instance.Name(), r.Seed), Space: r.instance.Space(), Seed: r.Seed,
		Budget: r.Budget, Workers: r.Workers, Deterministic: !r.problem.Noisy,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.searcher.Close()) }()
	r.coster, _ = r.searcher.(Coster)
	r.Allocs = r.Allocs && c.InProcess
	r.score = newScore(r.Budget)
	search := r.loop
	if c.Curves {
		search = r.curves
	}
	if err := search(ctx); err != nil {
		return err
	}
	if err := r.recommendation(ctx); err != nil {
		return err
	}
	r.result.Checkpoints, r.result.Best, r.result.Recommended = r.score.checkpoints, r.score.best, r.score.recommended
	r.costs.summarize(r.result)
	return nil
}

// loop keeps the workers busy: a free one asks, and when all are busy the trial
// that ends first is told.
func (r *run) loop(ctx context.Context) error {
	for r.asked < r.Budget || len(r.flights.list) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.asked < r.Budget && len(r.flights.list) < r.Workers && !r.exhausted {
			if err := r.ask(ctx); err != nil {
				return err
			}
			continue
		}
		if len(r.flights.list) == 0 {
			break // the space ran out of points
		}
		f := r.flights.land()
		if err := r.searcher.Tell(ctx, f.number, f.observed); err != nil {
			return fmt.Errorf("tell trial %d: %w", f.number, err)
		}
		r.score.finish(f.number, f.observed, f.truth)
	}
	if r.exhausted {
		r.result.Note = fmt.Sprintf("exhausted after %d trials", r.asked)
	}
	r.score.fill()
	return nil
}

func (r *run) ask(ctx context.Context) error {
	trials, err := r.measured(ctx)
	if types.CodeOf(err) == types.Exhausted && len(trials) == 0 {
		r.exhausted = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask for trial %d: %w", r.asked, err)
	}
	if len(trials) != 1 {
		return types.Errorf(types.Internal, "it answered an ask for one trial by %d", len(trials))
	}
	t := trials[0]
	if err := r.instance.Space().Validate(t.Point); err != nil {
		return fmt.Errorf("it proposed an invalid point: %w", recoded(err))
	}
	k := int64(r.asked)
	r.asked++
	observed := r.instance.Observe(t.Point, noise(r.problem.Name, r.Seed, k))
	if math.IsInf(observed, 0) {
		observed = math.NaN()
	}
	r.flights.start(flight{
		number: t.Number, index: k, observed: observed, truth: r.instance.Evaluate(t.Point),
	}, duration(r.instance, t.Point, r.Seed, k))
	return nil
}

// recoded is err without its code, which says something about the contender's
// point and not about the run.
func recoded(err error) error { return types.Errorf(types.Internal, "%s", err.Error()) }

// everyAllocs is how often an ask is counted instead of timed: reading the
// allocator's figures empties its caches.
const everyAllocs = 10

// measured asks for a trial.
func (r *run) measured(ctx context.Context) ([]Trial, error) {
	if r.Allocs && r.asked%everyAllocs == everyAllocs-1 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		trials, err := r.searcher.Ask(ctx, 1)
		runtime.ReadMemStats(&after)
		r.costs.allocs = append(r.costs.allocs, float64(after.Mallocs-before.Mallocs))
		r.costs.addCPU(r.coster)
		return trials, err
	}
	begin := time.Now()
	trials, err := r.searcher.Ask(ctx, 1)
	r.costs.add(r.coster, time.Since(begin))
	return trials, err
}

// recommendation lets the tuner have the last word.
func (r *run) recommendation(ctx context.Context) error {
	if len(r.score.truths) == 0 { // of learning curves the best completed trial counts
		return nil
	}
	number, ok, err := r.searcher.Recommend(ctx)
	if err != nil {
		return fmt.Errorf("recommend: %w", err)
	}
	if !ok {
		return nil
	}
	truth, known := r.score.truths[number]
	if !known {
		return types.Errorf(types.Internal, "it recommended trial %d, which did not finish", number)
	}
	r.score.recommended[len(r.score.recommended)-1] = truth
	return nil
}

// costs are the measurements of the asks.
type costs struct {
	seconds []float64
	allocs  []float64
	cpu     float64
}

// add takes what an ask cost: what the tuner itself measured, else the clock.
func (c *costs) add(coster Coster, wall time.Duration) {
	seconds := wall.Seconds()
	if coster != nil {
		if s, _ := coster.LastAsk(); s > 0 {
			seconds = s
		}
	}
	c.seconds = append(c.seconds, seconds)
	c.addCPU(coster)
}

func (c *costs) addCPU(coster Coster) {
	if coster != nil {
		_, cpu := coster.LastAsk()
		c.cpu += cpu
	}
}

func (c *costs) summarize(res *Result) {
	slices.Sort(c.seconds)
	res.AskP50, res.AskP95, res.AskP99 = quantile(c.seconds, 0.50), quantile(c.seconds, 0.95), quantile(c.seconds, 0.99)
	res.AskMean, res.Allocs, res.CPU = mean(c.seconds), mean(c.allocs), c.cpu
}

// quantile is the nearest rank in a sorted list; NaN of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v)) // NaN of none
}
