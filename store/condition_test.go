package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
)

func TestConditions(t *testing.T) {
	for text, want := range map[string]store.ParamFilter{
		"lr=1e-4..1e-2":         {Name: "lr", Min: new(1e-4), Max: new(1e-2)},
		"n=3..":                 {Name: "n", Min: new(3.0)},
		"n=..-3":                {Name: "n", Max: new(-3.0)},
		"opt=sgd,adam":          {Name: "opt", Equal: []any{"sgd", "adam"}},
		"n=3,4.0":               {Name: "n", Equal: []any{"3", int64(3), "4.0", 4.0}},
		"on=true":               {Name: "on", Equal: []any{"true", true}},
		"dir=../a":              {Name: "dir", Equal: []any{"../a"}},
		`opt:=["a,b",1,true]`:   {Name: "opt", Equal: []any{"a,b", int64(1), true}},
		`opt:="=x"`:             {Name: "opt", Equal: []any{"=x"}},
		"weight-decay=0.5..0.5": {Name: "weight-decay", Min: new(0.5), Max: new(0.5)},
	} {
		got, err := store.ParseParamFilter(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "lr", "=1", "lr=", "opt:=", "opt:=[", "opt:=[]", "opt:=null", "opt:=[[1]]", ":=1"} {
		if _, err := store.ParseParamFilter(text); types.CodeOf(err) != types.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if m, err := store.ParseMetricFilter("a=b=..0.5"); err != nil || m.Name != "a=b" || *m.Max != 0.5 || m.Min != nil {
		t.Errorf("a metric: %+v, %v", m, err)
	}
	for _, text := range []string{"", "loss", "loss=", "loss=..", "loss=0.5", "loss=a..b", "loss=NaN..", "=1.."} {
		if _, err := store.ParseMetricFilter(text); types.CodeOf(err) != types.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzConditions: what is read as a condition has a text that is read as the
// same.
func FuzzConditions(f *testing.F) {
	for _, s := range []string{"lr=1e-4..1e-2", "n=3,4", `opt:=["a",1]`, "on=true", "x=..", "x=-Inf..inf"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := store.ParseMetricFilter(text); err == nil {
			if again, err := store.ParseMetricFilter(m.Text()); err != nil || !cmp.Equal(m, again) {
				t.Errorf("%q is %+v, and as %q %+v, %v", text, m, m.Text(), again, err)
			}
		}
		p, err := store.ParseParamFilter(text)
		if err != nil {
			return
		}
		texts := p.Texts()
		if len(texts) != 1 {
			t.Fatalf("%q is %+v, and has the texts %q", text, p, texts)
		}
		again, err := store.ParseParamFilter(texts[0])
		if err != nil || again.Name != p.Name || len(again.Equal) != len(p.Equal) || !cmp.Equal(again.Min, p.Min) || !cmp.Equal(again.Max, p.Max) {
			t.Errorf("%q is %+v, and as %q %+v, %v", text, p, texts[0], again, err)
		}
	})
}

// FuzzCursor: whatever comes as a cursor is refused, or is one that is written
// as it was read.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"number:n:1", "metric:v:1:3ff0000000000000", "finished-desc:v:7:12", "param:v:1:MS4w", "param:v:0:ImEi", "param:n:3", "metric:x:2", ":::", "param:v:1:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, after string) {
		for _, desc := range []bool{false, true} {
			for _, sort := range []store.TrialSort{store.SortNumber, store.SortMetric, store.SortFinished, store.SortParam} {
				filter := store.TrialFilter{Sort: sort, Metric: "m", Param: "p", Desc: desc, After: after}
				at, err := filter.Normalise()
				if err != nil {
					if types.CodeOf(err) != types.Invalid {
						t.Errorf("%q: %v", after, err)
					}
					continue
				}
				if after == "" {
					continue
				}
				filter.After = filter.Encode(at)
				if again, err := filter.Normalise(); err != nil || !cmp.Equal(at, again) {
					t.Errorf("%q is %+v, and %q is %+v, %v", after, at, filter.After, again, err)
				}
			}
		}
	})
}
