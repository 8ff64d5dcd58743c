package collect

import (
	"encoding/json"

	"github.com/gotuner/tuner/api/types"
)

// cursorVersion changes when an older cursor cannot be read any more.
const cursorVersion = 1

// maxPlace is more than any stream has bytes or values, and far from where
// counting on would overflow.
const maxPlace = 1 << 62

// The cursor is stored with the reports it belongs to, so it is kept short.
type cursorState struct {
	Version    int            `json:"v"`
	Streams    []cursorStream `json:"s,omitempty"`
	Metrics    []cursorMetric `json:"m,omitempty"`
	Infeasible bool           `json:"i,omitempty"`
	Reason     string         `json:"r,omitempty"`
}

type cursorStream struct {
	Name string `json:"n"`
	// Offset is that of the first byte that was not accounted for: the start of
	// a partial line, or a place within one that is skipped.
	Offset   int64 `json:"o"`
	Skipping bool  `json:"k,omitempty"`
}

type cursorMetric struct {
	Name    string      `json:"n"`
	Count   int64       `json:"c"`
	Last    types.Float `json:"l"`
	Next    int64       `json:"x,omitempty"`
	Counted bool        `json:"f,omitempty"`
	Own     bool        `json:"p,omitempty"`
	// Owed is the step of the owed report, and OwedValue its value.
	Owed      *int64      `json:"o,omitempty"`
	OwedValue types.Float `json:"w,omitempty"`
}

func (o *Output) cursor() string {
	c := cursorState{Version: cursorVersion, Infeasible: o.infeasible, Reason: o.reason}
	for _, s := range o.streams {
		c.Streams = append(c.Streams, cursorStream{Name: s.name, Offset: s.read - int64(len(s.partial)), Skipping: s.skipping})
	}
	for _, m := range o.metrics {
		if m.count == 0 {
			continue
		}
		cm := cursorMetric{Name: m.name, Count: m.count, Last: types.Float(m.last), Next: m.next, Counted: m.counted, Own: m.own}
		if m.owed != nil {
			cm.Owed, cm.OwedValue = &m.owed.Step, m.owed.Value
		}
		c.Metrics = append(c.Metrics, cm)
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers, valid strings and Floats always have a JSON form
	}
	return string(b)
}

// Restore returns an Output that goes on where the one with the same Config was
// when Take returned cursor. An empty cursor is the start.
func Restore(cfg Config, cursor string) (*Output, error) {
	o, err := New(cfg)
	if err != nil || cursor == "" {
		return o, err
	}
	var c cursorState
	if err := json.Unmarshal([]byte(cursor), &c); err != nil {
		return nil, types.Errorf(types.Invalid, "the collector's cursor %.40q cannot be read: %w", cursor, err)
	}
	if c.Version != cursorVersion {
		return nil, types.Errorf(types.Unsupported, "the collector's cursor has version %d, this program reads %d", c.Version, cursorVersion).
			WithRemedy("finish the running trials with the version of tuner that started them")
	}
	o.infeasible, o.reason = c.Infeasible, c.Reason
	for _, s := range c.Streams {
		if s.Offset < 0 || s.Offset > maxPlace {
			return nil, types.Errorf(types.Invalid, "the collector's cursor has the offset %d in %s", s.Offset, s.Name)
		}
		got := o.stream(s.Name)
		got.read, got.skipping = s.Offset, s.Skipping
	}
	for _, cm := range c.Metrics {
		if cm.Count < 0 || cm.Count > maxPlace || cm.Next < 0 || cm.Next > maxPlace {
			return nil, types.Errorf(types.Invalid, "the collector's cursor counts %d values and %d steps of %s", cm.Count, cm.Next, cm.Name)
		}
		o.restoreMetric(cm)
	}
	return o, nil
}

func (o *Output) restoreMetric(c cursorMetric) {
	m := o.byName[c.Name]
	if m == nil {
		m = &metric{name: c.Name, reported: o.others < o.cfg.Others}
		o.add(m)
		if m.reported {
			o.others++
		}
	}
	m.count, m.last, m.next, m.counted, m.own = c.Count, float64(c.Last), c.Next, c.Counted, c.Own
	if c.Owed != nil {
		m.owed = &types.Report{Metric: c.Name, Step: *c.Owed, Value: c.OwedValue}
	}
}
