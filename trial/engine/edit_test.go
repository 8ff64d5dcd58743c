package engine_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
)

// TestSpaceIsChangedWhileTrialsRun: the trials that run go on, and what comes is
// of the new space. A guest asks the owner for it.
func TestSpaceIsChangedWhileTrialsRun(t *testing.T) {
	for _, guest := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db := memstore.New()
			owner := start(t, db)
			st := open(t, owner, spec("a", 20))
			e := owner
			if guest {
				e = start(t, db)
			}
			ctx := context.Background()
			before := lease(t, owner, st.ID)
			req := types.ControlRequest{Study: st.ID, Kind: types.Edit, Key: "k",
				Space: json.RawMessage(strings.Replace(plane, `"low":-5.0,"high":5.0`, `"low":100.0,"high":200.0`, 1))}
			for i := range 2 { // the same key counts once
				r := control(t, e, req)
				if r.Study.SpaceVersion != 2 {
					t.Errorf("time %d: version %d", i+1, r.Study.SpaceVersion)
				}
			}
			same := req
			same.Key = "same"
			if r := control(t, e, same); r.Study.SpaceVersion != 2 {
				t.Errorf("the same space again made version %d", r.Study.SpaceVersion)
			}
			for range 3 {
				l := lease(t, e, st.ID)
				if x, _ := l.Params.Get("x"); x.(float64) < 100 {
					t.Errorf("a point of the old space: %v", l.Params)
				}
				finish(t, e, l, 1)
			}
			finish(t, e, before, 2)
			v, err := e.Study(ctx, st.ID)
			if err != nil || v.Counts.Completed != 4 {
				t.Errorf("at the end: %+v, %v", v.Counts, err)
			}
			for name, bad := range map[string]string{"no space": `{"parameters":7}`,
				"no point": strings.Replace(plane, `]}`, `],"constraints":["x > 50"]}`, 1)} {
				if _, err := e.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.Edit, Space: json.RawMessage(bad)}); types.CodeOf(err) != types.Invalid {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// TestWiderSpaceWakesAnExhaustedStudy: there are points to try again.
func TestWiderSpaceWakesAnExhaustedStudy(t *testing.T) {
	e := start(t, memstore.New())
	s := spec("a", 0)
	s.Space = json.RawMessage(`{"parameters":[{"name":"n","type":"int","low":1,"high":2}]}`)
	st := open(t, e, s)
	for range 2 {
		finish(t, e, lease(t, e, st.ID), 1)
	}
	if r := status(t, e, st.ID); r.Status != types.LeaseDone {
		t.Fatalf("after all points: %+v", r)
	}
	r := control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Edit, Space: json.RawMessage(`{"parameters":[{"name":"n","type":"int","low":1,"high":3}]}`)})
	if r.Study.State != types.StudyActive {
		t.Errorf("the study is %s", r.Study.State)
	}
	if n, _ := lease(t, e, st.ID).Params.Get("n"); n != int64(3) {
		t.Errorf("the next point has n %v", n)
	}
}
