package cmaes

import (
	"math"
	"slices"

	"github.com/gotuner/tuner/suggest"
)

// A result that was not drawn from the generation that it is counted in has the
// importance lateShare for each generation that has closed since it was drawn,
// and foreignShare if it came from elsewhere; all foreign ones together count
// at most as much as the generation's own.
const (
	lateShare    = 0.75
	foreignShare = 0.5
)

// origin is where a point came from.
type origin uint8

const (
	drawn    origin = iota // from the distribution
	fallback               // random, because no draw was allowed
	modelled               // the minimum of a model
	foreign                // proposed or enqueued by somebody else
)

// sample is the point of a trial in coordinates.
type sample struct {
	origin          origin
	run, generation int
	// v are the numeric coordinates, NaN unknown. c are the choices, -1 unknown.
	v []float64
	c []int
	// crowded says of a fallback that draws were refused as tried before.
	crowded bool
}

type result struct {
	number int64
	sample *sample
	rank   suggest.Rank
}

// run is one start of the search with its distribution.
type run struct {
	index      int
	population int
	sigma      float64 // at its start
	limit      int     // results after which it ends; 0 none
	small      bool    // of BIPOP's second regime

	gauss *gaussian
	cats  *categories

	generation int
	pool       []result // of the current generation, to be used when it closes
	credits    float64  // of the pool
	fresh      int      // how many of them belong to the generation
	crowded    int      // how many of those are fallbacks that were crowded out
	spent      int      // results used
	bests      []float64
	medians    []float64
	why        string // reason of the end
}

// credit is what x counts for the closing of the generation: 1 for one of its own
// trials, less for a late one, 0 for those of others and of ended searches.
func (r *run) credit(x *sample) float64 {
	if x.origin == foreign || x.run != r.index {
		return 0
	}
	return math.Pow(lateShare, float64(r.generation-x.generation))
}

// closing reports whether x closes the generation: own and late results together
// count as many as the population, and at least one of them is its own.
func (r *run) closing(x *sample) bool {
	const rounding = 1e-9
	c := r.credit(x)
	return (r.fresh > 0 || c == 1) && r.credits+c >= float64(r.population)-rounding
}

// add takes a result; it reports whether a generation closed, of which judge
// then sees the results, best first.
func (r *run) add(x result, l *layout, judge func([]result)) bool {
	s := x.sample
	if s.origin != foreign && s.run != r.index {
		return false // of a search that has ended; a restart is independent
	}
	closing := r.closing(s)
	r.credits += r.credit(s)
	if s.origin != foreign && s.generation == r.generation {
		r.fresh++
		if s.crowded {
			r.crowded++
		}
	}
	r.pool = append(r.pool, x)
	if !closing {
		return false
	}
	slices.SortFunc(r.pool, compareResults)
	judge(r.pool)
	r.close(l)
	return true
}

// close uses the pool, best first, to update the distributions.
func (r *run) close(l *layout) {
	k := weigh(len(l.numbers), r.importance())
	steps, choices := make([]step, len(r.pool)), make([][]int, len(r.pool))
	for i, x := range r.pool {
		own := x.sample.origin != foreign && x.sample.generation == r.generation
		steps[i] = step{own: own, injected: x.sample.origin != drawn, y: r.stepOf(x.sample)}
		choices[i] = x.sample.c
	}
	r.gauss.update(steps, k)
	r.cats.update(choices, k.w)
	n := len(l.numbers) + len(l.choices)
	r.gauss.keepMargin(l.numbers, 1/float64(max(n, 1)*r.population))
	r.remember()
	r.spent += len(r.pool)
	r.generation++
	r.pool, r.credits, r.fresh, r.crowded = r.pool[:0], 0, 0, 0
}

// stepOf is (v - mean)/(sigma·A), 0 where v is unknown.
func (r *run) stepOf(s *sample) []float64 {
	g := r.gauss
	y := make([]float64, g.n)
	for i := range y {
		if !math.IsNaN(s.v[i]) {
			y[i] = (s.v[i] - g.mean[i]) / (g.sigma * g.margin[i])
		}
	}
	return y
}

// importance is that of the pool, in its order.
func (r *run) importance() []float64 {
	others := 0
	for _, x := range r.pool {
		if x.sample.origin == foreign {
			others++
		}
	}
	share := foreignShare
	if others > 0 {
		share = min(share, float64(r.fresh)/float64(others))
	}
	v := make([]float64, len(r.pool))
	for i, x := range r.pool {
		if v[i] = share; x.sample.origin != foreign {
			v[i] = math.Pow(lateShare, float64(r.generation-x.sample.generation))
		}
	}
	return v
}

// remember keeps the best and the median value of the generation, for the
// criteria to stop. Results without a value are infinite.
func (r *run) remember() {
	best, middle := math.Inf(1), math.Inf(1)
	if x := r.pool[0]; x.rank.Class == suggest.RankCompleted {
		best = x.rank.A
	}
	if x := r.pool[(len(r.pool)-1)/2]; x.rank.Class == suggest.RankCompleted {
		middle = x.rank.A
	}
	r.bests = append(r.bests, best)
	r.medians = append(r.medians, middle)
	if most := 2 * maxHistory; len(r.bests) > most {
		r.bests = slices.Delete(r.bests, 0, maxHistory)
		r.medians = slices.Delete(r.medians, 0, maxHistory)
	}
}

const (
	maxCondition = 1e14
	maxHistory   = 20_000 // generations that stagnation looks at
)

// done reports whether the run has to end (Hansen 2016, B.3), and keeps why. It
// is called when a generation has closed; flat says that all values of that
// generation were within tolFun, settled that the models have converged.
func (r *run) done(l *layout, tolX, tolFun float64, crowded, flat, settled bool) bool {
	g := r.gauss
	short := 10 + int(math.Ceil(30*float64(len(l.numbers))/float64(r.population)))
	switch {
	case g.broken:
		r.why = "numeric"
	case r.limit > 0 && r.spent >= r.limit:
		r.why = "limit"
	case crowded:
		r.why = "crowded"
	case r.narrow(l, tolX*r.sigma):
		r.why = "tolx"
	case flat && len(r.bests) >= short && spread(r.bests[len(r.bests)-short:]) <= tolFun:
		r.why = "tolfun"
	case settled:
		r.why = "settled"
	case g.n > 0 && g.condition() > maxCondition:
		r.why = "condition"
	case r.stagnates(len(l.numbers)):
		r.why = "stagnation"
	}
	return r.why != ""
}

// narrow reports whether no continuous coordinate moves by more than tol; false
// if there is none.
func (r *run) narrow(l *layout, tol float64) bool {
	moves := false
	for i := range l.numbers {
		if l.numbers[i].levels > 0 {
			continue
		}
		moves = true
		if r.gauss.deviation(i) > tol || r.gauss.sigma*math.Abs(r.gauss.pc[i]) > tol {
			return false
		}
	}
	return moves
}

// stagnates reports whether neither the best nor the median values of the last
// generations are better than those some time before.
func (r *run) stagnates(n int) bool {
	window := min(120+30*n/r.population+r.generation/5, maxHistory)
	if len(r.bests) < window || window < 40 {
		return false
	}
	const few = 20
	worse := func(h []float64) bool {
		h = h[len(h)-window:]
		return median(h[len(h)-few:]) >= median(h[:few])
	}
	return worse(r.bests) && worse(r.medians)
}

// median is the lower one, so that no values are averaged.
func median(h []float64) float64 {
	h = slices.Sorted(slices.Values(h))
	return h[(len(h)-1)/2]
}

func spread(h []float64) float64 { return slices.Max(h) - slices.Min(h) }
