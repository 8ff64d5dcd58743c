package engine_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

func ask(t *testing.T, e *engine.Engine, req types.LeaseRequest) types.LeaseReply {
	t.Helper()
	r, err := e.Ask(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tell(study, number int64, value float64) types.TellRequest {
	return types.TellRequest{Study: study, Trial: number, TellBody: types.TellBody{Value: new(types.Float(value))}}
}

// TestAskAndTell is the loop of a caller who has a study, a number and a value.
// It runs on the owner and through its mailbox.
func TestAskAndTell(t *testing.T) {
	for _, guest := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db := memstore.New()
			e := start(t, db)
			st := open(t, e, spec("a", 4))
			if guest {
				e = start(t, db)
			}
			ctx := context.Background()
			req := types.LeaseRequest{Study: st.ID, Worker: "me", Key: "k", Max: 2, TTL: types.Duration(time.Hour)}
			first := ask(t, e, req)
			if len(first.Leases) != 2 {
				t.Fatalf("asked for 2, got %+v", first)
			}
			for range 2 {
				r, err := e.Tell(ctx, tell(st.ID, 0, 0.5))
				if err != nil || r.State != types.Completed || *r.Value != 0.5 {
					t.Fatalf("told: %+v, %v", r, err)
				}
			}
			// The same key answers as the first time, although one of the two is over.
			if diff := cmp.Diff(first, ask(t, e, req)); diff != "" {
				t.Errorf("the same key: %s", diff)
			}
			more := req
			more.Max = 3
			if _, err := e.Ask(ctx, more); types.CodeOf(err) != types.Conflict {
				t.Errorf("the same key for another request: %v", err)
			}
			if _, err := e.Tell(ctx, tell(st.ID, 0, 0.6)); types.CodeOf(err) != types.Conflict ||
				!strings.Contains(err.Error(), "it is completed with loss 0.5; what is told now is completed with loss 0.6") {
				t.Errorf("another value for a trial that is over: %v", err)
			}
			d, err := e.ReportAsked(ctx, types.ReportAskedRequest{Study: st.ID, Trial: 1, ReportAskedBody: types.ReportAskedBody{
				Step: new(int64(4)), Metrics: map[string]types.Float{"loss": 5, "acc": 1}}})
			if err != nil || d.Stop {
				t.Fatalf("reported: %+v, %v", d, err)
			}
			// Without a step each metric is counted.
			for range 2 { // the second time, under its key, counts nothing
				d, err = e.ReportAsked(ctx, types.ReportAskedRequest{Study: st.ID, Trial: 1, ReportAskedBody: types.ReportAskedBody{
					Metrics: map[string]types.Float{"loss": 3, "other": 1}, Key: "count"}})
				if err != nil || d.Stop {
					t.Fatalf("reported: %+v, %v", d, err)
				}
			}
			rs, err := db.Reports(ctx, st.ID, 1, "", 1)
			steps := map[string]int64{}
			for _, r := range rs {
				steps[r.Metric] = r.Step
			}
			if diff := cmp.Diff(map[string]int64{"loss": 5, "acc": 4, "other": 0}, steps); err != nil || diff != "" {
				t.Errorf("the steps of the last reports: %v, %s", err, diff)
			}
			r, err := e.Tell(ctx, types.TellRequest{Study: st.ID, Trial: 1})
			if err != nil || r.State != types.Completed || *r.Value != 3 {
				t.Errorf("told without a value after a report: %+v, %v", r, err)
			}
		})
	}
}

func TestTellRefuses(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 10))
	ctx := context.Background()
	run := lease(t, e, st.ID)
	asked := ask(t, e, types.LeaseRequest{Study: st.ID, Worker: "me", Key: "1"}).Leases[0]
	n := asked.Ref.Trial
	body := func(number int64, b types.TellBody) types.TellRequest {
		return types.TellRequest{Study: st.ID, Trial: number, TellBody: b}
	}
	v := new(types.Float(1))
	for name, c := range map[string]struct {
		req  types.TellRequest
		code types.Code
	}{
		"a worker's trial":      {tell(st.ID, run.Ref.Trial, 1), types.Conflict},
		"no trial":              {tell(st.ID, 99, 1), types.NotFound},
		"no value":              {body(n, types.TellBody{}), types.Invalid},
		"other metric only":     {body(n, types.TellBody{Metrics: map[string]types.Float{"acc": 1}}), types.Invalid},
		"twice":                 {body(n, types.TellBody{Value: v, Metrics: map[string]types.Float{"loss": 1}}), types.Invalid},
		"unknown outcome":       {body(n, types.TellBody{Value: v, Outcome: "fine"}), types.Invalid},
		"lost":                  {body(n, types.TellBody{Value: v, Outcome: types.OutcomeLost}), types.Invalid},
		"back without attempt":  {body(n, types.TellBody{Outcome: types.OutcomeInterrupted}), types.Invalid},
		"attempt that is not":   {body(n, types.TellBody{Value: v, Attempt: 2}), types.Invalid},
		"nobody asked for this": {tell(st.ID, control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Enqueue, Points: []types.Params{point(1)}}).Numbers[0], 1), types.Conflict},
	} {
		if _, err := e.Tell(ctx, c.req); types.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := e.ReportAsked(ctx, types.ReportAskedRequest{Study: st.ID, Trial: n}); types.CodeOf(err) != types.Invalid {
		t.Errorf("an empty report: %v", err)
	}
	if _, err := e.ReportAsked(ctx, types.ReportAskedRequest{Study: st.ID, Trial: run.Ref.Trial, ReportAskedBody: types.ReportAskedBody{Value: v}}); types.CodeOf(err) != types.Conflict {
		t.Errorf("a report for a worker's trial: %v", err)
	}
}

func TestTellOutcomes(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 20))
	ctx := context.Background()
	for _, c := range []struct {
		body types.TellBody
		want types.State
	}{
		{types.TellBody{Value: new(types.Float(math.NaN()))}, types.Infeasible},
		{types.TellBody{Outcome: types.OutcomeInfeasible, Reason: "no"}, types.Infeasible},
		{types.TellBody{Outcome: types.OutcomeFailed}, types.Failed},
		{types.TellBody{Outcome: types.OutcomePruned, Value: new(types.Float(2))}, types.Pruned},
		{types.TellBody{Metrics: map[string]types.Float{"loss": 1, "acc": 0.5}}, types.Completed},
		{types.TellBody{Outcome: types.OutcomeInterrupted, Attempt: 1}, types.Queued},
	} {
		n := ask(t, e, types.LeaseRequest{Study: st.ID, Worker: "me"}).Leases[0].Ref.Trial
		for i := range 2 { // the second time answers as the first
			r, err := e.Tell(ctx, types.TellRequest{Study: st.ID, Trial: n, TellBody: c.body})
			if err != nil || r.State != c.want || (c.body.Outcome != "" && r.Reason == "") {
				t.Errorf("%+v, time %d: %+v, %v; want %s", c.body, i+1, r, err, c.want)
			}
		}
	}
}

// TestAskedTrialComesBack: who was asked for nothing for longer than the lease
// loses the trial, and what it tells under its attempt is refused.
func TestAskedTrialComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, memstore.New())
		st := open(t, e, spec("a", 5))
		req := types.LeaseRequest{Study: st.ID, Worker: "me", TTL: types.Duration(time.Hour)}
		first := ask(t, e, req).Leases[0]
		time.Sleep(time.Hour + 2*time.Second)
		late := tell(st.ID, first.Ref.Trial, 1)
		late.Attempt = 1
		if _, err := e.Tell(context.Background(), late); types.CodeOf(err) != types.Superseded {
			t.Errorf("a late value: %v", err)
		}
		again := ask(t, e, req).Leases[0]
		if diff := cmp.Diff(first.Params, again.Params); diff != "" || again.Ref.Attempt != 2 {
			t.Errorf("handed out again: %+v", again)
		}
		if _, err := e.Tell(context.Background(), late); types.CodeOf(err) != types.Superseded {
			t.Errorf("a late value for the second attempt: %v", err)
		}
		if r, err := e.Tell(context.Background(), tell(st.ID, first.Ref.Trial, 2)); err != nil || *r.Value != 2 {
			t.Errorf("the value of the second attempt: %+v, %v", r, err)
		}
	})
}

// TestAskedTrialEndsWhenCancelled: nobody listens who could end it, so it ends at
// once, the study can be removed, what is reported is answered by a stop and what
// is told is refused.
func TestAskedTrialEndsWhenCancelled(t *testing.T) {
	for kind, study := range map[string]bool{"trial": false, "study": true} {
		t.Run(kind, func(t *testing.T) {
			e := start(t, memstore.New())
			st := open(t, e, spec("a", 10))
			ctx := context.Background()
			n := ask(t, e, types.LeaseRequest{Study: st.ID, Worker: "me", TTL: types.Duration(24 * time.Hour)}).Leases[0].Ref.Trial
			req := types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{n}, Reason: "enough"}
			if study {
				req = types.ControlRequest{Study: st.ID, Kind: types.StopStudy, Reason: "enough"}
			}
			if v := control(t, e, req).Study; v.Counts.Running != 0 || v.Counts.Cancelled != 1 {
				t.Fatalf("cancelled: %+v", v.Counts)
			}
			_, told := e.Tell(ctx, tell(st.ID, n, 1))
			d, err := e.ReportAsked(ctx, types.ReportAskedRequest{Study: st.ID, Trial: n, ReportAskedBody: types.ReportAskedBody{Value: new(types.Float(1))}})
			if err != nil || !d.Stop || d.Kind != types.StopCancelled || d.Reason != "enough" {
				t.Errorf("reported: %+v, %v", d, err)
			}
			if types.CodeOf(told) != types.Conflict || !strings.Contains(told.Error(), "was cancelled (enough)") {
				t.Errorf("told: %v", told)
			}
			if _, err := e.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.RemoveStudy}); err != nil {
				t.Errorf("removed: %v", err)
			}
		})
	}
}
