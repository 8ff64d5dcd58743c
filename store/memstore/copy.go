package memstore

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// What goes in and out is copied, so that neither side sees the other change
// it; texts and times become what a database would give back.

func (st *study) copyRow() trial.Study {
	row := st.row
	row.Spec = copySpec(row.Spec)
	return row
}

// copySpec copies by the stored form, as a database does. A spec that the
// engine has validated always has one.
func copySpec(in types.StudySpec) types.StudySpec {
	var out types.StudySpec
	b, err := json.Marshal(in)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return in
	}
	return out
}

func copyTrial(in *trial.Trial) trial.Trial {
	t := *in
	t.Reason, t.Arm = store.Text(t.Reason), store.Text(t.Arm)
	t.Params = append(make(types.Params, 0, len(t.Params)), t.Params...)
	for i, p := range t.Params {
		t.Params[i].Name = store.Text(p.Name)
	}
	t.Basis.Pending = slices.Clone(t.Basis.Pending)
	t.Explain = cloneJSON(t.Explain)
	t.Created, t.Started, t.Finished = store.Time(t.Created), store.Time(t.Started), store.Time(t.Finished)
	t.Metrics = nil
	for k, v := range in.Metrics {
		if t.Metrics == nil {
			t.Metrics = make(map[string]float64, len(in.Metrics))
		}
		t.Metrics[store.Text(k)] = v
	}
	return t
}

// share copies a stored trial for a reader.
func share(row *trialRow) trial.Trial {
	t := row.Trial
	t.Params = slices.Clone(t.Params)
	t.Basis.Pending = slices.Clone(t.Basis.Pending)
	t.Explain = slices.Clone(t.Explain)
	t.Metrics = maps.Clone(t.Metrics)
	t.Ran, t.Since = 0, time.Time{}
	for i := range row.attempts {
		if a := &row.attempts[i]; a.Ended.IsZero() {
			t.Since = a.Leased
		} else {
			t.Ran += max(a.Ended.Sub(a.Leased), 0)
		}
	}
	return t
}

func copyAttempt(in *trial.Attempt) trial.Attempt {
	a := *in
	for _, s := range []*string{
		&a.Token, &a.Worker, &a.Executor, &a.Node, &a.Handle, &a.Dir, &a.Reason, &a.Cursor, &a.Signal, &a.Key,
	} {
		*s = store.Text(*s)
	}
	if a.Exit != nil {
		exit := *a.Exit
		a.Exit = &exit
	}
	a.Leased, a.Expires, a.Ended = store.Time(a.Leased), store.Time(a.Expires), store.Time(a.Ended)
	return a
}

// cloneJSON returns nil for an absent document.
func cloneJSON(in []byte) []byte {
	if len(in) == 0 {
		return nil
	}
	return slices.Clone(in)
}
