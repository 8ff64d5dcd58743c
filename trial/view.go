package trial

import (
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
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

// Outside reports whether parameters of one version of a study's space lie outside
// of its present one.
func Outside(present, version *space.Space, params types.Params) (bool, error) {
	if present == version {
		return false, nil
	}
	p, err := version.FromParams(params)
	if err != nil {
		return false, types.Errorf(types.Internal, "the stored parameters: %w", err)
	}
	_, valid := present.Translate(version, p)
	return !valid, nil
}

func timePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
