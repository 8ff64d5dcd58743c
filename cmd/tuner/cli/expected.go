package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// An expectation is taken from the nearest half of the trials, but from as many
// as these: fewer say nothing, and more lie far away.
const (
	fewNeighbours  = 3
	mostNeighbours = 5
)

// expectation is what the trials around a point had shown when it was chosen. It
// is no prediction of the algorithm, which may have reasons to expect something
// else.
type expectation struct {
	Metric string `json:"metric"`
	// Value is the mean of the objective over Nearest, Low and High its ends.
	Value types.Float `json:"value"`
	Low   types.Float `json:"low"`
	High  types.Float `json:"high"`
	// Nearest are the trials nearest to the point, the nearest first.
	Nearest []neighbour `json:"nearest"`
}

// neighbour is a trial near another one. Distance is the root of the mean square
// over the parameters: a number counts by its place in its range, on its scale;
// another choice, or a parameter that only one of them has, is 1.
type neighbour struct {
	Number   int64       `json:"number"`
	Value    types.Float `json:"value"`
	Distance types.Float `json:"distance"`
}

// errEnough ends a reading of trials.
var errEnough = errors.New("enough")

// expect looks for the completed trials nearest to t among those that were
// finished when t was made; nil if they are too few. sp is the space of t.
func expect(ctx context.Context, db reader, study trial.Study, sp *space.Space, t *types.Trial) (*expectation, error) {
	at, err := positionOf(sp, t.Params)
	if err != nil {
		return nil, types.Errorf(types.Internal, "the stored point of trial %d: %w", t.Number, err)
	}
	metric := study.Spec.Objectives[0].Metric
	var near []neighbour
	known := 0
	err = store.EachTrial(ctx, db, study.ID, store.TrialFilter{States: []types.State{types.Completed}}, func(o *trial.Trial) error {
		if o.Number >= t.Number {
			return errEnough
		}
		v, ok := o.Metrics[metric]
		if !ok || o.Finished.After(t.Created) {
			return nil
		}
		other, err := positionOf(sp, o.Params)
		if err != nil {
			return nil //nolint:nilerr // a point of an earlier space that this one has not
		}
		known++
		n := neighbour{o.Number, types.Float(v), types.Float(at.distance(other))}
		i, _ := slices.BinarySearchFunc(near, n, func(a, b neighbour) int { return cmp.Compare(a.Distance, b.Distance) })
		near = slices.Insert(near, i, n)
		near = near[:min(len(near), mostNeighbours)]
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) || len(near) < fewNeighbours {
		return nil, noneIfEnough(err)
	}
	near = near[:min(max(known/2, fewNeighbours), len(near))]
	e := &expectation{Metric: metric, Low: near[0].Value, High: near[0].Value, Nearest: near}
	for _, n := range near {
		e.Value += n.Value / types.Float(len(near)) // each share, so that the sum cannot overflow
		e.Low, e.High = min(e.Low, n.Value), max(e.High, n.Value)
	}
	return e, nil
}

func noneIfEnough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// position is where a point lies in its space.
type position struct {
	sp     *space.Space
	point  space.Point
	x      []float64
	active []bool
}

func positionOf(sp *space.Space, params types.Params) (position, error) {
	p, err := sp.FromParams(params)
	if err != nil {
		return position{}, err
	}
	at := position{sp: sp, point: p, x: make([]float64, sp.Len()), active: make([]bool, sp.Len())}
	sp.Encode(p, at.x, at.active)
	return at, nil
}

func (a *position) distance(b position) float64 {
	sum := 0.0
	for i := range a.x {
		d := a.x[i] - b.x[i]
		k := a.sp.Param(i).Kind
		switch {
		case a.active[i] != b.active[i]:
			d = 1
		case !a.active[i]:
			d = 0
		case (k == space.Categorical || k == space.Bool) && a.point[i] != b.point[i]:
			d = 1
		}
		sum += d * d
	}
	return math.Sqrt(sum / float64(max(len(a.x), 1)))
}

// facts puts the expectation in words.
func (e *expectation) facts() []fact {
	parts := make([]string, len(e.Nearest))
	for i, n := range e.Nearest {
		parts[i] = strconv.FormatInt(n.Number, 10) + " (" + formatFloat(float64(n.Value)) + ")"
	}
	return []fact{
		{expectedWords, fmt.Sprintf("%s about %s, the mean of the %d nearest trials before it (%s to %s)",
			e.Metric, formatFloat(float64(e.Value)), len(parts), formatFloat(float64(e.Low)), formatFloat(float64(e.High)))},
		{"nearest trials", strings.Join(parts, ", ")},
	}
}
