package store_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

func TestCursorsSurviveTheirText(t *testing.T) {
	for _, f := range []store.TrialFilter{
		{Sort: store.SortNumber}, {Sort: store.SortNumber, Desc: true}, {Sort: store.SortMetric, Metric: "m"}, {Sort: store.SortFinished, Desc: true},
	} {
		for from, ok := f.First(), true; ok; from, ok = f.Next(from) {
			for _, v := range []float64{0, math.Copysign(0, -1), 1.0 / 3, math.Inf(1), math.Inf(-1), math.MaxFloat64} {
				want := store.Cursor{Phase: from.Phase, Number: math.MaxInt64}
				switch {
				case from.Phase == store.ByValue && f.Sort == store.SortMetric:
					want.Value = v
				case from.Phase == store.ByValue:
					want.Time = math.MinInt64
				}
				page := f
				page.After = f.Encode(want)
				got, err := page.Normalise()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", page.After, diff)
				}
			}
		}
	}
}

func TestCurveIsPure(t *testing.T) {
	if got := store.Curve(nil, "", 3); len(got) != 0 {
		t.Errorf("the curve of nothing is %v", got)
	}
	var in []trial.Report
	for i := range int64(10) {
		in = append(in, trial.Report{Seq: i, Attempt: 1, Metric: "m", Step: i})
	}
	for limit := 2; limit <= 12; limit++ {
		got := store.Curve(append([]trial.Report{}, in...), "m", limit)
		if len(got) != min(limit, 10) || got[0].Step != 0 || got[len(got)-1].Step != 9 {
			t.Errorf("%d points are %v", limit, got)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Step <= got[i-1].Step {
				t.Errorf("%d points are not ascending: %v", limit, got)
			}
		}
	}
}
