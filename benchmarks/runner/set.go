package runner

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/problems"
)

// Set is many runs: all contenders on all problems with all seeds.
type Set struct {
	Contenders []Contender
	Problems   []*problems.Problem
	Seeds      []int64
	// Budget, Workers and Timeout are those of each run.
	Budget, Workers int
	Timeout         time.Duration
	// Parallel is how many runs are made at once; 0 is 1. Times are those of a
	// busy machine then, and allocations are not counted.
	Parallel int
	// Dir has the files of results. Runs that are there are not made again.
	Dir string
	// Fresh makes them again all the same; the new rows count.
	Fresh bool
	// Progress, if not nil, is called after the stored runs are known and after
	// each run, by one goroutine at a time.
	Progress func(Progress)
}

// Progress is how far a Set is.
type Progress struct {
	// Total is the number of runs, of which Done are done, Stored of them before
	// the set began.
	Total, Done, Stored int
	// Elapsed is since the beginning. Left is an estimate from what the runs of
	// each contender took so far; 0 as long as there is none.
	Elapsed, Left time.Duration
	// Last is the run that is just done; nil at the beginning.
	Last *Result
}

// Outcome is what a Set has done.
type Outcome struct {
	// Results are those of all runs of the set that are done, stored before or
	// now, in no particular order.
	Results []Result
	// Absent are the contenders that cannot run here.
	Absent []Absent
	// Made and Stored count the runs that were made and those that were there.
	Made, Stored int
}

// Absent is a contender that was left out.
type Absent struct {
	Contender string
	Reason    error
}

// Run makes the runs that are not stored yet. All contenders meet a problem and
// a seed before the next problem and then the next seed, so that a set that is
// cut off has comparable results. When ctx is cancelled the runs on their way
// are given up, and Run returns what is stored together with ctx's error.
func (s *Set) Run(ctx context.Context) (out Outcome, err error) {
	if err := s.check(); err != nil {
		return out, err
	}
	defer func() {
		for _, c := range s.Contenders {
			if c.Close != nil {
				err = errors.Join(err, c.Close())
			}
		}
	}()
	var present []Contender
	for _, c := range s.Contenders {
		if c.Check != nil {
			if err := c.Check(ctx); err != nil {
				if ctx.Err() != nil {
					return out, ctx.Err()
				}
				out.Absent = append(out.Absent, Absent{c.Name, err})
				continue
			}
		}
		present = append(present, c)
	}
	w := &work{set: s, out: &out, files: map[string]*file{}, took: map[string]*spent{}, begin: time.Now()}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.plan(present); err != nil {
		return out, err
	}
	return out, w.do(ctx)
}

func (s *Set) check() error {
	switch {
	case len(s.Contenders) == 0:
		return types.Errorf(types.Invalid, "there is no contender").WithField("contenders").WithRemedy("name at least one")
	case len(s.Problems) == 0:
		return types.Errorf(types.Invalid, "there is no problem").WithField("problems").WithRemedy("choose at least one")
	case len(s.Seeds) == 0:
		return types.Errorf(types.Invalid, "there is no seed").WithField("seeds").WithRemedy("give at least one")
	case s.Budget < 1:
		return types.Errorf(types.Invalid, "%d trials are no run", s.Budget).WithField("trials").WithRemedy("give a number from 1")
	case s.Dir == "":
		return types.Errorf(types.Invalid, "there is no folder for the results").WithField("out").WithRemedy("name one")
	}
	names := map[string]bool{}
	for _, c := range s.Contenders {
		if names[c.Name] {
			return types.Errorf(types.Invalid, "%s is named twice", c.Name).WithField("contenders").WithRemedy("name it once")
		}
		names[c.Name] = true
	}
	return nil
}

// job is a run to make.
type job struct {
	contender Contender
	problem   *problems.Problem
	seed      int64
}

// spent is what the runs of a contender took.
type spent struct {
	seconds    float64
	made, left int
}

// work is a Set on its way.
type work struct {
	set   *Set
	files map[string]*file // by name; contenders may share one
	jobs  []job
	begin time.Time

	mu       sync.Mutex
	out      *Outcome
	took     map[string]*spent
	progress Progress
	err      error
}

// plan opens the files and finds out what is to be done.
func (w *work) plan(contenders []Contender) error {
	stored := map[Key]Result{}
	for _, c := range contenders {
		w.took[c.Name] = &spent{}
		name := strings.ToLower(FileName(c.Name)) // some file systems do not tell them apart
		if w.files[name] != nil {
			continue
		}
		f, err := openFile(w.set.Dir, c.Name)
		if err != nil {
			return err
		}
		w.files[name] = f
		for _, r := range latest(f.rows) {
			stored[r.Key()] = r
		}
	}
	for _, seed := range w.set.Seeds {
		for _, p := range w.set.Problems {
			for _, c := range contenders {
				w.progress.Total++
				if r, ok := stored[w.key(c, p, seed)]; ok && r.Status != Failed && !w.set.Fresh {
					w.out.Results = append(w.out.Results, r)
					continue
				}
				w.jobs = append(w.jobs, job{c, p, seed})
				w.took[c.Name].left++
			}
		}
	}
	w.out.Stored = len(w.out.Results)
	w.progress.Stored, w.progress.Done = w.out.Stored, w.out.Stored
	w.say(nil)
	return nil
}

func (w *work) key(c Contender, p *problems.Problem, seed int64) Key {
	return Key{
		Contender: c.Name, Version: c.Version, Settings: c.Settings, Harness: Version,
		Problem: p.Name, Instance: p.InstanceFor(seed), Seed: seed, Budget: w.set.Budget, Workers: max(w.set.Workers, 1),
	}
}

// do makes the runs, several at once.
func (w *work) do(ctx context.Context) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan job)
	var group sync.WaitGroup
	for range max(w.set.Parallel, 1) {
		group.Go(func() {
			for j := range next {
				if err := w.one(inner, j); err != nil {
					w.mu.Lock()
					w.err = firstOf(w.err, err)
					w.mu.Unlock()
					cancel()
				}
			}
		})
	}
feed:
	for _, j := range w.jobs {
		select {
		case next <- j:
		case <-inner.Done():
			break feed
		}
	}
	close(next)
	group.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return w.err
}

// firstOf is the first error.
func firstOf(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (w *work) one(ctx context.Context, j job) error {
	s := w.set
	res, err := Run(ctx, j.contender, j.problem, Config{
		Seed: j.seed, Budget: s.Budget, Workers: s.Workers, Timeout: s.Timeout, Allocs: s.Parallel <= 1,
	})
	if err != nil {
		return err
	}
	if err := w.files[strings.ToLower(FileName(j.contender.Name))].append(&res); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.took[j.contender.Name]
	t.seconds += res.Wall
	t.made++
	t.left--
	w.out.Results = append(w.out.Results, res)
	w.out.Made++
	w.progress.Done++
	w.say(&res)
	return nil
}

// say tells the progress.
func (w *work) say(last *Result) {
	if w.set.Progress == nil {
		return
	}
	w.progress.Elapsed, w.progress.Left, w.progress.Last = time.Since(w.begin), w.left(), last
	w.set.Progress(w.progress)
}

// left estimates the time to the end. A contender of which no run is done yet
// counts as the slowest of the others.
func (w *work) left() time.Duration {
	slowest := 0.0
	for _, t := range w.took {
		if t.made > 0 {
			slowest = max(slowest, t.seconds/float64(t.made))
		}
	}
	sum := 0.0
	for _, t := range w.took {
		each := slowest
		if t.made > 0 {
			each = t.seconds / float64(t.made)
		}
		sum += each * float64(t.left)
	}
	return time.Duration(sum / float64(max(w.set.Parallel, 1)) * float64(time.Second))
}

func (w *work) close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

// Failures are the results without numbers, of Failed ones first.
func (o *Outcome) Failures() []Result {
	var out []Result
	for _, status := range []Status{Failed, Unsupported} {
		for _, r := range o.Results {
			if r.Status == status {
				out = append(out, r)
			}
		}
	}
	return slices.Clip(out)
}
