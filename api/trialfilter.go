package api

import (
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

// TrialConditions is the part of a query that selects trials.
type TrialConditions struct {
	States         []types.State `query:"state" doc:"Only trials in these states, separated by commas" enum:"queued,running,paused,completed,pruned,failed,infeasible,cancelled"`
	Params         []string      `query:"params,explode" maxItems:"64" doc:"Only trials whose parameter fulfils this: lr=1e-4..1e-2, layers=3.., opt=sgd,adam, or opt:=[\"a,b\"]; may be repeated, and all hold"`
	Metrics        []string      `query:"metrics,explode" maxItems:"64" doc:"Only trials whose metric is in this range: loss=..0.5, loss=0.1..0.5 or acc=0.9..; may be repeated, and all hold"`
	CreatedAfter   time.Time     `query:"created_after" doc:"Only trials created later than this"`
	CreatedBefore  time.Time     `query:"created_before" doc:"Only trials created earlier than this"`
	FinishedAfter  time.Time     `query:"finished_after" doc:"Only trials that ended later than this"`
	FinishedBefore time.Time     `query:"finished_before" doc:"Only trials that ended earlier than this"`
}

func (c *TrialConditions) filter() (store.TrialFilter, error) {
	f := store.TrialFilter{States: c.States, CreatedAfter: c.CreatedAfter, CreatedBefore: c.CreatedBefore,
		FinishedAfter: c.FinishedAfter, FinishedBefore: c.FinishedBefore}
	for _, text := range c.Params {
		p, err := store.ParseParamFilter(text)
		if err != nil {
			return f, err
		}
		f.Params = append(f.Params, p)
	}
	for _, text := range c.Metrics {
		m, err := store.ParseMetricFilter(text)
		if err != nil {
			return f, err
		}
		f.Metrics = append(f.Metrics, m)
	}
	return f, nil
}
