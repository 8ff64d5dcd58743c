package runner

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// InProcess makes a contender of an algorithm in the form in which a sweep takes
// it: "tpe", "tpe:above_cap=0,startup=5". Settings that it does not have are
// refused at once.
func InProcess(algorithms suggest.Registry, text string) (Contender, error) {
	c, err := trial.ParseComponent(text)
	if err != nil {
		return Contender{}, err
	}
	if !slices.Contains(algorithms.Names(), c.Name) {
		err := types.Errorf(types.Invalid, "there is no algorithm %q", c.Name).
			WithRemedy("use one of %s", strings.Join(algorithms.Names(), ", "))
		if near := nearest.Word(c.Name, algorithms.Names()); near != "" {
			err.WithRemedy("did you mean %s?", near)
		}
		return Contender{}, err
	}
	a, settings, err := algorithms.Resolve(c)
	if err != nil {
		return Contender{}, err
	}
	return Contender{
		Name: text, Version: strconv.Itoa(a.Version), Settings: settingsText(settings), Doc: a.Doc, InProcess: true,
		Open: func(_ context.Context, study Study) (Searcher, error) { return openInProcess(algorithms, c, study) },
	}, nil
}

// settingsText is the complete settings in the order of their names.
func settingsText(s trial.Settings) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s)) {
		v := s[k]
		if v == nil {
			v = trial.AutoSetting
		}
		parts = append(parts, fmt.Sprintf("%s=%v", k, v))
	}
	return strings.Join(parts, ",")
}

// inProcess feeds an algorithm the events that the engine would: a trial is
// created, started and finished. Events wait until the next Ask, which observes
// them, so that LastAsk has all that a trial costs.
type inProcess struct {
	suggester suggest.Suggester
	waiting   []trial.Event
	seq, next int64
	pending   []suggest.Pending      // ascending by number
	wall, cpu time.Duration          // of the last Ask
	last      map[int64]trial.Report // of pending trials that have any
}

var (
	_ Searcher  = (*inProcess)(nil)
	_ Coster    = (*inProcess)(nil)
	_ Preloader = (*inProcess)(nil)
)

func openInProcess(algorithms suggest.Registry, c types.Component, study Study) (Searcher, error) {
	deterministic := "no"
	if study.Deterministic {
		deterministic = "yes"
	}
	s, err := suggest.New(algorithms, c, suggest.Config{
		Space: study.Space, Objectives: []types.Objective{{Metric: Metric, Goal: types.Minimize}},
		Seed: study.Seed, Deterministic: deterministic,
	})
	if types.CodeOf(err) == types.Invalid {
		// The settings were checked before, so that it is the space.
		return nil, types.Errorf(types.Unsupported, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	return &inProcess{suggester: s}, nil
}

// Ask implements Searcher.
func (s *inProcess) Ask(ctx context.Context, n int) ([]Trial, error) {
	req := suggest.Request{Pending: s.pending}
	for i := range n {
		req.Numbers = append(req.Numbers, s.next+int64(i))
	}
	proposals, err := s.timed(ctx, req)
	var out []Trial
	for _, p := range proposals {
		out = append(out, Trial{Number: s.next, Point: p.Point})
		s.create(p.Point)
	}
	return out, err
}

// timed observes and suggests. The processor time is that of this thread: what
// the garbage collector or an algorithm's own goroutines do on others is not
// counted.
func (s *inProcess) timed(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cpu, _ := threadCPU()
	begin := time.Now()
	s.observe()
	proposals, err := s.suggester.Suggest(ctx, req)
	s.wall = time.Since(begin)
	if end, ok := threadCPU(); ok {
		s.cpu = end - cpu
	} else {
		s.cpu = s.wall
	}
	return proposals, err
}

func (s *inProcess) observe() {
	if len(s.waiting) > 0 {
		s.suggester.Observe(s.waiting)
		s.waiting = s.waiting[:0]
	}
}

// create makes the next trial.
func (s *inProcess) create(p space.Point) {
	s.emit(trial.Event{Kind: trial.EventCreated, Trial: s.next, Point: p, SpaceVersion: 1})
	s.emit(trial.Event{Kind: trial.EventStarted, Trial: s.next})
	s.pending = append(s.pending, suggest.Pending{Number: s.next, Point: p})
	s.next++
}

// Tell implements Searcher.
func (s *inProcess) Tell(_ context.Context, number int64, value float64) error {
	step := int64(-1)
	if r, ok := s.last[number]; ok {
		step = r.Step
	}
	if !s.land(number) {
		return types.Errorf(types.Invalid, "trial %d is not pending", number)
	}
	f := &trial.Finish{State: types.Completed, Values: []float64{value}, Step: step, Duration: time.Second}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		f.State, f.Values = types.Infeasible, nil
	}
	s.emit(trial.Event{Kind: trial.EventFinished, Trial: number, Finish: f})
	return nil
}

// emit numbers an event. Its time is made up: it is the same in every run.
func (s *inProcess) emit(e trial.Event) {
	e.Seq, e.Time = s.seq, time.Unix(1_700_000_000+s.seq, 0).UTC()
	s.seq++
	s.waiting = append(s.waiting, e)
}

// Recommend implements Searcher: the algorithms leave that to the observations.
func (s *inProcess) Recommend(context.Context) (int64, bool, error) { return 0, false, nil }

// LastAsk implements Coster.
func (s *inProcess) LastAsk() (seconds, cpu float64) { return s.wall.Seconds(), s.cpu.Seconds() }

// Preload implements Preloader.
func (s *inProcess) Preload(ctx context.Context, points []space.Point, values []float64) error {
	for i, p := range points {
		number := s.next
		s.create(p)
		if err := s.Tell(ctx, number, values[i]); err != nil {
			return err
		}
	}
	s.observe()
	return nil
}

// Close implements Searcher.
func (s *inProcess) Close() error { return nil }
