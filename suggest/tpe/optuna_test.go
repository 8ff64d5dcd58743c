package tpe

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

// referencePoint is the i-th point of the history below.
func referencePoint(i int) space.Point {
	frac := func(k float64) float64 { _, f := math.Modf(float64(i+1) * k); return f }
	return space.Point{
		-5 + 10*frac(0.618),
		math.Pow(10, -4+4*frac(0.755)),
		1 + int64(8*frac(0.57)),
		int64(math.Pow(2, 6*frac(0.819))),
		0.25 * math.Floor(5*frac(0.671)),
		string("abc"[int(3*frac(0.549))]),
	}
}

// The densities of Optuna 5.0.0 (TPESampler._build_parzen_estimator and
// log_pdf) for the same 60 trials, of which some were pruned and some failed,
// without and with two running ones, computed with a stable argsort: which of
// equal observations counts as the outer one, numpy's default leaves open, here
// it goes by number. Its continuous coordinates are not
// stretched to [0, 1], which adds the logarithms of the two widths.
func TestAgainstOptuna(t *testing.T) {
	steps := rangeOf("s", 0.0, 1.0, "")
	steps.Step = 0.25
	s := mustSpace(t,
		rangeOf("x", -5.0, 5.0, ""), rangeOf("lr", 1e-4, 1.0, space.Log), rangeOf("n", int64(1), int64(8), ""),
		rangeOf("w", int64(1), int64(64), space.Log), steps, letters("c", "a", "b", "c"))
	o := newObservations(s, &settings{gamma: 0.1, gammaMax: 25, priorWeight: 1, multivariate: true, liar: true})
	for i := range 60 {
		v := float64(i*37%101) / 101
		f := &trial.Finish{State: types.Completed, Values: []float64{v}}
		switch {
		case i%7 == 3:
			f = &trial.Finish{State: types.Pruned, Values: []float64{v}, Step: int64(i%5 + 1)}
		case i%11 == 5:
			f = &trial.Finish{State: types.Failed}
		}
		if r, ok := suggest.RankOf(f, types.Minimize); ok && r.Class != suggest.RankFailed {
			o.add(int64(i), referencePoint(i), r)
		}
	}
	running := []suggest.Pending{{Number: 60, Point: referencePoint(100)}, {Number: 61, Point: referencePoint(101)}}
	tests := []struct {
		name    string
		pending []suggest.Pending
		above   int
		want    [6][2]float64 // log l and log g at points 1000 to 1005
	}{
		{"finished", nil, 50, [6][2]float64{
			{-11.5039495922782, -17.8670666719189},
			{-14.1420979497824, -9.98462438959017},
			{-14.1185913822218, -6.94745006566736},
			{-13.8828892537485, -7.25604601808344},
			{-12.80622189239, -4.99229183790914},
			{-15.8739766268826, -18.3226158071864},
		}},
		{"with running ones", running, 52, [6][2]float64{
			{-11.5039495922782, -17.892787624436},
			{-14.1420979497824, -9.9727425629201},
			{-14.1185913822218, -6.96223597415438},
			{-13.8828892537485, -7.28680394910742},
			{-12.80622189239, -5.01469771773932},
			{-15.8739766268826, -18.3483367597034},
		}},
	}
	shift := math.Log(10) + math.Log(math.Log(1e4))
	for _, tt := range tests {
		m := o.model(tt.pending)
		var good []int64
		for _, slot := range m.good {
			good = append(good, o.numbers[slot])
		}
		if d := cmp.Diff([]int64{0, 41, 11, 22, 33, 44}, good); d != "" || m.above != tt.above || len(m.groups) != 1 {
			t.Fatalf("%s: %d bad ones, %d groups, good ones: %s", tt.name, m.above, len(m.groups), d)
		}
		g, acc := m.groups[0], scratch{}
		for i, want := range tt.want {
			p, x := referencePoint(1000+i), make([]float64, len(o.dims))
			for j, d := range o.dims {
				x[j] = d.encode(p[d.index])
			}
			near(t, tt.name+": log l", g.good.logDensity(x, &acc)-shift, want[0], 1e-9)
			near(t, tt.name+": log g", g.bad.logDensity(x, &acc)-shift, want[1], 1e-9)
		}
	}
}
