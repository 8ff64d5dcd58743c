package earlystop

// Brackets are the rungs of hyperband's brackets for trials of maxStep steps.
func Brackets(maxStep, eta, most int64) [][]int64 {
	var out [][]int64
	for _, n := range bracketSizes(maxStep, eta, most) {
		var steps []int64
		for _, g := range bracketRungs(maxStep, eta, n) {
			steps = append(steps, g.step)
		}
		out = append(out, steps)
	}
	return out
}

// Shares are the brackets, of so many rungs each, of the first trials.
func Shares(eta int64, sizes []int64, trials int64) []int {
	var s shares
	for _, n := range sizes {
		s.weights = append(s.weights, weight(eta, n))
	}
	out := make([]int, trials)
	for n := range out {
		out[n] = s.of(int64(n))
	}
	return out
}

// SignedRank is the p-value of differences that are sorted by size.
func SignedRank(diffs []float64) float64 {
	w := wilcoxon{tails: map[int][]float64{}}
	return w.signedRank(diffs)
}
