package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
)

// TestSignal: who waits hears of a stop at once, also in a process that does not
// own the study, and of nothing else.
func TestSignal(t *testing.T) {
	for _, guest := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db := memstore.New()
			owner := start(t, db)
			st := open(t, owner, spec("a", 9))
			e := owner
			if guest {
				e = start(t, db)
			}
			ctx := context.Background()
			first, second := lease(t, owner, st.ID), lease(t, owner, st.ID)
			n := first.Ref.Trial
			began := time.Now()
			sig, err := e.Signal(ctx, st.ID, n, 1, 20*time.Second) // shorter than the lease
			if err != nil || sig.Stop || time.Since(began) != 20*time.Second {
				t.Fatalf("nothing to tell: %+v, %v after %v", sig, err, time.Since(began))
			}
			heard := make(chan types.Signal)
			go func() {
				sig, err := e.Signal(ctx, st.ID, n, 0, time.Minute)
				if err != nil {
					t.Error(err)
				}
				heard <- sig
			}()
			synctest.Wait()
			control(t, owner, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{second.Ref.Trial}})
			synctest.Wait()
			control(t, owner, types.ControlRequest{Study: st.ID, Kind: types.StopTrial, Numbers: []int64{n}, Reason: "why not"})
			if sig := <-heard; !sig.Stop || sig.Kind != types.StopCancelled || sig.Reason != "why not" || sig.Attempt != 1 {
				t.Errorf("stopped: %+v", sig)
			}
			if _, err := owner.Finish(ctx, completed(first, 1)); err != nil {
				t.Fatal(err)
			}
			if sig, err := e.Signal(ctx, st.ID, n, 1, time.Minute); err != nil || !sig.Stop || sig.Kind != types.StopCancelled {
				t.Errorf("over: %+v, %v", sig, err)
			}
			if _, err := e.Signal(ctx, st.ID, n, 2, time.Minute); types.CodeOf(err) != types.NotFound {
				t.Errorf("an attempt that is not: %v", err)
			}
			if _, err := e.Signal(ctx, st.ID, 99, 0, time.Minute); types.CodeOf(err) != types.NotFound {
				t.Errorf("a trial that is not: %v", err)
			}
		})
	}
}

// TestSignalOfALostAttempt: who holds a trial that was handed out again is told
// to stop.
func TestSignalOfALostAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, memstore.New())
		st := open(t, e, spec("a", 9))
		l := lease(t, e, st.ID)
		sig, err := e.Signal(context.Background(), st.ID, l.Ref.Trial, 1, time.Minute)
		if err != nil || !sig.Stop || sig.Kind != types.StopSuperseded || sig.Reason == "" {
			t.Errorf("lost: %+v, %v", sig, err)
		}
	})
}
