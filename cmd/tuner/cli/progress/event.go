package progress

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/gotuner/tuner/api/types"
)

// Event is something that happened in a sweep: a trial started or ended (State
// is set), or something that is to be said (Notice).
type Event struct {
	// Study is named where several are shown.
	Study string
	// Elapsed is the time since this sweep began.
	Elapsed time.Duration
	// Done and Total count the trials of the budget; Total is 0 if there is none.
	Done, Total int64

	Trial  int64
	State  types.State
	Point  Point
	Metric string
	// Value is the trial's value of the objective, or the last one reported.
	Value  *float64
	Step   *int64
	Took   time.Duration // 0: not known, or it has only started
	Reason string
	// NewBest says that no earlier trial is better.
	NewBest bool

	Notice string
}

// Line renders an event as one line for a log. It is not cut: a log has no
// width.
func Line(e *Event, o Options) string {
	var l line
	l.add(dim, padLeft(duration(e.Elapsed), 6))
	if e.Study != "" {
		l.add(normal, "  "+e.Study)
	}
	count := strconv.FormatInt(e.Done, 10)
	if e.Total > 0 {
		count += "/" + strconv.FormatInt(e.Total, 10)
	}
	l.add(normal, "  "+count)
	if e.State == "" {
		l.add(yellow, "  "+e.Notice)
		return l.uncut(o)
	}
	l.add(normal, "  trial "+strconv.FormatInt(e.Trial, 10)+" ")
	l.add(stateStyle(e.State), string(e.State))
	if e.Value != nil {
		l.add(normal, "  ")
		l.add(cyan, e.Metric+"="+number(*e.Value))
		if e.Step != nil {
			l.add(dim, " at step "+strconv.FormatInt(*e.Step, 10))
		}
	}
	if e.NewBest {
		l.add(green, "  best so far")
	}
	if e.Took > 0 {
		l.add(dim, "  "+duration(e.Took))
	}
	for i, p := range e.Point.Params {
		gap := " "
		if i == 0 {
			gap = "  "
		}
		l.add(normal, gap+p.Name+"="+e.Point.text(i))
	}
	if e.Reason != "" {
		l.add(dim, "  ("+e.Reason+")")
	}
	if e.Notice != "" {
		l.add(yellow, "  "+e.Notice)
	}
	return l.uncut(o)
}

func (l *line) uncut(o Options) string {
	shown := l.cleaned(o.ASCII)
	o.Width = max(shown.width(), 1)
	return l.render(o)
}

// jsonEvent is the form of a line of JSON. Its fields do not change within a
// version of tuner; new ones may be added.
type jsonEvent struct {
	Event   string       `json:"event"` // "trial" or "notice"
	Study   string       `json:"study,omitempty"`
	Elapsed float64      `json:"elapsed"` // seconds
	Done    int64        `json:"done"`
	Total   int64        `json:"total,omitempty"`
	Trial   *int64       `json:"trial,omitempty"`
	State   types.State  `json:"state,omitempty"`
	Params  types.Params `json:"params,omitempty"`
	Metric  string       `json:"metric,omitempty"`
	Value   *types.Float `json:"value,omitempty"`
	Step    *int64       `json:"step,omitempty"`
	Seconds float64      `json:"seconds,omitempty"` // that the trial took
	Reason  string       `json:"reason,omitempty"`
	Best    bool         `json:"best,omitempty"`
	Message string       `json:"message,omitempty"`
}

// JSON renders an event as one line of JSON, without the line's end.
func JSON(e *Event) ([]byte, error) {
	j := jsonEvent{
		Event: "notice", Study: e.Study, Elapsed: seconds(e.Elapsed), Done: e.Done, Total: e.Total, Message: e.Notice,
	}
	if e.State != "" {
		j.Event, j.Trial, j.State, j.Params = "trial", &e.Trial, e.State, e.Point.Params
		j.Step, j.Seconds, j.Reason, j.Best = e.Step, seconds(e.Took), e.Reason, e.NewBest
		if e.Value != nil {
			v := types.Float(*e.Value)
			j.Value, j.Metric = &v, e.Metric
		}
	}
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	if err := out.Encode(j); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// seconds is d to the millisecond.
func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
