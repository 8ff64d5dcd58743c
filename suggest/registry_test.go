package suggest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/suggest/space"
)

func TestNewErrors(t *testing.T) {
	s, err := space.New([]space.Parameter{{Name: "x", Kind: space.Float, Low: 0.0, High: 1.0}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	one := []types.Objective{{Metric: "loss", Goal: types.Minimize}}
	two := append(slices.Clone(one), types.Objective{Metric: "size", Goal: types.Minimize})
	component := func(name string, kv ...any) types.Component {
		c := types.Component{Name: name, Settings: map[string]any{}}
		for i := 0; i < len(kv); i += 2 {
			c.Settings[kv[i].(string)] = kv[i+1]
		}
		return c
	}
	all := builtin.Algorithms()
	var multi []string
	for _, a := range all {
		if a.MultiObjective {
			multi = append(multi, a.Name)
		}
	}
	tests := []struct {
		name      string
		component types.Component
		cfg       suggest.Config
		want      string
	}{
		{"unknown", component("tep"), suggest.Config{Space: s, Objectives: one},
			`algorithm: there is no algorithm "tep"; use one of ` + strings.Join(all.Names(), ", ")},
		{"unknown setting", component("grid", "pionts", "3"), suggest.Config{Space: s, Objectives: one},
			"grid.pionts: grid has no such setting; its settings and their defaults are points=5, shuffle=false"},
		{"none known", component("random", "n", "3"), suggest.Config{Space: s, Objectives: one},
			"random.n: random has no such setting; random has no settings"},
		{"wrong value", component("tpe", "gamma", "2"), suggest.Config{Space: s, Objectives: one},
			"tpe.gamma: 2 is above the greatest value 1; it is float from 0.001 to 1, by default 0.1"},
		{"several objectives", component("tpe"), suggest.Config{Space: s, Objectives: two},
			"algorithm: tpe takes one objective, not 2; for several objectives use one of " + strings.Join(multi, ", ")},
		{"no objective", component("tpe"), suggest.Config{Space: s},
			"objectives: there is no objective; name a metric to minimise or maximise"},
		{"no goal", component("tpe"), suggest.Config{Space: s, Objectives: []types.Objective{{Metric: "loss"}}},
			`objectives: the goal of loss is ""; a goal is min or max`},
		{"no space", component("tpe"), suggest.Config{Objectives: one}, "space: there is no search space"},
		{"deterministic", component("tpe"), suggest.Config{Space: s, Objectives: one, Deterministic: "maybe"},
			`deterministic: deterministic is "maybe"; it is yes, no or auto`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := builtin.New(tt.component, tt.cfg)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if c := types.CodeOf(err); c != types.Invalid {
				t.Errorf("code %q", c)
			}
		})
	}
	for _, name := range []string{"", "random", "grid"} {
		objectives := one
		if name != "" {
			objectives = two
		}
		if _, err := builtin.New(component(name), suggest.Config{Space: s, Objectives: objectives}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// What users read about an algorithm has to be there.
func TestAlgorithmsAreDescribed(t *testing.T) {
	for _, a := range builtin.Algorithms() {
		if a.Name == "" || a.Doc == "" || a.Version < 1 || a.New == nil {
			t.Errorf("%+v is not complete", a)
		}
		for _, k := range a.Settings {
			if k.Doc == "" || k.Doc[len(k.Doc)-1] != '.' {
				t.Errorf("%s.%s is described by %q", a.Name, k.Name, k.Doc)
			}
		}
		if _, _, err := builtin.Algorithms().Resolve(types.Component{Name: a.Name}); err != nil {
			t.Errorf("the defaults of %s: %v", a.Name, err)
		}
	}
}
