package problems

import (
	"math"
	"math/rand/v2"

	"github.com/gotuner/tuner/suggest/space"
)

// planted is a function over any space with the least value 0 at a point that
// was drawn from the space. It is
//
//	Σ e_i(choice) over active choices + Σ w_i·q(z_i − t_i(root choice)) over active numbers and ordinals
//
// where z is the position in the unit cube and every term is at least 0. The
// penalties e are 0 for one choice of each parameter: the drawn one where it has
// one. The targets t move with the choice of the first choice parameter, the
// root, by up to shift; so what is good under one choice says something about
// the others, but not all. q(d) = d² + ripple·(1 − cos(2π·waves·d)).
type planted struct {
	space   *space.Space
	root    int         // -1: no choices
	penalty [][]float64 // by parameter and choice; nil for numbers
	weight  []float64
	target  [][]float64 // by parameter and choice of the root
	ripple  float64

	z      []float64
	active []bool
}

const (
	plantedShift = 0.3
	plantedWaves = 4
)

// plant builds the objective.
func plant(s *space.Space, ripple float64, r *rand.Rand) *Instance {
	n := s.Len()
	f := &planted{
		space: s, root: -1, ripple: ripple, penalty: make([][]float64, n), weight: make([]float64, n),
		target: make([][]float64, n), z: make([]float64, n), active: make([]bool, n),
	}
	best := offCentrePoint(s, r)
	at := make([]float64, n)
	s.Encode(best, at, nil)
	rootLevels := 1
	for i := range n {
		p := s.Param(i)
		if p.Numeric() || p.Kind == space.Ordinal {
			continue
		}
		if f.root < 0 {
			f.root, rootLevels = i, len(p.Choices)
		}
		good := int(p.LevelOf(best[i])) // -1 if inactive
		if good < 0 {
			good = r.IntN(len(p.Choices))
		}
		f.penalty[i] = make([]float64, len(p.Choices))
		for k := range f.penalty[i] {
			if u := r.Float64(); k != good {
				f.penalty[i][k] = 0.02 + 0.3*u
			}
		}
	}
	for i := range n {
		f.weight[i] = math.Exp(r.NormFloat64() * 0.7)
		f.target[i] = make([]float64, rootLevels)
		for k := range f.target[i] {
			f.target[i][k] = min(max(at[i]+plantedShift*(2*r.Float64()-1), 0), 1)
			if best[i] == nil {
				f.target[i][k] = r.Float64()
			}
		}
		if f.root < 0 {
			f.target[i][0] = at[i]
		} else if best[i] != nil {
			f.target[i][s.Param(f.root).LevelOf(best[f.root])] = at[i]
		}
	}
	return &Instance{space: s, f: f, optimum: 0, exact: true, best: best}
}

// offCentrePoint draws a point whose continuous coordinates are not in the
// middle.
func offCentrePoint(s *space.Space, r *rand.Rand) space.Point {
	x := make([]float64, s.Len())
	for i := range x {
		x[i] = r.Float64()
		if s.Param(i).Continuous() {
			x[i] = offCentre(r)
		}
	}
	return s.Decode(x)
}

func (f *planted) value(p space.Point) float64 {
	f.space.Encode(p, f.z, f.active)
	branch, s := 0, 0.0
	if f.root >= 0 {
		branch = int(f.space.Param(f.root).LevelOf(p[f.root]))
	}
	for i, on := range f.active {
		switch {
		case !on:
		case f.penalty[i] != nil:
			s += f.penalty[i][f.space.Param(i).LevelOf(p[i])]
		default:
			d := f.z[i] - f.target[i][branch]
			s += f.weight[i] * (d*d + f.ripple*(1-math.Cos(2*math.Pi*plantedWaves*d)))
		}
	}
	return s
}

func plantedProblem(group, name, doc string, params []space.Parameter, ripple float64) *Problem {
	return &Problem{
		Name: name, Group: group, Doc: doc, Instances: numbered(),
		open: func(instance int) (*Instance, error) {
			s, err := space.New(params, nil)
			if err != nil {
				return nil, err
			}
			return plant(s, ripple, stream(group+"/"+name, instance)), nil
		},
	}
}

func floatParam(name string, lo, hi float64, scale space.Scale) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Float, Low: lo, High: hi, Scale: scale}
}

func intParam(name string, lo, hi int64, scale space.Scale) space.Parameter {
	return space.Parameter{Name: name, Kind: space.Int, Low: lo, High: hi, Scale: scale}
}

func choiceParam(kind space.Kind, name string, values ...space.Value) space.Parameter {
	p := space.Parameter{Name: name, Kind: kind}
	for _, v := range values {
		p.Choices = append(p.Choices, space.Choice{Value: v})
	}
	return p
}

func under(p space.Parameter, parent string, values ...space.Value) space.Parameter {
	p.When = space.In{Param: parent, Values: values}
	return p
}

// networkParams look like the settings of a small neural network.
func networkParams() []space.Parameter {
	return []space.Parameter{
		choiceParam(space.Categorical, "optimizer", "sgd", "adam", "rmsprop", "adagrad"),
		floatParam("lr", 1e-6, 1, space.Log), floatParam("weight_decay", 1e-8, 0.1, space.Log),
		floatParam("dropout", 0, 0.8, space.Linear), intParam("units", 8, 1024, space.Log), intParam("layers", 1, 6, space.Linear),
		choiceParam(space.Ordinal, "batch", int64(16), int64(32), int64(64), int64(128), int64(256)),
		{Name: "norm", Kind: space.Bool},
	}
}

// modelParams are a choice among models, each with settings of its own, of which
// some have conditions of their own.
func modelParams() []space.Parameter {
	return []space.Parameter{
		choiceParam(space.Categorical, "model", "svm", "forest", "net", "linear"),
		under(floatParam("c", 1e-3, 1e3, space.Log), "model", "svm"),
		under(choiceParam(space.Categorical, "kernel", "rbf", "poly", "linear"), "model", "svm"),
		under(floatParam("gamma", 1e-4, 10, space.Log), "kernel", "rbf", "poly"),
		under(intParam("degree", 2, 5, space.Linear), "kernel", "poly"),
		under(intParam("trees", 10, 1000, space.Log), "model", "forest"),
		under(intParam("depth", 2, 30, space.Linear), "model", "forest"),
		under(floatParam("features", 0.1, 1, space.Linear), "model", "forest"),
		under(floatParam("lr", 1e-5, 1, space.Log), "model", "net"),
		under(intParam("units", 8, 512, space.Log), "model", "net"),
		under(choiceParam(space.Categorical, "optimizer", "sgd", "adam"), "model", "net"),
		under(floatParam("momentum", 0, 0.99, space.Linear), "optimizer", "sgd"),
		under(floatParam("alpha", 1e-6, 10, space.Log), "model", "linear"),
	}
}

// layerParams are a network of one to four layers, each with its own settings.
func layerParams() []space.Parameter {
	deeper := func(p space.Parameter, from int64) space.Parameter {
		p.When = space.Range{Param: "layers", Lo: from}
		return p
	}
	return []space.Parameter{
		choiceParam(space.Categorical, "activation", "relu", "tanh", "gelu"),
		intParam("layers", 1, 4, space.Linear), floatParam("lr", 1e-5, 1, space.Log),
		intParam("units1", 4, 256, space.Log),
		deeper(intParam("units2", 4, 256, space.Log), 2), deeper(floatParam("dropout2", 0, 0.7, space.Linear), 2),
		deeper(intParam("units3", 4, 256, space.Log), 3), deeper(floatParam("dropout3", 0, 0.7, space.Linear), 3),
		deeper(intParam("units4", 4, 256, space.Log), 4), deeper(floatParam("dropout4", 0, 0.7, space.Linear), 4),
	}
}
