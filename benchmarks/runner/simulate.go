package runner

import (
	"math"
	"math/rand/v2"

	"github.com/gotuner/tuner/benchmarks/problems"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

// noise is what disturbs the k-th trial of a problem with a seed, whatever
// contender asked for it.
func noise(problem string, seed, k int64) *rand.Rand {
	return suggest.Stream(seed, "runner/noise/"+problem, k)
}

// durationSpread is the standard deviation of the logarithm of made-up
// durations: one in six takes more than 1.65 times the median.
const durationSpread = 0.5

// duration is how long the k-th trial takes, in seconds: what the problem knows,
// else a log-normal draw with median 1.
func duration(in *problems.Instance, p space.Point, seed, k int64) float64 {
	if s, ok := in.Runtime(p); ok && s > 0 && !math.IsInf(s, 0) {
		return s
	}
	r := suggest.Stream(seed, "runner/duration/"+in.Problem().Name, k)
	return math.Exp(durationSpread * r.NormFloat64())
}

// flight is a trial that a worker runs.
type flight struct {
	number          int64 // the searcher's
	index           int64 // in the order of the asks
	end             float64
	observed, truth float64
}

// flights is the simulated clock and what is in the air. Time passes only while
// trials run: what tuners think does not move it, so that runs repeat.
type flights struct {
	now  float64
	list []flight
}

// start begins a flight now.
func (f *flights) start(t flight, seconds float64) {
	t.end = f.now + seconds
	f.list = append(f.list, t)
}

// land takes out the flight that ends first, of several the one asked for first,
// and moves the clock there.
func (f *flights) land() flight {
	first := 0
	for i, t := range f.list {
		if e := f.list[first]; t.end < e.end || t.end == e.end && t.index < e.index {
			first = i
		}
	}
	t := f.list[first]
	last := len(f.list) - 1
	f.list[first] = f.list[last]
	f.list = f.list[:last]
	f.now = t.end
	return t
}

// score follows the best trial at the cost of a comparison a trial.
type score struct {
	checkpoints       []int
	best, recommended []float64
	truths            map[int64]float64

	finished                         int
	least, leastObserved, ofObserved float64 // NaN: none yet
}

func newScore(budget int) score {
	return score{
		checkpoints: Checkpoints(budget), truths: map[int64]float64{},
		least: math.NaN(), leastObserved: math.NaN(), ofObserved: math.NaN(),
	}
}

// finish counts a trial. Of equal observations the first stays recommended.
func (s *score) finish(number int64, observed, truth float64) {
	s.truths[number] = truth
	s.finished++
	if truth < s.least || math.IsNaN(s.least) {
		s.least = truth
	}
	if observed < s.leastObserved || math.IsNaN(s.leastObserved) && !math.IsNaN(observed) {
		s.leastObserved, s.ofObserved = observed, truth
	}
	if s.finished == s.checkpoints[len(s.best)] {
		s.mark()
	}
}

func (s *score) mark() {
	s.best = append(s.best, s.least)
	s.recommended = append(s.recommended, s.ofObserved)
}

// fill gives the checkpoints that were not reached the last values.
func (s *score) fill() {
	for len(s.best) < len(s.checkpoints) {
		s.mark()
	}
}
