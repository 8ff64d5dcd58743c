package trial

import (
	"fmt"
	"math"
	"slices"

	"github.com/gotuner/tuner/api/types"
)

// The constants of Prospect.
const (
	prospectFirst      = 10   // completed trials that the progress is measured from
	prospectNotable    = 0.01 // share of the progress so far that is worth mentioning
	prospectChance     = 0.05 // of a notable improvement by the next trial
	prospectConfidence = 0.95
)

// Prospect says when going on with a search for one objective is unlikely to pay.
//
// The mark is the best value at the last notable improvement; at first it is
// the best of the first ten completed trials, whose median is the start. A
// completed trial is a notable improvement if it is better than the mark by
// more than 1 % of the distance from the start to the mark; small steps add up
// until they are one. After n further trials that ended without (completed,
// pruned, failed or infeasible; imported ones do not count), the chance p of a
// notable improvement by the next trial has the exact upper limit of 95 %
// confidence 1 - 0.05^(1/n), about 3/n ("rule of three"; Hanley and
// Lippman-Hand: "If Nothing Goes Wrong, Is Everything All Right?", JAMA 249,
// 1983). Going on is unlikely to pay once that is below 5 %: after 59 trials.
//
// It takes the chance for the same in all of these trials. In a search that
// learns it falls from the luck of the beginning, so the limit errs on the side
// of going on; what it cannot know is a better region that the algorithm has
// not come across yet.
//
// The zero Prospect, and that of several objectives, never says so.
type Prospect struct {
	sign  float64 // of the objective; 0 for none
	first []float64
	start float64
	mark  float64
	since int64
}

// NewProspect returns a Prospect for a study with these objectives.
func NewProspect(objectives []types.Objective) Prospect {
	switch {
	case len(objectives) != 1:
		return Prospect{}
	case objectives[0].Goal == types.Maximize:
		return Prospect{sign: -1}
	}
	return Prospect{sign: 1}
}

// Add takes the next trial that ended.
func (p *Prospect) Add(f *Finish, imported bool) {
	if p.sign == 0 || f.State == types.Cancelled {
		return
	}
	ready := len(p.first) == prospectFirst
	if f.State == types.Completed && len(f.Values) == 1 {
		v := p.sign * f.Values[0]
		switch {
		case !ready:
			p.first = append(p.first, v)
			if len(p.first) == prospectFirst {
				slices.Sort(p.first)
				p.mark = p.first[0]
				p.start = (p.first[prospectFirst/2-1] + p.first[prospectFirst/2]) / 2
			}
		case p.mark-v > prospectNotable*(p.start-p.mark):
			p.mark, p.since = v, 0
			return
		}
	}
	if ready && !imported {
		p.since++
	}
}

// BeginAnew counts the trials without improvement from here: the study goes on
// although it was told.
func (p *Prospect) BeginAnew() { p.since = 0 }

// Unlikely says in words why going on is unlikely to pay, "" if it may.
func (p *Prospect) Unlikely() string {
	limit := 1 - math.Pow(1-prospectConfidence, 1/float64(p.since))
	if p.since == 0 || limit >= prospectChance {
		return ""
	}
	return fmt.Sprintf("the last %d trials brought no notable improvement (1 %% of the progress so far), "+
		"so with 95 %% confidence the next brings one with a chance below %.1f %%", p.since, math.Ceil(1000*limit)/10)
}
