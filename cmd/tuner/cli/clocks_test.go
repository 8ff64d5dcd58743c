package cli

import (
	"testing"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/local"
)

// Two machines on one PostgreSQL, the second with a clock that is minutes off: it
// asks the owner of the study for trials through the mailbox, and neither takes the
// study from the other nor is told that it asked long ago.
func TestClocksThatDiffer(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"ahead": 5 * time.Minute, "behind": -5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := postgres.DSN(t)
			open := func(off time.Duration) *local.Local {
				l, err := local.Open(t.Context(), local.Config{DB: dsn, Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(off) }})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := l.Close(); err != nil {
						t.Error(err)
					}
				})
				return l
			}
			owner, other := open(0), open(off)
			st, err := owner.Engine.OpenStudy(t.Context(), types.StudySpec{Name: "s", Seed: 1, Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
				Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"}, Budget: types.Budget{Trials: 9}})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r, err := other.Engine.Lease(t.Context(), types.LeaseRequest{Study: st.ID, Worker: "w", Wait: types.Duration(time.Minute)})
				if err != nil || len(r.Leases) != 1 {
					t.Fatalf("a lease: %+v, %v", r, err)
				}
				l := r.Leases[0]
				if left := l.Expires.Sub(owner.Now()); left < 0 || left > time.Minute {
					t.Errorf("the lease ends in %v", left)
				}
				if _, err := other.Engine.Finish(t.Context(), types.FinishRequest{Ref: l.Ref, Outcome: types.OutcomeCompleted, Metrics: map[string]types.Float{"loss": 1}}); err != nil {
					t.Error(err)
				}
			}
			if !owner.Engine.Owns(st.ID) || other.Engine.Owns(st.ID) {
				t.Error("the study was taken from its owner, who is alive")
			}
		})
	}
}
