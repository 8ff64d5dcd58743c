package tuner

import (
	"context"

	"github.com/gotuner/tuner/api/types"
)

// Study is a handle on a study. It is safe for concurrent use.
type Study struct {
	client     *Client
	id         int64
	name       string
	objectives []Objective
}

// Name is the study's name.
func (s *Study) Name() string { return s.name }

// Info returns state, counts and settings of the study as they are now.
func (s *Study) Info(ctx context.Context) (types.Study, error) {
	return s.client.backend.Study(ctx, s.id)
}

// Best returns the best completed trial, also if the space has been narrowed since
// and it lies outside of it (Result.OutsideSpace). With several objectives it is the
// first of the Pareto front; Front has all. The error is of code
// types.NotFound before a trial completed.
func (s *Study) Best(ctx context.Context) (Result, error) {
	front, err := s.Front(ctx)
	if err != nil {
		return Result{}, err
	}
	if len(front) == 0 {
		return Result{}, types.Errorf(types.NotFound, "no trial of %s has completed", s.name)
	}
	return front[0], nil
}

// Front returns the completed trials that no other beats in every objective.
func (s *Study) Front(ctx context.Context) ([]Result, error) {
	st, err := s.client.backend.Study(ctx, s.id)
	if err != nil {
		return nil, err
	}
	out := make([]Result, 0, len(st.Best))
	for _, n := range st.Best {
		t, err := s.client.backend.Trial(ctx, s.id, n)
		if err != nil {
			return nil, err
		}
		r := Result{Number: t.Number, Params: t.Params, Metrics: map[string]float64{}, OutsideSpace: t.OutsideSpace}
		for k, v := range t.Metrics {
			r.Metrics[k] = float64(v)
		}
		r.Value = r.Metrics[s.objectives[0].Metric]
		out = append(out, r)
	}
	return out, nil
}

// Result is a completed trial.
type Result struct {
	Number int64
	// Value is the first objective's.
	Value   float64
	Params  Params
	Metrics map[string]float64
	// OutsideSpace says that Params are no point of the study's present space, which
	// was changed after the trial was made.
	OutsideSpace bool
}

// Enqueue adds points to be evaluated before the algorithm's own.
func (s *Study) Enqueue(ctx context.Context, points ...Params) error {
	_, err := s.client.backend.Control(ctx, types.ControlRequest{Study: s.id, Kind: types.Enqueue, Points: points})
	return err
}
