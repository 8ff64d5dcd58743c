package argv

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// names of a space that has everything: numbers, a bool, a text, a conditional.
func names() Names {
	return Names{Params: []Param{
		{Name: "lr", Kind: Number},
		{Name: "batch_size", Kind: Number},
		{Name: "opt", Kind: Text},
		{Name: "nesterov", Kind: Bool},
		{Name: "momentum", Kind: Number, Conditional: true},
		{Name: "weight-decay", Kind: Number},
	}}
}

func values() procenv.Trial {
	return procenv.Trial{
		Project: "default", Study: "my study", Number: 7, Attempt: 2, Dir: "/d/7", ParamsFile: "/d/7/params.json",
		CheckpointDir: "/d/7/checkpoint", Seed: -5, Budget: 3,
		Texts: map[string]string{
			"lr": "0.001", "batch_size": "32", "opt": "sgd with spaces", "nesterov": "True", "weight-decay": "1.10",
		},
	}
}

func expand(t *testing.T, command []string, n Names, v procenv.Trial, literals ...string) []string {
	t.Helper()
	tmpl, _, err := Parse(command, n, literals)
	if err != nil {
		t.Fatalf("Parse(%q): %v", command, err)
	}
	got, err := tmpl.Expand(v)
	if err != nil {
		t.Fatalf("Expand(%q): %v", command, err)
	}
	return got
}

func TestExpand(t *testing.T) {
	active := values()
	active.Texts["momentum"] = "0.9"
	off := values()
	off.Texts["nesterov"] = "false"
	all := []string{"--lr=0.001", "--batch_size=32", "--opt=sgd with spaces", "--nesterov=True"}
	for _, tt := range []struct {
		command string // split at |
		values  procenv.Trial
		want    []string
	}{
		{"p|{lr}", values(), []string{"p", "0.001"}},
		{"p|--x={lr}/{batch_size}.txt", values(), []string{"p", "--x=0.001/32.txt"}},
		{"p|{lr}{lr}", values(), []string{"p", "0.0010.001"}},
		{"p|{weight-decay}", values(), []string{"p", "1.10"}},
		{"p|{opt}", values(), []string{"p", "sgd with spaces"}},
		{"p|{nesterov}", values(), []string{"p", "True"}},
		{"p|${trialParameters.lr}x", values(), []string{"p", "0.001x"}},
		{"./{opt}|{lr}", values(), []string{"./sgd with spaces", "0.001"}},

		{"p|{--lr}", values(), []string{"p", "--lr", "0.001"}},
		{"p|{--lr=}", values(), []string{"p", "--lr=0.001"}},
		{"p|{--rate:lr}", values(), []string{"p", "--rate", "0.001"}},
		{"p|{--rate=:lr}", values(), []string{"p", "--rate=0.001"}},
		{"p|{-l:lr}", values(), []string{"p", "-l", "0.001"}},
		{"p|{--weight-decay}", values(), []string{"p", "--weight-decay", "1.10"}},
		{"p|{--nesterov}|x", values(), []string{"p", "--nesterov", "x"}},
		{"p|{--nesterov=}|x", values(), []string{"p", "--nesterov", "x"}},
		{"p|{--nag:nesterov}|x", values(), []string{"p", "--nag", "x"}},
		{"p|{--nesterov}|x", off, []string{"p", "x"}},
		{"p|{--momentum}|{--momentum=}|{--m:momentum}|x", values(), []string{"p", "x"}},
		{"p|{--momentum}|{--momentum=}|{--m:momentum}", active,
			[]string{"p", "--momentum", "0.9", "--momentum=0.9", "--m", "0.9"}},

		{"p|{args}|x", values(), append(append([]string{"p"}, all...), "--weight-decay=1.10", "x")},
		{"p|{args}", active, append(append([]string{"p"}, all...), "--momentum=0.9", "--weight-decay=1.10")},
		{"p|x", values(), append(append([]string{"p", "x"}, all...), "--weight-decay=1.10")},

		{"p|{study}|{trial.number}|{trial.dir}/out|{trial.params}", values(),
			[]string{"p", "my study", "7", "/d/7/out", "/d/7/params.json"}},
		{"p|{trial.seed}|{trial.attempt}|{trial.checkpoint}", values(), []string{"p", "-5", "2", "/d/7/checkpoint"}},
		{"p|{--seed:trial.seed}|{--epochs=:trial.budget}", values(), []string{"p", "--seed", "-5", "--epochs=3"}},
	} {
		got := expand(t, strings.Split(tt.command, "|"), names(), tt.values)
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.command, d)
		}
	}
}

func TestBudget(t *testing.T) {
	n := names()
	none := values()
	none.Budget = 0
	if d := cmp.Diff([]string{"p"}, expand(t, []string{"p", "{--epochs:trial.budget}"}, n, none)); d != "" {
		t.Errorf("without a budget:\n%s", d)
	}
	n.Budgets = true
	if d := cmp.Diff([]string{"p", "e=3"}, expand(t, []string{"p", "e={trial.budget}"}, n, values())); d != "" {
		t.Errorf("with budgets:\n%s", d)
	}
}

// What is no placeholder passes untouched, next to one that is.
func TestUntouched(t *testing.T) {
	for _, arg := range []string{
		"", "{", "}", "{}", "{0}", "{12}", "{ lr }", "{lr", "lr}", "{print $1}", `{"a":1}`, `{"lr": "x"}`,
		"{{.ID}}", "{{lr}}", "{{{lr}}}", "${X}", "${lr}", "${trialSpec.Name}", "${trialParameters.}", "$1", "{a,b}", "{1..3}", "{lr:02d}", "{lr!r}",
		"{-}", "{--}", "{--9}", "{--=}", "{--lr:}", "{--lr:9}", "{++i}", "a{--unknown}b", "\xff{\xff}", "{l\xffr}", "{.lr}", "{-1}", "é{", "{\n}",
	} {
		got := expand(t, []string{"p", arg, "{lr}"}, names(), values())
		if d := cmp.Diff([]string{"p", arg, "0.001"}, got); d != "" {
			t.Errorf("%q (-want +got):\n%s", arg, d)
		}
	}
}

func TestLiterals(t *testing.T) {
	command := []string{"p", "{epoch}-{lr}", "{--opt}", "{args}", "${trialParameters.lr}", "{batch_size}"}
	got := expand(t, command, names(), values(), "epoch", "--opt", "{args}", "trialParameters.lr")
	if d := cmp.Diff([]string{"p", "{epoch}-0.001", "{--opt}", "{args}", "${trialParameters.lr}", "32"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestNotes(t *testing.T) {
	two := Names{Params: []Param{{Name: "lr", Kind: Number}, {Name: "opt", Kind: Text}}}
	for _, tt := range []struct {
		command  string
		literals []string
		want     []string
	}{
		{"p|{args}", nil, nil},
		{"p|{lr}|{--opt}", nil, nil},
		{"p|{trial.params}", nil, nil},
		{`sh|-c|p "$TUNER_PARAM_OPT" {lr}`, nil, nil},
		{`sh|-c|p "$TUNER_PARAMS_FILE"`, nil, nil},
		{"p", nil, []string{"the command has no placeholder: --lr=VALUE --opt=VALUE is appended to it; write {args} or {lr} where it belongs to place values yourself"}},
		{"p|{lr}", nil, []string{"the command never sees opt: its value changes nothing unless the program reads TUNER_PARAM_OPT or params.json itself; add {--opt}, or {args} for all"}},
		{"p|{trial.dir}", nil, []string{"the command never sees lr, opt: their values change nothing unless the program reads TUNER_PARAM_LR or params.json itself; add {--lr}, or {args} for all"}},
		{`sh|-c|p "$TUNER_PARAM_OTP"|{args}`, nil, []string{"the command reads TUNER_PARAM_OTP, which belongs to no parameter"}},
		{"p|{args}", []string{"epoch"}, []string{"--literal epoch is not needed: {epoch} does not occur in the command"}},
		{"bash|-c|make", nil, []string{"the command has no placeholder: --lr=VALUE --opt=VALUE is appended to it; write {args} or {lr} where it belongs to place values yourself" +
			"; the script of bash -c sees them only as \"$0\", \"$1\", …, or read \"$TUNER_PARAM_LR\" in it"}},
	} {
		_, notes, err := Parse(strings.Split(tt.command, "|"), two, tt.literals)
		if err != nil {
			t.Errorf("%s: %v", tt.command, err)
		}
		if d := cmp.Diff(tt.want, notes); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.command, d)
		}
	}
	if _, notes, err := Parse([]string{"p"}, Names{}, nil); err != nil || notes != nil {
		t.Errorf("no parameters at all: %v, %v", notes, err)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ command, want string }{
		{"", `command: there is no command; put -- before your command, as in: -- python train.py {args}`},
		{"p|{learning}", `command[1]: {learning} names no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); if the program itself wants these braces, add --literal learning`},
		{"p|{l}|{epoch}-{l}", `command[1]: {l} and {epoch} name no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); did you mean {lr}? if the program itself wants these braces, add --literal l --literal epoch`},
		{"p|{--batch-size}", `command[1]: {--batch-size} names no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); did you mean {--batch-size:batch_size}? if the program itself wants these braces, add --literal --batch-size`},
		{"p|{--batch-size=}", `command[1]: {--batch-size=} names no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); did you mean {--batch-size=:batch_size}? if the program itself wants these braces, add --literal --batch-size=`},
		{"p|{--b:batchsize}", `command[1]: {--b:batchsize} names no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); did you mean {--b:batch_size}? if the program itself wants these braces, add --literal --b:batchsize`},
		{"p|{trial.sed}", `command[1]: {trial.sed} names no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); did you mean {trial.seed}? if the program itself wants these braces, add --literal trial.sed`},
		{"p|${trialParameters.lrr}", `command[1]: {trialParameters.lrr} names no parameter (lr, batch_size, opt, nesterov, momentum, weight-decay); did you mean {trialParameters.lr}? if the program itself wants these braces, add --literal trialParameters.lrr`},
		{"p|{momentum}", `command[1]: {momentum} can be inactive, and then there is no value to put here; write {--momentum} as an argument of its own, which gives nothing then`},
		{"p|--momentum|{momentum}", `command[2]: {momentum} can be inactive, and then there is no value to put here; write {--momentum} as an argument of its own, which gives nothing then`},
		{"p|--mom|{momentum}", `command[2]: {momentum} can be inactive, and then there is no value to put here; write {--mom:momentum} as an argument of its own, which gives nothing then`},
		{"p|--momentum={momentum}", `command[1]: {momentum} can be inactive, and then there is no value to put here; write {--momentum=} as an argument of its own, which gives nothing then`},
		{"p|--mom=${trialParameters.momentum}", `command[1]: {momentum} can be inactive, and then there is no value to put here; write {--mom=:momentum} as an argument of its own, which gives nothing then`},
		{"p|{trial.budget}", `command[1]: {trial.budget} has no value: this study gives its trials no budget; give the stopper the length of a trial, as in --stopper asha:max_step=40; or write {--option:trial.budget}, which gives nothing then`},
		{"{args}", `command[0]: {args} stands where the program's name belongs; write the program first, as in: -- python train.py {args}`},
		{"{--lr}", `command[0]: {--lr} stands where the program's name belongs; write the program first, as in: -- python train.py {--lr}`},
		{"p|x{args}", `command[1]: {args} is several arguments and cannot be part of one; write {args} as an argument of its own`},
		{"bash|-c|train {args}", `command[2]: {args} is several arguments and cannot be part of one; write bash -c '… "$@"' bash {args}`},
		{"p|{--x:args}", `command[1]: {--x:args}: args is not a value but all options; write {args} as an argument of its own`},
		{"p|-f {--lr}", `command[1]: {--lr} gives an option and its value and cannot be a part of an argument; write {--lr} as an argument of its own, or {lr} for the value alone`},

		{"sh|-c|train {opt}", `command[2]: this argument is a script for sh -c, in which the text of {opt} would become code; write "$TUNER_PARAM_OPT" in its place: the value is in the environment`},
		{"sh|-c|cd {trial.dir}", `command[2]: this argument is a script for sh -c, in which the text of {trial.dir} would become code; write "$TUNER_TRIAL_DIR" in its place: the value is in the environment`},
		{"python3|-c|f('{opt}')", `command[2]: this argument is code for python -c, in which the text of {opt} would become code; read "$TUNER_PARAM_OPT" from the environment instead: os.environ["TUNER_PARAM_OPT"]`},
		{"ssh|host|train|{opt}", `command[3]: ssh hands its arguments to a shell, where the text of {opt} would become code; write ssh -o SendEnv=TUNER_PARAM_OPT HOST '… "$TUNER_PARAM_OPT"' (the server must accept it), or call a script that reads "$TUNER_PARAM_OPT"`},
		{"eval|train|{opt}", `command[2]: eval runs its arguments as code, and the text of {opt} would become code; write "$TUNER_PARAM_OPT" in its place: the value is in the environment`},
		{"perl|-ne|{opt}", `command[2]: this argument is code for perl -e, in which the text of {opt} would become code; read "$TUNER_PARAM_OPT" from the environment instead: $ENV{"TUNER_PARAM_OPT"}`},
		{"awk|{ print {opt} }", `command[1]: this argument is code for awk, in which the text of {opt} would become code; read "$TUNER_PARAM_OPT" from the environment instead: ENVIRON["TUNER_PARAM_OPT"]`},
		{"psql|-c|{opt}", `command[2]: this argument is code for psql -c, in which the text of {opt} would become code; call a script that reads "$TUNER_PARAM_OPT": the value is in its environment`},
		{"su|-c|{opt}", `command[2]: this argument is code for su -c, in which the text of {opt} would become code; write "$TUNER_PARAM_OPT" in its place: the value is in the environment`},
	} {
		var command []string
		if tt.command != "" {
			command = strings.Split(tt.command, "|")
		}
		_, _, err := Parse(command, names(), nil)
		if err == nil {
			t.Errorf("%s: accepted", tt.command)
			continue
		}
		if err.Error() != tt.want {
			t.Errorf("%s\n got  %s\n want %s", tt.command, err, tt.want)
		}
		if types.CodeOf(err) != types.Invalid {
			t.Errorf("%s: code %s", tt.command, types.CodeOf(err))
		}
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, tt := range []struct {
		params []Param
		want   string
	}{
		{[]Param{{Name: "args"}}, `args: {args} in a command has a meaning of its own, so no parameter can have this name; rename the parameter`},
		{[]Param{{Name: "trial.seed"}}, `trial.seed: {trial.seed} in a command has a meaning of its own, so no parameter can have this name; rename the parameter`},
		{[]Param{{Name: "a-b"}, {Name: "a_b"}}, `a_b: parameters "a-b" and "a_b" would both be the environment variable TUNER_PARAM_A_B; rename one of them`},
	} {
		_, _, err := Parse([]string{"p"}, Names{Params: tt.params}, nil)
		if err == nil || err.Error() != tt.want {
			t.Errorf("error\n %v, want\n %s", err, tt.want)
		}
	}
}

// Every place in which a text would become code, and the places beside them in
// which it does not.
func TestCode(t *testing.T) {
	for _, tt := range []struct {
		command string
		refused bool
	}{
		{"sh|-c|{opt}", true},
		{"/bin/sh|-c|{opt}", true},
		{"bash|-lc|{opt}", true},
		{"bash|-ce|{opt}", true},
		{"bash|-c|-e|{opt}", true},
		{"bash|-e|-o|pipefail|-c|{opt}", true},
		{"bash|--norc|-c|{opt}", true},
		{"zsh|-c|x {--opt}", true},
		{"env|A=1|sh|-c|{opt}", true},
		{"docker|run|image|bash|-c|train --opt={opt}", true},
		{"bash|-c|${trialParameters.opt}", true},
		{"bash|-c|{--opt}", true},
		{"sh|-c|{args}", true},
		{"sh|-c|train {lr} {nesterov} {trial.seed}", false},
		{"sh|-c|train \"$@\"|sh|{opt}|{args}", false},
		{"sh|train.sh|{opt}", false},
		{"sh|train.sh|-c|{opt}", false},
		{"bash|{opt}", false},

		{"python|-c|{opt}", true},
		{"python3.12|-uc|{opt}", true},
		{"/usr/bin/python3|-W|ignore|-c|{opt}", true},
		{"python|-cprint('{opt}')", true},
		{"nice|python|-c|{opt}", true},
		{"python|-c|print()|{opt}", false},
		{"python|train.py|-c|{opt}", false},
		{"python|-m|train|-c|{opt}", false},
		{"python|train.py|eval|{opt}", false},
		{"perl|-we|{opt}", true},
		{"perl|-e|1|-e|{opt}", true},
		{"node|--eval|{opt}", true},
		{"node|--eval={opt}", true},
		{"perl|x.pl|-e|{opt}", false},
		{"perl|-MList::Util=sum|-E|{opt}", true},
		{"ruby|-rjson|-e|{opt}", true},
		{"ruby|x.rb|{opt}", false},
		{"node|-p|{opt}", true},
		{"node|-r|dotenv|-e|{opt}", true},
		{"node|-r|{opt}|x.js", false},
		{"php|-r|{opt}", true},
		{"php|-c|{opt}|x.php", false},
		{"lua5.4|-e|{opt}", true},
		{"julia|--project=.|-E|{opt}", true},
		{"R|--no-save|-e|{opt}", true},
		{"train|--lang|R|-e|{opt}", false},
		{"Rscript|train.R|{args}", false},
		{"matlab|-nodisplay|-batch|{opt}", true},
		{"pwsh|-NoProfile|-Command|train|{opt}", true},
		{"pwsh|train.ps1|{opt}", false},

		{"python|-m|timeit|{opt}", true},
		{"python3|-O|-m|timeit|-s|x = {opt}|f(x)", true},
		{"python3|-mtimeit|{opt}", true},
		{"python3|-m|timeit|f({lr})", false},
		{"python3|-m|timeit", true}, // where the options would be appended
		{"python3|-m|timeit2|{opt}", false},
		{"python3|train.py|-m|timeit|{opt}", false},
		{"python3|{opt}|-m|timeit", false},

		{"awk|-F|,|-v|x={opt}|{print x}|data.csv", false},
		{"awk|-v|x=1|{opt}", true},
		{"awk|1|{opt}", false},
		{"awk|-f|x.awk|{opt}", false},
		{"gawk|-e|{opt}", true},
		{"time|awk|{opt}", true},
		{"train|awk|{opt}", false},
		{"sed|-n|s/x/{opt}/p|data", true},
		{"sed|-e|p|-e|s/x/{opt}/", true},
		{"sed|-f|x.sed|{opt}", false},
		{"sed|p|{opt}", false},
		{"sed|-ne|p|{opt}", false},
		{"jq|--arg|o|{opt}|.a", false},
		{"jq|--arg|o|x|{opt}", true},
		{"jq|-r|.{opt}|data.json", true},
		{"psql|-h|host|db|-c|{opt}", true},
		{"psql|--command=select '{opt}'", true},
		{"psql|-f|x.sql|-v|o={opt}", false},
		{"mysql|-Ne|{opt}", true},
		{"sqlite3|x.db|select {opt}", true},
		{"sqlite3|-csv|x.db|.mode list|{opt}", true},
		{"sqlite3|{opt}|select 1", false},
		{"sqlite3|-cmd|{opt}|x.db", true},
		{"duckdb|x.db|-c|{opt}", true},

		{"su|-c|{opt}", true},
		{"su|-|user|-c|train {opt}", true},
		{"su|user|--command=train {opt}", true},
		{"sudo|su|-lc|{opt}", true},
		{"train|--as|su|-c|{opt}", false},
		{"script|-qec|{opt}|log", true},
		{"flock|lock|-c|{opt}", true},
		{"flock|lock|train|{opt}", false},
		{"sbatch|--wait|--wrap=train {opt}", true},
		{"sbatch|--wrap|{opt}", true},
		{"sbatch|train.sh|{opt}", false},
		{"watch|-n|1|train|{opt}", true},
		{"parallel|train|{opt}|:::|1", true},
		{"hyperfine|-w|3|train {opt}", true},
		{"hyperfine|--prepare|clean {opt}|train", true},
		{"hyperfine|train {lr}", false},
		{"env|-S|train {opt}", true},
		{"env|-iS|train {opt}", true},
		{"env|-Strain {opt}", true},
		{"env|--split-string=train {opt}", true},
		{"env|A={opt}|train|{opt}", false},
		{"xargs|-n1|sh|-c|{opt}", true},
		{"find|.|-exec|sh|-c|{opt}|;", true},
		{"find|.|-name|{opt}|-exec|awk|{opt}|;", true},
		{"docker|run|image|psql|-c|{opt}", true},

		{"ssh|{opt}|train", true},
		{"ssh|host|train|{args}", true},
		{"ssh|host|train", true}, // where the options would be appended
		{"timeout|10|ssh|host|{opt}", true},
		{"ssh|host|train|{lr}", false},
		{"train|--via|ssh|{opt}", false},
		{"eval|{opt}", true},
	} {
		_, _, err := Parse(strings.Split(tt.command, "|"), names(), nil)
		partial := err != nil && strings.Contains(err.Error(), "cannot be a part of an argument")
		if (err != nil) != tt.refused {
			t.Errorf("%s: error %v, want refused %v", tt.command, err, tt.refused)
		} else if err != nil && !partial && !strings.Contains(err.Error(), `"$TUNER_PARAM_OPT"`) {
			t.Errorf("%s: %v names no remedy", tt.command, err)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	tmpl, _, err := Parse([]string{"p", "x{lr}", "{--opt}"}, names(), nil)
	if err != nil {
		t.Fatal(err)
	}
	v := values()
	v.Texts["opt"] = "a\x00b"
	if got, err := tmpl.Expand(v); types.CodeOf(err) != types.Invalid {
		t.Errorf("a NUL byte: %q, %v", got, err)
	}
	delete(v.Texts, "lr")
	if got, err := tmpl.Expand(v); types.CodeOf(err) != types.Internal || !strings.Contains(err.Error(), "{lr}") {
		t.Errorf("a value that is missing: %q, %v", got, err)
	}
}
