package problems

import (
	"math"
	"math/rand/v2"

	"github.com/gotuner/tuner/suggest/space"
)

// noise is how observations differ from the truth.
type noise string

const (
	// additive is normal; its standard deviation is a twentieth of the distance
	// from the optimum to the median over the space.
	additive noise = "additive"
	// multiplicative is f_opt + (f - f_opt)·exp(N/2), which fades at the
	// optimum; as the moderate Gaussian noise of BBOB's noisy functions
	// (Finck et al. 2009), stronger.
	multiplicative noise = "multiplicative"
)

const (
	additiveShare       = 0.05
	multiplicativeScale = 0.5
)

// withNoise is p with noise, in the group "noisy".
func withNoise(p *Problem, kind noise) *Problem {
	q := *p
	q.Name, q.Group, q.Noisy = "noisy-"+p.Name+"-"+string(kind), "noisy", true
	q.Doc = p.Doc + ", with " + string(kind) + " noise"
	q.open = func(instance int) (*Instance, error) {
		in, err := p.open(instance)
		if err != nil {
			return nil, err
		}
		n := &noisy{objective: in.f, kind: kind, optimum: in.optimum}
		if kind == additive {
			n.sd = additiveShare * (medianOf(in, 201, stream(q.Name, instance)) - in.optimum)
		}
		in.f = n
		return in, nil
	}
	return &q
}

type noisy struct {
	objective
	kind    noise
	optimum float64
	sd      float64
}

func (n *noisy) observe(p space.Point, r *rand.Rand) float64 {
	v := n.value(p)
	if n.kind == multiplicative {
		return n.optimum + (v-n.optimum)*math.Exp(multiplicativeScale*r.NormFloat64())
	}
	return v + n.sd*r.NormFloat64()
}
