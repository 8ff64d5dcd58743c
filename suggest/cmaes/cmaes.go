package cmaes

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/random"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Name is the algorithm's name, and that of its streams of randomness.
const Name = "cmaes"

const (
	// tries is how many draws a trial may take for a point that is allowed.
	tries = 100
	// maxPopulation bounds what restarts double.
	maxPopulation = 1 << 16
	// modelArm is the arm of points that a model proposes.
	modelArm = Name + "-model"
	// fallbackStream names the randomness of the points of last resort.
	fallbackStream = Name + "/random"
)

// Algorithm describes CMA-ES.
func Algorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name: Name,
		Doc: "Covariance matrix adaptation: a cloud of points that moves, grows, shrinks and turns towards the good ones; " +
			"for hundreds to many thousands of cheap trials, mostly of numbers.",
		Version: 3,
		Settings: []trial.Setting{
			{Name: "population", Type: trial.IntSetting, Min: new(float64(4)), Max: new(float64(maxPopulation)),
				Doc: "Trials of a generation; auto is 4 + 3 ln(parameters), rounded down."},
			{Name: "sigma", Type: trial.FloatSetting, Default: 0.17, Min: new(1e-6), Max: new(float64(1)),
				Doc: "First deviation, as a share of each parameter's range on its scale."},
			{Name: "restarts", Type: trial.StringSetting, Default: "bipop", Choices: []string{"bipop", "ipop", "none"},
				Doc: "What follows when a search has converged: bipop starts large and small ones in turn, ipop ever larger ones."},
			{Name: "lr_adapt", Type: trial.BoolSetting, Default: false,
				Doc: "Adapts the learning rates to the noise: slower, and safer where results are noisy or have many local optima."},
			{Name: "warm_start", Type: trial.BoolSetting, Default: true,
				Doc: "Starts where the best tenth of the trials lies that the study already has, if 20 or more completed."},
			{Name: "model", Type: trial.BoolSetting, Default: true,
				Doc: "Tries the minimum of a quadratic model of recent trials once in a generation, while that is good; in spaces of continuous parameters only."},
			{Name: "tolx", Type: trial.FloatSetting, Default: 1e-12, Min: new(float64(0)), Max: new(float64(1)),
				Doc: "A search has converged when its deviations are below this share of the first ones."},
			{Name: "tolfun", Type: trial.FloatSetting, Default: 1e-9, Min: new(float64(0)),
				Doc: "A search has converged when the objective of recent generations differs by no more than this."},
		},
		New: func(cfg suggest.Config) (suggest.Suggester, error) { return New(cfg), nil },
	}
}

type settings struct {
	population         int // 0 auto
	sigma              float64
	restarts           string
	lrAdapt, warmStart bool
	model              bool
	tolX, tolFun       float64
}

// CMAES is the suggester.
type CMAES struct {
	settings
	seed   int64
	goal   types.Goal
	ledger *suggest.Ledger
	layout *layout

	run     *run
	policy  policy
	models  surrogate
	started bool // a trial of run 0 was drawn
	warmed  int  // results at the head of run 0's pool that its distribution is made of

	open map[int64]*sample // of unfinished trials
	past []finished        // kept for a new version of the space

	// drafts are the draws of recent proposals, by trial: a memory of what
	// Observe would compute again. It is dropped when the distribution changes.
	drafts map[int64]draft
	y      []float64 // scratch
}

type finished struct {
	number int64
	known  suggest.Known
	rank   suggest.Rank
}

type draft struct {
	point  space.Point
	sample *sample
}

var _ suggest.Suggester = (*CMAES)(nil)

// New returns a CMAES for the first objective of cfg, whose settings are
// complete.
func New(cfg suggest.Config) *CMAES {
	c := cfg.Settings
	s := &CMAES{
		settings: settings{
			sigma: c.Float("sigma"), restarts: c.String("restarts"), lrAdapt: c.Bool("lr_adapt"),
			warmStart: c.Bool("warm_start"), model: c.Bool("model"), tolX: c.Float("tolx"), tolFun: c.Float("tolfun"),
		},
		seed: cfg.Seed, goal: cfg.Objectives[0].Goal, ledger: suggest.NewLedger(cfg),
	}
	if !c.Auto("population") {
		s.population = int(c.Int("population"))
	}
	s.setSpace(cfg.Space)
	return s
}

// setSpace begins anew in a space: all trials so far are foreign there.
func (s *CMAES) setSpace(sp *space.Space) {
	s.layout = newLayout(sp)
	n := len(s.layout.numbers)
	s.y = make([]float64, n)
	s.open = map[int64]*sample{}
	s.models = newSurrogate(s.layout, s.model)
	s.begin()
	for _, f := range s.past {
		if p, ok := f.known.In(sp); ok {
			x := result{f.number, s.foreign(p), f.rank}
			s.run.pool = append(s.run.pool, x)
			s.models.learn(x)
		}
	}
	s.warm()
}

// Observe implements suggest.Suggester.
func (s *CMAES) Observe(events []trial.Event) {
	for _, e := range events {
		switch e.Kind {
		case trial.EventCreated:
			s.open[e.Trial] = s.sampleOf(e.Trial, e.Point)
			s.ledger.Observe(e)
		case trial.EventDrawn:
			// A point that is not the one proposed counts as one from elsewhere.
			if k, ok := s.ledger.Open(e.Trial); e.Point != nil && (!ok || k.From != s.layout.space || !slices.Equal(k.Point, e.Point)) {
				delete(s.open, e.Trial)
			}
			s.ledger.Observe(e)
		case trial.EventFinished:
			s.finish(e)
			s.ledger.Observe(e)
		case trial.EventSpace:
			s.ledger.Observe(e)
			s.setSpace(e.Space)
		case trial.EventStarted, trial.EventReported, trial.EventRequeued, trial.EventPaused, trial.EventStudy:
		}
	}
}

// sampleOf is what the new trial is in coordinates: the draw of its number that
// gives its point, if the current distribution gives it, else a foreign one.
func (s *CMAES) sampleOf(number int64, p space.Point) *sample {
	if x := s.models.take(p); x != nil {
		delete(s.drafts, number)
		return x
	}
	d, ok := s.drafts[number]
	if ok {
		delete(s.drafts, number)
	}
	if !ok || !slices.Equal(d.point, p) {
		d = s.redraw(number, p)
	}
	if d.sample.origin != foreign && !s.started {
		s.start()
	}
	return d.sample
}

// redraw repeats the draws of trial number until one gives p, or one would have
// been proposed instead.
func (s *CMAES) redraw(number int64, p space.Point) draft {
	crowded := false
	r := suggest.Stream(s.seed, Name, number)
	for range tries {
		d := s.draw(r)
		if slices.Equal(d.point, p) {
			return d
		}
		if s.layout.space.Feasible(d.point) {
			if !s.ledger.Tried(d.point) {
				return draft{p, s.foreign(p)}
			}
			crowded = true
		}
	}
	return draft{p, s.fallback(p, crowded)}
}

// draw draws from the distribution.
func (s *CMAES) draw(r *rand.Rand) draft {
	g := s.run.gauss
	x := &sample{run: s.run.index, generation: s.run.generation,
		v: make([]float64, g.n), c: make([]int, len(s.layout.choices))}
	g.sample(r, s.y)
	for i, y := range s.y {
		x.v[i] = g.mean[i] + g.sigma*g.margin[i]*y
	}
	s.run.cats.sample(r, x.c)
	return draft{s.layout.decode(x.v, x.c), x}
}

// foreign is a sample of a point that came from elsewhere.
func (s *CMAES) foreign(p space.Point) *sample {
	x := &sample{origin: foreign, v: make([]float64, len(s.layout.numbers)), c: make([]int, len(s.layout.choices))}
	s.layout.encode(p, x.v, x.c)
	return x
}

// fallback is that of a point of last resort: it counts for its generation.
func (s *CMAES) fallback(p space.Point, crowded bool) *sample {
	x := s.foreign(p)
	x.origin, x.run, x.generation, x.crowded = fallback, s.run.index, s.run.generation, crowded
	return x
}

func (s *CMAES) finish(e trial.Event) {
	x, ok := s.open[e.Trial]
	delete(s.open, e.Trial)
	known, isOpen := s.ledger.Open(e.Trial)
	if !isOpen {
		return // created in a version of the space that is not known here
	}
	rank, counts := suggest.RankOf(e.Finish, s.goal)
	if !counts {
		return
	}
	s.past = append(s.past, finished{e.Trial, known, rank})
	if !ok { // created in an earlier version of the space
		p, valid := known.In(s.layout.space)
		if !valid {
			return
		}
		x = s.foreign(p)
	}
	s.learn(result{e.Trial, x, rank})
}

// learn gives a result to the run, and follows up if that closes a generation.
func (s *CMAES) learn(x result) {
	r := s.run
	s.models.learn(x)
	flat, crowded := s.flat(x), 2*r.crowded >= r.fresh && r.crowded > 0
	if !r.add(x, s.layout, s.models.judge) {
		s.warm()
		return
	}
	s.drafts = nil
	if r.gauss.broken || s.restarts != "none" && r.done(s.layout, s.tolX, s.tolFun, crowded, flat, s.models.converged(s.tolFun)) {
		s.restart()
		return
	}
	s.models.propose(r, s.layout)
}

// flat reports whether the values of the pool and x are within tolFun. A result
// without a value is not.
func (s *CMAES) flat(x result) bool {
	if !s.run.closing(x.sample) {
		return false // only asked when a generation closes
	}
	low, high := x.rank.A, x.rank.A
	if x.rank.Class != suggest.RankCompleted {
		return false
	}
	for _, y := range s.run.pool {
		if y.rank.Class != suggest.RankCompleted {
			return false
		}
		low, high = min(low, y.rank.A), max(high, y.rank.A)
	}
	return high-low <= s.tolFun
}

// Suggest implements suggest.Suggester.
func (s *CMAES) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	ask := s.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := s.propose(ctx, ask, n)
		if err != nil {
			return out, err
		}
		ask.Take(n, p.Point)
		out = append(out, p)
	}
	return out, nil
}

// propose takes the model's point, if there is one that no trial has yet, else the
// first draw, that is allowed.
func (s *CMAES) propose(ctx context.Context, ask *suggest.Ask, number int64) (suggest.Proposal, error) {
	if d := s.models.proposal; d != nil && s.layout.space.Feasible(d.point) && !ask.Taken(d.point) &&
		!slices.ContainsFunc(ask.Pending(), func(p suggest.Pending) bool { return slices.Equal(p.Point, d.point) }) {
		return suggest.Proposal{Point: d.point, Arm: modelArm, Explain: s.explain()}, nil
	}
	r := suggest.Stream(s.seed, Name, number)
	for range tries {
		d := s.draw(r)
		if s.layout.space.Feasible(d.point) && !ask.Taken(d.point) {
			s.keep(number, d)
			return suggest.Proposal{Point: d.point, Arm: Name, Explain: s.explain()}, nil
		}
	}
	p, err := ask.Fresh(ctx, suggest.Stream(s.seed, fallbackStream, number))
	return suggest.Proposal{Point: p, Arm: random.Name}, err
}

// keep remembers a draw; requests that create nothing must not fill the memory.
func (s *CMAES) keep(number int64, d draft) {
	const most = 1024
	if s.drafts == nil || len(s.drafts) >= most {
		s.drafts = map[int64]draft{}
	}
	s.drafts[number] = draft{slices.Clone(d.point), d.sample}
}

// explain is {"run":0,"generation":12,"population":8,"sigma":0.0312}.
func (s *CMAES) explain() []byte {
	b := append(make([]byte, 0, 80), `{"run":`...)
	b = strconv.AppendInt(b, int64(s.run.index), 10)
	b = append(b, `,"generation":`...)
	b = strconv.AppendInt(b, int64(s.run.generation), 10)
	b = append(b, `,"population":`...)
	b = strconv.AppendInt(b, int64(s.run.population), 10)
	b = append(b, `,"sigma":`...)
	return append(strconv.AppendFloat(b, s.run.gauss.sigma, 'g', 4, 64), '}')
}

// compareResults orders results from good to bad. Of equal ones a model's is the
// last: it is the first trial of its generation, and the cloud would follow it
// over every plateau.
func compareResults(a, b result) int {
	model := func(x result) int {
		if x.sample.origin == modelled {
			return 1
		}
		return 0
	}
	return cmp.Or(a.rank.Compare(b.rank), cmp.Compare(model(a), model(b)), cmp.Compare(a.number, b.number))
}
