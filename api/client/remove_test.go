package client_test

import (
	"testing"

	"github.com/gotuner/tuner/api/types"
)

// TestRemoveSparesTheNextOfTheName: a study that was made anew under the name is
// another one.
func TestRemoveSparesTheNextOfTheName(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	mine, other := h.client(h.config()), h.client(h.config())
	spec := types.StudySpec{Name: "s", Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "v", Goal: types.Minimize}}}
	first, err := mine.OpenStudy(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.StudyByName(t.Context(), "default", "s"); err != nil {
		t.Fatal(err)
	}
	remove := types.ControlRequest{Study: first.ID, Kind: types.RemoveStudy}
	if _, err := other.Control(t.Context(), remove); err != nil {
		t.Fatal(err)
	}
	second, err := other.OpenStudy(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Control(t.Context(), remove); types.CodeOf(err) != types.Superseded {
		t.Errorf("the removal of a study that is gone: %v", err)
	}
	if v, err := mine.StudyByName(t.Context(), "default", "s"); err != nil || v.ID != second.ID {
		t.Errorf("the second study: %+v, %v", v, err)
	}
}
