package goptuna

import (
	"math"
	"math/rand/v2"

	gopt "github.com/c-bata/goptuna"

	"github.com/gotuner/tuner/suggest/space"
)

// form is how a parameter's values are laid on goptuna's numbers.
type form uint8

const (
	formNumber form = iota // the value itself
	formLevels             // low + k*step for level k
	formChoice             // the index of the choice
	formUnit               // the position on the parameter's scale, laid on [0, 1]
)

const (
	// maxInteger is the magnitude up to which float64 holds every integer.
	maxInteger = 1 << 53
	// minRange and maxRange are the lengths of a range within which goptuna's
	// arithmetic neither underflows nor overflows.
	minRange, maxRange = 1e-290, 1e300
)

// domain is a parameter of more than one value as goptuna sees it: a
// distribution of internal values, which are float64.
type domain struct {
	param *space.Parameter
	index int // of the parameter in the space
	form  form
	// distribution is the type that goptuna switches on.
	distribution any
	low, high    float64 // of the internal values
	step         float64 // formLevels: between two of them
	log          bool    // goptuna works with the logarithm
}

// newDomains are the domains of the parameters of more than one value.
func newDomains(s *space.Space) []*domain {
	var out []*domain
	for i := range s.Len() {
		if n, finite := s.Param(i).Levels(); !finite || n > 1 {
			out = append(out, newDomain(s.Param(i), i))
		}
	}
	return out
}

func newDomain(p *space.Parameter, index int) *domain {
	d := &domain{param: p, index: index}
	switch p.Kind {
	case space.Bool, space.Categorical:
		d.choices()
	case space.Ordinal:
		n, _ := p.Levels()
		d.form, d.high, d.step = formLevels, float64(n-1), 1
		d.distribution = gopt.IntUniformDistribution{Low: 0, High: int(n - 1)}
	case space.Int:
		d.integer()
	case space.Float:
		d.float()
	case space.Constant: // has one value
	}
	if d.distribution == nil {
		// goptuna has no reverse logarithm, no logarithm of integers and steps,
		// and no ranges beyond its arithmetic.
		d.form, d.low, d.high, d.log = formUnit, 0, 1, false
		d.distribution = gopt.UniformDistribution{Low: 0, High: 1}
	}
	return d
}

func (d *domain) choices() {
	n, _ := d.param.Levels()
	texts := make([]string, n)
	for k := range n {
		texts[k] = d.param.Text(d.param.At(k))
	}
	d.form, d.high = formChoice, float64(n-1)
	d.distribution = gopt.CategoricalDistribution{Choices: texts}
}

func (d *domain) integer() {
	low, high := d.param.Low.(int64), d.param.High.(int64)
	if d.param.Scale != space.Linear || low < -maxInteger || high > maxInteger {
		return
	}
	step := int64(1)
	if s, ok := d.param.Step.(int64); ok {
		step = s
	}
	d.form, d.low, d.high, d.step = formLevels, float64(low), float64(high), float64(step)
	if step == 1 {
		d.distribution = gopt.IntUniformDistribution{Low: int(low), High: int(high)}
	} else {
		d.distribution = gopt.StepIntUniformDistribution{Low: int(low), High: int(high), Step: int(step)}
	}
}

func (d *domain) float() {
	low, high := d.param.Low.(float64), d.param.High.(float64)
	step, stepped := d.param.Step.(float64)
	if !(high-low >= minRange && high-low <= maxRange) && d.param.Scale == space.Linear {
		return
	}
	switch {
	case d.param.Scale == space.Linear && stepped:
		d.form, d.step = formLevels, step
		d.distribution = gopt.DiscreteUniformDistribution{Low: low, High: high, Q: step}
	case d.param.Scale == space.Linear:
		d.form = formNumber
		d.distribution = gopt.UniformDistribution{Low: low, High: high}
	case d.param.Scale == space.Log && !stepped:
		d.form, d.log = formNumber, true
		d.distribution = gopt.LogUniformDistribution{Low: low, High: high}
	default:
		return
	}
	d.low, d.high = low, high
}

// internal is goptuna's number for a value.
func (d *domain) internal(v space.Value) float64 {
	switch d.form {
	case formLevels:
		return min(d.low+float64(d.param.LevelOf(v))*d.step, d.high)
	case formChoice:
		return float64(d.param.LevelOf(v))
	case formUnit:
		lo, hi := d.scaled()
		t := d.param.Transform(v)
		if w := hi - lo; !math.IsInf(w, 0) {
			return min(max((t-lo)/w, 0), 1)
		}
		return min(max((t/2-lo/2)/(hi/2-lo/2), 0), 1)
	case formNumber:
	}
	f, _ := v.(float64)
	return f
}

// value is the value at or nearest to an internal number, whatever that is.
func (d *domain) value(x float64) space.Value {
	if math.IsNaN(x) {
		return d.param.Middle()
	}
	x = min(max(x, d.low), d.high)
	switch d.form {
	case formLevels:
		return d.param.At(int64(math.Floor((x-d.low)/d.step + 0.5)))
	case formChoice:
		return d.param.At(int64(x))
	case formUnit:
		lo, hi := d.scaled()
		return d.param.Untransform(lo*(1-x) + hi*x)
	case formNumber:
	}
	return x + 0 // no negative zero
}

func (d *domain) scaled() (lo, hi float64) {
	return d.param.TransformedBounds(!d.param.Continuous())
}

// sample draws an internal number with goptuna's random sampler, except that
// choices, which that draws from the global generator, are drawn from r.
func (d *domain) sample(s *gopt.RandomSampler, r *rand.Rand) (float64, error) {
	if d.form == formChoice {
		return float64(r.IntN(int(d.high) + 1)), nil
	}
	return s.Sample(nil, gopt.FrozenTrial{}, d.param.Name, d.distribution)
}
