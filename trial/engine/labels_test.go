package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store/memstore"
)

func TestLabels(t *testing.T) {
	e := start(t, memstore.New())
	ctx := context.Background()
	s := spec("a", 9)
	s.Require = map[string]string{"gpu": "a 100"}
	if _, err := e.OpenStudy(ctx, s); types.CodeOf(err) != types.Invalid {
		t.Errorf("a label with a space: %v", err)
	}
	s.Require = map[string]string{"gpu": "a100", "disk": "fast"}
	st := open(t, e, s)
	for _, c := range []struct {
		has     map[string]string
		missing string // "" is none
	}{
		{nil, "disk=fast, gpu=a100"},
		{map[string]string{"gpu": "v100", "disk": "fast"}, "gpu=a100"},
		{map[string]string{"gpu": "a100"}, "disk=fast"},
		{map[string]string{"gpu": "a100", "disk": "fast", "zone": "b"}, ""},
	} {
		r, err := e.Lease(ctx, types.LeaseRequest{Study: st.ID, Worker: "w", Labels: c.has})
		switch {
		case c.missing == "" && (err != nil || r.Status != types.LeaseGranted):
			t.Errorf("%v: %+v, %v", c.has, r, err)
		case c.missing != "" && (types.CodeOf(err) != types.Conflict || !strings.Contains(err.Error(), "with "+c.missing+" only")):
			t.Errorf("%v: %v, want %s missing", c.has, err, c.missing)
		}
	}
	r := control(t, e, types.ControlRequest{Study: st.ID, Kind: types.Edit, Require: map[string]string{}})
	if len(r.Study.Spec.Require) != 0 {
		t.Errorf("after none are required: %v", r.Study.Spec.Require)
	}
	lease(t, e, st.ID)
	s.Require = map[string]string{"gpu": "b"}
	if v := open(t, e, s); v.Spec.Require["gpu"] != "b" {
		t.Errorf("after the study was continued with others: %v", v.Spec.Require)
	}
}
