package engine_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
)

// What is finished again in the same way is answered like the first time, in
// another way refused with both ends.
func TestFinishAgain(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 20))
	ctx := context.Background()
	loss := func(v float64) map[string]types.Float { return map[string]types.Float{"loss": types.Float(v)} }
	for name, c := range map[string]struct {
		first, second types.FinishRequest
		state         types.State
		says          string // "" if the second is answered like the first
	}{
		"same": {types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.5)},
			types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.5)}, types.Completed, ""},
		"no value again": {types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.5)},
			types.FinishRequest{Outcome: types.OutcomeCompleted}, types.Completed, ""},
		"not a number": {types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(math.NaN())},
			types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(math.NaN())}, types.Infeasible, ""},
		"without its metric": {types.FinishRequest{Outcome: types.OutcomeCompleted},
			types.FinishRequest{Outcome: types.OutcomeCompleted}, types.Failed, ""},
		"other value": {types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.5)},
			types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.25)}, types.Completed,
			"it is completed with loss 0.5; what is told now is completed with loss 0.25"},
		"one metric more": {types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.5)},
			types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": 0.5, "acc": 1}}, types.Completed,
			"it is completed with loss 0.5; what is told now is completed with acc 1, loss 0.5"},
		"other outcome": {types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(0.5)},
			types.FinishRequest{Outcome: types.OutcomeFailed, Reason: "disk"}, types.Completed,
			"it is completed with loss 0.5; what is told now is failed"},
		"a value for what failed": {types.FinishRequest{Outcome: types.OutcomeFailed, Reason: "disk"},
			types.FinishRequest{Outcome: types.OutcomeCompleted, Metrics: loss(1)}, types.Failed,
			"it is failed; what is told now is completed with loss 1"},
	} {
		l := lease(t, e, st.ID)
		c.first.Ref, c.second.Ref = l.Ref, l.Ref
		first, err := e.Finish(ctx, c.first)
		if err != nil || first.State != c.state {
			t.Fatalf("%s: %+v, %v", name, first, err)
		}
		again, err := e.Finish(ctx, c.second)
		switch {
		case c.says == "" && (err != nil || again.State != first.State):
			t.Errorf("%s: %+v, %v; want %+v", name, again, err, first)
		case c.says != "" && (types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: %+v, %v; want a conflict that says %q", name, again, err, c.says)
		}
	}
}

// An attempt that was stopped ends as what it was stopped for, whatever its
// holder says, as often as it says so.
func TestFinishOfAStoppedTrialAgain(t *testing.T) {
	e := start(t, memstore.New())
	st := open(t, e, spec("a", 20))
	l := lease(t, e, st.ID)
	control(t, e, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{l.Ref.Trial}})
	for range 2 {
		r, err := e.Finish(context.Background(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeFailed, Reason: "signal: terminated"})
		if err != nil || r.State != types.Cancelled {
			t.Errorf("%+v, %v", r, err)
		}
	}
}
