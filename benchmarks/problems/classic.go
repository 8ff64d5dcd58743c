package problems

import (
	"math"
	"math/rand/v2"
)

// classic is a test function in its usual form and domain.
type classic struct {
	name    string
	lo, hi  []float64
	argmin  []float64
	minimum float64
	f       func() func([]float64) float64
	// everywhere says that the minimum is one over all of R^n, so that the
	// domain may be moved and turned.
	everywhere bool
}

func plain(f func([]float64) float64) func() func([]float64) float64 {
	return func() func([]float64) float64 { return f }
}

func cube(name string, n int, lo, hi, argmin, minimum float64, f func([]float64) float64, everywhere bool) classic {
	return classic{name, filled(n, lo), filled(n, hi), filled(n, argmin), minimum, plain(f), everywhere}
}

// classics are all test functions, by name.
func classics() []classic {
	const styblinskiMin = -39.166165703771415464
	dixon := make([]float64, 6)
	for i := range dixon {
		dixon[i] = math.Exp2(math.Exp2(-float64(i)) - 1)
	}
	return []classic{
		{"branin", []float64{-5, 0}, []float64{10, 15}, []float64{math.Pi, 2.275}, 10 / (8 * math.Pi), plain(branin), true},
		{
			"six-hump-camel", []float64{-3, -2}, []float64{3, 2}, []float64{0.089842013100318062, -0.71265640302073963},
			-1.0316284534898773504, plain(sixHumpCamel), true,
		},
		{"goldstein-price", filled(2, -2), filled(2, 2), []float64{0, -1}, 3, plain(goldsteinPrice), true},
		cube("drop-wave", 2, -5.12, 5.12, 0, -1, dropWave, true),
		{"eggholder", filled(2, -512), filled(2, 512), []float64{512, 404.23180511375781}, -959.64066272085080, plain(eggholder), false},
		{
			"hartmann3", filled(3, 0), filled(3, 1), []float64{0.11458887665506897, 0.55564889461693004, 0.85254698468667744},
			-3.8627797873326625, hartmann3, true,
		},
		{"hartmann6", filled(6, 0), filled(6, 1), []float64{
			0.20168951100670543, 0.15001069182345797, 0.47687397422189700,
			0.27533243049405607, 0.31165161660011325, 0.65730053406562031,
		}, -3.3223680114155148, hartmann6, true},
		{"shekel10", filled(4, 0), filled(4, 10), []float64{
			4.0007468682706344, 3.9995094800857736, 4.0007468682706344, 3.9995094800857736,
		}, -10.536443153483528, plain(shekel10), true},
		{"michalewicz5", filled(5, 0), filled(5, math.Pi), []float64{
			2.2029055201726093, 1.5707963267948966, 1.2849915705529244, 1.9230584698663628, 1.7204697725658413,
		}, -4.6876581790881463, plain(michalewicz), false},
		cube("ackley5", 5, -32.768, 32.768, 0, 0, ackley, true),
		cube("ackley20", 20, -32.768, 32.768, 0, 0, ackley, true),
		cube("rastrigin5", 5, -5.12, 5.12, 0, 0, rastriginOf, true),
		cube("rosenbrock5", 5, -5, 10, 1, 0, rosenbrockOf, true),
		cube("rosenbrock10", 10, -5, 10, 1, 0, rosenbrockOf, true),
		cube("levy5", 5, -10, 10, 1, 0, levy, true),
		cube("levy10", 10, -10, 10, 1, 0, levy, true),
		cube("griewank5", 5, -600, 600, 0, 0, griewank, true),
		cube("styblinski-tang5", 5, -5, 5, -2.9035340277711771, 5*styblinskiMin, styblinskiTang, true),
		cube("schwefel5", 5, -500, 500, 420.96874635998203, -5*418.98288727243371, schwefelSine, false),
		{"dixon-price6", filled(6, -10), filled(6, 10), dixon, 0, plain(dixonPrice), true},
		cube("powell8", 8, -4, 5, 0, 0, powell, true),
	}
}

func classicProblem(c classic) *Problem {
	return &Problem{
		Name: c.name, Group: "classic", Doc: "the classic function " + c.name + ", shifted, mirrored and (odd instances) rotated",
		Instances: numbered(),
		open: func(instance int) (*Instance, error) {
			return c.instance(stream("classic/"+c.name, instance), instance%2 == 1)
		},
	}
}

// instance keeps the domain and moves the function under it, so that no
// coordinate of the optimum is near the middle.
func (c classic) instance(r *rand.Rand, turn bool) (*Instance, error) {
	n, f := len(c.lo), c.f()
	z := make([]float64, n)
	if !c.everywhere {
		w, best := c.window(r)
		return functionInstance(c.lo, c.hi, func(x []float64) float64 {
			w.apply(z, x)
			return f(z)
		}, best, c.minimum)
	}
	best := make([]float64, n)
	m := make(matrix, n*n)
	for i := range best {
		best[i] = c.lo[i] + offCentre(r)*(c.hi[i]-c.lo[i])
		m[i*n+i] = float64(1 - 2*r.IntN(2))
	}
	if turn {
		c.turn(m, r)
	}
	d := make([]float64, n)
	return functionInstance(c.lo, c.hi, func(x []float64) float64 {
		for i, v := range x {
			d[i] = v - best[i]
		}
		m.apply(z, d)
		for i, v := range c.argmin {
			z[i] += v
		}
		return f(z)
	}, best, c.minimum)
}

// offCentre is a place in [0.1,0.4] or [0.6,0.9].
func offCentre(r *rand.Rand) float64 {
	u := 0.1 + 0.6*r.Float64()
	if u > 0.4 {
		u += 0.2
	}
	return u
}

// turn rotates m, in units in which the domain is a cube.
func (c classic) turn(m matrix, r *rand.Rand) {
	n := len(c.lo)
	q := rotation(n, 1+r.Int64N(1<<30))
	for i := range n {
		for j := range n {
			q[i*n+j] *= (c.hi[i] - c.lo[i]) / (c.hi[j] - c.lo[j]) * m[j*n+j]
		}
	}
	copy(m, q)
}

// view shows a part of a domain, mirrored in some coordinates.
type view struct {
	base, step, lo, hi []float64
}

func (w view) apply(z, x []float64) {
	for i, v := range x {
		// What rounds beyond the domain might be lower than the minimum.
		z[i] = min(max(w.base[i]+w.step[i]*v, w.lo[i]), w.hi[i])
	}
}

// window takes a part of the domain that contains the optimum: a function whose
// minimum holds in its domain only cannot be moved beyond it.
func (c classic) window(r *rand.Rand) (view, []float64) {
	const part = 0.7
	n := len(c.lo)
	w, best := view{make([]float64, n), make([]float64, n), c.lo, c.hi}, make([]float64, n)
	for i, a := range c.argmin {
		lo, hi := c.lo[i], c.hi[i]
		width := part * (hi - lo)
		for {
			left, right := max(lo, a-width), min(hi-width, a)
			start := left + r.Float64()*(right-left)
			w.base[i], w.step[i] = start-part*lo, part
			if r.IntN(2) == 1 {
				w.base[i], w.step[i] = start+width+part*lo, -part
			}
			best[i] = min(max((a-w.base[i])/w.step[i], lo), hi)
			if u := (best[i] - lo) / (hi - lo); math.Abs(u-0.5) >= 0.08 {
				break
			}
		}
	}
	return w, best
}
