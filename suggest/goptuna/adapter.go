package goptuna

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

const (
	// attempts is how often a sampler is asked for the point of one trial, until
	// one is allowed.
	attempts = 32
	// randomArm marks the points that come from tuner's own random draws.
	randomArm = "random"
	// randomStream names their randomness.
	randomStream = "goptuna/" + randomArm
)

// adapter is what the samplers have in common.
type adapter struct {
	name   string
	seed   int64
	ledger *suggest.Ledger
	// domains are those of the current space.
	domains []*domain
}

func newAdapter(name string, cfg suggest.Config) adapter {
	return adapter{name: name, seed: cfg.Seed, ledger: suggest.NewLedger(cfg), domains: newDomains(cfg.Space)}
}

// observe takes an event; true if it changed the space.
func (a *adapter) observe(e trial.Event) bool {
	a.ledger.Observe(e)
	if e.Kind != trial.EventSpace {
		return false
	}
	a.domains = newDomains(e.Space)
	return true
}

// draw makes a point from the internal numbers of a sampler. It may ignore
// conditions, constraints and what was tried before.
type draw func(r *rand.Rand) (p space.Point, arm string, err error)

func (a *adapter) suggest(ctx context.Context, req suggest.Request, d draw) ([]suggest.Proposal, error) {
	ask := a.ledger.Ask(req.Pending)
	var out []suggest.Proposal
	for _, n := range req.Numbers {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		p, err := a.propose(ctx, ask, n, d)
		if err != nil {
			return out, err
		}
		ask.Take(n, p.Point)
		out = append(out, p)
	}
	return out, nil
}

// propose draws until a point is allowed: goptuna knows neither constraints nor
// tried points. After that many attempts, or when goptuna fails, the point is
// random.
func (a *adapter) propose(ctx context.Context, ask *suggest.Ask, number int64, d draw) (suggest.Proposal, error) {
	s, r := a.ledger.Space(), a.stream(number)
	var explain json.RawMessage
	for range attempts {
		if err := ctx.Err(); err != nil {
			return suggest.Proposal{}, err
		}
		var p space.Point
		var arm string
		err := recovered(func() (err error) {
			p, arm, err = d(r)
			return err
		})
		if err != nil {
			if b, e := json.Marshal(map[string]string{"goptuna": err.Error()}); e == nil {
				explain = b
			}
			break
		}
		s.Repair(p)
		if s.Validate(p) == nil && !ask.Taken(p) {
			return suggest.Proposal{Point: p, Arm: arm}, nil
		}
	}
	p, err := ask.Fresh(ctx, suggest.Stream(a.seed, randomStream, number))
	return suggest.Proposal{Point: p, Arm: randomArm, Explain: explain}, err
}

// stream is the randomness of a trial.
func (a *adapter) stream(number int64) *rand.Rand { return suggest.Stream(a.seed, a.name, number) }

// point makes a point of internal numbers by domain. What has one value only is
// left to Repair.
func (a *adapter) point(x []float64) space.Point {
	p := make(space.Point, a.ledger.Space().Len())
	for j, d := range a.domains {
		p[d.index] = d.value(x[j])
	}
	return p
}

// internals are the internal numbers of a point of the current space by domain;
// active tells which it has.
func (a *adapter) internals(p space.Point) (x []float64, active []bool) {
	x, active = make([]float64, len(a.domains)), make([]bool, len(a.domains))
	for j, d := range a.domains {
		if v := p[d.index]; v != nil {
			x[j], active[j] = d.internal(v), true
		}
	}
	return x, active
}

// recovered calls f and makes an error of a panic: goptuna panics on data that
// it does not expect.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f()
}
