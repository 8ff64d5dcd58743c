package sweepfile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gotuner/tuner/api/types"
)

const saved = `version: 1
name: digits
min: error
params:
  lr: 1e-3..1.0:log
  opt: [sgd, "1.10", 1.10, 'a, b', "null"]
  url: ['http://a:80', 'x,y']
  width:
    type: categorical
    choices: [1.10, 2, "007", true]
try:
  - {lr: 0.01, opt: sgd}
trials: 30
for: 2h0m0s
target: 1e-05
command: [python, train.py, '{args}', --note=a b]
env:
  - A=1
`

func TestEncodeGolden(t *testing.T) {
	f := File{
		Name: "digits", Min: "error",
		Params: []Param{
			{Name: "lr", Spec: "1e-3..1.0:log"},
			{Name: "opt", Choices: []Value{{Text: "sgd"}, {Text: "1.10", IsText: true}, {Text: "1.10"}, {Text: "a, b"}, {Text: "null"}}},
			{Name: "url", JSON: []byte(`["http://a:80", "x,y"]`)},
			{Name: "width", JSON: []byte(`{"type": "categorical", "choices": [{"value": 1.10, "text": "1.10"}, 2, "007", true]}`)},
		},
		Try:    []Point{{Values: []Assignment{{"lr", Value{Text: "0.01"}}, {"opt", Value{Text: "sgd"}}}}},
		Trials: new(int64(30)), For: new(2 * time.Hour), Target: new(1e-5),
		Command: []string{"python", "train.py", "{args}", "--note=a b"},
		Env:     []string{"A=1"},
	}
	got, err := Encode(&f)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(saved, string(got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestEncodeErrors(t *testing.T) {
	for _, tt := range []struct {
		file File
		want string
	}{
		{File{Command: []string{"p", "\xff"}}, `command: "\xff" is not valid UTF-8, so no sweep file can hold it; keep this value out of the file, in a file or variable that the command reads`},
		{File{Params: []Param{{Name: "x", JSON: []byte(`{"a":`)}}}, `space.x: this is no valid JSON: unexpected end of JSON input`},
		{File{Params: []Param{{Name: "x", JSON: []byte(`{} {}`)}}}, `space.x: this is no valid JSON: invalid character '{' after top-level value`},
	} {
		_, err := Encode(&tt.file)
		if err == nil || err.Error() != tt.want || types.CodeOf(err) != types.Invalid {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

func TestWholeRoundTrip(t *testing.T) { roundTrip(t, wholeFile()) }

func roundTrip(t rapid.TB, f File) {
	t.Helper()
	b, err := Encode(&f)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Decode("saved.yaml", b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if d := cmp.Diff(f, got); d != "" {
		t.Fatalf("(-want +got):\n%s\n%s", d, b)
	}
}

// Any file that Decode can give is written so that it is read back.
func TestRoundTrip(t *testing.T) {
	odd := rapid.SampledFrom([]string{
		"null", "~", "true", "yes", "1.10", "012", "0x1F", "1e-3", "2026-01-02", "- a", "a: b", "#x", "{args}", "[a", "'", `"`, "<<", "a\nb", " a ", "a\r\nb\n", "é", "*a", "&a", "!x", "|", ">", "%", "@", "`", "\t", "---", "--- a", "?", ":", "-", "=", ".inf", "\u0085", "\u2028", "1_000", "0o7", "😀", "a\u00a0b", "\x7f", "\ufeff",
	})
	text := rapid.OneOf(odd, rapid.StringN(1, 20, -1)).Filter(func(s string) bool { return !strings.Contains(s, "\x00") && s == strings.ToValidUTF8(s, "") })
	texts := rapid.SliceOfN(text, 0, 4)
	optional := func(t *rapid.T, name string) string {
		if rapid.Bool().Draw(t, "has "+name) {
			return text.Draw(t, name)
		}
		return ""
	}
	values := rapid.Custom(func(t *rapid.T) Value {
		s := text.Draw(t, "value")
		return Value{Text: s, IsText: looksTyped(s) && rapid.Bool().Draw(t, "is text")}
	})
	list := func(t *rapid.T, name string) []string {
		if l := texts.Draw(t, name); len(l) > 0 {
			return l
		}
		return nil
	}
	rapid.Check(t, func(t *rapid.T) {
		f := File{
			Name: optional(t, "name"), Max: optional(t, "max"), Cwd: optional(t, "cwd"), Algorithm: optional(t, "algorithm"),
			Constraints: list(t, "constraints"), Command: list(t, "command"), Env: list(t, "env"),
		}
		for _, name := range rapid.SliceOfNDistinct(text, 0, 4, rapid.ID).Draw(t, "names") {
			p := Param{Name: name}
			switch rapid.IntRange(0, 2).Draw(t, "form") {
			case 0:
				p.Spec = text.Draw(t, "spec")
			case 1:
				p.Choices = rapid.SliceOfN(values, 1, 4).Draw(t, "choices")
			case 2:
				p.JSON = types.AppendString(append(types.AppendString([]byte(`{"type":`), text.Draw(t, "type")), `,"choices":[1,true,`...), text.Draw(t, "choice"))
				p.JSON = append(p.JSON, `,{"value":1.50,"text":"1.50"}],"low":1e-3,"range":[null,1],"list":[["a"],{}]}`...)
			}
			f.Params = append(f.Params, p)
		}
		if rapid.Bool().Draw(t, "try") {
			f.Try = []Point{{Text: text.Draw(t, "point")}, {Values: []Assignment{{text.Draw(t, "to"), values.Draw(t, "of")}}}}
		}
		if rapid.Bool().Draw(t, "numbers") {
			f.Seed, f.Target = new(rapid.Int64().Draw(t, "seed")), new(rapid.Float64().Draw(t, "target"))
			f.Timeout = new(time.Duration(rapid.Int64Min(0).Draw(t, "timeout")))
		}
		roundTrip(t, f)
	})
}

// FuzzDecode: no input makes Decode panic, and what it reads it can write and
// read back.
func FuzzDecode(f *testing.F) {
	f.Add(whole)
	f.Add(saved)
	f.Add("version: 1\nparams: {a: {b: [1, {c: d}]}}\n")
	f.Add("version: 1\nname: {args}\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, _, err := Decode("f.yaml", []byte(text))
		if err != nil {
			if types.CodeOf(err) != types.Invalid || !strings.HasPrefix(err.Error(), "f.yaml:") {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		b, err := Encode(&file)
		if err != nil {
			t.Fatalf("%v\n%q", err, text)
		}
		again, _, err := Decode("f.yaml", b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		if d := cmp.Diff(file, again); d != "" {
			t.Fatalf("%s\n%q\n%s", d, text, b)
		}
	})
}
