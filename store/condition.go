package store

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// ParseParamFilter reads a condition on a parameter: NAME=LO..HI, NAME=LO.. or
// NAME=..HI (ends included), NAME=V,V…, or NAME:=JSON with a value or a list of
// values. A value that could be a number or a bool stands for the text too.
func ParseParamFilter(text string) (ParamFilter, error) {
	name, rest, ok := strings.Cut(text, "=")
	f := ParamFilter{Name: strings.TrimSuffix(name, ":")}
	if !ok || f.Name == "" || rest == "" {
		return f, badCondition("params", text)
	}
	if f.Name != name {
		return f, f.fromJSON(text, rest)
	}
	if low, high, ok := parseRange(rest); ok {
		f.Min, f.Max = low, high
		return f, nil
	}
	for v := range strings.SplitSeq(rest, ",") {
		f.Equal = append(f.Equal, v)
		switch n, err := types.ParseNumber(v); {
		case v == "true" || v == "false":
			f.Equal = append(f.Equal, v == "true")
		case err == nil:
			f.Equal = append(f.Equal, n)
		}
	}
	return f, nil
}

func (p *ParamFilter) fromJSON(text, rest string) error {
	if !strings.HasPrefix(rest, "[") {
		rest = "[" + rest + "]"
	}
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(rest), &list); err != nil || len(list) == 0 {
		return badCondition("params", text)
	}
	for _, raw := range list {
		var v types.Params
		if err := v.UnmarshalJSON([]byte(`{"v":` + string(raw) + `}`)); err != nil || len(v) != 1 {
			return badCondition("params", text)
		}
		p.Equal = append(p.Equal, v[0].Value)
	}
	return nil
}

// ParseMetricFilter reads a condition on a metric: NAME=LO..HI, NAME=LO.. or
// NAME=..HI, ends included.
func ParseMetricFilter(text string) (MetricFilter, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return MetricFilter{}, badCondition("metrics", text)
	}
	f := MetricFilter{Name: text[:i]}
	var ok bool
	if f.Min, f.Max, ok = parseRange(text[i+1:]); !ok {
		return f, badCondition("metrics", text)
	}
	return f, nil
}

// parseRange reads LO..HI of which one may be missing.
func parseRange(text string) (low, high *float64, ok bool) {
	a, b, ok := strings.Cut(text, "..")
	if !ok || a == "" && b == "" {
		return nil, nil, false
	}
	for _, end := range []struct {
		text string
		to   **float64
	}{{a, &low}, {b, &high}} {
		if end.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(end.text, 64)
		if err != nil || math.IsNaN(v) {
			return nil, nil, false
		}
		*end.to = &v
	}
	return low, high, true
}

func badCondition(field, text string) error {
	e := types.Errorf(types.Invalid, "%q is no condition", text).WithField(field)
	if field == "metrics" {
		return e.WithRemedy("write it as in loss=..0.5, loss=0.1..0.5 or acc=0.9..")
	}
	return e.WithRemedy("write it as in lr=1e-4..1e-2, layers=3.., opt=sgd,adam or 'opt:=[\"a,b\"]'")
}

// Texts are the conditions that ParseParamFilter reads as p.
func (p *ParamFilter) Texts() (out []string) {
	if len(p.Equal) > 0 {
		b := []byte(p.Name + ":=[")
		for i, v := range p.Equal {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = types.AppendValue(b, v); err != nil {
				continue // no trial has such a value
			}
		}
		out = append(out, string(append(b, ']')))
	}
	if p.Min != nil || p.Max != nil {
		out = append(out, p.Name+"="+rangeText(p.Min, p.Max))
	}
	return out
}

// Text is the condition that ParseMetricFilter reads as m.
func (m *MetricFilter) Text() string { return m.Name + "=" + rangeText(m.Min, m.Max) }

func rangeText(low, high *float64) string {
	end := func(x *float64) string {
		if x == nil {
			return ""
		}
		return strconv.FormatFloat(*x, 'g', -1, 64)
	}
	return end(low) + ".." + end(high)
}
