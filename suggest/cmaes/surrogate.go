package cmaes

import (
	"slices"

	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
)

const (
	// winners is how good a model's point must be among its generation.
	winners = 2
	// longestPause bounds the generations from one model's point to the next.
	longestPause = 4
	// settled is how many model's points in a row with the same value show that
	// the search has converged.
	settled = 3
)

// surrogate proposes one point of a generation as the minimum of a quadratic model
// of the completed trials (Hansen 2019), as long as such points are good.
type surrogate struct {
	on      bool
	layout  *layout
	archive []observation
	keep    int // observations that models may ask for

	// proposal is the point for the next trial; nil if there is none.
	proposal *draft
	// pause is the number of generations until the next one, interval that from
	// the last one.
	pause, interval int
	// minima are the values of this run's last proposals, as long as each was
	// among the best of its generation.
	minima []float64
}

// newSurrogate returns one for a space; it is off where parameters are unordered
// or not always there. Discrete coordinates count as continuous ones of which only
// the middles of cells are known.
func newSurrogate(l *layout, on bool) surrogate {
	n := len(l.numbers)
	s := surrogate{layout: l, on: on && n > 0 && len(l.choices) == 0 && terms(n, false) <= maxTerms && !l.space.Conditional()}
	s.keep = 2 * perTerm * terms(n, terms(n, true) <= maxTerms)
	s.restart()
	return s
}

// restart forgets what was learned of the models in an ended run. The trials
// remain.
func (s *surrogate) restart() {
	s.proposal, s.pause, s.interval, s.minima = nil, 0, 1, nil
}

// learn takes a completed trial.
func (s *surrogate) learn(x result) {
	if !s.on || x.rank.Class != suggest.RankCompleted {
		return
	}
	v := s.layout.settle(x.sample.v)
	if len(s.archive) >= 2*s.keep {
		s.archive = slices.Delete(s.archive, 0, len(s.archive)-s.keep)
	}
	s.archive = append(s.archive, observation{v, x.rank.A})
}

// converged reports whether the last proposals were good and had the same value.
func (s *surrogate) converged(tolFun float64) bool {
	return len(s.minima) >= settled && spread(s.minima[len(s.minima)-settled:]) <= tolFun
}

// judge looks at the results of a generation that closes: a proposal that is not
// among the best doubles the pause until the next one. Equal results count as
// better, else every point would win on a plateau.
func (s *surrogate) judge(pool []result) {
	i := slices.IndexFunc(pool, func(x result) bool { return x.sample.origin == modelled })
	if i < 0 {
		return
	}
	better := -1 // itself
	for _, x := range pool {
		if x.rank.Compare(pool[i].rank) <= 0 {
			better++
		}
	}
	if better < winners {
		s.interval, s.pause = 1, 0
		s.minima = append(s.minima, pool[i].rank.A)
		return
	}
	s.minima = s.minima[:0]
	s.interval = min(2*s.interval, longestPause)
	s.pause = s.interval - 1
}

// propose makes the proposal for the generation that begins.
func (s *surrogate) propose(r *run, l *layout) {
	s.proposal = nil
	if !s.on || r.gauss.broken {
		return
	}
	if s.pause > 0 {
		s.pause--
		return
	}
	m := fit(r.gauss, s.archive)
	if m == nil {
		return
	}
	v := m.minimum()
	if v == nil {
		return
	}
	x := &sample{origin: modelled, run: r.index, generation: r.generation, v: v}
	s.proposal = &draft{l.decode(v, nil), x}
}

// take is the sample of the new trial at p, if that is the proposal, which is
// then used up; else nil.
func (s *surrogate) take(p space.Point) *sample {
	if s.proposal == nil || !slices.Equal(s.proposal.point, p) {
		return nil
	}
	x := s.proposal.sample
	s.proposal = nil
	return x
}
