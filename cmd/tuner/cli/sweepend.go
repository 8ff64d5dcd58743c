package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
	"github.com/gotuner/tuner/trial/agent"
	"github.com/gotuner/tuner/trial/collect"
)

// noObjective ends a sweep whose first trial had no objective: the others would
// have none either.
func (r *sweepRun) noObjective(_ types.Lease, attemptDir, objective string, seen []string) {
	v, err := r.at.glance.Study(context.Background(), r.study.ID)
	if err != nil || v.Counts.Completed > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing != nil {
		return
	}
	msg := fmt.Sprintf("the first trial ended without the metric %s", objective)
	if len(seen) > 0 {
		msg += "; it prints: " + strings.Join(seen, ", ")
	}
	msg += tailOf(attemptDir, "stdout.log") + tailOf(attemptDir, "stderr.log")
	r.missing = &exitError{exitFailures, msg + "\n  " + r.metricRemedy(attemptDir, objective, seen)}
	r.worker.Drain()
}

// metricRemedy says how the metric can be found in what the trial printed.
func (r *sweepRun) metricRemedy(attemptDir, objective string, seen []string) string {
	flag := "--" + string(r.study.Spec.Objectives[0].Goal)
	printed := "print it as in " + objective + "=0.123"
	if cost := r.study.Spec.Budget.Cost; objective == cost.Metric && objective != r.study.Spec.Objectives[0].Metric {
		return fmt.Sprintf("it is the metric of --max-cost: name one that a trial prints or that is measured, as in --max-cost trial.elapsed=3600; "+
			"or %s (tuner help contract)", printed)
	}
	// A misspelt objective is another study's: this one has to go first.
	again := fmt.Sprintf("then remove this study first: tuner rm -y %s", quoted(r.study.Spec.Name)) + r.where()
	if near := cmp.Or(nearest.Word(objective, seen), abbreviated(objective, seen)); near != "" {
		return fmt.Sprintf("did you mean %s %s? (%s) Or %s", flag, quoted(near), again, printed)
	}
	if r.study.Spec.Run.MetricFile == "" {
		const lines = 200
		for _, name := range []string{"stdout.log", "stderr.log"} {
			if p, line := collect.Pattern(objective, agent.Tail(filepath.Join(attemptDir, name), lines)); p != "" {
				return fmt.Sprintf("add --metric-regex %s, which reads the line %q; or %s (tuner help contract)",
					quotedPattern(p), clip(line, 80), printed)
			}
		}
	}
	other := printed + ", or name it with --metric-regex (tuner help contract)"
	if near := nearMetric(objective, seen); near != "" {
		return fmt.Sprintf("did you mean %s %s? (%s) Or %s", flag, quoted(near), again, other)
	}
	if len(seen) > 0 {
		return fmt.Sprintf("choose one of these with --min or --max (%s), or %s", again, other)
	}
	return other
}

// quotedPattern puts a pattern in quotes as a person would: every shell takes a
// single backslash between single quotes for itself, fish too.
func quotedPattern(p string) string {
	if strings.Contains(p, "'") || strings.Contains(p, `\\`) {
		return quoted(p)
	}
	return "'" + p + "'"
}

// abbreviated is the one metric that a name is short for, or that is short for it:
// acc and accuracy.
func abbreviated(name string, seen []string) (out string) {
	const least = 3
	for _, s := range seen {
		short, long := strings.ToLower(name), strings.ToLower(s)
		if len(short) > len(long) {
			short, long = long, short
		}
		rest, ok := strings.CutPrefix(long, short)
		if !ok || len(short) < least || rest == "" || strings.ContainsAny(rest[:1], "_-./ ") {
			continue
		}
		if out != "" {
			return ""
		}
		out = s
	}
	return out
}

// nearMetric is the metric that was meant by a name: one that is spelt alike, or
// one that has it as its first or last part, such as val_loss for loss.
func nearMetric(name string, seen []string) string {
	if near := nearest.Word(name, seen); near != "" {
		return near
	}
	for _, s := range seen {
		at := strings.Index(strings.ToLower(s), strings.ToLower(name))
		if at < 0 {
			continue
		}
		before, after := s[:at], s[at+len(name):]
		if (before == "" || strings.ContainsAny(before[len(before)-1:], "_-./ ")) && (after == "" || strings.ContainsAny(after[:1], "_-./ ")) {
			return s
		}
	}
	return ""
}

// tailOf quotes the last lines of an output.
func tailOf(attemptDir, name string) string {
	lines := agent.Tail(filepath.Join(attemptDir, name), 20)
	if len(lines) == 0 {
		return "\n  (" + strings.TrimSuffix(name, ".log") + " is empty)"
	}
	return "\n  last lines of " + strings.TrimSuffix(name, ".log") + ":\n    " + strings.Join(lines, "\n    ")
}

// ended notes where failed trials ran, and which of them failed by the timeout.
func (r *sweepRun) ended(l types.Lease, reply types.FinishReply) {
	if reply.State != types.Failed {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	if reply.Reason == agent.TimeoutReason(time.Duration(r.study.Spec.Run.Timeout)) {
		r.late++
	}
	if r.dirs == nil {
		r.dirs = map[int64]string{}
	}
	if len(r.dirs) < 8 {
		dir := r.machine.StudyDir(r.study.Spec.Project, r.study.Spec.Name)
		r.dirs[l.Ref.Trial] = filepath.Join(dir, strconv.FormatInt(l.Ref.Trial, 10), strconv.Itoa(l.Ref.Attempt))
	}
}

// conclude shows the result and chooses the exit code.
func (r *sweepRun) conclude(ctx context.Context, reason string) error {
	if r.missing != nil {
		return r.missing
	}
	if err := r.result(ctx, reason); err != nil {
		return err
	}
	c := r.study.Counts
	switch {
	case r.signals > 0:
		return &exitError{exitInterrupted, ""}
	case r.study.State == types.StudyStopped && c.Failed > 0:
		return &exitError{exitFailures, r.failures()}
	case c.Completed == 0:
		return &exitError{exitNoneDone, "no trial completed" + r.lastReason(ctx)}
	}
	return nil
}

// interrupted makes an error of a sweep that the user interrupted: what went
// wrong is said, and the exit code tells of the interruption.
func (r *sweepRun) interrupted(err error) error {
	if err == nil || r.signals == 0 {
		return err
	}
	return &exitError{exitInterrupted, sentence(err)}
}

func (r *sweepRun) failures() string {
	msg := cmp.Or(r.study.Reason, "too many trials failed")
	if remedy := r.allLate(); remedy != "" {
		return msg + ", each by the timeout of " + time.Duration(r.study.Spec.Run.Timeout).String() + remedy
	}
	var last int64 = -1
	for n := range r.dirs {
		last = max(last, n)
	}
	if last >= 0 {
		msg += fmt.Sprintf("; trial %d:", last) + tailOf(r.dirs[last], "stderr.log")
		if len(agent.Tail(filepath.Join(r.dirs[last], "stderr.log"), 1)) == 0 {
			msg += tailOf(r.dirs[last], "stdout.log")
		}
	}
	return msg + fmt.Sprintf("\n  look at the others with tuner log %s NUMBER --stderr; mend the program and run the same sweep again", r.study.Spec.Name)
}

// allLate is what to do if every trial that failed here did so by the timeout;
// "" if not.
func (r *sweepRun) allLate() string {
	if r.late == 0 || r.late != r.failed {
		return ""
	}
	more := ""
	if n, spent := r.study.Spec.Budget.Trials, r.study.Counts.Spent(); n > 0 && spent >= n {
		more = fmt.Sprintf(" -n %d", n+spent)
	}
	return fmt.Sprintf("\n  raise it, as in: tuner sweep --name %s --timeout %v%s%s", quoted(r.study.Spec.Name),
		2*time.Duration(r.study.Spec.Run.Timeout), more, r.where())
}

func (r *sweepRun) lastReason(ctx context.Context) string {
	if r.study.Counts.Total() == 0 {
		return ""
	}
	t, err := r.at.Trial(ctx, r.study.ID, r.study.Counts.Total()-1)
	if err != nil || t.Reason == "" {
		return ""
	}
	return fmt.Sprintf("; trial %d: %s", t.Number, t.Reason) + r.allLate()
}
