package problems

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// Problem is a family of instances that differ by number: another optimum,
// rotation or noise, but the same space. It is immutable and safe for
// concurrent use.
type Problem struct {
	// Name is stable and unique: "bbob-f15-d5".
	Name  string
	Group string
	// Doc is one sentence.
	Doc string
	// Instances are the numbers that Open takes, ascending: those for
	// development.
	Instances []int
	// Noisy says that Observe differs from Evaluate.
	Noisy bool
	// Curves says that instances have learning curves, Runtimes that they know
	// what an evaluation costs.
	Curves, Runtimes bool

	open func(instance int) (*Instance, error)
}

// Open builds an instance. It refuses numbers that are not in Instances, as
// they are kept to judge releases. Opening is cheap (well below a millisecond)
// for functions; tables and surrogates read their files when first opened.
func (p *Problem) Open(instance int) (*Instance, error) {
	if !slices.Contains(p.Instances, instance) {
		return nil, types.Errorf(types.Invalid, "%s has no development instance %d", p.Name, instance).WithField("instance").
			WithRemedy("take one of %d to %d; the others are kept to judge releases", p.Instances[0], p.Instances[len(p.Instances)-1])
	}
	in, err := p.open(instance)
	if err != nil {
		return nil, err
	}
	in.problem, in.number = p, instance
	if in.median == nil {
		in.median = sync.OnceValue(func() float64 { return medianOf(in, medianDraws, stream("median/"+p.Name, instance)) })
	}
	return in, nil
}

// InstanceFor is the instance that a run with this seed uses: seeds 1, 2, … take
// the instances in turn.
func (p *Problem) InstanceFor(seed int64) int {
	n := int64(len(p.Instances))
	return p.Instances[((seed-1)%n+n)%n]
}

// Instance is a function to minimise over a space. Metrics that are better when
// larger are negated.
//
// It has scratch space and is used by one goroutine at a time; open another for
// another goroutine (what is large is shared). Points are valid points of
// Space, of which activity and types are not checked again.
type Instance struct {
	problem *Problem
	number  int
	space   *space.Space
	f       objective

	optimum float64
	exact   bool
	best    space.Point
	// median is what Median has found.
	median func() float64
}

// objective is the true function; what more an objective can do are the
// interfaces below.
type objective interface {
	value(p space.Point) float64
}

type observer interface {
	observe(p space.Point, r *rand.Rand) float64
}

type curved interface {
	steps() int
	// curve fills dst, which has steps entries; at is its entry step-1.
	curve(dst []float64, p space.Point)
	at(p space.Point, step int) float64
}

type timed interface {
	seconds(p space.Point) float64
}

var (
	_ = []objective{
		(*vector)(nil), (*mixint)(nil), (*noisy)(nil), (*planted)(nil), (*lookup)(nil), (*branches)(nil),
		(*measured)(nil), (*estimate)(nil),
	}
	_ = []observer{(*noisy)(nil), (*measured)(nil)}
	_ = []curved{(*measuredCurves)(nil), (*estimateCurves)(nil)}
	_ = []timed{(*measuredTimes)(nil), (*estimate)(nil)}
	_ = []prototype{(*table)(nil), (*surrogate)(nil)}
)

// Problem is the family.
func (in *Instance) Problem() *Problem { return in.problem }

// Number is the instance's number.
func (in *Instance) Number() int { return in.number }

// Name is that of the problem with the number: "bbob-f15-d5-i3".
func (in *Instance) Name() string { return in.problem.Name + "-i" + strconv.Itoa(in.number) }

// Space is the search space.
func (in *Instance) Space() *space.Space { return in.space }

// Evaluate is the true value at p, without noise: what regret is measured by.
// It is NaN where the evaluation has no result (a training that diverged).
func (in *Instance) Evaluate(p space.Point) float64 { return in.f.value(p) }

// Observe is what a tuner is told at p: Evaluate where the problem is not
// Noisy, else a draw. Give each trial a source of its own made from the run's
// seed and the trial's number, and all algorithms meet the same noise.
func (in *Instance) Observe(p space.Point, r *rand.Rand) float64 {
	if o, ok := in.f.(observer); ok {
		return o.observe(p, r)
	}
	return in.f.value(p)
}

// Optimum is the least value of Evaluate over the space. If exact is false it
// is the least that is known, and a run may come out lower.
func (in *Instance) Optimum() (value float64, exact bool) { return in.optimum, in.exact }

// Best is a point whose value is Optimum, to within rounding; nil where none is
// known. It must not be changed.
func (in *Instance) Best() space.Point { return in.best }

// Median is the median of Evaluate over the space, where NaN counts as worst:
// with Optimum it makes regrets of different problems comparable. It is exact
// for tables and of 1,001 fixed random points elsewhere, drawn when it is first
// asked for.
func (in *Instance) Median() float64 { return in.median() }

const medianDraws = 1001

// medianOf is the median of the true values at n random points.
func medianOf(in *Instance, n int, r *rand.Rand) float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = in.f.value(in.space.Sample(r))
	}
	return middle(v)
}

// middle sorts v and gives its median, which is NaN if that many are.
func middle(v []float64) float64 {
	slices.SortFunc(v, func(a, b float64) int {
		switch {
		case a < b || a == a && b != b:
			return -1
		case a > b || a != a && b == b:
			return 1
		}
		return 0
	})
	return v[len(v)/2]
}

// Steps is the length of the learning curves, 0 if there are none.
func (in *Instance) Steps() int {
	if c, ok := in.f.(curved); ok {
		return c.steps()
	}
	return 0
}

// Curve is the learning curve at p: Steps values, of which the last is
// Evaluate's; NaN from where the training has diverged. It is written to dst if
// that is long enough. Without curves it is nil.
func (in *Instance) Curve(dst []float64, p space.Point) []float64 {
	c, ok := in.f.(curved)
	if !ok {
		return nil
	}
	n := c.steps()
	dst = slices.Grow(dst[:0], n)[:n]
	c.curve(dst, p)
	return dst
}

// CurveAt is the value of the learning curve at p after step steps, from 1 to
// Steps: cheaper than Curve for one that is not needed whole. NaN without curves.
func (in *Instance) CurveAt(p space.Point, step int) float64 {
	if c, ok := in.f.(curved); ok {
		return c.at(p, step)
	}
	return math.NaN()
}

// Runtime is how long the evaluation at p took, in seconds; ok is false where
// that is not known.
func (in *Instance) Runtime(p space.Point) (seconds float64, ok bool) {
	t, ok := in.f.(timed)
	if !ok {
		return 0, false
	}
	return t.seconds(p), true
}

// stream is the randomness that makes an instance.
func stream(name string, instance int) *rand.Rand {
	return suggest.Stream(int64(instance), "problems/"+name, 0)
}

// numbered are the instances of the functions: 1 to 15, as in COCO.
func numbered() []int {
	n := make([]int, 15)
	for i := range n {
		n[i] = i + 1
	}
	return n
}

// vector is a function of floats as an objective.
type vector struct {
	f func(x []float64) float64
	x []float64
}

func (v *vector) value(p space.Point) float64 {
	for i := range v.x {
		v.x[i] = p[i].(float64)
	}
	return v.f(v.x)
}

// functionInstance is a function of floats in a box, with its optimum.
func functionInstance(lo, hi []float64, f func([]float64) float64, best []float64, optimum float64) (*Instance, error) {
	params := make([]space.Parameter, len(lo))
	for i := range params {
		params[i] = space.Parameter{Name: "x" + strconv.Itoa(i+1), Kind: space.Float, Low: lo[i], High: hi[i]}
	}
	s, err := space.New(params, nil)
	if err != nil {
		return nil, err
	}
	in := &Instance{space: s, f: &vector{f: f, x: make([]float64, len(lo))}, optimum: optimum, exact: true, best: make(space.Point, len(best))}
	for i, x := range best {
		in.best[i] = x
	}
	return in, nil
}

func filled(n int, v float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = v
	}
	return x
}
