package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// The forms of a trial that is asked for, and the flags that only belong to
// asking in a shell.
var (
	askForms  = []string{"json", "env", "args"}
	shellOnly = []string{"output", "ttl", "wait", "label", "reconnect"}
	// shellToo are the flags of a pipe that belong to a shell as well.
	shellToo = append([]string{"trials", "quiet"}, shellOnly...)
)

// exitNoMore is the exit code of ask when a study hands out no more trials, and
// of report when the trial has to end.
const exitNoMore = 3

// mostAsked bounds -n of ask.
const mostAsked = 1000

// askOne is tuner ask without --stdio. In the form for eval the output ends
// with the exit code where there is no trial, for a shell does not see it else.
func (f *askFlags) askOne(c *cobra.Command, st *State, db *dbFlags, args []string) error {
	err := f.askShell(c, st, db, args)
	if err != nil && f.form == "env" {
		_, werr := fmt.Fprintf(st.Stdout, "unset TUNER_TRIAL TUNER_ATTEMPT\n(exit %d)\n", exitCode(err))
		return join(err, werr)
	}
	return err
}

func (f *askFlags) askShell(c *cobra.Command, st *State, db *dbFlags, args []string) error {
	n, err := f.checkShell(c, args)
	if err != nil {
		return err
	}
	if err := f.loop.use(db, c.Flags(), f.wait); err != nil {
		return err
	}
	ctx := c.Context()
	return db.changing(ctx, args[0], func(at *site, study trial.Study) error {
		reply, err := f.await(ctx, st, at, study, n)
		if err != nil {
			return err
		}
		spaces, err := spacesOf(ctx, at.reader, study.ID)
		if err != nil {
			return err
		}
		return st.printing(func(w *bufio.Writer) error {
			for _, a := range reply.Trials {
				t, err := at.reader.Trial(ctx, study.ID, a.Number)
				if err != nil {
					return err
				}
				sp, err := versionOf(spaces, a.Number, t.SpaceVersion)
				if err != nil {
					return err
				}
				line, err := f.print(study, sp, &t, a)
				if err != nil {
					return err
				}
				fmt.Fprintln(w, line)
			}
			return nil
		})
	})
}

func (f *askFlags) checkShell(c *cobra.Command, args []string) (n int, err error) {
	fs := c.Flags()
	c.LocalNonPersistentFlags().VisitAll(func(g *pflag.Flag) {
		if g.Changed && err == nil && !slices.Contains(shellToo, g.Name) {
			err = usagef("it says what a study is, and ask takes one that is there").WithField("--" + g.Name).
				WithRemedy("make the study first: tuner create NAME --min METRIC -p NAME=SPEC …; or let a program talk to a pipe with --stdio (tuner help pipe)")
		}
	})
	n = 1
	switch {
	case err != nil:
		return 0, err
	case len(args) == 0:
		return 0, usagef("ask needs the name of a study: tuner ask NAME").WithRemedy("tuner ls lists the studies; tuner create makes one; tuner help pipe explains --stdio")
	case f.ttl < time.Second || f.ttl > 30*24*time.Hour:
		return 0, usagef("%v is no time for a trial", f.ttl).WithField("--ttl").WithRemedy("use 1s to 720h")
	case fs.Changed("wait") && f.wait < 0:
		return 0, usagef("%v is no time to wait", f.wait).WithField("--wait").WithRemedy("use 0s or more")
	}
	if err := oneOf("output", f.form, askForms...); err != nil {
		return 0, err
	}
	if !fs.Changed("wait") {
		f.wait = -1 // as long as it takes
	}
	if fs.Changed("trials") {
		n = int(min(*f.study.file.Trials, mostAsked+1))
	}
	switch {
	case n < 1 || n > mostAsked:
		return 0, usagef("%d is no number of trials to ask for", *f.study.file.Trials).WithField("-n").WithRemedy("use 1 to %d", mostAsked)
	case n > 1 && f.form == "env":
		return 0, usagef("variables hold one trial").WithField("-n").WithRemedy("leave it out, or use -o json or -o args, a line a trial")
	}
	return n, nil
}

// The waiting of an ask: first a moment, then it says what for.
const (
	askMoment = 2 * time.Second
	askPatch  = 30 * time.Second
)

// await asks until there is a trial, or there will be none.
func (f *askFlags) await(ctx context.Context, st *State, at *site, study trial.Study, n int) (types.AskReply, error) {
	began := st.Now()
	labels, err := labelsOf("label", f.labels)
	if err != nil {
		return types.AskReply{}, err
	}
	body := types.AskBody{N: n, TTL: types.Duration(f.ttl), Labels: labels}
	for patch := askMoment; ; patch = askPatch {
		left := patch
		if f.wait >= 0 {
			left = min(patch, max(0, f.wait-st.Now().Sub(began)))
		}
		body.Wait = types.Duration(left)
		r, err := at.asker.Ask(ctx, study.ID, body)
		switch {
		case err != nil || r.Status == types.LeaseGranted:
			return r, err
		case r.Status == types.LeaseDone:
			return r, &exitError{exitNoMore, study.Spec.Name + " hands out no more trials: " + r.Reason}
		case f.wait >= 0 && st.Now().Sub(began) >= f.wait:
			return r, types.Errorf(types.Unavailable, "no trial can be handed out now: %s", r.Reason).
				WithRemedy("tell those that you have, or wait longer (--wait)")
		case patch == askMoment && !f.study.quiet:
			fmt.Fprintln(st.Stderr, "tuner: waiting for a trial: "+r.Reason)
		}
	}
}

// print is a trial in the form asked for.
func (f *askFlags) print(study trial.Study, sp *space.Space, t *trial.Trial, a types.AskedTrial) (string, error) {
	switch f.form {
	case "env":
		return strings.Join(askedEnv(study, sp, t, a), "\n"), nil
	case "args":
		line, err := argsLine(sp, t)
		return strings.TrimSuffix(strconv.FormatInt(a.Number, 10)+" "+line, " "), err
	}
	b, err := json.Marshal(struct {
		Number  int64        `json:"number"`
		Attempt int          `json:"attempt"`
		Params  types.Params `json:"params"`
		Seed    int64        `json:"seed"`
		Budget  float64      `json:"budget,omitempty"`
	}{a.Number, a.Attempt, a.Params, a.Seed, a.Budget})
	return string(b), err
}

// askedEnv are lines for a POSIX shell. What an earlier trial had and this one
// has not is unset.
func askedEnv(study trial.Study, sp *space.Space, t *trial.Trial, a types.AskedTrial) []string {
	lines := []string{
		"export " + assignment("TUNER_PROJECT", study.Spec.Project), "export " + assignment("TUNER_STUDY", study.Spec.Name),
		"export " + assignment("TUNER_TRIAL", strconv.FormatInt(a.Number, 10)), "export " + assignment("TUNER_ATTEMPT", strconv.Itoa(a.Attempt)),
		"export " + assignment("TUNER_SEED", strconv.FormatInt(a.Seed, 10)),
	}
	var gone []string
	if a.Budget > 0 {
		lines = append(lines, "export "+assignment("TUNER_BUDGET", strconv.FormatFloat(a.Budget, 'f', -1, 64)))
	} else {
		gone = append(gone, "TUNER_BUDGET") // an earlier trial's, or a sweep's around this shell
	}
	texts := textsOf(sp, t)
	for _, name := range namesOf(sp) {
		if text, ok := texts[name]; ok {
			lines = append(lines, "export "+assignment(procenv.ParamVar(name), text))
		} else {
			gone = append(gone, procenv.ParamVar(name))
		}
	}
	if len(gone) > 0 {
		lines = append(lines, "unset "+strings.Join(gone, " "))
	}
	return lines
}

// attemptHere is the attempt of a trial that this shell has asked for; 0 if it
// does not say. With it, what comes after the trial was handed out again is
// refused.
func (s *State) attemptHere(study trial.Study, number int64) (int, error) {
	if s.Getenv("TUNER_STUDY") != study.Spec.Name || s.Getenv("TUNER_PROJECT") != study.Spec.Project ||
		s.Getenv("TUNER_TRIAL") != strconv.FormatInt(number, 10) {
		return 0, nil
	}
	text := s.Getenv("TUNER_ATTEMPT")
	n, err := strconv.Atoi(text)
	if text == "" {
		return 0, nil
	}
	if err != nil || n < 1 {
		return 0, usagef("TUNER_ATTEMPT=%q is no number of an attempt", text).WithRemedy("unset it, or use --attempt")
	}
	return n, nil
}
