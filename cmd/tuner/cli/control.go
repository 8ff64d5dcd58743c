package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/executor/argv"
)

// control asks for a change of a study and says what happened: with asJSON the
// reply, else the sentence that say makes of it.
func (f *dbFlags) control(ctx context.Context, name string, asJSON bool, ask func(trial.Study) (types.ControlRequest, error),
	say func(at *site, before trial.Study, r types.ControlReply) string) error {
	return f.changing(ctx, name, func(at *site, study trial.Study) error {
		req, err := ask(study)
		if err != nil {
			return err
		}
		req.Study = study.ID
		reply, err := at.Control(ctx, req)
		if err != nil {
			return err
		}
		if asJSON {
			return writeJSON(f.st.Stdout, reply)
		}
		_, err = fmt.Fprintln(f.st.Stdout, say(at, study, reply))
		return err
	})
}

func quoted(name string) string { return argv.Quote([]string{name}) }

func enqueueCommand(_ *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "enqueue NAME POINT …",
		Short: "Add points that are run next",
		Long: `Adds trials at points of your choice, which are run before those of the
algorithm. A parameter that a point leaves out takes its default, or the middle
of its range.`,
		Example: `  tuner enqueue mnist lr=1e-3,hidden=64 lr=1e-2
  tuner enqueue mnist '{"opt":"a,b"}'`,
		Args: wantArgs(2, -1, "enqueue NAME lr=1e-3,hidden=64 …"),
		RunE: func(c *cobra.Command, args []string) error {
			return db.control(c.Context(), args[0], asJSON, func(study trial.Study) (types.ControlRequest, error) {
				points, err := pointsOf(study, args[1:])
				return types.ControlRequest{Kind: types.Enqueue, Points: points}, err
			}, func(at *site, study trial.Study, r types.ControlReply) string {
				one := len(r.Numbers) == 1
				s := rangeText(r.Numbers) + " of " + study.Spec.Name + " are queued"
				if one {
					s = rangeText(r.Numbers) + " of " + study.Spec.Name + " is queued"
				}
				return s + afterQueued(at, db.ownerOf(study), r.Study, one)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the study and the numbers of the new trials as JSON")
	return c
}

// afterQueued says who will run what was queued.
func afterQueued(at *site, owner string, after types.Study, one bool) string {
	it, runs := "them", "run"
	if one {
		it, runs = "it", "runs"
	}
	switch {
	case after.State == types.StudyPaused:
		return "; the study is paused: tuner resume " + quoted(after.Spec.Name)
	case after.State == types.StudyStopped:
		return fmt.Sprintf("; the study is stopped: %s after tuner resume %s", map[bool]string{true: "it runs", false: "they run"}[one], quoted(after.Spec.Name))
	case at.url != "":
		return "; who asks the server for a trial of it gets " + it + " next"
	case owner != "":
		return fmt.Sprintf(" and %s next (by %s)", runs, owner)
	case after.Spec.Run == nil:
		return "; the program that asks for trials gets " + it + " next"
	}
	return "; nobody runs the study now: tuner sweep --name " + quoted(after.Spec.Name) + " does"
}

func pointsOf(study trial.Study, args []string) ([]types.Params, error) {
	sp, err := space.Parse(study.Spec.Space)
	if err != nil {
		return nil, types.Errorf(types.Internal, "the stored space: %w", err)
	}
	points := make([]types.Params, len(args))
	for i, a := range args {
		if points[i], err = grammar.Point(sp, a); err != nil {
			return nil, pointError(err, i+1, len(args))
		}
	}
	return points, nil
}

// pointError names the point at fault if there are several, and its parameter.
func pointError(err error, n, of int) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	named := *e
	named.Field = strings.TrimPrefix(e.Field, "params.")
	if of > 1 {
		named.Field = strings.TrimSuffix(fmt.Sprintf("point %d, %s", n, named.Field), ", ")
	}
	return &named
}

func stopCommand(_ *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	var reason string
	c := &cobra.Command{
		Use:   "stop NAME [NUMBER …]",
		Short: "Stop a study, or some of its trials",
		Long: `Without numbers, ends the study: no new trials, those that run are asked to stop
and become cancelled. With numbers, cancels these trials only and the study goes
on. tuner resume, or the same sweep again, continues a study that was stopped.`,
		Args: wantArgs(1, -1, "stop NAME [NUMBER …]"),
		RunE: func(c *cobra.Command, args []string) error {
			req := types.ControlRequest{Kind: types.StopStudy, Reason: reason}
			for _, a := range args[1:] {
				n, err := trialNumber(a)
				if err != nil {
					return err
				}
				req.Kind, req.Numbers = types.StopTrial, append(req.Numbers, n)
			}
			return db.control(c.Context(), args[0], asJSON, func(study trial.Study) (types.ControlRequest, error) {
				if over := study.State; req.Kind == types.StopStudy && (over == types.StudyFinished || over == types.StudyStopped) {
					return req, types.Errorf(types.Conflict, "%s is %s already", study.Spec.Name, over)
				}
				return req, nil
			}, func(at *site, study trial.Study, r types.ControlReply) string {
				if req.Kind == types.StopTrial {
					return stoppedTrials(study.Spec.Name, r.Numbers, r.Study)
				}
				s := study.Spec.Name + " is stopped"
				if n := r.Study.Counts.Running; n > 0 {
					s += fmt.Sprintf("; %s asked to end", isAre(n, "running trial"))
				}
				return s
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who look later")
	c.Flags().BoolVar(&asJSON, "json", false, "print the study as JSON")
	return c
}

func isAre(n int64, one string) string {
	if n == 1 {
		return "1 " + one + " is"
	}
	return plural(n, one) + " are"
}

func stoppedTrials(name string, numbers []int64, v types.Study) string {
	var parts []string
	for _, n := range numbers {
		parts = append(parts, fmt.Sprint(n))
	}
	s := "trial " + parts[0] + " of " + name + " is cancelled"
	if len(parts) > 1 {
		s = "trials " + strings.Join(parts, ", ") + " of " + name + " are cancelled"
	}
	if v.Counts.Running > 0 {
		s += "; what runs of them is asked to end"
	}
	return s
}

func pauseCommand(_ *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "pause NAME",
		Short: "Hand out no more trials until tuner resume",
		Args:  wantArgs(1, 1, "pause NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return db.control(c.Context(), args[0], asJSON, func(study trial.Study) (types.ControlRequest, error) {
				if study.State != types.StudyActive {
					return types.ControlRequest{}, types.Errorf(types.Conflict, "%s is %s: there is nothing to pause", study.Spec.Name, study.State)
				}
				return types.ControlRequest{Kind: types.PauseStudy, Reason: "paused by hand"}, nil
			}, func(at *site, study trial.Study, r types.ControlReply) string {
				s := study.Spec.Name + " is paused"
				if n := r.Study.Counts.Running; n > 0 {
					s += fmt.Sprintf(": %s left to end, and no new ones begin", isAre(n, "running trial"))
				}
				return s + "; tuner resume " + quoted(study.Spec.Name) + " goes on"
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the study as JSON")
	return c
}

func resumeCommand(_ *State, db *dbFlags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "resume NAME",
		Short: "Go on with a study that was paused or stopped",
		Args:  wantArgs(1, 1, "resume NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			return db.control(c.Context(), args[0], asJSON, func(study trial.Study) (types.ControlRequest, error) {
				switch study.State {
				case types.StudyActive:
					return types.ControlRequest{}, types.Errorf(types.Conflict, "%s is active already", study.Spec.Name).
						WithRemedy("tuner sweep --name %s runs its trials", quoted(study.Spec.Name))
				case types.StudyFinished:
					return types.ControlRequest{}, types.Errorf(types.Conflict, "%s is finished: %s", study.Spec.Name, study.Reason).
						WithRemedy("give it more to do: tuner edit %s -n N", quoted(study.Spec.Name))
				case types.StudyPaused, types.StudyStopped:
				}
				return types.ControlRequest{Kind: types.ResumeStudy}, nil
			}, func(at *site, study trial.Study, r types.ControlReply) string {
				return study.Spec.Name + " goes on" + whoRuns(at, db.ownerOf(study), r.Study.Spec)
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the study as JSON")
	return c
}

// whoRuns says which process hands its trials out, or how to start one. A server
// hands them out to whoever asks.
func whoRuns(at *site, owner string, spec types.StudySpec) string {
	switch {
	case owner != "":
		return " in " + owner
	case spec.Run == nil || at.url != "":
		return ""
	}
	return "; nobody runs it now: tuner sweep --name " + quoted(spec.Name) + " does"
}

// editFlags are the flags of tuner edit.
type editFlags struct {
	trials   int64
	jobs     int
	target   float64
	patience int64
	failures int64
	limit    time.Duration
	maxCost  string
	stopWhen string
	require  []string
	json     bool
}

func editCommand(_ *State, db *dbFlags) *cobra.Command {
	var f editFlags
	c := &cobra.Command{
		Use:   "edit NAME",
		Short: "Change the budget of a study",
		Long: `Changes the limits of a study, also while it runs. What is not named stays. A
finished study that gets more to do becomes active again. 0 takes a limit away.`,
		Example: "  tuner edit mnist -n 200 -j 4",
		Args:    wantArgs(1, 1, "edit NAME -n N"),
		RunE: func(c *cobra.Command, args []string) error {
			changed := false
			for _, name := range []string{"trials", "jobs", "target", "patience", "max-failures", "for", "no-target", "max-cost", "stop-when", "require", "no-require"} {
				changed = changed || c.Flags().Changed(name)
			}
			if !changed {
				return usagef("edit what? Give at least one of -n, -j, --target, --patience, --max-failures, --for, --max-cost, --stop-when, --require")
			}
			return db.control(c.Context(), args[0], f.json, func(study trial.Study) (types.ControlRequest, error) {
				return f.request(c, study)
			}, func(at *site, study trial.Study, r types.ControlReply) string {
				s := study.Spec.Name + ": " + budgetText(r.Study.Spec.Budget)
				if n := r.Study.Spec.Parallelism; n > 0 {
					s += fmt.Sprintf(", at most %d at once", n)
				}
				if len(r.Study.Spec.Require) > 0 {
					s += "; for workers with " + labelsText(r.Study.Spec.Require)
				}
				if n, spent := r.Study.Spec.Budget.Trials, r.Study.Counts.Spent(); n > 0 && spent >= n {
					s += fmt.Sprintf("; %s done already, so no more begin", isAre(spent, "trial"))
				}
				switch {
				case study.State != types.StudyActive && r.Study.State == types.StudyActive:
					s += "; it is active again" + whoRuns(at, db.ownerOf(study), r.Study.Spec)
				case r.Study.State != types.StudyActive:
					s += "; it is " + string(r.Study.State)
				}
				return s
			})
		},
		ValidArgsFunction: db.completeStudy,
	}
	fs := c.Flags()
	fs.Int64VarP(&f.trials, "trials", "n", 0, "number of trials of the study")
	fs.IntVarP(&f.jobs, "jobs", "j", 0, "trials at once at most, over all processes that run them")
	fs.Float64Var(&f.target, "target", 0, "end once the metric is at least as good")
	fs.Bool("no-target", false, "take the target away")
	fs.Int64Var(&f.patience, "patience", 0, "end after so many trials without a better value")
	fs.Int64Var(&f.failures, "max-failures", 0, "end after so many failed trials; -1 never")
	fs.DurationVar(&f.limit, "for", 0, "start no trial later than this long after the first one began")
	fs.StringVar(&f.maxCost, "max-cost", "", "METRIC=LIMIT: end once the metric, summed over all trials, is so large; none takes it away")
	fs.StringVar(&f.stopWhen, "stop-when", "", "unlikely: end once going on is unlikely to pay; or never")
	fs.StringArrayVar(&f.require, "require", nil, "KEY=VALUE that a worker must have, in place of what it had to; repeat it")
	fs.Bool("no-require", false, "let every worker run it")
	fs.BoolVar(&f.json, "json", false, "print the study as JSON")
	return c
}

// request is what the flags change in the study's budget as it is now.
func (f *editFlags) request(c *cobra.Command, study trial.Study) (types.ControlRequest, error) {
	fs := c.Flags()
	b := study.Spec.Budget
	req := types.ControlRequest{Kind: types.Edit, Budget: &b}
	for _, n := range []struct {
		flag  string
		value int64
		least int64
	}{{"trials", f.trials, 0}, {"jobs", int64(f.jobs), 0}, {"patience", f.patience, 0}, {"max-failures", f.failures, -1},
		{"for", int64(f.limit), 0}} {
		if fs.Changed(n.flag) && n.value < n.least {
			return req, usagef("%s is too small", fs.Lookup(n.flag).Value).WithField("--"+n.flag).WithRemedy("use %d or more", n.least)
		}
	}
	if math.IsNaN(f.target) || math.IsInf(f.target, 0) {
		return req, usagef("%s is no value that a metric can reach", formatFloat(f.target)).WithField("--target")
	}
	if fs.Changed("target") && fs.Changed("no-target") {
		return req, usagef("--target and --no-target exclude each other")
	}
	if fs.Changed("require") && fs.Changed("no-require") {
		return req, usagef("--require and --no-require exclude each other")
	}
	var err error
	if req.Require, err = labelsOf("require", f.require); err != nil {
		return req, err
	}
	if fs.Changed("no-require") {
		req.Require = map[string]string{}
	}
	if fs.Changed("trials") {
		b.Trials = f.trials
	}
	if fs.Changed("jobs") {
		req.Parallelism = &f.jobs
	}
	if fs.Changed("target") {
		b.Target = &f.target
	}
	if fs.Changed("no-target") {
		b.Target = nil
	}
	if fs.Changed("patience") {
		b.Patience = f.patience
	}
	if fs.Changed("max-failures") {
		b.MaxFailures = f.failures
	}
	if fs.Changed("max-cost") {
		if f.maxCost == "none" {
			f.maxCost = ""
		}
		var err error
		if b.Cost, err = costOf(f.maxCost); err != nil {
			return req, err
		}
	}
	if fs.Changed("stop-when") {
		b.StopWhen = f.stopWhen
	}
	if fs.Changed("for") {
		b.Time = types.Duration(f.limit)
	}
	return req, nil
}
