package suggest

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Ledger is what every algorithm keeps of the events: the current space, the
// unfinished trials, and which points were tried, so that none is repeated. It
// is used by one goroutine at a time.
//
// Points with an active continuous parameter inside its range are not remembered,
// unless by NewFullLedger: two draws are the same with a probability of about
// 2^-52. At the ends of a range they are, for many algorithms clamp what lies
// beyond.
type Ledger struct {
	space   *space.Space
	repeats bool // points may be repeated
	all     bool // points with continuous parameters are remembered too

	open  map[int64]Known // created, not finished
	tried map[string]int  // how often, by key, in the current space
	kept  []kept          // the points of tried, and those of other versions
	// masks are the sets of parameters that tried points of an open space lack: a
	// program that was given the same values asks for the same parameters again.
	masks [][]bool

	continuous []bool // by parameter
	size       int64  // of the space; 0 if infinite
	left       []leftover
	listed     bool // left is valid: all points that were free when it was made
}

// Known is a point with the space version that it was made in, so that a later
// version translates it from there, as a replay would.
type Known struct {
	From  *space.Space
	Point space.Point
}

// In is the point in space s; ok is false if it is not valid there.
func (k Known) In(s *space.Space) (p space.Point, ok bool) {
	if k.From == s {
		return k.Point, true
	}
	return s.Translate(k.From, k.Point)
}

type leftover struct {
	key   string
	point space.Point
}

// NewLedger returns a Ledger of the study's first space version.
func NewLedger(cfg Config) *Ledger {
	l := &Ledger{repeats: cfg.Repeats(), open: map[int64]Known{}, tried: map[string]int{}}
	l.setSpace(cfg.Space)
	return l
}

// NewFullLedger returns a Ledger that remembers every point, those with
// continuous parameters too, and allows no repeats whatever the study says.
func NewFullLedger(cfg Config) *Ledger {
	cfg.Deterministic = "yes"
	l := NewLedger(cfg)
	l.all = true
	return l
}

// Space is the current space.
func (l *Ledger) Space() *space.Space { return l.space }

// Observe takes the next event, of any kind.
func (l *Ledger) Observe(e trial.Event) {
	switch e.Kind {
	case trial.EventCreated:
		k := Known{l.space, e.Point}
		l.open[e.Trial] = k
		l.remember(kept{e.Trial, k})
	case trial.EventDrawn:
		if k, ok := l.open[e.Trial]; ok && e.Point != nil && (k.From != l.space || !slices.Equal(k.Point, e.Point)) {
			l.forget(e.Trial)
			l.open[e.Trial] = Known{l.space, e.Point}
			l.remember(kept{e.Trial, l.open[e.Trial]})
		}
	case trial.EventFinished:
		if l.space.Open() && e.Finish != nil {
			l.abandon(e.Trial, e.Finish.State)
		}
		l.close(e.Trial)
	case trial.EventSpace:
		all := l.kept
		l.kept, l.tried, l.masks = nil, map[string]int{}, nil
		l.setSpace(e.Space)
		for _, k := range all {
			l.remember(k)
		}
	case trial.EventStarted, trial.EventReported, trial.EventRequeued, trial.EventPaused, trial.EventStudy:
	}
}

// close is for a trial that is over: what its point lacks, it did not ask for.
func (l *Ledger) close(number int64) {
	k, ok := l.open[number]
	delete(l.open, number)
	if !ok {
		return
	}
	if p, ok := k.In(l.space); ok && l.countable(p) && l.tried[l.space.Key(p)] > 0 {
		l.mask(p)
	}
}

// Open is the point of an unfinished trial; ok is false if there is none.
func (l *Ledger) Open(number int64) (k Known, ok bool) {
	k, ok = l.open[number]
	return k, ok
}

func (l *Ledger) setSpace(s *space.Space) {
	l.space = s
	l.continuous = make([]bool, s.Len())
	for i := range l.continuous {
		l.continuous[i] = s.Param(i).Continuous()
	}
	l.size = 0
	if n, finite := s.Size(); finite {
		l.size = n
	}
	l.left, l.listed = nil, false
}

// kept is the point of a trial that is remembered.
type kept struct {
	number int64
	Known
}

func (l *Ledger) remember(k kept) {
	if l.repeats {
		return
	}
	p, ok := k.In(l.space)
	if ok && !l.countable(p) && !l.space.Open() { // there, a later draw may make it countable
		return
	}
	l.kept = append(l.kept, k)
	if ok && l.countable(p) {
		l.tried[l.space.Key(p)]++
		if _, open := l.open[k.number]; !open { // it may ask for more
			l.mask(p)
		}
	}
}

// forget is for a point that is not its trial's any more.
func (l *Ledger) forget(number int64) {
	for i, k := range slices.Backward(l.kept) {
		if k.number != number {
			continue
		}
		l.kept = slices.Delete(l.kept, i, i+1)
		if p, ok := k.In(l.space); ok && l.countable(p) {
			key := l.space.Key(p)
			if l.tried[key]--; l.tried[key] == 0 {
				delete(l.tried, key)
			}
		}
		l.left, l.listed = nil, false // it may be free again
		return
	}
}

// abandon forgets the point of a trial if what it lacks says nothing: its
// program failed or was cancelled before it could ask for the rest, or asked for
// nothing at all.
func (l *Ledger) abandon(number int64, as types.State) {
	k, ok := l.open[number]
	if !ok {
		return
	}
	p, ok := k.In(l.space)
	if !ok {
		return
	}
	lacks, has := !l.space.Dynamic(), false // nothing is known yet that it could have asked for
	for i := range p {
		has = has || p[i] != nil
		lacks = lacks || p[i] == nil && l.space.Param(i).Dynamic
	}
	if !has || lacks && (as == types.Failed || as == types.Cancelled) {
		l.forget(number)
	}
}

// mask notes which dynamic parameters the tried point p lacks.
func (l *Ledger) mask(p space.Point) {
	if !l.space.Dynamic() {
		return
	}
	var m []bool
	for i := range p {
		if p[i] == nil && l.space.Param(i).Dynamic {
			if m == nil {
				m = make([]bool, len(p))
			}
			m[i] = true
		}
	}
	if m == nil || slices.ContainsFunc(l.masks, func(o []bool) bool { return slices.Equal(o, m) }) {
		return
	}
	l.masks = append(l.masks, m)
}

// answered reports whether a trial had the values of p and did not ask for the
// rest of them.
func (l *Ledger) answered(p space.Point) bool {
	for _, m := range l.masks {
		q := slices.Clone(p)
		for i, lacks := range m {
			if lacks {
				q[i] = nil
			}
		}
		if l.countable(q) && l.tried[l.space.Key(q)] > 0 {
			return true
		}
	}
	return false
}

// countable reports whether p is to be remembered.
func (l *Ledger) countable(p space.Point) bool {
	if l.all {
		return true
	}
	for i, v := range p {
		if v != nil && l.continuous[i] && v != l.space.Param(i).Low && v != l.space.Param(i).High {
			return false
		}
	}
	return true
}

// Tried reports whether p, a point of the current space, is known to be the
// point of a trial, finished or not.
func (l *Ledger) Tried(p space.Point) bool {
	return l.countable(p) && l.tried[l.space.Key(p)] > 0 || l.answered(p)
}

// Ask prepares to answer a request: the pending points count as tried as long
// as it lasts. One Ask at a time.
func (l *Ledger) Ask(pending []Pending) *Ask {
	a := &Ask{ledger: l, taken: map[string]bool{}}
	for _, q := range pending {
		p := q.Point
		if k, known := l.open[q.Number]; known {
			var ok bool
			if p, ok = k.In(l.space); !ok {
				continue // it has no place in this version of the space
			}
		} else if len(p) != l.space.Len() || l.space.Validate(p) != nil {
			continue // the same, of a trial that no event has told of
		}
		a.Take(q.Number, p)
	}
	return a
}

// Ask is the time of one call of Suggest.
type Ask struct {
	ledger  *Ledger
	taken   map[string]bool
	pending []Pending
}

// Space is the current space.
func (a *Ask) Space() *space.Space { return a.ledger.space }

// Repeats reports whether points may be proposed again.
func (a *Ask) Repeats() bool { return a.ledger.repeats }

// Pending are the trials without a result, in the current space: those of the
// request and then those taken since.
func (a *Ask) Pending() []Pending { return a.pending }

// Take makes p, the point of trial number, count as pending.
func (a *Ask) Take(number int64, p space.Point) {
	a.pending = append(a.pending, Pending{Number: number, Point: p})
	if !a.ledger.repeats && a.ledger.countable(p) {
		a.taken[a.ledger.space.Key(p)] = true
	}
}

// Taken reports whether p is finished or pending and must not be proposed
// again; never in a study that may repeat points.
func (a *Ask) Taken(p space.Point) bool {
	if a.ledger.repeats {
		return false
	}
	if !a.ledger.countable(p) {
		return a.ledger.answered(p)
	}
	key := a.ledger.space.Key(p)
	return a.taken[key] || a.ledger.tried[key] > 0 || a.ledger.answered(p)
}

const (
	// freshTries is how many draws may hit points that were tried before. 256
	// draws miss a tenth of the space only once in 5e11 times.
	freshTries = 256
	// listTries is the same where the free points can be listed instead.
	listTries = 32
	// listLimit is the greatest space that is searched through for free points;
	// it takes some tenths of a second.
	listLimit = 1 << 20
)

// Fresh draws a feasible point that is not Taken: from the priors by rejection,
// and when nearly all is tried uniformly from a list of what is left. The error
// is of code types.Exhausted if nothing is left, or that of
// space.Space.SampleFeasible.
func (a *Ask) Fresh(ctx context.Context, r *rand.Rand) (space.Point, error) {
	l, tries := a.ledger, freshTries
	if l.listable() {
		tries = listTries
	}
	for range tries {
		p, err := l.space.SampleFeasible(r)
		if err != nil { // a rare point may still be found by listing all
			if q, listErr := a.pick(ctx, r); listErr == nil || a.anyTaken() && l.listed {
				return q, listErr
			}
			return nil, err
		}
		if !a.Taken(p) {
			return p, nil
		}
	}
	return a.pick(ctx, r)
}

func (l *Ledger) listable() bool { return l.size > 0 && l.size <= listLimit }

func (a *Ask) anyTaken() bool { return len(a.ledger.tried)+len(a.taken) > 0 }

// pick draws uniformly from the free points of a small enough space.
func (a *Ask) pick(ctx context.Context, r *rand.Rand) (space.Point, error) {
	l := a.ledger
	if !l.listable() {
		return nil, types.Errorf(types.Exhausted, "%d random points in a row were tried before", freshTries).
			WithRemedy("widen the space, loosen its constraints, or declare the study not deterministic to repeat points")
	}
	if err := l.list(ctx); err != nil {
		return nil, err
	}
	free := 0
	for _, x := range l.left {
		if !a.taken[x.key] {
			free++
		}
	}
	if free == 0 {
		return nil, Exhausted("every feasible point of the space was tried")
	}
	n := r.IntN(free)
	for _, x := range l.left {
		if a.taken[x.key] {
			continue
		}
		if n == 0 {
			return slices.Clone(x.point), nil
		}
		n--
	}
	panic("suggest: fewer free points than counted")
}

// list makes or shortens the list of the feasible points that no event has
// created. Its content is the same whenever it was made first.
func (l *Ledger) list(ctx context.Context) error {
	if l.listed {
		l.left = slices.DeleteFunc(l.left, func(x leftover) bool { return l.Tried(x.point) })
		return nil
	}
	full, err := withoutGrids(l.space)
	if err != nil {
		return err
	}
	l.left = nil
	for p := range full.Enumerate(1) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !l.Tried(p) {
			l.left = append(l.left, leftover{l.space.Key(p), p})
		}
	}
	l.listed = true
	return nil
}

// withoutGrids is s without the parameters' own numbers of grid points, which
// would keep Enumerate from yielding every value.
func withoutGrids(s *space.Space) (*space.Space, error) {
	params := make([]space.Parameter, s.Len())
	for i := range params {
		params[i] = *s.Param(i)
		params[i].Grid, params[i].Dynamic = 0, false
	}
	return space.New(params, s.Constraints())
}

// Exhausted is the error of a Suggester that has no further point.
func Exhausted(why string) error {
	return types.Errorf(types.Exhausted, "%s", why).
		WithRemedy("widen the space to go on")
}
