package engine_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
	"github.com/gotuner/tuner/trial/engine"
)

// TestDowntimeCostsNoTrial: a server is away for longer than any lease. From its
// start each lease has a full term again; only who is silent then loses it, and
// is told so if it comes late.
func TestDowntimeCostsNoTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		db := memstore.New()
		first := start(t, db)
		st := open(t, first, spec("a", 10))
		patient, silent := lease(t, first, st.ID), lease(t, first, st.ID)
		closed(t, first)
		time.Sleep(10 * time.Hour)

		second := start(t, db)
		if l := lease(t, second, st.ID); l.Ref.Trial != 2 {
			t.Fatalf("after the downtime trial %d was handed out, which runs", l.Ref.Trial)
		}
		time.Sleep(engine.DefaultLeaseTTL - time.Second)
		report := func(l types.Lease) error {
			_, err := second.Report(ctx, types.ReportRequest{Ref: l.Ref, Reports: []types.Report{{Metric: "loss", Value: 1}}})
			return err
		}
		if err := report(patient); err != nil {
			t.Fatalf("a worker that waited for the server: %v", err)
		}
		time.Sleep(5 * time.Second)
		again := lease(t, second, st.ID)
		for again.Ref.Trial == 2 { // whose holder was silent too
			again = lease(t, second, st.ID)
		}
		if again.Ref.Trial != silent.Ref.Trial || again.Ref.Attempt != 2 || !slices.Equal(again.Params, silent.Params) {
			t.Errorf("leased %+v, want the trial of the silent worker, %+v", again, silent)
		}
		if err := report(silent); types.CodeOf(err) != types.Superseded {
			t.Errorf("a late report: %v, want %s", err, types.Superseded)
		}
		if err := report(patient); err != nil {
			t.Errorf("the other worker: %v", err)
		}
	})
}
