package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
)

// The study ends once the trials' cost reaches the limit, however they ended
// and whoever runs it then, and goes on when the limit is raised.
func TestCostEndsTheStudy(t *testing.T) {
	ctx := context.Background()
	db := memstore.New()
	e := start(t, db)
	s := spec("a", 100)
	s.Budget.Cost = types.Cost{Metric: "euro", Limit: 10}
	st := open(t, e, s)
	end := func(o types.Outcome, metrics map[string]types.Float) {
		t.Helper()
		if _, err := e.Finish(ctx, types.FinishRequest{Ref: lease(t, e, st.ID).Ref, Outcome: o, Metrics: metrics}); err != nil {
			t.Fatal(err)
		}
	}
	end(types.OutcomeCompleted, map[string]types.Float{"loss": 1, "euro": 4})
	end(types.OutcomeFailed, map[string]types.Float{"euro": 3.5})
	end(types.OutcomeFailed, nil)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = start(t, db)
	if v := open(t, e, types.StudySpec{Name: "a"}); v.State != types.StudyActive {
		t.Fatalf("after 7.5 of 10: %s, %s", v.State, v.Reason)
	}
	end(types.OutcomeCompleted, map[string]types.Float{"loss": 2, "euro": 2.5})
	r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"})
	want := "the trials' euro adds up to 10, and the limit is 10"
	if err != nil || r.Status != types.LeaseDone || r.Reason != want {
		t.Errorf("after 10 of 10: %+v, %v, want %q", r, err, want)
	}
	// Going on with a higher limit, and then with another metric.
	s.Budget.Cost.Limit = 11
	open(t, e, s)
	end(types.OutcomeCompleted, map[string]types.Float{"loss": 2, "euro": 1, "hours": 5})
	if v := open(t, e, types.StudySpec{Name: "a"}); v.Spec.Budget.Cost.Limit != 11 {
		t.Errorf("a continuation lost the limit: %+v", v.Spec.Budget)
	}
	s.Budget.Cost = types.Cost{Metric: "hours", Limit: 6}
	open(t, e, s)
	end(types.OutcomeCompleted, map[string]types.Float{"loss": 2, "hours": 1})
	if r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"}); err != nil || r.Status != types.LeaseDone ||
		r.Reason != "the trials' hours adds up to 6, and the limit is 6" {
		t.Errorf("after 6 hours of 6: %+v, %v", r, err)
	}
}

// A limited metric that a completed trial lacks stops the study: it would never
// reach its limit.
func TestCostMustBeTold(t *testing.T) {
	ctx := context.Background()
	e := start(t, memstore.New())
	s := spec("a", 100)
	s.Budget.Cost = types.Cost{Metric: "euro", Limit: 10}
	st := open(t, e, s)
	finish(t, e, lease(t, e, st.ID), 1)
	r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w"})
	if want := "trial 0 completed without a finite euro, whose sum is limited"; err != nil || r.Status != types.LeaseDone || r.Reason != want {
		t.Errorf("got %+v, %v; want %q", r, err, want)
	}
}

func TestCostAndStopWhenAreChecked(t *testing.T) {
	e := start(t, memstore.New())
	for _, b := range []types.Budget{
		{Cost: types.Cost{Metric: "euro"}}, {Cost: types.Cost{Limit: 1}}, {Cost: types.Cost{Metric: "euro", Limit: -1}}, {StopWhen: "bored"},
	} {
		s := spec("a", 1)
		s.Budget = b
		if _, err := e.OpenStudy(context.Background(), s); types.CodeOf(err) != types.Invalid {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

// Without StopWhen the study is told that more is unlikely to pay; with it, it
// ends, after a restart too.
func TestStopWhenUnlikely(t *testing.T) {
	ctx := context.Background()
	for _, when := range []string{"", "unlikely"} {
		t.Run(fmt.Sprintf("%q", when), func(t *testing.T) {
			db := memstore.New()
			e := start(t, db)
			s := spec("a", 200)
			s.Budget.StopWhen = when
			st := open(t, e, s)
			for n := range 10 + 58 {
				finish(t, e, lease(t, e, st.ID), max(1, float64(10-n)))
				if n == 40 {
					if err := e.Close(ctx); err != nil {
						t.Fatal(err)
					}
					e = start(t, db)
				}
			}
			if v, err := e.Study(ctx, st.ID); err != nil || v.Advice != "" || v.State != types.StudyActive {
				t.Fatalf("after 58 trials without improvement: %+v, %v", v, err)
			}
			finish(t, e, lease(t, e, st.ID), 2)
			v, err := e.Study(ctx, st.ID)
			if err != nil || !strings.HasPrefix(v.Advice, "the last 59 trials brought no notable improvement") {
				t.Errorf("after 59: %+v, %v", v, err)
			}
			switch {
			case when == "" && v.State != types.StudyActive:
				t.Errorf("it ended unasked: %+v", v)
			case when != "" && (v.State != types.StudyFinished || v.Reason != v.Advice):
				t.Errorf("it did not end: %+v", v)
			}
		})
	}
}
