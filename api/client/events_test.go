package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gotuner/tuner/api/client"
	"github.com/gotuner/tuner/api/types"
)

// TestEventsOverRestarts: a sequence of events goes on where it was when the
// server is started again.
func TestEventsOverRestarts(t *testing.T) {
	h := newHome(t)
	c := h.client(h.config())
	st, err := c.OpenStudy(t.Context(), types.StudySpec{Name: "s", Space: []byte(`{"parameters":[{"name":"x","type":"float","low":0.0,"high":1.0}]}`),
		Objectives: []types.Objective{{Metric: "loss", Goal: types.Minimize}}, Algorithm: types.Component{Name: "random"}})
	if err != nil {
		t.Fatal(err)
	}
	evaluate := func() {
		t.Helper()
		r, err := c.Ask(t.Context(), st.ID, types.AskBody{})
		if err == nil {
			_, err = c.ReportAsked(t.Context(), st.ID, r.Trials[0].Number, types.ReportAskedBody{Value: new(types.Float(2))})
		}
		if err == nil {
			_, err = c.Tell(t.Context(), st.ID, r.Trials[0].Number, types.TellBody{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	evaluate()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("too late"))
	defer cancel()
	next := int64(0)
	for e, err := range c.Events(ctx, st.ID, client.EventsFromStart) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq != next {
			t.Fatalf("the event %d came where %d is next", e.Seq, next)
		}
		next++
		if e.Seq == 3 || e.Seq == 7 {
			h.stop()
			h.start()
			evaluate()
		}
		if e.Seq == 11 {
			break
		}
	}
	page, err := c.EventPage(ctx, st.ID, 9, 100, 0)
	if err != nil || len(page.Events) != 2 || page.Next != "11" {
		t.Errorf("the last page: %+v, %v", page, err)
	}
	for e, err := range c.Events(ctx, st.ID, client.EventsFromStart, types.EventFinished) {
		if err != nil || e.Seq != 3 {
			t.Errorf("the first finished one: %+v, %v", e, err)
		}
		break
	}
	h.stop()
	quick := h.config()
	quick.Patience = -1
	away := h.client(quick)
	for e, err := range away.Events(ctx, st.ID, 0) {
		if types.CodeOf(err) != types.NotFound {
			t.Errorf("a study that the client has not seen: %+v, %v", e, err)
		}
	}
	for e, err := range c.Impatient().Events(ctx, st.ID, 0) {
		if types.CodeOf(err) != types.Unavailable {
			t.Errorf("without a server: %+v, %v", e, err)
		}
	}
	h.start()
	if _, err := c.Control(ctx, types.ControlRequest{Study: st.ID, Kind: types.RemoveStudy}); err != nil {
		t.Fatal(err)
	}
	for e, err := range c.Events(ctx, st.ID, 0) {
		if types.CodeOf(err) != types.NotFound {
			t.Errorf("a study that was removed: %+v, %v", e, err)
		}
	}
}
