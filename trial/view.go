package trial

import (
	"time"

	"github.com/gotuner/tuner/api/types"
)

// View is t as a client sees it, with its attempts.
func (t *Trial) View(attempts []Attempt) types.Trial {
	v := types.Trial{
		Number: t.Number, State: t.State, Reason: t.Reason, Params: t.Params, SpaceVersion: t.SpaceVersion,
		Origin: string(t.Origin), Arm: t.Arm, Explain: t.Explain, Budget: t.Budget, Copy: t.Basis.Copy, Created: t.Created,
		Started: timePtr(t.Started), Finished: timePtr(t.Finished),
		Ran: types.Duration(t.Ran), Since: timePtr(t.Since),
	}
	if t.Step >= 0 {
		v.Step = &t.Step
	}
	if len(t.Metrics) > 0 {
		v.Metrics = make(map[string]types.Float, len(t.Metrics))
		for k, x := range t.Metrics {
			v.Metrics[k] = types.Float(x)
		}
	}
	for _, a := range attempts {
		v.Attempts = append(v.Attempts, types.Attempt{Number: a.Number, State: a.State, Worker: a.Worker, Executor: a.Executor,
			Reason: a.Reason, Exit: a.Exit, Signal: a.Signal, Node: a.Node, Dir: a.Dir, Leased: a.Leased, Ended: timePtr(a.Ended)})
	}
	return v
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
