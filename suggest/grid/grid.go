// Package grid proposes every point of a grid once: all values of discrete
// parameters, and evenly spread ones (on the parameter's scale, both ends
// included) of continuous parameters. Conditional spaces are walked exactly:
// inactive parameters multiply nothing. Points that violate a constraint are
// left out.
//
// The order is that of space.Space.Enumerate, or with shuffle=true a random one
// that the seed determines. A trial gets the first point of that order that no
// trial has, whatever became of those trials: points that the user enqueued are
// not evaluated twice, and nothing depends on trial numbers. A study that is
// not deterministic visits each point once, too.
//
// # Cost
//
// The grid is never held as a whole. A window of the coming points is read by
// walking the grid from its start; since the window is at least 1/16 as long as
// the walk to it, a proposal costs O(1) steps of Enumerate on average, and the
// window is at most 1/16 as long as the list of the trials (or 1,024). A
// shuffled grid is ordered by a hash of its points; each pass over the grid
// keeps the next 1/64 of them. There is no snapshot: after a replay one walk
// finds the place again.
package grid

import (
	"context"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// Name is the algorithm's name.
const Name = "grid"

const (
	// defaultPoints is the number of grid points of a continuous parameter.
	defaultPoints = 5
	// maxShuffled bounds shuffled grids, because each pass visits every point.
	maxShuffled = 1 << 22
	// maxCounted bounds the grids with constraints whose points are counted.
	maxCounted = 1 << 20
)

// Algorithm describes grid search.
func Algorithm() suggest.Algorithm {
	return suggest.Algorithm{
		Name:           Name,
		Doc:            "Every point of a grid once, then the study ends.",
		Version:        1,
		MultiObjective: true,
		Settings: []trial.Setting{
			{Name: "points", Type: trial.IntSetting, Default: int64(defaultPoints),
				Min: new(float64(1)), Max: new(float64(1_000_000)),
				Doc: "Grid points of a continuous parameter that does not say n=K itself."},
			{Name: "shuffle", Type: trial.BoolSetting, Default: false,
				Doc: "Visits the points in a random order, so that a study that ends early has seen all regions."},
		},
		New: func(cfg suggest.Config) (suggest.Suggester, error) {
			g, err := New(cfg)
			if err != nil {
				return nil, err
			}
			return g, nil
		},
	}
}

// Grid is the suggester.
type Grid struct {
	points  int
	shuffle bool
	seed    int64
	ledger  *suggest.Ledger
	window  *window
}

var (
	_ suggest.Suggester = (*Grid)(nil)
	_ suggest.Sizer     = (*Grid)(nil)
)

// New returns a Grid, or an error of code types.Invalid if the grid is too
// large to be shuffled.
func New(cfg suggest.Config) (*Grid, error) {
	g := &Grid{
		points:  int(cfg.Settings.Int("points")),
		shuffle: cfg.Settings.Bool("shuffle"),
		seed:    cfg.Seed,
		ledger:  suggest.NewFullLedger(cfg),
	}
	g.window = g.newWindow(cfg.Space)
	if err := g.window.check(); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Grid) newWindow(s *space.Space) *window {
	w := &window{points: g.points, seed: g.seed, ledger: g.ledger, space: s}
	w.size, w.counted = s.GridSize(g.points)
	if g.shuffle {
		w.fill = w.fillShuffled
	} else {
		w.fill = w.fillInOrder
	}
	w.shuffled = g.shuffle
	return w
}

// Size implements suggest.Sizer: the number of points of the grid. With
// constraints, grids of more than a million points count as if they had none;
// finite is false beyond 2^62.
func (g *Grid) Size() (n int64, finite bool) {
	s := g.ledger.Space()
	n, finite = s.GridSize(g.points)
	if finite && n <= maxCounted && len(s.Constraints()) > 0 {
		n = 0
		for range s.Enumerate(g.points) {
			n++
		}
	}
	return n, finite
}

// Observe implements suggest.Suggester.
func (g *Grid) Observe(events []trial.Event) {
	for _, e := range events {
		g.ledger.Observe(e)
		if e.Kind == trial.EventSpace {
			g.window = g.newWindow(e.Space)
		}
	}
}

// Suggest implements suggest.Suggester.
func (g *Grid) Suggest(ctx context.Context, req suggest.Request) ([]suggest.Proposal, error) {
	if err := g.window.check(); err != nil {
		return nil, err
	}
	ask := g.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		p, err := g.window.next(ctx, ask)
		if err != nil {
			return out, err
		}
		ask.Take(n, p)
		out = append(out, suggest.Proposal{Point: p, Arm: Name})
	}
	return out, nil
}

func (w *window) check() error {
	if w.shuffled && (!w.counted || w.size > maxShuffled) {
		return types.Errorf(types.Invalid, "the grid has more than %d points, too many to shuffle", maxShuffled).
			WithField("grid.shuffle").
			WithRemedy("leave shuffle out, take fewer points, or use the algorithm random")
	}
	return nil
}
