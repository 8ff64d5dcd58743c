package store

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// ParamFilter selects trials by a parameter: the value must be one of Equal, if
// that is not empty, and within Min and Max (ends included) where given. Trials
// where it is inactive are not selected.
type ParamFilter struct {
	Name     string
	Equal    []any // int64, float64, string or bool; numbers are equal if their values are
	Min, Max *float64
}

// MetricFilter selects trials by the final value of a metric, ends included. NaN
// is in no range.
type MetricFilter struct {
	Name     string
	Min, Max *float64
}

// Match reports whether a value of the parameter is selected; nil is inactive.
func (p *ParamFilter) Match(v any) bool {
	if v == nil {
		return false
	}
	if len(p.Equal) > 0 && !slices.ContainsFunc(p.Equal, func(w any) bool { return CompareValues(v, w) == 0 }) {
		return false
	}
	if p.Min == nil && p.Max == nil {
		return true
	}
	x, ok := number(v)
	return ok && within(x, p.Min, p.Max)
}

func within(x float64, low, high *float64) bool {
	return !math.IsNaN(x) && (low == nil || x >= *low) && (high == nil || x <= *high)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// CompareValues is the order of parameter values: bools, numbers by their value,
// texts by their bytes.
func CompareValues(a, b any) int {
	class := func(v any) int {
		switch v.(type) {
		case bool:
			return 0
		case string:
			return 2
		}
		return 1
	}
	if c := cmp.Compare(class(a), class(b)); c != 0 {
		return c
	}
	switch x := a.(type) {
	case bool:
		y, _ := b.(bool)
		return cmp.Compare(bit(x), bit(y))
	case string:
		y, _ := b.(string)
		return strings.Compare(x, y)
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	}
	x, _ := number(a)
	y, _ := number(b)
	return cmp.Compare(x, y)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Indexed reports whether f asks for nothing but states, in an order that has an
// index.
func (f *TrialFilter) Indexed() bool {
	return f.Sort != SortParam && len(f.Params) == 0 && len(f.Metrics) == 0 &&
		f.CreatedAfter.IsZero() && f.CreatedBefore.IsZero() && f.FinishedAfter.IsZero() && f.FinishedBefore.IsZero()
}

// Match reports whether f selects t.
func (f *TrialFilter) Match(t *trial.Trial) bool {
	if len(f.States) > 0 && !slices.Contains(f.States, t.State) {
		return false
	}
	for i := range f.Params {
		v, _ := t.Params.Get(f.Params[i].Name)
		if !f.Params[i].Match(v) {
			return false
		}
	}
	for _, m := range f.Metrics {
		v, ok := t.Metrics[m.Name]
		if !ok || !within(v, m.Min, m.Max) {
			return false
		}
	}
	return between(t.Created, f.CreatedAfter, f.CreatedBefore) && between(t.Finished, f.FinishedAfter, f.FinishedBefore)
}

// between reports whether a time is later than after and earlier than before,
// where these are given; no time never is then.
func between(t, after, before time.Time) bool {
	if after.IsZero() && before.IsZero() {
		return true
	}
	return !t.IsZero() && (after.IsZero() || t.After(after)) && (before.IsZero() || t.Before(before))
}

// normaliseFilters checks what selects.
func (f *TrialFilter) normaliseFilters() error {
	named := map[string]bool{}
	for i := range f.Params {
		p := &f.Params[i]
		if p.Name == "" || len(p.Equal) == 0 && p.Min == nil && p.Max == nil || bad(p.Min) || bad(p.Max) {
			return types.Errorf(types.Invalid, "the condition on the parameter %q says nothing", p.Name).WithField("params").
				WithRemedy("give values or a range of numbers")
		}
		for _, v := range p.Equal {
			switch v.(type) {
			case int64, float64, string, bool:
			default:
				return types.Errorf(types.Internal, "%T is no type of a parameter", v).WithField("params")
			}
		}
	}
	for _, m := range f.Metrics {
		if m.Name == "" || m.Min == nil && m.Max == nil || bad(m.Min) || bad(m.Max) || named[m.Name] {
			return types.Errorf(types.Invalid, "the condition on the metric %q says nothing, or there are two", m.Name).WithField("metrics").
				WithRemedy("give one range of numbers for each metric")
		}
		named[m.Name] = true
	}
	return nil
}

func bad(x *float64) bool { return x != nil && math.IsNaN(*x) }
