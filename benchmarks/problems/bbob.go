package problems

import (
	"math"

	"github.com/gotuner/tuner/api/types"
)

// bbob is one instance of one of the 24 noiseless BBOB functions: the
// definitions of Hansen, Finck, Ros and Auger, "Real-parameter black-box
// optimization benchmarking 2009: noiseless functions definitions" (INRIA
// RR-6829), with the seeds and the small departures from that text that the
// COCO platform has, so that values equal those of COCO's suite "bbob".
//
// It has scratch space: one goroutine at a time.
type bbob struct {
	def  *bbobDef
	dim  int
	xopt []float64
	fopt float64

	// What the function needs of these is filled by its setup: m is applied
	// first, m2 second; scale and power are per coordinate.
	m, m2        matrix
	scale, power []float64
	factor       float64
	peaks        *peaks

	u, v []float64 // scratch
}

// bbobDef is one of the 24 functions.
type bbobDef struct {
	name  string
	setup func(b *bbob, seed int64)
	// eval is f(x) - f_opt.
	eval func(b *bbob, x []float64) float64
}

const (
	bbobFunctions = 24
	// seedStride separates the seeds of instances; rotationStride those of the
	// two rotations of one instance.
	seedStride     = 10_000
	rotationStride = 1_000_000
	// bbobBound is the half width of the domain.
	bbobBound = 5.0
)

// newBBOB builds function f (1 … 24) in dim ≥ 2 dimensions.
func newBBOB(f, dim, instance int) (*bbob, error) {
	switch {
	case f < 1 || f > bbobFunctions:
		return nil, types.Errorf(types.Invalid, "there is no BBOB function f%d", f).WithField("function").WithRemedy("they are f1 to f%d", bbobFunctions)
	case dim < 2:
		return nil, types.Errorf(types.Invalid, "the BBOB functions are not defined in %d dimensions", dim).WithField("dimension").WithRemedy("take at least 2")
	case instance < 1:
		return nil, types.Errorf(types.Invalid, "there is no BBOB instance %d", instance).WithField("instance").WithRemedy("instances are numbered from 1")
	}
	// Two pairs of functions share the seed of the first, and so the optimum.
	base := f
	switch f {
	case 4:
		base = 3
	case 18:
		base = 17
	}
	seed := int64(base + seedStride*instance)
	b := &bbob{
		def: &bbobTable[f-1], dim: dim, xopt: drawOptimum(dim, seed), fopt: drawOptimalValue(seed),
		u: make([]float64, dim), v: make([]float64, dim),
	}
	b.def.setup(b, seed)
	return b, nil
}

// value is f(x).
func (b *bbob) value(x []float64) float64 { return b.def.eval(b, x) + b.fopt }

var bbobTable = [bbobFunctions]bbobDef{
	{"sphere", noSetup, (*bbob).sphere},
	{"ellipsoid-separable", ladderSetup(1e6), (*bbob).ellipsoidSeparable},
	{"rastrigin-separable", ladderSetup(math.Sqrt(10)), (*bbob).rastriginSeparable},
	{"bueche-rastrigin", buecheSetup, (*bbob).buecheRastrigin},
	{"linear-slope", slopeSetup, (*bbob).linearSlope},
	{"attractive-sector", composedSetup(math.Sqrt(10)), (*bbob).attractiveSector},
	{"step-ellipsoid", stepSetup, (*bbob).stepEllipsoid},
	{"rosenbrock", rosenbrockSetup, (*bbob).rosenbrock},
	{"rosenbrock-rotated", rotatedRosenbrockSetup, (*bbob).rotatedRosenbrock},
	{"ellipsoid", rotatedSetup(1e6), (*bbob).ellipsoid},
	{"discus", rotatedSetup(1), (*bbob).discus},
	{"bent-cigar", cigarSetup, (*bbob).bentCigar},
	{"sharp-ridge", composedSetup(math.Sqrt(10)), (*bbob).sharpRidge},
	{"different-powers", powersSetup, (*bbob).differentPowers},
	{"rastrigin", twiceSetup(math.Sqrt(10)), (*bbob).rastrigin},
	{"weierstrass", twiceSetup(1 / math.Sqrt(100)), (*bbob).weierstrass},
	{"schaffers-f7", schaffersSetup(10), (*bbob).schaffers},
	{"schaffers-f7-ill-conditioned", schaffersSetup(1000), (*bbob).schaffers},
	{"griewank-rosenbrock", rotatedRosenbrockSetup, (*bbob).griewankRosenbrock},
	{"schwefel", schwefelSetup, (*bbob).schwefel},
	{"gallagher-101", gallagherSetup(101, math.Sqrt(1000), 10, 5), (*bbob).gallagher},
	{"gallagher-21", gallagherSetup(21, 1000, 9.8, 4.9), (*bbob).gallagher},
	{"katsuura", composedSetup(math.Sqrt(100)), (*bbob).katsuura},
	{"lunacek-bi-rastrigin", lunacekSetup, (*bbob).lunacek},
}

func noSetup(*bbob, int64) {}

func ladderSetup(base float64) func(*bbob, int64) {
	return func(b *bbob, _ int64) { b.scale = ladder(b.dim, base) }
}

func buecheSetup(b *bbob, _ int64) {
	b.scale = ladder(b.dim, math.Sqrt(10))
	for i := 0; i < b.dim; i += 2 { // COCO's, not in the definitions
		b.xopt[i] = math.Abs(b.xopt[i])
	}
}

func slopeSetup(b *bbob, _ int64) {
	b.scale = ladder(b.dim, 10)
	for i, x := range b.xopt {
		b.xopt[i] = math.Copysign(bbobBound, x)
		b.scale[i] = math.Copysign(b.scale[i], x)
	}
}

// rotatedSetup has one rotation and the scales of an ellipsoid.
func rotatedSetup(base float64) func(*bbob, int64) {
	return func(b *bbob, seed int64) {
		b.m, b.scale = rotation(b.dim, seed+rotationStride), ladder(b.dim, base)
	}
}

// composedSetup has one linear map: rotation, scales, rotation.
func composedSetup(base float64) func(*bbob, int64) {
	return func(b *bbob, seed int64) {
		b.m = compose(rotation(b.dim, seed+rotationStride), ladder(b.dim, base), rotation(b.dim, seed))
	}
}

// twiceSetup has a rotation before the distortions and a linear map behind them.
func twiceSetup(base float64) func(*bbob, int64) {
	return func(b *bbob, seed int64) {
		b.m = rotation(b.dim, seed+rotationStride)
		b.m2 = compose(b.m, ladder(b.dim, base), rotation(b.dim, seed))
	}
}

func stepSetup(b *bbob, seed int64) {
	b.m = scaleRows(ladder(b.dim, math.Sqrt(10)), rotation(b.dim, seed))
	b.m2, b.scale = rotation(b.dim, seed+rotationStride), ladder(b.dim, 100)
}

// stretch is the scale of the Rosenbrock functions.
func stretch(dim int) float64 { return math.Max(1, math.Sqrt(float64(dim))/8) }

func rosenbrockSetup(b *bbob, _ int64) {
	b.factor = stretch(b.dim)
	for i := range b.xopt {
		b.xopt[i] *= 0.75
	}
}

// rotatedRosenbrockSetup puts the optimum where factor·R·x + 1/2 is 1.
func rotatedRosenbrockSetup(b *bbob, seed int64) {
	r := rotation(b.dim, seed)
	b.factor = stretch(b.dim)
	b.m = make(matrix, len(r))
	for i, v := range r {
		b.m[i] = b.factor * v
	}
	for j := range b.xopt {
		s := 0.0
		for i := range b.dim {
			s += r[i*b.dim+j]
		}
		b.xopt[j] = 0.5 * s / b.factor
	}
}

func cigarSetup(b *bbob, seed int64) {
	b.xopt = drawOptimum(b.dim, seed+rotationStride)
	b.m, b.power = rotation(b.dim, seed+rotationStride), asymmetry(b.dim, 0.5)
}

func powersSetup(b *bbob, seed int64) {
	b.m, b.power = rotation(b.dim, seed+rotationStride), make([]float64, b.dim)
	for i := range b.power {
		b.power[i] = 2 + 4*float64(i)/float64(b.dim-1)
	}
}

func schaffersSetup(condition float64) func(*bbob, int64) {
	return func(b *bbob, seed int64) {
		b.m = rotation(b.dim, seed+rotationStride)
		b.m2 = scaleRows(ladder(b.dim, math.Sqrt(condition)), rotation(b.dim, seed))
		b.power = asymmetry(b.dim, 0.5)
	}
}

// schwefelBest is the coordinate of the best hump of x·sin(sqrt|x|), in
// hundreds. COCO's function uses a slightly larger one, schwefelShift.
const (
	schwefelBest  = 4.2096874633
	schwefelShift = 4.2096874637
)

func schwefelSetup(b *bbob, seed int64) {
	b.scale = ladder(b.dim, math.Sqrt(10))
	uniforms(b.u, seed)
	for i, u := range b.u {
		b.xopt[i] = math.Copysign(schwefelBest/2, u-0.5)
	}
}

func lunacekSetup(b *bbob, seed int64) {
	b.m = compose(rotation(b.dim, seed+rotationStride), ladder(b.dim, math.Sqrt(100)), rotation(b.dim, seed))
	gaussians(b.u, seed)
	for i, g := range b.u {
		b.xopt[i] = math.Copysign(lunacekFirst/2, g)
	}
}
