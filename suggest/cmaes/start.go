package cmaes

import (
	"math"
	"slices"

	"github.com/gotuner/tuner/suggest"
)

// The warm start (Nomura, Watanabe, Akimoto, Ozaki and Onishi 2021, with their
// gamma and alpha).
const (
	warmShare = 0.1 // of the trials are good
	warmAlpha = 0.1 // deviation around each of those, in ranges
	// warmLeast is the least number of completed trials for it.
	warmLeast = 20
	// warmGrowth is by how much the trials must grow until it is made again.
	warmGrowth = 1.03
)

// restartStream names the randomness of restarts.
const restartStream = Name + "/restart"

// begin makes run 0 from the priors.
func (s *CMAES) begin() {
	l := s.layout
	mean, variances := make([]float64, len(l.numbers)), make([]float64, len(l.numbers))
	for i := range l.numbers {
		mean[i], variances[i] = 0.5, 1
		if m, sd, ok := l.numbers[i].start(); ok {
			mean[i], variances[i] = m, sd/s.sigma*sd/s.sigma
		}
	}
	s.policy = policy{population: s.population}
	if s.population == 0 {
		s.policy.population = populationOf(len(l.numbers) + len(l.choices))
	}
	s.policy.largest = s.policy.population
	s.started, s.warmed = false, 0
	s.run = &run{population: s.policy.population, sigma: s.sigma,
		gauss: newGaussian(mean, s.sigma, variances, s.lrAdapt), cats: newCategories(l.choices)}
	s.settle()
}

// settle brings the means of a new run to where the margin allows them.
func (s *CMAES) settle() {
	l, r := s.layout, s.run
	n := len(l.numbers) + len(l.choices)
	r.gauss.keepMargin(l.numbers, 1/float64(max(n, 1)*r.population))
	s.drafts = nil
}

// warm makes the distribution of run 0 from the trials that have finished before
// the first one is drawn, when they are enough and some more than last time: what
// has come since counts in the first generation.
func (s *CMAES) warm() {
	if s.started || !s.warmStart || float64(len(s.run.pool)) < warmGrowth*float64(s.warmed) {
		return
	}
	var good []result
	for _, x := range s.run.pool {
		if x.rank.Class == suggest.RankCompleted {
			good = append(good, x)
		}
	}
	if len(good) < warmLeast {
		return
	}
	s.warmed = len(s.run.pool)
	slices.SortFunc(good, compareResults)
	good = good[:int(math.Ceil(warmShare*float64(len(good))))]
	s.warmNumbers(good)
	s.warmChoices(good)
	s.settle()
}

// warmNumbers sets the mean and the covariance of the good trials, alpha²
// added; unknown coordinates count as the mean.
func (s *CMAES) warmNumbers(good []result) {
	n := len(s.layout.numbers)
	if n == 0 {
		return
	}
	mean := make([]float64, n)
	for i := range mean {
		known := 0
		for _, x := range good {
			if v := x.sample.v[i]; !math.IsNaN(v) {
				mean[i] += v
				known++
			}
		}
		if mean[i] /= float64(known); known == 0 {
			mean[i] = s.run.gauss.mean[i]
		}
	}
	ones := make([]float64, n)
	for i := range ones {
		ones[i] = warmAlpha * warmAlpha
	}
	g := newGaussian(mean, 1, ones, s.lrAdapt)
	for _, x := range good {
		y := make([]float64, n)
		for i, v := range x.sample.v {
			if !math.IsNaN(v) {
				y[i] = v - mean[i]
			}
		}
		addOuter(g.c, 1/float64(len(good)), y)
	}
	for i := range n {
		for j := range i {
			g.c[j*n+i] = g.c[i*n+j]
		}
	}
	g.decompose()
	logs := 0.0
	for _, d := range g.d {
		logs += math.Log(d)
	}
	g.sigma = math.Exp(logs / float64(n))
	for i := range g.c {
		g.c[i] /= g.sigma * g.sigma
	}
	g.decompose()
	s.run.gauss, s.run.sigma = g, g.sigma
}

// warmChoices sets the probabilities to the shares among the good trials, the
// uniform distribution counting as one more trial.
func (s *CMAES) warmChoices(good []result) {
	cats := newCategories(s.layout.choices)
	for j, q := range cats.q {
		total := 1.0
		for _, x := range good {
			if k := x.sample.c[j]; k >= 0 {
				q[k]++
				total++
			}
		}
		for k := range q {
			q[k] /= total
		}
	}
	cats.keepMargin()
	s.run.cats = cats
}

// start freezes the distribution of run 0: the first trial was drawn from it.
// The trials that it was made of are used up.
func (s *CMAES) start() {
	s.started = true
	s.run.pool = slices.Delete(s.run.pool, 0, s.warmed)
}

// policy is the state of the restarts.
type policy struct {
	population int // the default
	largest    int // of the last run of the first regime
	spent      int // results of that run
	large      int // results of all runs of the first regime, without the first run
	small      int // of the second
}

// restart begins the next run: with IPOP (Auger and Hansen 2005) of twice the
// population; with BIPOP (Hansen 2009) of twice the population or of a small
// random one, whichever regime has used fewer results so far. The first mean
// is a random feasible point.
func (s *CMAES) restart() {
	p, old := &s.policy, s.run
	switch {
	case old.small:
		p.small += old.spent
	default:
		if p.spent = old.spent; old.index > 0 {
			p.large += old.spent
		}
	}
	r := suggest.Stream(s.seed, restartStream, int64(old.index+1))
	next := &run{index: old.index + 1, sigma: s.sigma, cats: newCategories(s.layout.choices)}
	if s.restarts == "bipop" && p.small < p.large {
		next.small = true
		u, v := r.Float64(), r.Float64()
		ratio := float64(p.largest) / float64(p.population) / 2
		next.population = int(float64(p.population) * math.Pow(ratio, u*u))
		next.sigma = s.sigma * math.Pow(10, -2*v)
		next.limit = max(p.spent/2, 1)
	} else {
		p.largest = min(2*p.largest, maxPopulation)
		next.population = p.largest
	}
	n := len(s.layout.numbers)
	mean, ones := make([]float64, n), make([]float64, n)
	for i := range mean {
		mean[i], ones[i] = r.Float64(), 1
	}
	if len(s.ledger.Space().Constraints()) > 0 {
		if q, err := s.ledger.Space().SampleFeasible(r); err == nil {
			v := make([]float64, n)
			s.layout.encode(q, v, make([]int, len(s.layout.choices)))
			for i := range v {
				if !math.IsNaN(v[i]) {
					mean[i] = v[i]
				}
			}
		}
	}
	next.gauss = newGaussian(mean, next.sigma, ones, s.lrAdapt)
	s.run = next
	s.models.restart()
	s.settle()
}
