package problems

import (
	"math"
	"math/rand/v2"

	"github.com/gotuner/tuner/suggest/space"
)

const (
	learningSteps  = 50
	learningParams = 4
	// divergesFrom is the rate from which a training diverges, after
	// divergesAfter steps.
	divergesFrom, divergesAfter = 0.95, 5
)

// learning is a made-up training with a learning curve: a rate in the unit
// interval and three further numbers. The final loss is a quadratic function with
// its minimum at a drawn point; before it the loss falls from the start by a power
// of the step, the slower the smaller the rate, so that curves cross: of two
// trainings the one that wins in the end may be behind for long.
type learning struct {
	target, weight [learningParams]float64
}

var (
	_ objective = (*learning)(nil)
	_ curved    = (*learning)(nil)
)

func (f *learning) value(p space.Point) float64 { return f.at(p, learningSteps) }

func (f *learning) steps() int { return learningSteps }

func (f *learning) curve(dst []float64, p space.Point) {
	for i := range dst {
		dst[i] = f.at(p, i+1)
	}
}

func (f *learning) at(p space.Point, step int) float64 {
	final, rate := 0.1, p[0].(float64)
	for i, w := range f.weight {
		d := p[i].(float64) - f.target[i]
		final += w * d * d
	}
	if rate >= divergesFrom && step > divergesAfter {
		return math.NaN()
	}
	const start = 5 // what an untrained model is worse
	power := 0.3 + rate
	return final + start*(math.Pow(float64(step), -power)-math.Pow(learningSteps, -power))
}

func learningProblem() *Problem {
	const name = "learning"
	return &Problem{
		Name: name, Group: "curves", Doc: "a made-up training of 50 steps whose learning curves cross", Instances: numbered(), Curves: true,
		open: func(instance int) (*Instance, error) {
			names := [learningParams]string{"rate", "width", "dropout", "decay"}
			params := make([]space.Parameter, learningParams)
			for i, n := range names {
				params[i] = floatParam(n, 0, 1, space.Linear)
			}
			s, err := space.New(params, nil)
			if err != nil {
				return nil, err
			}
			f, best := learningInstance(stream(name, instance))
			return &Instance{space: s, f: f, optimum: f.value(best), exact: true, best: best}, nil
		},
	}
}

func learningInstance(r *rand.Rand) (*learning, space.Point) {
	f, best := &learning{}, make(space.Point, learningParams)
	for i := range f.target {
		f.target[i] = offCentre(r)
		if i == 0 {
			f.target[i] *= divergesFrom - 0.05 // the best rate converges
		}
		f.weight[i] = 0.5 + 2*r.Float64()
		best[i] = f.target[i]
	}
	return f, best
}
