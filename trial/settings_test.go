package trial

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

var knownSettings = []Setting{
	{Name: "startup", Type: IntSetting, Default: int64(10), Min: Bound(0), Max: Bound(100)},
	{Name: "gamma", Type: FloatSetting, Default: 0.1, Min: new(0.01)},
	{Name: "multivariate", Type: BoolSetting, Default: true},
	{Name: "order", Type: StringSetting, Default: "listed", Choices: []string{"listed", "shuffled"}},
	{Name: "population", Type: IntSetting, Min: Bound(2)},
}

func TestResolveSettings(t *testing.T) {
	defaults := func(change Settings) Settings {
		s := Settings{
			"startup": int64(10), "gamma": 0.1, "multivariate": true, "order": "listed", "population": nil,
		}
		maps.Copy(s, change)
		return s
	}
	tests := []struct {
		name  string
		given map[string]any
		want  Settings
	}{
		{"nothing", nil, defaults(nil)},
		{"Go values", map[string]any{"startup": 3, "gamma": 1, "multivariate": false, "order": "shuffled"},
			defaults(Settings{"startup": int64(3), "gamma": 1.0, "multivariate": false, "order": "shuffled"})},
		{"int64", map[string]any{"startup": int64(100), "gamma": int64(2)},
			defaults(Settings{"startup": int64(100), "gamma": 2.0})},
		{"JSON", map[string]any{"startup": 3.0, "gamma": 0.5, "population": 8.0},
			defaults(Settings{"startup": int64(3), "gamma": 0.5, "population": int64(8)})},
		{"JSON numbers", map[string]any{"startup": json.Number("3"), "gamma": json.Number("5e-1")},
			defaults(Settings{"startup": int64(3), "gamma": 0.5})},
		{"text", map[string]any{"startup": "3", "gamma": ".5", "multivariate": "false", "order": "shuffled"},
			defaults(Settings{"startup": int64(3), "gamma": 0.5, "multivariate": false, "order": "shuffled"})},
		{"text with exponent", map[string]any{"startup": "1e2"}, defaults(Settings{"startup": int64(100)})},
		{"left to the component", map[string]any{"population": "auto"}, defaults(nil)},
		{"null", map[string]any{"population": nil}, defaults(nil)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ResolveSettings("tpe", knownSettings, tt.given)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestResolveSettingsErrors(t *testing.T) {
	const startup = "; it is int from 0 to 100, by default 10"
	tests := []struct {
		name  string
		given map[string]any
		want  string
	}{
		{"unknown", map[string]any{"start": 1},
			"tpe.start: tpe has no such setting; its settings and their defaults are " +
				"startup=10, gamma=0.1, multivariate=true, order=listed, population=auto"},
		{"fraction", map[string]any{"startup": 3.5}, "tpe.startup: 3.5 is no whole number" + startup},
		{"fraction in text", map[string]any{"startup": "3.5"}, "tpe.startup: 3.5 is no whole number" + startup},
		{"not exact", map[string]any{"startup": 1e300}, "tpe.startup: 1e+300 is no whole number" + startup},
		{"no number", map[string]any{"startup": "many"}, `tpe.startup: "many" is no whole number` + startup},
		{"auto has a default", map[string]any{"startup": "auto"}, `tpe.startup: "auto" is no whole number` + startup},
		{"null", map[string]any{"startup": nil}, "tpe.startup: null is no whole number" + startup},
		{"list", map[string]any{"startup": []any{1.0}}, "tpe.startup: [1] is no whole number" + startup},
		{"bool", map[string]any{"startup": true}, "tpe.startup: true is no whole number" + startup},
		{"too small", map[string]any{"startup": -1}, "tpe.startup: -1 is below the least value 0" + startup},
		{"too large", map[string]any{"startup": 101}, "tpe.startup: 101 is above the greatest value 100" + startup},
		{"no float", map[string]any{"gamma": "x"}, `tpe.gamma: "x" is no number; it is float from 0.01, by default 0.1`},
		{"NaN", map[string]any{"gamma": "NaN"},
			`tpe.gamma: "NaN" is no finite number; it is float from 0.01, by default 0.1`},
		{"no bool", map[string]any{"multivariate": "yes"},
			`tpe.multivariate: "yes" is neither true nor false; it is bool, by default true`},
		{"number for bool", map[string]any{"multivariate": 1},
			`tpe.multivariate: 1 is neither true nor false; it is bool, by default true`},
		{"no choice", map[string]any{"order": "random"},
			`tpe.order: "random" is no known choice; it is one of listed, shuffled, by default listed`},
		{"number for text", map[string]any{"order": 1},
			`tpe.order: 1 is no text; it is one of listed, shuffled, by default listed`},
		{"two faults", map[string]any{"startup": "x", "population": 1},
			`tpe: 2 settings are wrong: tpe.startup: "x" is no whole number` + startup +
				"; and tpe.population: 1 is below the least value 2; it is int from 2, by default auto"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ResolveSettings("tpe", knownSettings, tt.given)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if c := types.CodeOf(err); c != types.Invalid {
				t.Errorf("code %q", c)
			}
		})
	}
}

func TestSettingsGetters(t *testing.T) {
	s, err := ResolveSettings("tpe", knownSettings, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Int("startup") != 10 || s.Float("gamma") != 0.1 || !s.Bool("multivariate") || s.String("order") != "listed" {
		t.Errorf("getters of %v", s)
	}
	if !s.Auto("population") || s.Auto("startup") {
		t.Error("Auto is wrong")
	}
	defer func() {
		if recover() == nil {
			t.Error("an undeclared setting must panic")
		}
	}()
	s.Int("gamma")
}

func TestParseComponent(t *testing.T) {
	tests := []struct {
		text string
		want types.Component
	}{
		{"tpe", types.Component{Name: "tpe"}},
		{"tpe:startup=5,candidates=64",
			types.Component{Name: "tpe", Settings: map[string]any{"startup": "5", "candidates": "64"}}},
		{"cmd:args=a=b", types.Component{Name: "cmd", Settings: map[string]any{"args": "a=b"}}},
	}
	for _, tt := range tests {
		got, err := ParseComponent(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.text, d)
		}
	}
}

func TestParseComponentErrors(t *testing.T) {
	const remedy = "; write it as NAME or NAME:SETTING=VALUE,SETTING=VALUE"
	tests := []struct{ text, want string }{
		{"", `"" does not begin with a name` + remedy},
		{":a=1", `":a=1" does not begin with a name` + remedy},
		{" tpe", `" tpe" does not begin with a name` + remedy},
		{"tpe:", `in "tpe:", "" is not of the form SETTING=VALUE` + remedy},
		{"tpe:a", `in "tpe:a", "a" is not of the form SETTING=VALUE` + remedy},
		{"tpe:a=", `in "tpe:a=", "a=" is not of the form SETTING=VALUE` + remedy},
		{"tpe:=1", `in "tpe:=1", "=1" is not of the form SETTING=VALUE` + remedy},
		{"tpe:a=1,", `in "tpe:a=1,", "" is not of the form SETTING=VALUE` + remedy},
		{"tpe:a=1,a=2", `in "tpe:a=1,a=2", a is given twice` + remedy},
	}
	for _, tt := range tests {
		_, err := ParseComponent(tt.text)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: got  %v\nwant %s", tt.text, err, tt.want)
		}
	}
}
