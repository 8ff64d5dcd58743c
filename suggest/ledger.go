package suggest

import (
	"context"
	"maps"
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
// Only points without an active continuous parameter are remembered: two draws
// of a continuous one are the same with a probability of about 2^-52.
type Ledger struct {
	space   *space.Space
	repeats bool // points may be repeated

	open  map[int64]space.Point // created, not finished, in the current space
	tried map[string]bool        // by key
	kept  []space.Point         // the points of tried, for a new space

	continuous []bool // by parameter
	size       int64  // of the space; 0 if infinite
	left       []leftover
	listed     bool // left is valid: all points that were free when it was made
}

type leftover struct {
	key   string
	point space.Point
}

// NewLedger returns a Ledger of the study's first space version.
func NewLedger(cfg Config) *Ledger {
	l := &Ledger{repeats: cfg.Repeats(), open: map[int64]space.Point{}, tried: map[string]bool{}}
	l.setSpace(cfg.Space)
	return l
}

// Space is the current space.
func (l *Ledger) Space() *space.Space { return l.space }

// Observe takes the next event, of any kind.
func (l *Ledger) Observe(e trial.Event) {
	switch e.Kind {
	case trial.EventCreated:
		l.open[e.Trial] = e.Point
		l.remember(e.Point)
	case trial.EventFinished:
		delete(l.open, e.Trial)
	case trial.EventSpace:
		l.changeSpace(e.Space)
	case trial.EventStarted, trial.EventReported, trial.EventRequeued, trial.EventStudy:
	}
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

// changeSpace carries over what is still valid in the new version.
func (l *Ledger) changeSpace(next *space.Space) {
	old, kept, open := l.space, l.kept, l.open
	l.setSpace(next)
	l.kept, l.open, l.tried = nil, map[int64]space.Point{}, map[string]bool{}
	for _, p := range kept {
		if q, ok := next.Translate(old, p); ok {
			l.remember(q)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(open)) {
		if q, ok := next.Translate(old, open[n]); ok {
			l.open[n] = q
		}
	}
}

func (l *Ledger) remember(p space.Point) {
	if l.repeats || !l.countable(p) {
		return
	}
	key := l.space.Key(p)
	if !l.tried[key] {
		l.tried[key] = true
		l.kept = append(l.kept, p)
	}
}

// countable reports whether p has no active continuous parameter.
func (l *Ledger) countable(p space.Point) bool {
	for i, v := range p {
		if v != nil && l.continuous[i] {
			return false
		}
	}
	return true
}

// Tried reports whether p, a point of the current space, is known to be the
// point of a trial, finished or not.
func (l *Ledger) Tried(p space.Point) bool {
	return l.countable(p) && l.tried[l.space.Key(p)]
}

// Ask prepares to answer a request: the pending points count as tried as long
// as it lasts. One Ask at a time.
func (l *Ledger) Ask(pending []Pending) *Ask {
	a := &Ask{ledger: l, taken: map[string]bool{}}
	for _, q := range pending {
		p, known := l.open[q.Number]
		if !known {
			// A trial that is not created yet as far as the events tell, or one
			// whose point is not valid in this version of the space.
			if len(q.Point) != l.space.Len() || l.space.Validate(q.Point) != nil {
				continue
			}
			p = q.Point
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
	if a.ledger.repeats || !a.ledger.countable(p) {
		return false
	}
	key := a.ledger.space.Key(p)
	return a.taken[key] || a.ledger.tried[key]
}

const (
	// freshTries is how many draws may hit points that were tried before the
	// free ones are listed. 256 draws miss a tenth of the space only once in
	// 5e11 times.
	freshTries = 256
	// listLimit is the greatest space that is searched through for free points;
	// it takes some tenths of a second.
	listLimit = 1 << 20
)

// Fresh draws a feasible point that is not Taken: from the priors by rejection,
// and when nearly all is tried uniformly from a list of what is left. The error
// is of code types.Exhausted if nothing is left, or that of
// space.Space.SampleFeasible.
func (a *Ask) Fresh(ctx context.Context, r *rand.Rand) (space.Point, error) {
	l := a.ledger
	for range freshTries {
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

func (a *Ask) anyTaken() bool { return len(a.ledger.tried)+len(a.taken) > 0 }

// pick draws uniformly from the free points of a small enough space.
func (a *Ask) pick(ctx context.Context, r *rand.Rand) (space.Point, error) {
	l := a.ledger
	if l.size == 0 || l.size > listLimit {
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
		return nil, ErrExhausted("every feasible point of the space was tried")
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
		l.left = slices.DeleteFunc(l.left, func(x leftover) bool { return l.tried[x.key] })
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
		if key := l.space.Key(p); !l.tried[key] {
			l.left = append(l.left, leftover{key, p})
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
		params[i].Grid = 0
	}
	return space.New(params, s.Constraints())
}

// ErrExhausted is the error of a Suggester that has no further point.
func ErrExhausted(why string) error {
	return types.Errorf(types.Exhausted, "%s", why).
		WithRemedy("widen the space to go on")
}
