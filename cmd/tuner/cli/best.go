package cli

import (
	"bufio"
	"context"

	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/engine"
	"github.com/gotuner/tuner/trial/executor/argv"
	"github.com/gotuner/tuner/trial/executor/procenv"
	"github.com/gotuner/tuner/trial/local"
)

// bestFlags are the flags of tuner best.
type bestFlags struct {
	cmd  bool
	n    int
	form string
	json bool
}

func bestCommandLine(st *State, db *dbFlags) *cobra.Command {
	var f bestFlags
	c := &cobra.Command{
		Use:   "best NAME",
		Short: "Show the best trial of a study, its parameters, or its command",
		Long: `Shows the best completed trial of a study, or the best ones with -n. It is the
best of all, also where the space was narrowed since and it lies outside: then this
is said.

-o prints the parameters alone, one line a trial, for use elsewhere:
  json   {"lr":0.01,"opt":"sgd"}, as in params.json
  env    TUNER_PARAM_LR=0.01, quoted for a shell, a line each parameter
  args   --lr=0.01 --opt=sgd, quoted for a shell

Without a completed trial the exit code is 3.`,
		Example: `  tuner best mnist --cmd
  eval "python train.py $(tuner best mnist -o args)"
  tuner best mnist -n 5`,
		Args: wantArgs(1, 1, "best NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			if err := f.check(c.Flags().Changed("number")); err != nil {
				return err
			}
			return db.looking(ctx, func(s reader) error {
				study, err := db.find(ctx, s, args[0])
				if err != nil {
					return err
				}
				return f.show(ctx, st, s, study)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	fs.BoolVar(&f.cmd, "cmd", false, "print the command that runs it again")
	fs.IntVarP(&f.n, "number", "n", 0, "the best N trials")
	fs.StringVarP(&f.form, "output", "o", "", "print the parameters only: json, env or args")
	fs.BoolVar(&f.json, "json", false, "print the trial as JSON; with -n a list")
	completeChoice(c, "output", "json", "env", "args")
	return c
}

func (f *bestFlags) check(given bool) error {
	if given && f.n < 1 {
		return usagef("%d is no number of trials", f.n).WithField("-n").WithRemedy("use 1 or more")
	}
	if f.form != "" {
		if err := oneOf("output", f.form, "json", "env", "args"); err != nil {
			return err
		}
	}
	chosen := 0
	for _, b := range []bool{f.cmd, f.form != "", f.json} {
		if b {
			chosen++
		}
	}
	if chosen > 1 {
		return usagef("--cmd, -o and --json are different outputs").WithRemedy("use one of them")
	}
	return nil
}

// bestTrials returns the best trials: n of them, or those of the study if n is
// 0 (several only with several objectives).
func bestTrials(ctx context.Context, db reader, study trial.Study, n int) ([]trial.Trial, error) {
	if n > 0 {
		o := study.Spec.Objectives[0]
		page, _, err := db.ListTrials(ctx, study.ID, store.TrialFilter{States: []types.State{types.Completed},
			Sort: store.SortMetric, Metric: o.Metric, Desc: o.Goal == types.Maximize, Limit: n})
		return page, err
	}
	numbers, err := engine.BestStored(ctx, db, study)
	if err != nil {
		return nil, err
	}
	out := make([]trial.Trial, len(numbers))
	for i, k := range numbers {
		if out[i], err = db.Trial(ctx, study.ID, k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (f *bestFlags) show(ctx context.Context, st *State, db reader, study trial.Study) error {
	trials, err := bestTrials(ctx, db, study, f.n)
	if err != nil {
		return err
	}
	if len(trials) == 0 {
		return &exitError{exitNoneDone, fmt.Sprintf("no trial of %s completed\n  tuner trials %s shows what became of them",
			study.Spec.Name, quoted(study.Spec.Name))}
	}
	spaces, err := spacesOf(ctx, db, study.ID)
	if err != nil {
		return err
	}
	outside, err := outsiders(spaces, trials)
	if err != nil {
		return err
	}
	if (f.cmd || f.form != "") && len(outside) > 0 { // the standard output is for a shell
		fmt.Fprintln(st.Stderr, "tuner: "+outsideNote(outside))
	}
	return st.printing(func(w *bufio.Writer) error {
		switch {
		case f.json:
			return f.asJSON(w, study, trials, outside)
		case f.cmd || f.form != "":
			for i := range trials {
				line, err := f.line(ctx, db, study, spaces, &trials[i])
				if err != nil {
					return err
				}
				fmt.Fprintln(w, line)
			}
			return nil
		case f.n > 0:
			rows, err := trialRows(ctx, st.now(), db, study, spaces, trials)
			if err != nil {
				return err
			}
			tableFit(w, rows, terminalWidth(st.Stdout), st.outStyle())
			if len(outside) > 0 {
				fmt.Fprintln(w, "note: "+outsideNote(outside))
			}
			return nil
		}
		return printBest(w, study, spaces, trials, outside)
	})
}

func printBest(w *bufio.Writer, study trial.Study, spaces []*space.Space, trials []trial.Trial, outside []int64) error {
	for i := range trials {
		t := &trials[i]
		sp, err := versionOf(spaces, t.Number, t.SpaceVersion)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s (trial %d)\n", valuesText(study.Spec.Objectives, t.Metrics), t.Number)
		if slices.Contains(outside, t.Number) {
			fmt.Fprintln(w, outsideLine)
		}
		table(w, paramRows(sp, t.Params))
	}
	return nil
}

// outsideLine is said below a trial whose parameters the space of its study has no
// more.
const outsideLine = "  outside of the present space, which was changed after this trial"

// outsideNote is the same of several trials.
func outsideNote(numbers []int64) string {
	if len(numbers) == 1 {
		return fmt.Sprintf("trial %d lies outside of the present space, which was changed after it", numbers[0])
	}
	return fmt.Sprintf("the trials %s lie outside of the present space, which was changed after them", joinNumbers(numbers))
}

// outsiders are the numbers of the trials that lie outside of the present space.
func outsiders(spaces []*space.Space, trials []trial.Trial) ([]int64, error) {
	var out []int64
	for i := range trials {
		outside, err := isOutside(spaces, &trials[i])
		if err != nil {
			return nil, err
		}
		if outside {
			out = append(out, trials[i].Number)
		}
	}
	return out, nil
}

// isOutside reports whether a trial lies outside of the present space.
func isOutside(spaces []*space.Space, t *trial.Trial) (bool, error) {
	sp, err := versionOf(spaces, t.Number, t.SpaceVersion)
	if err != nil {
		return false, err
	}
	return trial.Outside(spaces[len(spaces)-1], sp, t.Params)
}

func (f *bestFlags) asJSON(w *bufio.Writer, study trial.Study, trials []trial.Trial, outside []int64) error {
	views := make([]types.Trial, len(trials))
	for i := range trials {
		views[i] = trials[i].View(nil)
		views[i].OutsideSpace = slices.Contains(outside, views[i].Number)
	}
	if f.n == 0 && len(study.Spec.Objectives) == 1 {
		return writeJSON(w, views[0])
	}
	return writeJSON(w, views)
}

// line is one trial in the form of --cmd or -o.
func (f *bestFlags) line(ctx context.Context, db reader, study trial.Study, spaces []*space.Space, t *trial.Trial) (string, error) {
	sp, err := versionOf(spaces, t.Number, t.SpaceVersion)
	if err != nil {
		return "", err
	}
	switch {
	case f.cmd:
		attempts, err := db.Attempts(ctx, study.ID, t.Number)
		if err != nil {
			return "", err
		}
		return rerunCommand(study.Spec, sp, t, attempts, "")
	case f.form == "json":
		b, err := t.Params.MarshalJSON()
		return string(b), err
	case f.form == "env":
		var lines []string
		for _, p := range t.Params {
			lines = append(lines, assignment(procenv.ParamVar(p.Name), sp.Text(sp.Index(p.Name), p.Value)))
		}
		return strings.Join(lines, "\n"), nil
	}
	return argsLine(sp, t)
}

// argsLine is what {args} gives a command, quoted for a shell.
func argsLine(sp *space.Space, t *trial.Trial) (string, error) {
	run := types.RunSpec{Command: []string{"p", "{args}"}}
	tmpl, _, err := local.Template(run, types.Component{}, sp)
	if err != nil {
		return "", err
	}
	args, err := tmpl.Expand(procenv.Trial{Texts: textsOf(sp, t)})
	if err != nil {
		return "", err
	}
	// Quoted behind a first word, where a word with "=" needs no quotes.
	return strings.TrimPrefix(strings.TrimPrefix(argv.Quote(args), "p"), " "), nil
}

// versionOf is the space that a trial belongs to.
func versionOf(spaces []*space.Space, number int64, version int) (*space.Space, error) {
	if version < 1 || version > len(spaces) {
		return nil, types.Errorf(types.Internal, "trial %d has the space version %d of %d", number, version, len(spaces))
	}
	return spaces[version-1], nil
}

// textsOf are the texts of a trial's parameters, as a command sees them. sp is
// the version of the space that the trial belongs to.
func textsOf(sp *space.Space, t *trial.Trial) map[string]string {
	texts := map[string]string{}
	for _, p := range t.Params {
		texts[p.Name] = sp.Text(sp.Index(p.Name), p.Value)
	}
	return texts
}

// rerunCommand is a line for a POSIX shell that runs the trial's program again
// as it was run: in its directory, with the study's own environment, and with
// the parameters in the environment too where the command may read them there.
// What the program writes to its trial's directory goes beside the first run's.
// here is the directory where the user stands; "" is anywhere.
func rerunCommand(spec types.StudySpec, sp *space.Space, t *trial.Trial, attempts []trial.Attempt, here string) (string, error) {
	if spec.Run == nil {
		return "", types.Errorf(types.Conflict, "the study %s has no command: its trials are told, not run", spec.Name).
			WithRemedy("tuner best %s -o json prints the parameters", quoted(spec.Name))
	}
	tmpl, _, err := local.Template(*spec.Run, spec.Stopper, sp)
	if err != nil {
		return "", err
	}
	dir := "TRIAL_DIR"
	if n := len(attempts); n > 0 && attempts[n-1].Dir != "" {
		dir = filepath.Dir(attempts[n-1].Dir)
	}
	v := procenv.Trial{Project: spec.Project, Study: spec.Name, Number: t.Number, Attempt: max(t.Attempts, 1),
		Dir: dir, ParamsFile: filepath.Join(dir, "params.json"), CheckpointDir: filepath.Join(dir, "again", "checkpoint"),
		Seed: engine.TrialSeed(spec.Seed, t.Number), Budget: t.Budget, Texts: textsOf(sp, t)}
	args, err := tmpl.Expand(v)
	if err != nil {
		return "", err
	}
	line := ""
	if d := spec.Run.Dir; d == "{trial.dir}" {
		line = "cd " + quoted(dir) + " && "
	} else if d != "" && d != here {
		line = "cd " + quoted(d) + " && "
	}
	var env []string
	for _, kv := range spec.Run.Env {
		name, value, _ := strings.Cut(kv, "=")
		env = append(env, assignment(name, value))
	}
	mentions := strings.Join(spec.Run.Command, " ")
	hidden, err := unseen(tmpl, v, args)
	if err != nil {
		return "", err
	}
	// Without a placeholder nobody knows where the program reads its parameters.
	appended := len(args) >= len(spec.Run.Command) && slices.Equal(args[:len(spec.Run.Command)], spec.Run.Command)
	if hidden || appended || strings.Contains(mentions, "TUNER_PARAM_") {
		for _, p := range t.Params {
			env = append(env, assignment(procenv.ParamVar(p.Name), v.Texts[p.Name]))
		}
	}
	for _, x := range []fact{{"TUNER_SEED", strconv.FormatInt(v.Seed, 10)}, {"TUNER_TRIAL_DIR", v.Dir},
		{"TUNER_PARAMS_FILE", v.ParamsFile}, {"TUNER_CHECKPOINT_DIR", v.CheckpointDir}} {
		if strings.Contains(mentions, x.name) {
			env = append(env, assignment(x.name, x.text))
		}
	}
	if len(env) > 0 {
		line += "env " + strings.Join(env, " ") + " "
	}
	return line + argv.Quote(args), nil
}

// unseen reports whether the command has no placeholder for some parameter of
// the trial: its line is the same with another value.
func unseen(tmpl *argv.Template, v procenv.Trial, line []string) (bool, error) {
	texts := v.Texts
	for name, text := range texts {
		other := "true"
		if text == other {
			other = "false"
		}
		v.Texts = maps.Clone(texts)
		v.Texts[name] = other
		changed, err := tmpl.Expand(v)
		if err != nil {
			return false, err
		}
		if slices.Equal(changed, line) {
			return true, nil
		}
	}
	return false, nil
}

// assignment is NAME=VALUE for a shell.
func assignment(name, value string) string {
	if value == "" {
		return name + "=''"
	}
	return name + "=" + quoted(value)
}
