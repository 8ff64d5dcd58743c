package store

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Curve turns all reports of one trial, in any order, into what Trials.Reports
// returns; it changes the order of reports.
func Curve(reports []trial.Report, metric string, maxPoints int) []trial.Report {
	last := 0
	for i := range reports {
		last = max(last, reports[i].Attempt)
	}
	reports = slices.DeleteFunc(reports, func(r trial.Report) bool {
		return r.Attempt != last || (metric != "" && r.Metric != metric)
	})
	slices.SortFunc(reports, func(a, b trial.Report) int {
		return cmp.Or(strings.Compare(a.Metric, b.Metric), cmp.Compare(a.Step, b.Step), cmp.Compare(b.Seq, a.Seq))
	})
	// The latest of a step comes first and is the one that counts.
	reports = slices.CompactFunc(reports, func(a, b trial.Report) bool {
		return a.Metric == b.Metric && a.Step == b.Step
	})
	if maxPoints <= 0 {
		return reports
	}
	out := reports[:0]
	for len(reports) > 0 {
		n := 1
		for n < len(reports) && reports[n].Metric == reports[0].Metric {
			n++
		}
		out = thin(out, reports[:n], maxPoints)
		reports = reports[n:]
	}
	return out
}

// thin appends at most limit of the reports, evenly spaced with both ends. It
// writes behind what it has read, so out and in may share memory.
func thin(out, in []trial.Report, limit int) []trial.Report {
	if len(in) <= limit {
		return append(out, in...)
	}
	if limit == 1 {
		return append(out, in[len(in)-1])
	}
	for i := range limit {
		out = append(out, in[i*(len(in)-1)/(limit-1)])
	}
	return out
}

// Phase is a stretch of a listing; the phases follow one another.
type Phase byte

// The phases. A listing by number has only ByNumber, one by a metric ByValue,
// ByNaN and ByNumber, one by time or by a parameter ByValue and ByNumber.
const (
	ByValue  Phase = 'v' // has the value, ordered by it and the number
	ByNaN    Phase = 'x' // the value is NaN, ordered by number
	ByNumber Phase = 'n' // without value, ordered by number
)

// Cursor is a place in a listing: after the trial Number, whose value is Value
// (of a metric), Param (of a parameter) or Time (when it finished, in
// microseconds) in phase ByValue.
type Cursor struct {
	Phase  Phase
	Value  float64
	Param  any
	Time   int64
	Number int64
	// Start is true for the beginning of the phase.
	Start bool
}

// First returns where a listing begins.
func (f *TrialFilter) First() Cursor {
	if f.Sort == SortNumber {
		return Cursor{Phase: ByNumber, Start: true}
	}
	return Cursor{Phase: ByValue, Start: true}
}

// Next returns the beginning of the phase after c's; ok is false after the last.
func (f *TrialFilter) Next(c Cursor) (next Cursor, ok bool) {
	switch {
	case c.Phase == ByValue && f.Sort == SortMetric:
		return Cursor{Phase: ByNaN, Start: true}, true
	case c.Phase != ByNumber:
		return Cursor{Phase: ByNumber, Start: true}, true
	}
	return c, false
}

// CursorAt is the cursor after t, which the listing has in phase p.
func (f *TrialFilter) CursorAt(p Phase, t *trial.Trial) Cursor {
	c := Cursor{Phase: p, Number: t.Number}
	if p == ByValue {
		switch f.Sort {
		case SortMetric:
			c.Value = t.Metrics[f.Metric]
		case SortParam:
			c.Param, _ = t.Params.Get(f.Param)
		case SortFinished:
			c.Time = t.Finished.UnixMicro()
		case SortNumber: // has no values
		}
	}
	return c
}

// Encode writes c as TrialFilter.After, which is valid for the same order only.
func (f *TrialFilter) Encode(c Cursor) string {
	s := fmt.Sprintf("%s:%c:%d", f.order(), c.Phase, c.Number)
	if c.Phase == ByValue {
		switch f.Sort {
		case SortNumber, SortFinished:
		case SortMetric:
			return s + ":" + strconv.FormatUint(math.Float64bits(c.Value), 16)
		case SortParam:
			text, err := types.AppendValue(nil, c.Param)
			if err != nil {
				panic(err) // a value that a trial has
			}
			return s + ":" + base64.RawURLEncoding.EncodeToString(text)
		}
		return s + ":" + strconv.FormatInt(c.Time, 10)
	}
	return s
}

// Normalise checks f, fills its defaults and returns where the page begins.
func (f *TrialFilter) Normalise() (Cursor, error) {
	f.Sort = cmp.Or(f.Sort, SortNumber)
	f.Limit = cmp.Or(f.Limit, 1000)
	switch {
	case f.Sort != SortNumber && f.Sort != SortMetric && f.Sort != SortFinished && f.Sort != SortParam:
		return Cursor{}, types.Errorf(types.Invalid, "unknown order %q", f.Sort).WithField("sort").
			WithRemedy("use %s, %s, %s or %s", SortNumber, SortMetric, SortFinished, SortParam)
	case f.Sort == SortParam && f.Param == "":
		return Cursor{}, types.Errorf(types.Invalid, "no parameter to sort by").WithField("param").WithRemedy("name one")
	case f.Sort == SortMetric && f.Metric == "":
		return Cursor{}, types.Errorf(types.Invalid, "no metric to sort by").WithField("metric").WithRemedy("name one")
	case f.Limit < 0:
		return Cursor{}, types.Errorf(types.Invalid, "%d is no page size", f.Limit).WithField("limit").WithRemedy("use 1 or more")
	}
	if err := f.normaliseFilters(); err != nil {
		return Cursor{}, err
	}
	if f.After == "" {
		return f.First(), nil
	}
	return f.decode()
}

func (f *TrialFilter) decode() (Cursor, error) {
	bad := types.Errorf(types.Invalid, "%q is no cursor of this order", f.After).WithField("after").
		WithRemedy("use the cursor that the previous page returned, with the same order")
	order, rest, _ := strings.Cut(f.After, ":")
	parts := strings.Split(rest, ":")
	if order != f.order() || len(parts) < 2 || len(parts[0]) != 1 {
		return Cursor{}, bad
	}
	c := Cursor{Phase: Phase(parts[0][0])}
	var err error
	if c.Number, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return Cursor{}, bad
	}
	switch {
	case len(parts) == 3 && c.Phase == ByValue && f.Sort == SortMetric:
		var bits uint64
		bits, err = strconv.ParseUint(parts[2], 16, 64)
		c.Value = math.Float64frombits(bits)
	case len(parts) == 3 && c.Phase == ByValue && f.Sort == SortFinished:
		c.Time, err = strconv.ParseInt(parts[2], 10, 64)
	case len(parts) == 3 && c.Phase == ByValue && f.Sort == SortParam:
		c.Param, err = decodeValue(parts[2])
	case len(parts) == 2 && c.Phase == ByNumber:
	case len(parts) == 2 && c.Phase == ByNaN && f.Sort == SortMetric:
	default:
		return Cursor{}, bad
	}
	if err != nil || math.IsNaN(c.Value) {
		return Cursor{}, bad
	}
	return c, nil
}

func decodeValue(text string) (any, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	var p types.Params
	if err := p.UnmarshalJSON(append(append([]byte(`{"v":`), b...), '}')); err != nil {
		return nil, err
	}
	if len(p) != 1 {
		return nil, fmt.Errorf("%q is no value", b)
	}
	return p[0].Value, nil
}

func (f *TrialFilter) order() string {
	if f.Desc {
		return string(f.Sort) + "-desc"
	}
	return string(f.Sort)
}

// Lister reads pages of trials, as Trials does.
type Lister interface {
	ListTrials(ctx context.Context, study int64, f TrialFilter) ([]trial.Trial, string, error)
}

// EachTrial calls do for the trials that f selects, page by page, until do fails.
func EachTrial(ctx context.Context, db Lister, study int64, f TrialFilter, do func(*trial.Trial) error) error {
	for {
		page, next, err := db.ListTrials(ctx, study, f)
		if err != nil {
			return err
		}
		for i := range page {
			if err := do(&page[i]); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		f.After = next
	}
}
