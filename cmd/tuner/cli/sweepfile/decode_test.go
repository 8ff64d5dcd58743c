package sweepfile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
)

const whole = `version: 1
name: digits
project: vision
min: error
params:
  lr: 1e-3..1.0:log
  hidden: "8..128:log"
  opt: [sgd, adam]
  momentum: 0.0..0.99@opt=sgd
  odd: [1.10, 012, 0x1F, 2026-01-02, yes, True, true, null, 1e-3, "1.10", 'true', "sgd", ~/x, -1, .5]
  depth:
    type: int
    low: 1
    high: 8
    when: {param: opt, in: [adam]}
  width:
    type: ordinal
    choices: [1.10, 2, 1e-3, "007", yes, true, 012, {value: 3, text: "03"}]
    default: 2
  quarter: 0.25
constraints:
  - lr * hidden <= 64
try:
  - {lr: 0.01, hidden: 64, opt: "1"}
  - lr=1e-3,hidden=8
trials: 30
jobs: 2
algorithm: {name: tpe, startup: 5, gamma: 0.2}
stopper: median
seed: 7
for: 2h
target: 0.01
patience: 20
max_failures: -1
max_cost: gpu.hours=12
stop_when: unlikely
command: [python, train.py, "{args}", --flag, 1.50, no]
literal: epoch
cwd: "{trial.dir}"
env:
  OMP_NUM_THREADS: 1
  GREETING: "a: b"
gpus: 0,1
timeout: 90s
grace: 30s
stop_signal: INT
retries: 0
infeasible_exit: 3
step: epoch
metric_regex:
  - loss=([0-9.]+)
metric_file: metrics.jsonl
metric_strategy: min
keep: best
db: sweep.db
dir: trials
url: http://localhost:8080
token_file: tuner.token
pin: abc
durability: full
`

func wholeFile() File {
	return File{
		Name: "digits", Project: "vision", Min: "error",
		Params: []Param{
			{Name: "lr", Spec: "1e-3..1.0:log"},
			{Name: "hidden", Spec: "8..128:log"},
			{Name: "opt", Choices: []Value{{Text: "sgd"}, {Text: "adam"}}},
			{Name: "momentum", Spec: "0.0..0.99@opt=sgd"},
			{Name: "odd", Choices: []Value{
				{Text: "1.10"}, {Text: "012"}, {Text: "0x1F"}, {Text: "2026-01-02"}, {Text: "yes"}, {Text: "True"}, {Text: "true"},
				{Text: "null"}, {Text: "1e-3"}, {Text: "1.10", IsText: true}, {Text: "true", IsText: true}, {Text: "sgd"}, {Text: "~/x"},
				{Text: "-1"}, {Text: ".5"},
			}},
			{Name: "depth", JSON: []byte(`{"type":"int","low":1,"high":8,"when":{"param":"opt","in":["adam"]}}`)},
			{Name: "width", JSON: []byte(`{"type":"ordinal","choices":[{"value":1.10,"text":"1.10"},2,{"value":1e-3,"text":"1e-3"},"007","yes",true,"012",{"value":3,"text":"03"}],"default":2}`)},
			{Name: "quarter", Spec: "0.25"},
		},
		Constraints: []string{"lr * hidden <= 64"},
		Try: []Point{
			{Values: []Assignment{{"lr", Value{Text: "0.01"}}, {"hidden", Value{Text: "64"}}, {"opt", Value{Text: "1", IsText: true}}}},
			{Text: "lr=1e-3,hidden=8"},
		},
		Trials: new(int64(30)), Jobs: new(int64(2)),
		Algorithm: "tpe:startup=5,gamma=0.2", Stopper: "median", Seed: new(int64(7)),
		For: new(2 * time.Hour), Target: new(0.01), Patience: new(int64(20)), MaxFailures: new(int64(-1)), MaxCost: "gpu.hours=12", StopWhen: "unlikely",
		Command: []string{"python", "train.py", "{args}", "--flag", "1.50", "no"},
		Literal: []string{"epoch"}, Cwd: "{trial.dir}", Env: []string{"OMP_NUM_THREADS=1", "GREETING=a: b"},
		GPUs: []string{"0", "1"}, Timeout: new(90 * time.Second), Grace: new(30 * time.Second), StopSignal: "INT",
		Retries: new(int64(0)), InfeasibleExit: new(int64(3)),
		Step: "epoch", MetricRegex: []string{"loss=([0-9.]+)"}, MetricFile: "metrics.jsonl", MetricStrategy: "min",
		Keep: "best", DB: "sweep.db", Dir: "trials", URL: "http://localhost:8080",
		TokenFile: "tuner.token", Pin: "abc", Durability: "full",
	}
}

func TestDecodeWhole(t *testing.T) {
	got, _, err := Decode("sweep.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wholeFile(), got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	lines := strings.Split(whole, "\n")
	for _, k := range keys() {
		there := slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, k.name+":") })
		if !there && k.name != "max" {
			t.Errorf("the whole file lacks %s", k.name)
		}
	}
}

func TestVariants(t *testing.T) {
	for _, tt := range []struct {
		yaml string
		want File
	}{
		{"version: 1\nmax: accuracy\n", File{Max: "accuracy"}},
		{"# comment\n---\nversion: 1\n...\n", File{}},
		{"version: 1\r\nname: x\r\n", File{Name: "x"}},
		{"version: 1\nname: 2026-01-02\n", File{Name: "2026-01-02"}},
		{"version: 1\nname: !!str 12\n", File{Name: "12"}},
		{"version: 1\nname: \"\"\n", File{}},
		{"version: 1\nmetric_regex: |\n  a\n", File{MetricRegex: []string{"a\n"}}},
		{"version: 1\ngpus: [0, GPU-a]\nenv: [A=1, 'B=']\n", File{GPUs: []string{"0", "GPU-a"}, Env: []string{"A=1", "B="}}},
		{"version: 1\ngpus: 3\nalgorithm: tpe:gamma=0.1\nstopper: {name: none}\n", File{GPUs: []string{"3"}, Algorithm: "tpe:gamma=0.1", Stopper: "none"}},
	} {
		got, _, err := Decode("f", []byte(tt.yaml))
		if err != nil {
			t.Errorf("%q: %v", tt.yaml, err)
			continue
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", tt.yaml, d)
		}
	}
}

func TestErrors(t *testing.T) {
	const v = "version: 1\n"
	for _, tt := range []struct{ name, yaml, want string }{
		{"unknown key", v + "algoritm: tpe\n", `
s.yaml:2:1: unknown key "algoritm"; did you mean "algorithm"?
    2 | algoritm: tpe
      | ^`},
		{"key of a flag", v + "max-failures: 3\n", `
s.yaml:2:1: unknown key "max-failures"; did you mean "max_failures"?
    2 | max-failures: 3
      | ^`},
		{"given twice", v + "name: a\nmin: e\nname: b\n", `
s.yaml:4:1: "name" is given twice, first in line 2; remove one of the two
    4 | name: b
      | ^`},
		{"parameter twice", v + "params:\n  lr: 1..2\n  lr: 3..4\n", `
s.yaml:4:3: "lr" is given twice, first in line 3; remove one of the two
    4 |   lr: 3..4
      |   ^`},
		{"no version", "name: x\n", `
s.yaml:1:1: the version is missing; begin with version: 1
    1 | name: x
      | ^`},
		{"newer", "version: 2\n", `
s.yaml:1:10: version 2 is not known here; this tuner reads version: 1; use a newer tuner for a newer file
    1 | version: 2
      |          ^`},
		{"empty", "", `
s.yaml:1: the file is empty; begin with version: 1
    1 | `},
		{"no mapping", "- a\n", `
s.yaml:1:1: a list is no sweep file; begin with version: 1 and write key: value lines
    1 | - a
      | ^`},
		{"two documents", v + "---\nversion: 1\n", `
s.yaml:2:1: a second document begins here; write one sweep a file
    2 | ---
      | ^`},
		{"syntax", v + "name: a: b\n", `
s.yaml:2: this is no valid YAML: mapping values are not allowed in this context; look at this line and the one above it: indentation, quotes, a space after each colon
    2 | name: a: b`},
		{"tab", v + "params:\n\tlr: 1..2\n", `
s.yaml:3: this is no valid YAML: found character that cannot start any token; look at this line and the one above it: indentation, quotes, a space after each colon
    3 |  lr: 1..2`},
		{"number", v + "trials: many\n", `
s.yaml:2:9: trials must be a whole number, not "many"; write it with digits only, as in trials: 30
    2 | trials: many
      |         ^`},
		{"fraction", v + "jobs: 1.5\n", `
s.yaml:2:7: jobs must be a whole number, not "1.5"; write it with digits only, as in jobs: 30
    2 | jobs: 1.5
      |       ^`},
		{"duration", v + "timeout: 30\n", `
s.yaml:2:10: timeout must be a duration, not "30"; write it with its unit, as in 90s, 30m or 1h30m
    2 | timeout: 30
      |          ^`},
		{"target", v + "target: .nan\n", `
s.yaml:2:9: target must be a number, not ".nan"; write it as in target: 0.05
    2 | target: .nan
      |         ^`},
		{"no value", v + "name:\nmin: e\n", `
s.yaml:2:6: name has no value; give it one (a text in quotes, if it is meant to be empty), or remove it
    2 | name:
      |      ^`},
		{"list for text", v + "name: [a]\n", `
s.yaml:2:7: name must be one value, not a list; write name: VALUE
    2 | name: [a]
      |       ^`},
		{"command as text", v + "command: python train.py {args}\n", `
s.yaml:2:10: command must be a list of arguments, not one text; write command: ["python", "train.py", "{args}"]
    2 | command: python train.py {args}
      |          ^`},
		{"braces", v + "command: [python, {args}]\n", `
s.yaml:2:19: YAML reads {args} as a mapping; put it in quotes: "{args}"
    2 | command: [python, {args}]
      |                   ^`},
		{"empty command", v + "command: []\n", `
s.yaml:2:10: command is an empty list; give it an item, or remove command
    2 | command: []
      |          ^`},
		{"params as list", v + "params: [lr]\n", `
s.yaml:2:9: params must be a mapping from names to ranges or choices, not a list; write params: and below it lines such as lr: 1e-5..1e-1:log
    2 | params: [lr]
      |         ^`},
		{"no choices", v + "params: {lr: []}\n", `
s.yaml:2:14: lr has no choices; write them as in lr: [sgd, adam]
    2 | params: {lr: []}
      |              ^`},
		{"nested choices", v + "params: {lr: [[1]]}\n", `
s.yaml:2:15: params.lr[0] must be one value, not a list; write lr: VALUE
    2 | params: {lr: [[1]]}
      |               ^`},
		{"alias", v + "name: &a x\n", `
s.yaml:2:7: the anchor &a is not supported; write the value out where it is used
    2 | name: &a x
      |       ^`},
		{"tag", v + "name: !!binary aGk=\n", `
s.yaml:2:7: the tag !!binary is not supported; remove it
    2 | name: !!binary aGk=
      |       ^`},
		{"key that is a list", v + "[a]: b\n", `
s.yaml:2:1: a key must be a word, not a list; write key: value
    2 | [a]: b
      | ^`},
		{"component without name", v + "algorithm: {gamma: 0.2}\n", `
s.yaml:2:12: algorithm has no name; write algorithm: NAME, or algorithm: {name: NAME, setting: value}
    2 | algorithm: {gamma: 0.2}
      |            ^`},
		{"long line", v + "name: [" + strings.Repeat("x", 150) + ", &b é]\n", `
s.yaml:2:7: name must be one value, not a list; write name: VALUE
    2 | name: [` + strings.Repeat("x", 83) + `
      |       ^`},
		{"far to the right", v + "literal: [" + strings.Repeat("é", 150) + ", {b}]\n", `
s.yaml:2:163: YAML reads {b} as a mapping; put it in quotes: "{b}"
    2 | ` + strings.Repeat("é", 43) + `, {b}]
      | ` + strings.Repeat(" ", 45) + `^`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Decode("s.yaml", []byte(tt.yaml))
			if err == nil {
				t.Fatal("accepted")
			}
			if d := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), err.Error()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if types.CodeOf(err) != types.Invalid {
				t.Errorf("code %s", types.CodeOf(err))
			}
		})
	}
}

func TestLocate(t *testing.T) {
	_, src, err := Decode("s.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ field, place string }{
		{"trials", "s.yaml:26:9"},
		{"space.lr", "s.yaml:6:7"},
		{"space.lr.low", "s.yaml:6:7"},
		{"space.depth.low", "s.yaml:13:10"},
		{"space.depth.when.in[0]", "s.yaml:15:29"},
		{"space.constraints[0]", "s.yaml:22:5"},
		{"run.command[2]", "s.yaml:37:29"},
		{"command[9]", "s.yaml:37:10"},
		{"env", "s.yaml:41:3"},
		{"try[1]", "s.yaml:25:5"},
	} {
		cause := types.Errorf(types.Conflict, "it is wrong").WithField(tt.field).WithRemedy("make it right")
		err := src.Locate(cause)
		if !strings.HasPrefix(err.Error(), tt.place+": it is wrong; make it right\n") || types.CodeOf(err) != types.Conflict {
			t.Errorf("%s: %v", tt.field, err)
		}
	}
	for _, field := range []string{"", "space", "storage"} {
		cause := types.Errorf(types.Invalid, "it is wrong").WithField(field)
		if err := src.Locate(cause); err.Error() != cause.Error() {
			t.Errorf("%q: %v", field, err)
		}
	}
}
