package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
	"github.com/gotuner/tuner/trial"
)

// askedTrial is a trial that was asked for, as a command names it.
type askedTrial struct {
	study   trial.Study
	number  int64
	attempt int // 0: any
}

// asked finds the trial NAME NUMBER and calls do with it.
func (f *dbFlags) asked(ctx context.Context, args []string, attempt int, do func(at *site, t askedTrial) error) error {
	number, err := trialNumber(args[1])
	if err != nil {
		return err
	}
	if attempt < 0 {
		return usagef("%d is no number of an attempt", attempt).WithField("--attempt").WithRemedy("use what ask gave, from 1")
	}
	return f.changing(ctx, args[0], func(at *site, study trial.Study) error {
		t := askedTrial{study: study, number: number, attempt: attempt}
		if attempt == 0 {
			if t.attempt, err = f.st.attemptHere(study, number); err != nil {
				return err
			}
		}
		return do(at, t)
	})
}

// metricsOf reads METRIC=VALUE arguments.
func metricsOf(args []string) (map[string]types.Float, error) {
	out := map[string]types.Float{}
	for _, a := range args {
		name, text, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usagef("%q is no value of a metric", a).WithRemedy("write it as in loss=0.25")
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil && !strings.Contains(err.Error(), "range") { // that gives ±Inf, which is a value
			return nil, usagef("%q is no number", text).WithField(name).WithRemedy("write it as in %s=0.25; nan and inf are numbers too", name)
		}
		if _, twice := out[name]; twice {
			return nil, usagef("it is given twice").WithField(name).WithRemedy("leave one of the two out")
		}
		out[name] = types.Float(v)
	}
	return out, nil
}

func reportCommand(st *State, db *dbFlags) *cobra.Command {
	var step int64
	var attempt int
	var asJSON bool
	var loop loopPatience
	c := &cobra.Command{
		Use:   "report NAME NUMBER METRIC=VALUE …",
		Short: "Report values of a trial that was asked for, and hear whether it goes on",
		Long: `Reports values of a running trial that tuner ask gave. The exit code is 3, and the
reason is printed, if the trial has to end: then leave its loop and tell it. Any
other code but 0 is an error, and the trial goes on.

In a command that a sweep or worker runs, the values of its own trial go into what
it prints, where they are read from; it ends by a signal if it has to end.`,
		Example: `  tuner report mnist "$TUNER_TRIAL" loss=0.4 --step 3 || { [ $? = 3 ] || exit 1; break; }`,
		Args:    wantArgs(3, -1, "report NAME NUMBER loss=0.4"),
		RunE: func(c *cobra.Command, args []string) error {
			metrics, err := metricsOf(args[2:])
			if err != nil {
				return err
			}
			body := types.ReportAskedBody{Metrics: metrics}
			if c.Flags().Changed("step") {
				if step < 0 {
					return usagef("%d is no step", step).WithField("--step").WithRemedy("count from 0 or 1")
				}
				body.Step = &step
			}
			if dir := db.ownTrial(args); dir != "" {
				return reportOwn(st, dir, args, body, attempt, asJSON)
			}
			if err := loop.use(db, c.Flags(), -1); err != nil {
				return err
			}
			ctx := c.Context()
			return db.asked(ctx, args, attempt, func(at *site, t askedTrial) error {
				body.Attempt = t.attempt
				d, err := at.asker.ReportAsked(ctx, t.study.ID, t.number, body)
				if err != nil {
					return t.explain(ctx, at, err)
				}
				if asJSON {
					err = writeJSON(st.Stdout, d)
				} else if d.Stop {
					_, err = fmt.Fprintf(st.Stdout, "stop: %s\n", printable(d.Reason))
				}
				if d.Stop {
					return join(err, &exitError{exitNoMore, ""})
				}
				return err
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	loop.register(c.Flags())
	c.Flags().Int64Var(&step, "step", 0, "step of the values (default: each metric is counted from 0)")
	c.Flags().IntVar(&attempt, "attempt", 0, "attempt that ask gave (default: TUNER_ATTEMPT after eval, else any)")
	c.Flags().BoolVar(&asJSON, "json", false, "print the decision as JSON")
	return c
}

// tellFlags are the flags of tuner tell.
type tellFlags struct {
	infeasible, failed, pruned, interrupted bool

	reason  string
	attempt int
	json    bool
	loop    loopPatience
}

func tellCommand(st *State, db *dbFlags) *cobra.Command {
	var f tellFlags
	c := &cobra.Command{
		Use:   "tell NAME NUMBER [METRIC=VALUE …]",
		Short: "Tell how a trial ended that was asked for",
		Long: `Ends a trial that tuner ask gave. A metric that is not told takes its value from
its reports. The same again changes nothing; another value for a trial that is over
is an error.`,
		Example: `  tuner tell mnist 3 loss=0.31
  tuner tell mnist 4 --infeasible --reason "lr too large for this batch"`,
		Args: wantArgs(2, -1, "tell NAME NUMBER loss=0.31"),
		RunE: func(c *cobra.Command, args []string) error {
			body, err := f.body(args[2:])
			if err != nil {
				return err
			}
			if db.ownTrial(args) != "" {
				return tellOwn(args)
			}
			if err := f.loop.use(db, c.Flags(), -1); err != nil {
				return err
			}
			ctx := c.Context()
			return db.asked(ctx, args, f.attempt, func(at *site, t askedTrial) error { return f.tell(ctx, st, at, t, body) })
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	f.loop.register(fs)
	fs.BoolVar(&f.infeasible, "infeasible", false, "there is no value at this point")
	fs.BoolVar(&f.failed, "failed", false, "it failed")
	fs.BoolVar(&f.pruned, "pruned", false, "it was ended early")
	fs.BoolVar(&f.interrupted, "interrupted", false, "it goes back into the queue and is handed out again")
	fs.StringVar(&f.reason, "reason", "", "why, for those who look later")
	fs.IntVar(&f.attempt, "attempt", 0, "attempt that ask gave (default: TUNER_ATTEMPT after eval, else any)")
	fs.BoolVar(&f.json, "json", false, "print what became of the trial as JSON")
	return c
}

func (f *tellFlags) body(args []string) (types.TellBody, error) {
	b := types.TellBody{Reason: f.reason}
	for _, o := range []struct {
		given   bool
		outcome types.Outcome
	}{{f.infeasible, types.OutcomeInfeasible}, {f.failed, types.OutcomeFailed}, {f.pruned, types.OutcomePruned}, {f.interrupted, types.OutcomeInterrupted}} {
		if !o.given {
			continue
		}
		if b.Outcome != "" {
			return b, usagef("a trial ends in one way: --%s or --%s", b.Outcome, o.outcome)
		}
		b.Outcome = o.outcome
	}
	if b.Outcome == "" && f.reason != "" {
		return b, usagef("a trial that completed needs no reason").WithField("--reason").WithRemedy("say how it ended: --infeasible, --failed, --pruned or --interrupted")
	}
	var err error
	b.Metrics, err = metricsOf(args)
	return b, err
}

func (f *tellFlags) tell(ctx context.Context, st *State, at *site, t askedTrial, body types.TellBody) error {
	body.Attempt = t.attempt
	if body.Outcome == types.OutcomeInterrupted && body.Attempt == 0 {
		return usagef("which attempt goes back into the queue?").WithField("--attempt").WithRemedy("give the attempt that ask gave")
	}
	reply, err := at.asker.Tell(ctx, t.study.ID, t.number, body)
	if err != nil {
		return t.explain(ctx, at, t.misspelt(err, body))
	}
	if f.json {
		return writeJSON(st.Stdout, reply)
	}
	text := fmt.Sprintf("trial %d of %s is %s", t.number, t.study.Spec.Name, reply.State)
	switch {
	case reply.State == types.Completed && reply.Value != nil:
		text += ": " + t.study.Spec.Objectives[0].Metric + " " + formatFloat(float64(*reply.Value))
	case reply.Reason != "":
		text += ": " + reply.Reason
	}
	_, err = fmt.Fprintln(st.Stdout, printable(text))
	return err
}

// misspelt adds which metric was probably meant to the error for an objective
// that was not told.
func (t *askedTrial) misspelt(err error, body types.TellBody) error {
	e, ok := asTyped(err)
	if !ok || e.Code != types.Invalid || e.Field != "metrics" {
		return err
	}
	objectives := t.study.Spec.Objectives
	for _, o := range objectives {
		if _, given := body.Metrics[o.Metric]; given {
			continue
		}
		remedy := fmt.Sprintf("add %s=VALUE, or --failed, or --infeasible", o.Metric)
		for _, name := range slices.Sorted(maps.Keys(body.Metrics)) {
			if nearest.Word(name, []string{o.Metric}) != "" {
				remedy = fmt.Sprintf("did you mean %s, where it says %s?", o.Metric, name)
			}
		}
		return (&types.Error{Code: e.Code, Message: e.Message}).WithRemedy("%s", remedy)
	}
	return err
}

// explain says which trials there are where the trial is none of them.
func (t *askedTrial) explain(ctx context.Context, at *site, err error) error {
	if types.CodeOf(err) != types.NotFound {
		return err
	}
	if _, ferr := findTrial(ctx, at.reader, t.study, t.number); ferr != nil {
		return ferr
	}
	return err
}
