package tpe

import (
	"context"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

var _ suggest.Extender = (*TPE)(nil)

// Extend implements suggest.Extender: the parameter is modelled alone, from the
// trials that had it, as Optuna does with what its joint sample lacks
// (TPESampler.sample_independent). While fewer than startup of them have a
// result, it is drawn from its prior.
//
// It costs O(results): only the first trials that meet a parameter need it.
func (t *TPE) Extend(ctx context.Context, req suggest.ExtendRequest) (suggest.Extension, error) {
	if err := ctx.Err(); err != nil {
		return suggest.Extension{}, err
	}
	full := t.ledger.Space()
	alone := *full.Param(req.Param)
	alone.When, alone.Dynamic = nil, false
	s, err := space.New([]space.Parameter{alone}, nil)
	if err != nil {
		return suggest.Extension{}, err
	}
	o := newObservations(s, &t.settings)
	for _, r := range t.results {
		if p, ok := r.known.In(full); ok && p[req.Param] != nil && !r.over {
			o.add(r.number, space.Point{p[req.Param]}, r.rank)
		}
	}
	if o.scored < t.startup || len(o.dims) == 0 {
		return suggest.Draw(full, t.seed, req.Number, req.Param), nil
	}
	blur := t.blur
	if req.Number%2 != 0 {
		blur = 0
	}
	c := chooser{space: s, model: o.blurred(nil, blur), free: true}
	r := suggest.Stream(t.seed, Name+"/"+alone.Name, req.Number)
	x := c.model.best(c.model.draw(r, t.candidates))
	p, _ := c.polish(r, c.point(x), x, t.polish)
	return suggest.Extension{Value: p[0], Arm: Name}, nil
}
