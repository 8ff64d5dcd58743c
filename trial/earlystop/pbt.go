package earlystop

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// pbtRule is population-based training: a population of trials trains side by
// side and is compared every so many steps. The worst are replaced by copies of
// the best, which go on from the saved state of those with changed values
// (exploit and explore).
//
// Source: Jaderberg, Dalibard, Osindero, Czarnecki, Donahue, Razavi, Vinyals,
// Green, Dunning, Simonyan, Fernando, Kavukcuoglu: "Population Based Training of
// Neural Networks", arXiv:1711.09846 (2017): algorithm 1, with truncation
// selection (section 4.1.1; the worst 20 % take over from a random one of the best
// 20 %) and perturb and resample (section 4.1; factors 0.8 and 1.2). See
// population for the exact rule.
//
// Deviations:
//
//   - The paper compares a member with what the others have now, however far they
//     are. Here results of the same step are compared only, and all of them, so
//     that the replaced ones do not depend on how fast whose worker is; but
//     whoever is certain to go on does not wait for the others.
//   - A trial has one point for good. So a member that takes over is another trial:
//     the one that it replaces ends as pruned, and the new one says whose state it
//     goes on from (types.Copy).
//   - A member is never replaced by one that is not better, and one that failed is
//     replaced at the next comparison.
func pbtRule() Rule {
	return Rule{
		Name: "pbt",
		Doc: "Trains a population side by side and replaces the worst by changed copies of the best, which go on " +
			"from their checkpoints: population-based training.",
		Version: 1,
		Settings: []trial.Setting{
			{Name: "population", Type: trial.IntSetting, Default: int64(10), Min: new(float64(2)), Max: new(float64(1000)),
				Doc: "Trials that train side by side."},
			{Name: "max_step", Type: trial.IntSetting, Min: new(float64(1)),
				Doc: "Highest step of a trial that runs to its end; it has to be given."},
			{Name: "interval", Type: trial.IntSetting, Min: new(float64(1)),
				Doc: "Steps between two comparisons; auto is max_step/10, at least 1."},
			{Name: "quantile", Type: trial.FloatSetting, Default: 0.2, Min: new(float64(0)), Max: new(0.5),
				Doc: "Share of the population that is replaced at a comparison, and of that which is copied; at least one."},
			{Name: "perturb", Type: trial.FloatSetting, Default: 0.2, Min: new(0.001), Max: new(0.999),
				Doc: "Share by which the values of a copy are moved up or down."},
			{Name: "resample", Type: trial.FloatSetting, Default: 0.25, Min: new(float64(0)), Max: new(float64(1)),
				Doc: "Probability with which a value of a copy is drawn anew instead."},
		},
		Copies: true,
		New:    newPBT,
	}
}

func newPBT(cfg Config) (Stopper, error) {
	if cfg.Settings.Auto("max_step") {
		return nil, types.Errorf(types.Invalid, "a population needs the length of a trial").WithField("pbt.max_step").
			WithRemedy("add max_step=N: how many epochs, or whatever your program reports by, a whole trial has")
	}
	p := &population{watch: watch{objective: cfg.Objectives[0]}, seed: cfg.Seed, size: cfg.Settings.Int("population"),
		maxStep: cfg.Settings.Int("max_step"), quantile: cfg.Settings.Float("quantile"), of: map[int64]*place{},
		how: space.Exploring{Perturb: cfg.Settings.Float("perturb"), Resample: cfg.Settings.Float("resample")}}
	p.interval = max(1, p.maxStep/10)
	if !cfg.Settings.Auto("interval") {
		p.interval = cfg.Settings.Int("interval")
	}
	return p, nil
}

// population is the rule of pbt. It has places, each of which one trial has at a
// time. The trials that are no copies get places of their own, in the order of
// their numbers; a population is full once it has size of them.
//
// The rungs are the steps interval, 2*interval, … below maxStep. A place's result
// at a rung is the value of the report with which its trial first reached it, as
// in halving; a trial is paused at each. A rung is complete once every place has
// a result there or its trial is over. Of the n places with a result at a
// complete rung, and those whose trial failed on the way there, the worst k are
// replaced, and all whose value is NaN or whose trial failed: each by a copy of
// one of the best k, drawn at random, if that is strictly better. k is the
// quantile of n, at least 1 and at most n/2, rounded down; equal values are
// ordered by place. Once the population is full, a trial goes on as soon as its rung
// is complete and it is not replaced, or k others are worse there already.
//
// A trial that was never started or was cancelled leaves the population. What
// one draws depends on the seed, the place and the rung only.
//
// Cost: an event takes O(1), a copy or a promotion O(n log n) for each rung at
// which somebody waits.
type population struct {
	watch    // for its objective only
	seed     int64
	size     int64
	maxStep  int64
	interval int64
	quantile float64
	how      space.Exploring

	places []*place
	of     map[int64]*place // by the trial that has it
	made   int64            // places so far
}

// place is a place of the population, and its trial.
type place struct {
	id      int64
	trial   int64
	attempt int   // the trial's latest; 0 before the first
	level   int64 // the rung that it trains to, or waits at
	waits   bool
	over    bool // the trial has ended
	failed  bool // without a value; the place is to be given to a copy
	lost    bool // nobody was better, so that it is not

	highest int64 // step
	results []reached
	// kept is how many of them there were at the last pause, to which a lost attempt
	// takes the trial back: no later attempt changes those.
	kept        int
	keptHighest int64
}

// reached is a result at a rung, and who has it.
type reached struct {
	value   float64
	step    int64
	trial   int64
	attempt int
}

var _ Breeder = (*population)(nil)

// rungs is how many comparisons there are.
func (p *population) rungs() int64 { return (p.maxStep - 1) / p.interval }

// Observe implements Stopper.
func (p *population) Observe(e trial.Event) {
	t := p.of[e.Trial]
	if t == nil {
		if e.Kind == trial.EventCreated {
			p.create(e)
		}
		return
	}
	switch e.Kind {
	case trial.EventStarted:
		t.attempt++
		if t.waits {
			t.waits = false
			t.level++
		}
	case trial.EventReported:
		if e.Report.Metric == p.objective.Metric {
			p.report(t, e.Report.Step, p.signed(e.Report.Value))
		}
	case trial.EventPaused:
		t.kept, t.keptHighest = len(t.results), t.highest
		t.waits = t.level < int64(len(t.results))
	case trial.EventRequeued:
		t.results, t.highest = t.results[:t.kept], t.keptHighest
	case trial.EventFinished:
		p.finish(t, e.Finish)
	case trial.EventCreated, trial.EventDrawn, trial.EventSpace, trial.EventStudy:
	}
}

// create gives a new trial a place: that of another if it is a copy.
func (p *population) create(e trial.Event) {
	if e.Copy == nil {
		t := &place{id: p.made, trial: e.Trial, highest: math.MinInt64, keptHighest: math.MinInt64}
		p.made++
		p.places = append(p.places, t)
		p.of[e.Trial] = t
		return
	}
	t := p.of[e.Copy.For]
	if t == nil {
		return
	}
	delete(p.of, t.trial)
	p.of[e.Trial] = t
	g := t.rung()
	if t.failed { // it never got there
		t.results = append(t.results, reached{value: math.NaN()})
	}
	// What it is a copy of may have passed more than one rung at that step.
	t.results = t.results[:g+1]
	for n := g + 1; n < p.rungs() && (n+1)*p.interval <= e.Copy.Step; n++ {
		t.results = append(t.results, reached{p.valueOf(e.Copy, g), e.Copy.Step, e.Copy.Of, e.Copy.Attempt})
	}
	t.level = int64(len(t.results))
	t.trial, t.attempt, t.waits, t.over, t.failed = e.Trial, 0, false, false, false
	t.highest, t.keptHighest, t.kept = e.Copy.Step, e.Copy.Step, len(t.results)
}

// rung is where the place's trial waits, or should be replaced.
func (t *place) rung() int64 {
	if t.failed {
		return int64(len(t.results))
	}
	return t.level
}

// valueOf is the result at rung g of what c is a copy of; NaN if that has left.
func (p *population) valueOf(c *types.Copy, g int64) float64 {
	for _, t := range p.places {
		if int64(len(t.results)) > g && t.results[g].trial == c.Of && t.results[g].attempt == c.Attempt {
			return t.results[g].value
		}
	}
	return math.NaN()
}

func (p *population) report(t *place, step int64, v float64) {
	if step <= t.highest {
		for i := range t.results {
			if r := &t.results[i]; r.step == step && r.trial == t.trial && r.attempt == t.attempt {
				r.value = v
			}
		}
		return
	}
	t.highest = step
	for n := int64(len(t.results)); n < p.rungs() && (n+1)*p.interval <= step; n++ {
		t.results = append(t.results, reached{v, step, t.trial, t.attempt})
	}
}

func (p *population) finish(t *place, fin *trial.Finish) {
	t.waits, t.over = false, true
	state := types.Failed
	if fin != nil {
		state = fin.State
	}
	t.failed = state == types.Failed || state == types.Infeasible
	if t.attempt == 0 && !t.failed || state == types.Cancelled || state == types.Pruned {
		p.places = slices.DeleteFunc(p.places, func(o *place) bool { return o == t })
		delete(p.of, t.trial)
	}
}

// Budget implements Budgeter: the next rung, or the end.
func (p *population) Budget(number int64) (step int64, whole bool) {
	t := p.of[number]
	if t == nil || t.level >= p.rungs() {
		return p.maxStep, true
	}
	return (t.level + 1) * p.interval, false
}

// Decide implements Stopper: like that of promoting.
func (p *population) Decide(r trial.Report) Decision {
	t := p.of[r.Trial]
	if t == nil || t.over || t.waits || r.Metric != p.objective.Metric {
		return Decision{}
	}
	return beyond(p, r, t.highest)
}

// Size implements Breeder.
func (p *population) Size() int64 { return p.size }

// Full implements Breeder.
func (p *population) Full() bool { return int64(len(p.places)) >= p.size }

// fate is what becomes of a place at a rung.
type fate struct {
	place *place
	value float64
	rank  int // from 0, the best
	// goes says that it goes on; else it waits for others, or is replaced if
	// parents are there.
	goes    bool
	parents []*fate // those that may be copied for it, best first
}

// fates are what becomes of the places at rung g, best first; complete says that
// nobody is waited for. It is asked of lower rungs first.
func (p *population) fates(g int64) (out []*fate, complete bool) {
	complete = p.Full()
	for _, t := range p.places {
		switch {
		case int64(len(t.results)) > g:
			out = append(out, &fate{place: t, value: t.results[g].value})
		case t.lost || t.failed && t.rung() == g:
			out = append(out, &fate{place: t, value: math.NaN()})
		case t.failed || !t.over:
			complete = false
		}
	}
	slices.SortStableFunc(out, func(a, b *fate) int { return order(a.value, b.value) })
	n := len(out)
	if !complete {
		n = len(p.places)
	}
	k := min(max(1, int(p.quantile*float64(n))), n/2)
	for i, f := range out {
		f.rank = i
		bad := math.IsNaN(f.value)
		f.goes = !bad && p.Full() && (len(out)-1-i >= k || complete && i < n-k)
		if f.goes || !complete {
			continue
		}
		for _, o := range out[:k] {
			if !math.IsNaN(o.value) && (bad || o.value < f.value) {
				f.parents = append(f.parents, o)
			}
		}
		f.goes = len(f.parents) == 0
		f.place.lost = f.place.lost || f.goes && f.place.failed
	}
	return out, complete
}

// order sorts the better value first, NaN last.
func order(a, b float64) int {
	if na, nb := math.IsNaN(a), math.IsNaN(b); na != nb {
		if na {
			return 1
		}
		return -1
	} else if na {
		return 0
	}
	return cmp.Compare(a, b)
}

// waiting are the rungs at which somebody waits or should be replaced, ascending.
func (p *population) waiting() []int64 {
	var out []int64
	for _, t := range p.places {
		switch {
		case t.waits, t.failed && !t.lost && t.rung() < p.rungs():
			out = append(out, t.rung())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Promote implements Promoter: whoever is least far, so that the population stays
// together.
func (p *population) Promote(last bool) int64 {
	return p.goOn(func(f *fate) bool { return f.goes || last })
}

// Spare implements Breeder.
func (p *population) Spare() int64 {
	return p.goOn(func(f *fate) bool { return f.goes || len(f.parents) > 0 })
}

func (p *population) goOn(may func(*fate) bool) int64 {
	for _, g := range p.waiting() {
		number := int64(-1)
		fates, _ := p.fates(g)
		for _, f := range fates {
			if t := f.place; t.waits && t.level == g && may(f) && (number < 0 || t.trial < number) {
				number = t.trial
			}
		}
		if number >= 0 {
			return number
		}
	}
	return -1
}

// Breed implements Breeder.
func (p *population) Breed(number int64) (c types.Copy, reason string, ok bool) {
	for _, g := range p.waiting() {
		fates, complete := p.fates(g)
		if !complete {
			continue
		}
		for _, f := range slices.Backward(fates) {
			t := f.place
			if !t.waits && !t.failed || t.rung() != g || len(f.parents) == 0 {
				continue
			}
			from := f.parents[p.stream(0, t, g).IntN(len(f.parents))]
			m := from.place.results[g]
			c = types.Copy{Of: m.trial, Attempt: m.attempt, Step: m.step, For: t.trial}
			return c, fmt.Sprintf("replaced by trial %d, a changed copy of trial %d (%s): its %s %s is number %d of %d at step %d",
				number, m.trial, p.show(from.value), p.objective.Metric, p.show(f.value), f.rank+1, len(fates), (g+1)*p.interval), true
		}
	}
	return c, "", false
}

// Explore implements Breeder.
func (p *population) Explore(sp *space.Space, point space.Point, c types.Copy) space.Point {
	t := p.of[c.For]
	if t == nil {
		return point
	}
	return sp.Explore(p.stream(1, t, t.rung()), point, p.how)
}

// stream is the randomness of a place at a rung. The generator's output is kept
// stable by the Go project.
func (p *population) stream(use uint64, t *place, g int64) *rand.Rand {
	const golden = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: seeds far apart
	return rand.New(rand.NewPCG(uint64(p.seed)+use*golden, uint64(t.id)*golden+uint64(g)))
}
