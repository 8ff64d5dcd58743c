package peers

import (
	"context"
	"encoding/json"
	"math"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/benchmarks/runner"
	"github.com/gotuner/tuner/suggest/space"
)

var (
	_ runner.Searcher  = (*searcher)(nil)
	_ runner.Coster    = (*searcher)(nil)
	_ runner.Preloader = (*searcher)(nil)
	_ runner.Reporter  = (*searcher)(nil)
)

// searcher is a study in a child.
type searcher struct {
	child *child
	space *space.Space
	// release takes the child back, whatever its state.
	release func(*child) error

	seconds, cpu float64
}

// Start runs a command that answers the pipe protocol and opens a study in it;
// closing the searcher ends the process. command is the program with its
// arguments, env all of its environment (nil: that of this process). The
// searcher is for one goroutine.
//
// Where the program breaks off, answers nonsense, or is still busy when a
// context ends, it is killed with its process group, and every later call is an
// error too.
func Start(ctx context.Context, name string, command, env []string, study runner.Study) (runner.Searcher, error) {
	c, err := start(name, command, env)
	if err != nil {
		return nil, err
	}
	s, _, err := open(ctx, c, study, (*child).retire)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open begins a study in the child and tells the tuner's version. On an error
// the child is released.
func open(ctx context.Context, c *child, study runner.Study, release func(*child) error) (*searcher, string, error) {
	spec := &types.StudySpec{
		Name: study.Name, Space: json.RawMessage(study.Space.AppendJSON(nil)),
		Objectives:    []types.Objective{{Metric: runner.Metric, Goal: types.Minimize}},
		Seed:          study.Seed,
		Parallelism:   study.Workers,
		Deterministic: "no",
	}
	spec.Budget.Trials = int64(study.Budget)
	if study.Deterministic {
		spec.Deterministic = "yes"
	}
	s := &searcher{child: c, space: study.Space, release: release}
	reply, err := c.call(ctx, request{PipeRequest: types.PipeRequest{Op: types.PipeOpen, Study: spec}})
	if err != nil {
		_ = release(c) // the first error counts
		return nil, "", err
	}
	return s, reply.Version, nil
}

// Ask implements runner.Searcher. A point that is none of the space is an error:
// the driver is wrong.
func (s *searcher) Ask(ctx context.Context, n int) ([]runner.Trial, error) {
	reply, err := s.call(ctx, request{PipeRequest: types.PipeRequest{Op: types.PipeAsk, N: n}})
	if err != nil {
		return nil, err
	}
	s.seconds, s.cpu = reply.Seconds, reply.CPU
	trials := make([]runner.Trial, 0, len(reply.Trials))
	for _, t := range reply.Trials {
		p, err := s.space.FromParams(t.Params)
		if err == nil {
			err = s.space.Validate(p)
		}
		if err != nil {
			return nil, types.Errorf(types.Internal, "%s proposed a point that is none, as trial %d: %w", s.child.name, t.Number, err)
		}
		trials = append(trials, runner.Trial{Number: t.Number, Point: p})
	}
	switch {
	case len(trials) == n:
		return trials, nil
	case len(trials) < n && reply.Done != "":
		return trials, types.Errorf(types.Exhausted, "%s: %s", s.child.name, reply.Done)
	}
	return nil, types.Errorf(types.Internal, "%s was asked for %d trials and proposed %d", s.child.name, n, len(trials))
}

// Tell implements runner.Searcher.
func (s *searcher) Tell(ctx context.Context, number int64, value float64) error {
	r := request{PipeRequest: types.PipeRequest{Op: types.PipeTell, Number: number}}
	if math.IsNaN(value) {
		r.State = types.Infeasible
	} else {
		r.State = types.Completed
		r.Metrics = map[string]types.Float{runner.Metric: types.Float(value)}
	}
	_, err := s.call(ctx, r)
	return err
}

// Report implements runner.Reporter.
func (s *searcher) Report(ctx context.Context, number, step int64, value float64) (stop bool, err error) {
	reply, err := s.call(ctx, request{PipeRequest: types.PipeRequest{
		Op: types.PipeReport, Number: number, Step: &step, Metrics: map[string]types.Float{runner.Metric: types.Float(value)},
	}})
	if err != nil {
		return false, err
	}
	return reply.Stop, nil
}

// Prune implements runner.Reporter.
func (s *searcher) Prune(ctx context.Context, number int64) error {
	_, err := s.call(ctx, request{PipeRequest: types.PipeRequest{Op: types.PipeTell, Number: number, State: types.Pruned}})
	return err
}

// Recommend implements runner.Searcher: the first of what the driver calls best.
func (s *searcher) Recommend(ctx context.Context) (number int64, ok bool, err error) {
	reply, err := s.call(ctx, request{PipeRequest: types.PipeRequest{Op: types.PipeBest}})
	if err != nil || len(reply.Trials) == 0 {
		return 0, false, err
	}
	return reply.Trials[0].Number, true, nil
}

// LastAsk implements runner.Coster: by the driver's own clock, tells since the
// ask before included.
func (s *searcher) LastAsk() (seconds, cpu float64) { return s.seconds, s.cpu }

// Preload implements runner.Preloader. An error of code types.Unsupported says
// that the driver has no such thing.
func (s *searcher) Preload(ctx context.Context, points []space.Point, values []float64) error {
	trials := make([]types.PipeTrial, len(points))
	for i, p := range points {
		trials[i] = types.PipeTrial{
			Params:  s.space.Params(p),
			Metrics: map[string]types.Float{runner.Metric: types.Float(values[i])},
		}
	}
	_, err := s.call(ctx, request{PipeRequest: types.PipeRequest{Op: opPreload}, Trials: trials})
	return err
}

// Close implements runner.Searcher. Closing twice is no error.
func (s *searcher) Close() error {
	if s.child == nil {
		return nil
	}
	c := s.child
	s.child = nil
	return s.release(c)
}

func (s *searcher) call(ctx context.Context, r request) (*types.PipeReply, error) {
	if s.child == nil {
		return nil, types.Errorf(types.Conflict, "the study is closed")
	}
	if s.child.broken {
		return nil, types.Errorf(types.Unavailable, "%s has ended", s.child.name)
	}
	return s.child.call(ctx, r)
}
