package earlystop_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// ascend lets one worker run n trials of a promoting rule, each better than all
// after it, and returns how many of each bracket trained to each step: bracket
// says which one a trial belongs to.
func ascend(t *testing.T, name string, settings map[string]any, n int64, bracket func(number int64) int) map[int]map[int64]int {
	t.Helper()
	h := historyOf(t, name, types.Minimize, settings)
	p := h.stopper.(earlystop.Promoter)
	got := map[int]map[int64]int{}
	for next := int64(0); ; {
		number := p.Promote(false)
		if number < 0 && next < n {
			number = next
			next++
			h.create(number)
		} else if number < 0 {
			number = p.Promote(true)
		}
		if number < 0 {
			return got
		}
		h.event(trial.Event{Kind: trial.EventStarted, Trial: number})
		budget, whole := p.Budget(number)
		if d := h.report(number, budget, float64(number)); d.Stop {
			t.Fatalf("trial %d at its budget: %+v", number, d)
		}
		b := bracket(number)
		if got[b] == nil {
			got[b] = map[int64]int{}
		}
		got[b][budget]++
		if whole {
			h.finish(number, types.Completed)
		} else {
			h.event(trial.Event{Kind: trial.EventPaused, Trial: number})
		}
	}
}

// rungsText is "81x1 27x3 …": how many trials trained to which step.
func rungsText(m map[int64]int) (out string) {
	for _, step := range slices.Sorted(maps.Keys(m)) {
		out += fmt.Sprintf(" %dx%d", m[step], step)
	}
	return out[1:]
}

// Table 1 of the Hyperband paper (Li et al., JMLR 18, 2018), for R = 81 and
// eta = 3: n_i trials of r_i steps in the brackets s = 4 … 0, where bracket s
// begins with ceil(5 * 3^s / (s+1)) trials.
//
// Ours has the brackets of Determined's standard mode, which leaves out those
// with the fewest rungs: here s = 1 and s = 0. The others are the table's: their
// rungs, the number of trials in each of them (of 81 + 34 + 15, which the table
// gives to one bracket after the other and we to all of them in turn), and how
// many go on from each rung, where the trials come in the order of their quality,
// so that the asynchronous rule sees at once what the synchronous one waits for.
func TestHyperbandTable(t *testing.T) {
	table := []string{
		"81x1 27x3 9x9 3x27 1x81", // s = 4
		"34x3 11x9 3x27 1x81",     // s = 3
		"15x9 5x27 1x81",          // s = 2
	}
	left := []string{"8x27 2x81", "5x81"} // s = 1, 0
	if got, want := earlystop.Brackets(81, 3, 5), len(table); len(got) != want {
		t.Errorf("%d brackets, want %d of the table's %d", len(got), want, len(table)+len(left))
	}
	shares := earlystop.Shares(3, []int64{5, 4, 3}, 81+34+15)
	got := ascend(t, "hyperband", map[string]any{"max_step": 81, "mode": "promote"}, 81+34+15,
		func(number int64) int { return shares[number] })
	for b, want := range table {
		if rungsText(got[b]) != want {
			t.Errorf("bracket s = %d: %s, want %s", 4-b, rungsText(got[b]), want)
		}
	}
}

// Figure 1 of the ASHA paper (Li et al., MLSys 2020): n = 9, r = 1, R = 9,
// eta = 3. Bracket s begins at r * eta^s steps.
func TestASHAFigure1(t *testing.T) {
	for s, want := range []string{"9x1 3x3 1x9", "9x3 3x9", "9x9"} {
		first := []int{1, 3, 9}[s]
		got := ascend(t, "asha", map[string]any{"min_step": first, "max_step": 9, "mode": "promote"}, 9, func(int64) int { return 0 })
		if rungsText(got[0]) != want {
			t.Errorf("bracket s = %d: %s, want %s", s, rungsText(got[0]), want)
		}
	}
}

// Algorithm 2 of the ASHA paper on bracket 0 of its figure 1, one worker, by hand.
// The losses at step 1 of trials 0 … 8 are below; whoever is better there is so
// later. After trial 2 a third of three is one: trial 0 is the best of them and
// goes on. After trial 5 it is two of six, 0 and 5: 5 goes on. After trial 7 the
// best two of eight are 7 and 0: 7 goes on, too, where the synchronous rule would
// have waited for trial 8. Then there are three results at step 3, and the best of
// them, 7, goes on to the end before trial 8 begins. Trial 8 is none of the best
// three of nine, which are 7, 0 and 5.
func TestASHAPromotesByHand(t *testing.T) {
	losses := []float64{0.2, 0.9, 0.7, 0.8, 0.6, 0.3, 0.5, 0.1, 0.4}
	h := historyOf(t, "asha", types.Minimize, map[string]any{"min_step": 1, "max_step": 9, "mode": "promote"})
	p := h.stopper.(earlystop.Promoter)
	var log []string
	for next := int64(0); ; {
		number := p.Promote(false)
		if number < 0 && next < 9 {
			number = next
			next++
			h.create(number)
		}
		if number < 0 {
			break
		}
		h.event(trial.Event{Kind: trial.EventStarted, Trial: number})
		budget, whole := p.Budget(number)
		log = append(log, fmt.Sprintf("%d to %d", number, budget))
		h.report(number, budget, losses[number]/float64(budget))
		if whole {
			h.finish(number, types.Completed)
			continue
		}
		h.event(trial.Event{Kind: trial.EventPaused, Trial: number})
	}
	want := []string{"0 to 1", "1 to 1", "2 to 1", "0 to 3", "3 to 1", "4 to 1", "5 to 1", "5 to 3",
		"6 to 1", "7 to 1", "7 to 3", "7 to 9", "8 to 1"}
	if !slices.Equal(log, want) {
		t.Errorf("got  %q\nwant %q", log, want)
	}
	if n := p.Promote(true); n >= 0 {
		t.Errorf("at the end %d goes on; somebody has trained to the end", n)
	}
}
