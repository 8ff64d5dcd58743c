package cli

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/executor/argv"
	executor "github.com/gotuner/tuner/trial/executor/local"
	"github.com/gotuner/tuner/trial/executor/procenv"
	"github.com/gotuner/tuner/trial/local"
)

// plan is a sweep that was checked as far as that is possible without a
// database.
type plan struct {
	more     string // what adds trials to a study whose budget is used up; "": a larger -n
	spec     types.StudySpec
	space    *space.Space
	params   []space.Parameter
	template *argv.Template
	notes    []string         // what the user should know before it runs
	until    <-chan time.Time // when no new trials begin; nil never
	jobs     int
	unnamed  bool // the study's name was made from the command
	// dir is where the trials run here if the study was made in another folder, on
	// another machine; else "".
	dir string
	// elsewhere says that the trials will be run by others, who have the program
	// and its directory where this machine may not.
	elsewhere bool
	// labels are what this machine has, for a worker.
	labels map[string]string
}

// paramOf turns a -p argument into the form of a sweep file.
func paramOf(arg string) (sweepfile.Param, error) {
	parsed, err := grammar.Parse(arg)
	if err != nil {
		return sweepfile.Param{}, err
	}
	name, spec, _ := strings.Cut(arg, "=")
	if !strings.HasSuffix(name, ":") {
		return sweepfile.Param{Name: name, Spec: spec}, nil
	}
	// The JSON form may be a list or one value too; the canonical form has all.
	sp, err := space.New([]space.Parameter{withoutCondition(parsed.Parameter)}, nil)
	if err != nil || parsed.Parameter.When != nil {
		return sweepfile.Param{Name: strings.TrimSuffix(name, ":"), JSON: json.RawMessage(spec)}, nil //nolint:nilerr // told with all others, when the space is made
	}
	var form struct {
		Parameters []map[string]json.RawMessage `json:"parameters"`
	}
	if err := json.Unmarshal(sp.AppendJSON(nil), &form); err != nil {
		return sweepfile.Param{}, err
	}
	delete(form.Parameters[0], "name")
	b, err := json.Marshal(form.Parameters[0])
	return sweepfile.Param{Name: parsed.Parameter.Name, JSON: b}, err
}

func withoutCondition(p space.Parameter) space.Parameter {
	p.When = nil
	return p
}

// argOf is a parameter of a sweep file as a -p argument.
func argOf(p sweepfile.Param) string {
	switch {
	case p.JSON != nil:
		return p.Name + ":=" + string(p.JSON)
	case p.Choices == nil:
		return p.Name + "=" + p.Spec
	}
	plain := make([]string, len(p.Choices))
	list := []byte("[")
	simple := true
	for i, c := range p.Choices {
		plain[i] = c.Text
		simple = simple && !c.IsText && c.Text != "" && !strings.ContainsAny(c.Text, ",:@~&<>() ")
		if i > 0 {
			list = append(list, ',')
		}
		if one, err := grammar.Parse("v=" + c.Text); !c.IsText && err == nil && len(one.Parameter.Choices) == 1 {
			if v := one.Parameter.Choices[0]; v.Value != any(c.Text) {
				list = append(list, `{"value":`...)
				list, _ = types.AppendValue(list, v.Value) // a parsed value always encodes
				list = append(types.AppendString(append(list, `,"text":`...), c.Text), '}')
				continue
			}
		}
		list = types.AppendString(list, c.Text)
	}
	if simple && len(plain) > 1 {
		return p.Name + "=" + strings.Join(plain, ",")
	}
	return p.Name + ":=" + string(append(list, ']'))
}

// makePlan checks a sweep and makes the study's spec of it. complete says that
// everything a new study needs must be there; a continuation may leave it out.
func makePlan(st *State, f sweepfile.File, project string) (*plan, error) {
	p := &plan{}
	return p, p.make(st, f, project)
}

func (p *plan) make(st *State, f sweepfile.File, project string) error {
	p.spec = types.StudySpec{Project: cmp.Or(f.Project, project), Name: f.Name}
	if err := p.searchSpace(f); err != nil {
		return err
	}
	if err := p.goals(f); err != nil {
		return err
	}
	if err := p.limits(f); err != nil {
		return err
	}
	if err := p.command(st, f); err != nil {
		return err
	}
	if p.spec.Name == "" {
		if len(f.Command) == 0 {
			return usagef("there is no command and no --name").WithRemedy(`tuner sweep --min loss -p lr=1e-5..1e-1:log -n 50 -- python train.py {args}`)
		}
		p.spec.Name, p.unnamed = nameOf(f.Command), true
	}
	p.attributes(st)
	return nil
}

func (p *plan) searchSpace(f sweepfile.File) (err error) {
	if len(f.Params) == 0 {
		if len(f.Constraints) > 0 {
			return usagef("a constraint comes with the parameters that it is about").WithField("constraint").
				WithRemedy("give them too, such as -p lr=1e-5..1e-1:log")
		}
		return nil
	}
	args := make([]string, len(f.Params))
	for i, fp := range f.Params {
		args[i] = argOf(fp)
	}
	var warnings []string
	if p.params, warnings, err = grammar.ParseAll(args); err != nil {
		return err
	}
	p.notes = append(p.notes, warnings...)
	if p.space, err = space.New(p.params, f.Constraints); err != nil {
		return err
	}
	p.spec.Space = p.space.AppendJSON(nil)
	return p.tryPoints(f.Try)
}

// tryPoints reads the points to evaluate first.
func (p *plan) tryPoints(points []sweepfile.Point) error {
	for i, t := range points {
		q, err := p.tryPoint(t)
		if err != nil {
			return within(err, fmt.Sprintf("try[%d]", i))
		}
		p.spec.Try = append(p.spec.Try, q)
	}
	return nil
}

func (p *plan) tryPoint(t sweepfile.Point) (types.Params, error) {
	if t.Values == nil {
		return grammar.Point(p.space, t.Text)
	}
	var q types.Params
	for _, a := range t.Values {
		i := p.space.Index(a.Name)
		if i < 0 {
			return nil, usagef("there is no parameter %q", a.Name).WithRemedy("the parameters are %s", strings.Join(namesOf(p.space), ", "))
		}
		v, err := grammar.Value(p.space.Param(i), a.Value.Text)
		if err != nil {
			return nil, err
		}
		q = append(q, types.Param{Name: a.Name, Value: v})
	}
	return q, nil
}

// namesOf are the names of the parameters.
func namesOf(sp *space.Space) []string {
	out := make([]string, sp.Len())
	for i := range out {
		out[i] = sp.Param(i).Name
	}
	return out
}

// within says in which part of the sweep the place of an error lies.
func within(err error, part string) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	inner := *e
	inner.Field = part
	if rest, ok := strings.CutPrefix(e.Field, "params"); ok {
		inner.Field += rest
	}
	if inner.Remedy == "" {
		inner.Remedy = "correct it there"
	}
	return &inner
}

func (p *plan) goals(f sweepfile.File) (err error) {
	switch {
	case f.Min != "" && f.Max != "":
		return usagef("one metric is optimised, not two").WithField("max").WithRemedy("keep min or max")
	case f.Min != "":
		p.spec.Objectives = []types.Objective{{Metric: f.Min, Goal: types.Minimize}}
	case f.Max != "":
		p.spec.Objectives = []types.Objective{{Metric: f.Max, Goal: types.Maximize}}
	}
	if f.Algorithm != "" {
		if p.spec.Algorithm, err = trial.ParseComponent(f.Algorithm); err != nil {
			return within(err, "algorithm")
		}
	}
	if f.Stopper != "" {
		p.spec.Stopper, err = earlystop.Parse(f.Stopper)
	}
	if err != nil {
		return within(err, "stopper")
	}
	return nil
}

func set[T any](dst *T, v *T) {
	if v != nil {
		*dst = *v
	}
}

// command checks everything about the command that can be known beforehand.
func (p *plan) command(st *State, f sweepfile.File) error {
	run := &types.RunSpec{Command: f.Command, Literal: f.Literal, Dir: f.Cwd, Env: f.Env, Keep: f.Keep,
		StopSignal: f.StopSignal, Step: f.Step, MetricRegex: f.MetricRegex, MetricFile: f.MetricFile}
	if len(f.Command) > 0 {
		run.Dir = cmp.Or(f.Cwd, st.Dir)
	}
	if f.Timeout != nil {
		run.Timeout = types.Duration(*f.Timeout)
	}
	if f.Grace != nil {
		// 0 in the spec is the default; a user who writes 0 means at once.
		run.Grace = types.Duration(max(*f.Grace, time.Millisecond))
	}
	if f.InfeasibleExit != nil {
		run.InfeasibleExit = int(*f.InfeasibleExit)
	}
	if s := run.StopSignal; s != "" && !slices.Contains([]string{"TERM", "INT", "USR1"}, s) {
		return usagef("%q is no stop signal", s).WithField("stop_signal").WithRemedy("use TERM, INT or USR1")
	}
	if _, err := parseKeep(run.Keep); err != nil {
		return within(err, "keep")
	}
	if run.Dir != "{trial.dir}" && run.Dir != "" {
		if !filepath.IsAbs(run.Dir) {
			run.Dir = filepath.Join(st.Dir, run.Dir)
		}
		if !filepath.IsAbs(run.Dir) { // State has no absolute working directory
			return usagef("the folder that this was started in is not there any more").WithField("cwd").WithRemedy("change to one that is, or name one")
		}
		switch info, err := os.Stat(run.Dir); {
		case err == nil && info.IsDir():
		case p.elsewhere:
			p.notes = append(p.notes, "there is no directory "+run.Dir+" here: those who run the trials need it")
		default:
			return usagef("there is no directory %s", run.Dir).WithField("cwd").WithRemedy("make it, or give {trial.dir} for the trial's own")
		}
	}
	p.spec.Run = run
	if len(f.Command) == 0 {
		return nil // a continuation
	}
	if p.space != nil {
		var notes []string
		var err error
		if p.template, notes, err = local.Template(*run, p.spec.Stopper, p.space); err != nil {
			return err
		}
		p.notes = append(p.notes, notes...)
		if err := procenv.CheckNames(namesOf(p.space)); err != nil {
			return err
		}
	}
	err := checkProgram(st, *run)
	if err != nil && p.elsewhere {
		p.notes = append(p.notes, fmt.Sprintf("%v: those who run the trials need it", strings.SplitN(err.Error(), ";", 2)[0]))
		err = nil
	}
	return err
}

// checkProgram makes sure that there is a program to run.
func checkProgram(st *State, run types.RunSpec) error {
	if len(run.Command) == 0 || strings.ContainsAny(run.Command[0], "{}") {
		return nil
	}
	dir := run.Dir
	if dir == "{trial.dir}" {
		dir = st.Dir
	}
	err := executor.CheckProgram(run.Command[0], dir, st.Environ)
	if types.CodeOf(err) == types.Unsupported {
		return nil // it fails with its own sentence
	}
	return err
}
