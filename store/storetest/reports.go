package storetest

import (
	"context"
	"math"
	"testing"

	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

var reportTests = map[string]func(t *testing.T, s store.Store){
	"values of every kind":       reportValues,
	"the last attempt counts":    lastAttempt,
	"the same step replaces":     sameStep,
	"thinning keeps both ends":   thinning,
	"many in one batch":          manyReports,
	"no reports":                 noReports,
	"a report of an older batch": sameStepLater,
}

// report stores reports of trial 0 in one batch; Seq and Time are filled in.
func report(t *testing.T, f *Feed, reports ...trial.Report) []trial.Report {
	t.Helper()
	for i := range reports {
		reports[i].Seq, reports[i].Time = f.Seq+int64(i), f.Now()
		reports[i].Attempt = max(reports[i].Attempt, 1)
		if reports[i].Metric == "" {
			reports[i].Metric = "loss"
		}
	}
	check(t, f.Store.Commit(context.Background(), f.Batch(store.PutReports{Reports: reports})))
	return reports
}

func curve(t *testing.T, f *Feed, metric string, maxPoints int) []trial.Report {
	t.Helper()
	got, err := f.Store.Reports(context.Background(), f.Study.ID, 0, metric, maxPoints)
	check(t, err)
	return got
}

func reportValues(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "values")
	add(t, f, fullTrial())
	add(t, f, fullTrial())
	in := report(t, f,
		trial.Report{Metric: "acc", Step: -5, Value: math.NaN()},
		trial.Report{Metric: "acc", Step: 0, Value: math.Inf(1)},
		trial.Report{Metric: "acc", Step: math.MaxInt64, Value: math.Inf(-1)},
		trial.Report{Metric: "loss", Step: 1, Value: 1.0 / 3},
		trial.Report{Metric: "ünï", Step: 1, Value: math.MaxFloat64},
	)
	report(t, f, trial.Report{Trial: 1, Step: 1, Value: 2})
	same(t, "all reports", in, curve(t, f, "", 0))
	same(t, "the reports of acc", in[:3], curve(t, f, "acc", 0))
	same(t, "the reports of no metric", 0, len(curve(t, f, "none", 0)))
}

func lastAttempt(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "attempt")
	add(t, f, fullTrial())
	report(t, f, trial.Report{Attempt: 1, Step: 1, Value: 1}, trial.Report{Attempt: 1, Step: 2, Value: 2},
		trial.Report{Attempt: 1, Step: 1, Metric: "old"})
	in := report(t, f, trial.Report{Attempt: 3, Step: 1, Value: 3})
	report(t, f, trial.Report{Attempt: 2, Step: 9, Value: 3})
	same(t, "the reports of the last attempt", in, curve(t, f, "", 0))
	same(t, "a metric of an earlier attempt", 0, len(curve(t, f, "old", 0)))
}

func sameStep(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "replace")
	add(t, f, fullTrial())
	in := report(t, f, trial.Report{Step: 2, Value: 1}, trial.Report{Step: 1, Value: 2}, trial.Report{Step: 2, Value: 3})
	same(t, "the curve", []trial.Report{in[1], in[2]}, curve(t, f, "loss", 0))
}

func sameStepLater(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "later")
	add(t, f, fullTrial())
	first := report(t, f, trial.Report{Step: 1, Value: 1}, trial.Report{Step: 2, Value: 2})
	second := report(t, f, trial.Report{Step: 1, Value: 10})
	same(t, "the curve", []trial.Report{second[0], first[1]}, curve(t, f, "loss", 0))
	// The events are what happened, and stay.
	got := events(t, s, f.Study.ID, first[0].Seq)
	var values []float64
	for _, e := range got {
		values = append(values, e.Report.Value)
	}
	same(t, "the reported values", []float64{1, 2, 10}, values)
}

func thinning(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "thin")
	add(t, f, fullTrial())
	var in []trial.Report
	for i := range 101 {
		in = append(in, trial.Report{Metric: "a", Step: int64(i), Value: float64(i)})
	}
	in = append(in, trial.Report{Metric: "b", Step: 1, Value: 5}, trial.Report{Metric: "b", Step: 2, Value: 6})
	in = report(t, f, in...)
	pick := func(steps ...int) (out []trial.Report) {
		for _, i := range steps {
			out = append(out, in[i])
		}
		return out
	}
	same(t, "5 of 101", pick(0, 25, 50, 75, 100), curve(t, f, "a", 5))
	same(t, "2 of 101", pick(0, 100), curve(t, f, "a", 2))
	same(t, "1 of 101", pick(100), curve(t, f, "a", 1))
	same(t, "all of 101", in[:101], curve(t, f, "a", 101))
	same(t, "3 of each", pick(0, 50, 100, 101, 102), curve(t, f, "", 3))
}

func manyReports(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "many")
	add(t, f, fullTrial())
	for _, n := range []int{1, 15, 16, 17, 1000} { // around the sizes of the statements
		var in []trial.Report
		for i := range n {
			in = append(in, trial.Report{Attempt: n, Step: int64(i), Value: float64(i)})
		}
		in = report(t, f, in...)
		same(t, "the reports", in, curve(t, f, "", 0))
	}
	if got := len(events(t, s, f.Study.ID, 0)); got != 1+1+15+16+17+1000 {
		t.Fatalf("there are %d events", got)
	}
}

func noReports(t *testing.T, s store.Store) {
	f := NewFeed(t, s, "none")
	add(t, f, fullTrial())
	same(t, "the reports", 0, len(curve(t, f, "", 10)))
	got, err := s.Reports(context.Background(), f.Study.ID, 55, "", 0)
	check(t, err)
	same(t, "the reports of no trial", 0, len(got))
}
