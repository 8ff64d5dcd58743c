package problems

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/gotuner/tuner/suggest/space"
)

// lookup is a sum of a table for each choice and one for each pair of the given
// parameters: unordered choices with or without interactions. The optimum is
// found by trying all points, of which there are few.
type lookup struct {
	single [][]float64
	pairs  []pair
	level  []int
}

type pair struct {
	i, j  int
	table [][]float64
}

// categoricalProblem has n parameters of choices each; with pairs, every
// parameter interacts with the two that follow it, in a ring.
func categoricalProblem(n, choices int, pairs bool) *Problem {
	name := "categorical-" + strconv.Itoa(n) + "x" + strconv.Itoa(choices)
	doc := "a sum over " + strconv.Itoa(n) + " choices of " + strconv.Itoa(choices)
	if pairs {
		name += "-pairs"
		doc += " and over pairs of them"
	}
	return &Problem{
		Name: name, Group: "mixed", Doc: doc, Instances: numbered(),
		open: func(instance int) (*Instance, error) {
			params := make([]space.Parameter, n)
			for i := range params {
				values := make([]space.Value, choices)
				for k := range values {
					values[k] = string(rune('a' + k))
				}
				params[i] = choiceParam(space.Categorical, "c"+strconv.Itoa(i+1), values...)
			}
			s, err := space.New(params, nil)
			if err != nil {
				return nil, err
			}
			f := newLookup(n, choices, pairs, stream("mixed/"+name, instance))
			in := &Instance{space: s, f: f, exact: true}
			f.minimum(in)
			return in, nil
		},
	}
}

func newLookup(n, choices int, pairs bool, r *rand.Rand) *lookup {
	normal := func() []float64 {
		t := make([]float64, choices)
		for k := range t {
			t[k] = r.NormFloat64()
		}
		return t
	}
	f := &lookup{level: make([]int, n)}
	for i := range n {
		f.single = append(f.single, normal())
		for step := 1; pairs && step <= 2; step++ {
			p := pair{i: i, j: (i + step) % n}
			for range choices {
				p.table = append(p.table, normal())
			}
			f.pairs = append(f.pairs, p)
		}
	}
	return f
}

func (f *lookup) value(p space.Point) float64 {
	for i, v := range p {
		f.level[i] = int(v.(string)[0] - 'a')
	}
	return f.sum()
}

func (f *lookup) sum() float64 {
	s := 0.0
	for i, k := range f.level {
		s += f.single[i][k]
	}
	for _, p := range f.pairs {
		s += p.table[f.level[p.i]][f.level[p.j]]
	}
	return s
}

// minimum tries all levels, or without pairs each parameter on its own.
func (f *lookup) minimum(in *Instance) {
	n := len(f.level)
	best := make([]int, n)
	if len(f.pairs) == 0 {
		for i, t := range f.single {
			for k, v := range t {
				if v < t[best[i]] {
					best[i] = k
				}
			}
		}
	} else {
		clear(f.level)
		lowest := math.Inf(1)
		for more := true; more; more = f.next() {
			if v := f.sum(); v < lowest {
				lowest = v
				copy(best, f.level)
			}
		}
	}
	copy(f.level, best)
	in.optimum, in.best = f.sum(), make(space.Point, n)
	for i, k := range best {
		in.best[i] = string(rune('a' + k))
	}
}

// next counts the levels up by one; it is false when they are all 0 again.
func (f *lookup) next() bool {
	for i := range f.level {
		if f.level[i]++; f.level[i] < len(f.single[i]) {
			return true
		}
		f.level[i] = 0
	}
	return false
}

// branches is one continuous function for each choice: another function in
// another place.
type branches struct {
	f    []func([]float64) float64
	at   [][]float64
	lift []float64
	z    []float64
}

// branchesProblem has a choice among four functions of dim floats. Their least
// values are 0 for one choice and 0.3 to 1.3 for the others.
func branchesProblem(dim int) *Problem {
	name := "branches-d" + strconv.Itoa(dim)
	return &Problem{
		Name: name, Group: "mixed", Instances: numbered(),
		Doc: "a choice among four functions of " + strconv.Itoa(dim) + " floats, each with an optimum of its own",
		open: func(instance int) (*Instance, error) {
			params := []space.Parameter{choiceParam(space.Categorical, "branch", "a", "b", "c", "d")}
			for i := range dim {
				params = append(params, floatParam("x"+strconv.Itoa(i+1), -1, 1, space.Linear))
			}
			s, err := space.New(params, nil)
			if err != nil {
				return nil, err
			}
			r := stream("mixed/"+name, instance)
			b := newBranches(dim, r)
			in := &Instance{space: s, f: b, exact: true, best: make(space.Point, dim+1)}
			for k, l := range b.lift {
				if l == 0 {
					in.best[0] = string(rune('a' + k))
					for i, x := range b.at[k] {
						in.best[i+1] = x
					}
				}
			}
			return in, nil
		},
	}
}

func newBranches(dim int, r *rand.Rand) *branches {
	n := float64(dim)
	scaled := func(f func([]float64) float64, zoom, offset, scale float64) func([]float64) float64 {
		return func(z []float64) float64 {
			for i := range z {
				z[i] = zoom*z[i] + offset
			}
			return scale * f(z)
		}
	}
	b := &branches{z: make([]float64, dim), f: []func([]float64) float64{
		scaled(func(z []float64) float64 {
			s := 0.0
			for _, v := range z {
				s += v * v
			}
			return s
		}, 1, 0, 1/n),
		scaled(ackley, 2, 0, 0.2), scaled(rastriginOf, 2, 0, 0.1/n), scaled(rosenbrockOf, 1, 1, 0.05/n),
	}}
	r.Shuffle(len(b.f), func(i, j int) { b.f[i], b.f[j] = b.f[j], b.f[i] })
	good := r.IntN(len(b.f))
	for range b.f {
		at := make([]float64, dim)
		for i := range at {
			at[i] = 2*offCentre(r) - 1
		}
		b.at = append(b.at, at)
		b.lift = append(b.lift, 0.3+r.Float64())
	}
	b.lift[good] = 0
	return b
}

func (b *branches) value(p space.Point) float64 {
	k := p[0].(string)[0] - 'a'
	for i, x := range b.at[k] {
		b.z[i] = p[i+1].(float64) - x
	}
	return b.f[k](b.z) + b.lift[k]
}
