package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/trial"
)

// The pace of a stream of events.
const (
	heartbeatEvery = 15 * time.Second
	// slowClient is how long a client may take nothing before it is cut off.
	slowClient = 10 * time.Second
	// eventsScanned bounds how many events are looked at for a page of some kinds.
	eventsScanned = 10_000

	latest     = "latest"
	streamType = "text/event-stream"
)

type eventsInput struct {
	StudyName

	After   string            `query:"after" maxLength:"20" doc:"Only events after that of this number (seq); latest: only those that come from now on"`
	Kinds   []types.EventKind `query:"kind" doc:"Only events of these kinds, separated by commas" enum:"created,started,drawn,reported,requeued,paused,finished,space,study"`
	Limit   int               `query:"limit" minimum:"1" maximum:"5000" default:"1000" doc:"Most events of a page (not of a stream)"`
	Wait    string            `query:"wait" maxLength:"32" doc:"How long to wait for the first event of a page, such as 30s (not of a stream)"`
	Same    int64             `query:"study" minimum:"0" doc:"The ID that the study must have; 0 is any"`
	LastID  string            `header:"Last-Event-ID" maxLength:"20" doc:"As after, and before it: clients of streams send it when they connect again"` //nolint:tagliatelle // the header's name
	Accepts string            `header:"Accept" doc:"text/event-stream for a stream, else a page"`
}

func (s *Server) eventRoutes() {
	r := s.api.OpenAPI().Components.Schemas
	handle(s, huma.Operation{OperationID: "events", Method: http.MethodGet, Path: studyPath + "/events", Tags: []string{"events"},
		Summary: "What happened in a study, as a page, or live (Accept: text/event-stream)",
		Responses: map[string]*huma.Response{"200": {Description: "A page, or a stream whose events have seq as id, kind as event and an Event as data",
			Content: map[string]*huma.MediaType{
				"application/json": {Schema: r.Schema(reflect.TypeFor[types.EventPage](), true, "")},
				streamType:         {Schema: r.Schema(reflect.TypeFor[types.Event](), true, "")},
			}}}}, s.events)
}

// from is the number of the first event that is asked for, in a study whose
// next event is next.
func (in *eventsInput) from(next int64) (int64, error) {
	text, field := in.LastID, "Last-Event-ID"
	if text == "" {
		text, field = in.After, "after"
	}
	switch text {
	case "":
		return 0, nil
	case latest:
		return next, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 {
		return 0, types.Errorf(types.Invalid, "%q is no number of an event", text).WithField(field).
			WithRemedy("use the seq of the last event that you have, or latest")
	}
	if n >= next {
		return 0, types.Errorf(types.Conflict, "the study has only the events before %d", next).WithField(field).
			WithRemedy("if it was removed and made again, begin anew without %s", field)
	}
	return n + 1, nil
}

func (s *Server) events(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	var st trial.Study
	err := s.withStudy(ctx, in.StudyName, func(id int64) (err error) {
		if err = sameStudy(in.Same, id); err == nil {
			st, err = s.cfg.Store.StudyByID(ctx, id)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	from, err := in.from(st.NextSeq)
	if err != nil {
		return nil, err
	}
	if strings.Contains(in.Accepts, streamType) {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			shown := &http.Request{Header: http.Header{"Authorization": {hc.Header("Authorization")}}}
			s.stream(ctx, hc.BodyWriter().(http.ResponseWriter), shown, st, from, in.Kinds)
		}}, nil
	}
	page, err := s.eventPage(ctx, st, from, in)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		hc.SetStatus(http.StatusOK)
		_ = marshalJSON(hc.BodyWriter(), page) // a caller that is gone needs no answer
	}}, nil
}

var errEnough = errors.New("the page is full")

func (s *Server) eventPage(ctx context.Context, st trial.Study, from int64, in *eventsInput) (types.EventPage, error) {
	page := types.EventPage{Events: []types.Event{}}
	wait, err := s.waitOf(in.Wait)
	if err != nil {
		return page, err
	}
	ctx, done := s.waiting(ctx)
	defer done()
	f, leave := s.follow(st.ID, st.NextSeq)
	defer leave()
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		_, news, _, gone := f.since(from) // before the store is read
		seen := 0
		err := s.cfg.Store.Events(ctx, st.ID, from, func(e store.StoredEvent) error {
			from, seen = e.Seq+1, seen+1
			if wanted(in.Kinds, types.EventKind(e.Kind)) {
				page.Events = append(page.Events, eventOf(&e))
			}
			if len(page.Events) == in.Limit || seen == eventsScanned {
				return errEnough
			}
			return nil
		})
		page.Next = strconv.FormatInt(from-1, 10)
		if err != nil && !errors.Is(err, errEnough) {
			return page, err
		}
		if wait == 0 || len(page.Events) > 0 || errors.Is(err, errEnough) {
			return page, nil
		}
		if gone != nil {
			return page, gone
		}
		select {
		case <-news:
		case <-deadline.C:
			return page, nil
		case <-ctx.Done():
			return page, context.Cause(ctx)
		}
	}
}

func wanted(kinds []types.EventKind, k types.EventKind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, k)
}

// stream is a client that follows a study.
type stream struct {
	server *Server
	shown  *http.Request // has the client's token and nothing else
	follow *follower
	leave  func()
	study  int64
	from   int64 // the event that it gets next
	kinds  []types.EventKind
	out    outlet
}

// stream answers a request with the events from seq from on, until the client
// goes, takes nothing for too long, or the server stops. What it missed comes
// from the store, what is new from the follower that all of them share.
//
// A connection of its own (HTTP/1) leaves net/http, whose goroutines and buffers
// take five times the memory of a client that only waits.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, shown *http.Request, st trial.Study, from int64, kinds []types.EventKind) {
	f, unfollow := s.follow(st.ID, st.NextSeq)
	left := s.limits.hold(callOf(ctx).holder())
	leave := func() { unfollow(); left() }
	control := http.NewResponseController(w)
	x := &stream{server: s, shown: shown, follow: f, leave: leave, study: st.ID, from: from, kinds: kinds, out: outlet{patience: s.pace.slow}}
	w.Header().Set("Content-Type", streamType)
	if conn, _, err := control.Hijack(); err == nil {
		x.out.to, x.out.limit, x.out.end = conn, conn.SetWriteDeadline, conn.Close
		var head bytes.Buffer
		head.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\n")
		_ = w.Header().Write(&head) // to memory
		head.WriteString("\r\n")
		x.out.write(head.Bytes())
		x.begin(s.draining)
		s.streams.Go(func() { x.run(s.draining) })
		return
	}
	w.WriteHeader(http.StatusOK)
	x.out.to, x.out.limit, x.out.sent = w, control.SetWriteDeadline, control.Flush
	ctx, done := s.waiting(ctx)
	defer done()
	x.begin(ctx)
	x.run(ctx)
}

// begin sends what the store has.
func (x *stream) begin(ctx context.Context) {
	x.out.write([]byte("retry: 1000\n: tuner\n\n"))
	if _, _, behind, _ := x.follow.since(x.from); behind {
		x.catchUp(ctx)
	}
}

// run sends what comes, until ctx is done.
func (x *stream) run(ctx context.Context) {
	defer x.leave()
	beat := time.NewTicker(x.server.pace.beat)
	defer beat.Stop()
	for x.out.flush() {
		some, news, behind, gone := x.follow.since(x.from)
		switch {
		case behind && gone == nil:
			x.catchUp(ctx)
			continue
		case len(some) > 0:
			for _, e := range some {
				if wanted(x.kinds, e.kind) {
					x.out.write(e.text)
				}
			}
			x.from = some[len(some)-1].seq + 1
			continue
		case gone != nil:
			x.out.write([]byte("event: gone\ndata: {}\n\n"))
			x.out.flush()
			x.out.close()
			return
		}
		select {
		case <-news:
		case <-beat.C:
			if _, _, err := x.server.tokens.check(ctx, x.shown, x.server.cfg.Now()); err != nil && types.CodeOf(err) != types.Unavailable {
				x.out.close() // the token has been revoked or has expired
				return
			}
			x.out.write([]byte(":\n\n"))
		case <-ctx.Done(): // if the server stops, the client connects again, here or elsewhere
			x.out.close()
			return
		}
	}
	x.out.close()
}

// catchUp sends what the store has from x.from on.
func (x *stream) catchUp(ctx context.Context) {
	err := x.server.cfg.Store.Events(ctx, x.study, x.from, func(e store.StoredEvent) error {
		if wanted(x.kinds, types.EventKind(e.Kind)) {
			f, err := frameOf(&e)
			if err != nil {
				return err
			}
			x.out.write(f.text)
		}
		x.from = e.Seq + 1
		return cmp.Or(x.out.err, ctx.Err())
	})
	if err != nil && ctx.Err() == nil {
		x.out.err = err
	}
}

// outlet writes to a client that must keep up: err is set once it does not.
type outlet struct {
	to       io.Writer
	limit    func(time.Time) error // sets the deadline of writing
	sent     func() error          // called after writing; may be nil
	end      func() error          // ends the connection; may be nil
	patience time.Duration
	buf      []byte
	err      error
}

const outletBuffer = 32 << 10

func (o *outlet) write(text []byte) {
	if o.err == nil {
		if o.buf = append(o.buf, text...); len(o.buf) >= outletBuffer {
			o.flush()
		}
	}
}

// flush sends what was written, and reports whether the client is still there.
func (o *outlet) flush() bool {
	if o.err == nil && len(o.buf) > 0 {
		if o.err = o.limit(time.Now().Add(o.patience)); o.err == nil { //nolint:forbidigo // the kernel's clock
			_, o.err = o.to.Write(o.buf)
		}
		if o.err == nil && o.sent != nil {
			o.err = o.sent()
		}
		o.buf = nil // most clients wait for long
	}
	return o.err == nil
}

func (o *outlet) close() {
	if o.end != nil {
		_ = o.end() // nothing is left to be sent
	}
}

func frameOf(e *store.StoredEvent) (frame, error) {
	v := eventOf(e)
	var b bytes.Buffer
	b.WriteString("id: ")
	b.WriteString(strconv.FormatInt(v.Seq, 10))
	b.WriteString("\nevent: " + string(v.Kind) + "\ndata: ")
	if err := marshalJSON(&b, v); err != nil { // ends the line
		return frame{}, err
	}
	b.WriteByte('\n')
	return frame{seq: v.Seq, kind: v.Kind, text: b.Bytes()}, nil
}

// eventOf is an event as a client sees it.
func eventOf(e *store.StoredEvent) types.Event {
	v := types.Event{Seq: e.Seq, Kind: types.EventKind(e.Kind), Time: e.Time, Detail: e.Detail}
	if n := e.Event.Trial; n >= 0 {
		v.Trial = &n
	}
	switch e.Kind {
	case trial.EventCreated:
		v.Params, v.SpaceVersion = e.Params, e.SpaceVersion
		if e.Trial != nil {
			v.Origin = string(e.Trial.Origin)
		}
	case trial.EventReported:
		r := &e.Report
		v.Attempt, v.Metric, v.Step, v.Value = r.Attempt, r.Metric, &r.Step, new(types.Float(r.Value))
	case trial.EventFinished:
		if e.Finish != nil {
			v.State, v.Reason = e.Finish.State, e.Finish.Reason
		}
		if len(e.Metrics) > 0 {
			v.Metrics = make(map[string]types.Float, len(e.Metrics))
			for k, x := range e.Metrics {
				v.Metrics[k] = types.Float(x)
			}
		}
	case trial.EventDrawn, trial.EventStarted, trial.EventRequeued, trial.EventPaused, trial.EventSpace, trial.EventStudy:
	}
	return v
}
