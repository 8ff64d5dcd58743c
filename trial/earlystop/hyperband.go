package earlystop

import (
	"math/bits"

	"github.com/gotuner/tuner/trial"
)

// hyperbandRule runs several brackets of asynchronous successive halving side by
// side, which end their trials at different first rungs: a hedge against
// curves whose beginning says little.
//
// Sources: Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar: "Hyperband: A Novel
// Bandit-Based Approach to Hyperparameter Optimization", JMLR 18 (2018), for the
// idea; Determined AI's adaptive ASHA in its standard mode
// (master/pkg/searcher/adaptive_asha.go, version 0.38) for the brackets:
//
//   - the most rungs of a bracket are m = min(max_rungs, floor(log_eta(R)) + 1)
//     for trials of R steps, in exact integer arithmetic;
//   - there are brackets of m, m-1, … (m-1)/2 + 1 rungs;
//   - rung i (from 0) of a bracket of n rungs is at step R / eta^(n-1-i),
//     rounded down; the last is at R, where nothing is decided;
//   - the brackets get trials in proportion to eta^(n-1)/n, so that each gets
//     about the same number of steps.
//
// Deviations: Determined gives each bracket its trials en bloc and bounds m by
// the number of trials, too. Here the number of trials may grow, so a trial's
// bracket is a function of its number alone: each trial goes to the bracket b
// with the least (trials of b + 1) / weight of b, the most rungs first among
// equals (D'Hondt's method), so that the shares are kept to within one trial
// at any time. Between brackets nothing is compared.
func hyperbandRule() Rule {
	return Rule{
		Name: "hyperband",
		Doc: "Several asha side by side, of which some give trials more steps before the first decision: " +
			"for curves whose beginning says little.",
		Version: 1,
		Settings: append([]trial.Setting{
			{Name: "max_rungs", Type: trial.IntSetting, Default: int64(5), Min: new(float64(1)), Max: new(float64(10)),
				Doc: "Most rungs of a bracket, that of whole trials included."},
		}, halvingSettings()...),
		New: newHyperband,
	}
}

func newHyperband(cfg Config) (Stopper, error) {
	eta, most := cfg.Settings.Int("eta"), cfg.Settings.Int("max_rungs")
	return newHalving(cfg, "hyperband", func(maxStep int64) *brackets {
		b := &brackets{}
		var share shares
		for _, n := range bracketSizes(maxStep, eta, most) {
			b.rungs = append(b.rungs, bracketRungs(maxStep, eta, n))
			share.weights = append(share.weights, weight(eta, n))
		}
		b.assign = share.of
		return b
	})
}

// bracketSizes are the numbers of rungs of the brackets, most first.
func bracketSizes(maxStep, eta, most int64) []int64 {
	m := int64(1)
	for left := maxStep / eta; left >= 1 && m < most; left /= eta {
		m++
	}
	var out []int64
	for n := m; n >= (m-1)/2+1; n-- {
		out = append(out, n)
	}
	return out
}

// bracketRungs are the rungs of a bracket of n, without that of whole trials.
func bracketRungs(maxStep, eta, n int64) []*rung {
	out := make([]*rung, 0, n-1)
	divisor := int64(1)
	for range n - 1 {
		divisor *= eta
		out = append(out, &rung{step: maxStep / divisor})
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// ratio is a positive fraction.
type ratio struct{ num, den uint64 }

// weight is eta^(n-1)/n: at eta 100 and ten rungs at most 10^18.
func weight(eta, n int64) ratio {
	w := ratio{1, uint64(n)}
	for range n - 1 {
		w.num *= uint64(eta)
	}
	return w
}

// shares gives numbers to groups in proportion to their weights.
type shares struct {
	weights []ratio
	given   []uint64 // how many each group has
	groups  []uint8  // of the numbers so far
}

// of is the group of a number. It takes O(number) at first, O(1) later.
func (s *shares) of(number int64) int {
	if s.given == nil {
		s.given = make([]uint64, len(s.weights))
	}
	for int64(len(s.groups)) <= number {
		best := 0
		for g := 1; g < len(s.weights); g++ {
			if s.before(g, best) {
				best = g
			}
		}
		s.given[best]++
		s.groups = append(s.groups, uint8(best))
	}
	return int(s.groups[number])
}

// before reports whether (given[a]+1)/weight[a] < (given[b]+1)/weight[b].
func (s *shares) before(a, b int) bool {
	wa, wb := s.weights[a], s.weights[b]
	// (ga+1) * den_a * num_b < (gb+1) * den_b * num_a; the first product is small.
	lh, ll := bits.Mul64((s.given[a]+1)*wa.den, wb.num)
	rh, rl := bits.Mul64((s.given[b]+1)*wb.den, wa.num)
	return lh < rh || lh == rh && ll < rl
}
