// Package argv turns a command with placeholders into the argument list of one
// trial. A command is a list of arguments from beginning to end; no shell ever
// reads it (docs/adr/0008-argv-not-shell.md).
//
// The placeholders:
//
//	{name}             the value, anywhere in an argument; ${trialParameters.name} too
//	{--opt}            a whole argument: --opt VALUE as two arguments
//	{--opt=}           a whole argument: --opt=VALUE as one
//	{--opt:name}       as {--opt}, with the value of another name; {--opt=:name} as {--opt=}
//	{args}             a whole argument: --name=VALUE for every active parameter
//
// For a bool the forms with an option give the bare option or nothing, and all
// forms but {name} give nothing for an inactive parameter. A name is an
// identifier in which dots and dashes may occur, and a brace after "{" or "$"
// opens no placeholder, so that {}, {0}, {"a":1}, {{.ID}} and ${X} pass
// untouched.
//
// The package does no I/O and knows nothing of search spaces, so that a worker
// uses it as it is.
package argv

import (
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// Kind says what a value is, as far as a command is concerned.
type Kind int

// The kinds. The zero Kind is the one about which nothing is promised.
const (
	Text   Kind = iota // any text
	Number             // a number: it can be no code
	Bool               // "true" or "false", in any case
)

// Param describes a parameter.
type Param struct {
	Name string
	Kind Kind
	// Conditional says that the parameter can be inactive.
	Conditional bool
}

// Names is what a command may refer to.
type Names struct {
	// Params are the parameters in the order in which {args} gives them.
	Params []Param
	// Budgets says that the study gives each trial a budget; without it
	// {trial.budget} can be used only in the forms that may give nothing.
	Budgets bool
}

// Template is a command whose placeholders were checked. It is immutable and
// safe for concurrent use.
type Template struct {
	args   []argument
	params []Param
	unseen []string
}

// argument is one argument of the command: an option form, {args}, or a text of
// parts.
type argument struct {
	form  form
	parts []part
	// opt and ref belong to an option form; joined is --opt=VALUE.
	opt    string
	joined bool
	ref    ref
}

type form int

const (
	textForm form = iota
	optionForm
	argsForm
)

// part is literal text, or a value if value is set.
type part struct {
	text  string
	value bool
	ref   ref
}

// ref is what a placeholder refers to: a parameter or a reserved name.
type ref struct {
	name     string
	kind     Kind
	optional bool // can be inactive
	reserved bool
}

// reserved are the names that tuner defines, with the variable that holds the
// same for a process. The texts among them (the user chose the study's name,
// and the directories may lie anywhere) are not put into code either.
var reserved = map[string]struct {
	kind     Kind
	variable string
}{
	"study":            {Text, "TUNER_STUDY"},
	"trial.number":     {Number, "TUNER_TRIAL"},
	"trial.attempt":    {Number, "TUNER_ATTEMPT"},
	"trial.seed":       {Number, "TUNER_SEED"},
	"trial.budget":     {Number, "TUNER_BUDGET"},
	"trial.dir":        {Text, "TUNER_TRIAL_DIR"},
	"trial.params":     {Text, "TUNER_PARAMS_FILE"},
	"trial.checkpoint": {Text, "TUNER_CHECKPOINT_DIR"},
}

// allArgs is the placeholder of all parameters.
const allArgs = "args"

// Expand fills in the values of one attempt. It fails if t lacks the value of a
// parameter that cannot be inactive, and if an argument would hold a NUL byte,
// which no process can be given. The result belongs to the caller.
func (tp *Template) Expand(t procenv.Trial) ([]string, error) {
	out := make([]string, 0, len(tp.args)+len(tp.params))
	for _, a := range tp.args {
		switch a.form {
		case argsForm:
			for _, p := range tp.params {
				if text, ok := t.Texts[p.Name]; ok {
					out = append(out, "--"+p.Name+"="+text)
				}
			}
		case optionForm:
			out = a.appendOption(out, t)
		case textForm:
			text, err := a.text(t)
			if err != nil {
				return nil, err
			}
			out = append(out, text)
		}
	}
	for i, arg := range out {
		if strings.ContainsRune(arg, 0) {
			return nil, types.Errorf(types.Invalid, "argument %d (%q) has a NUL byte, which no process can be given", i, arg).
				WithRemedy("take the NUL byte out of the value")
		}
	}
	return out, nil
}

func (a *argument) appendOption(out []string, t procenv.Trial) []string {
	text, ok := a.ref.value(t)
	switch {
	case !ok:
		return out
	case a.ref.kind == Bool:
		if strings.EqualFold(text, "true") {
			out = append(out, a.opt)
		}
		return out
	case a.joined:
		return append(out, a.opt+"="+text)
	}
	return append(out, a.opt, text)
}

func (a *argument) text(t procenv.Trial) (string, error) {
	if len(a.parts) == 1 && !a.parts[0].value {
		return a.parts[0].text, nil
	}
	var b strings.Builder
	for _, p := range a.parts {
		if !p.value {
			b.WriteString(p.text)
			continue
		}
		text, ok := p.ref.value(t)
		if !ok {
			return "", types.Errorf(types.Internal, "trial %d has no value for {%s}, which the command needs", t.Number, p.ref.name)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// value returns the text of r and whether it is active.
func (r *ref) value(t procenv.Trial) (string, bool) {
	if !r.reserved {
		text, ok := t.Texts[r.name]
		return text, ok
	}
	switch r.name {
	case "study":
		return t.Study, true
	case "trial.number":
		return strconv.FormatInt(t.Number, 10), true
	case "trial.attempt":
		return strconv.Itoa(t.Attempt), true
	case "trial.seed":
		return strconv.FormatInt(t.Seed, 10), true
	case "trial.budget":
		text := t.BudgetText()
		return text, text != ""
	case "trial.dir":
		return t.Dir, true
	case "trial.params":
		return t.ParamsFile, true
	case "trial.checkpoint":
		return t.CheckpointDir, true
	}
	return "", false
}

// variable is the environment variable that holds the same as r.
func (r *ref) variable() string {
	if r.reserved {
		return reserved[r.name].variable
	}
	return procenv.ParamVar(r.name)
}
