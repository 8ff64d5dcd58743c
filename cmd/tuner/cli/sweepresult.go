package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest"
	"github.com/gotuner/tuner/suggest/builtin"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
	"github.com/gotuner/tuner/trial/executor/argv"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// sizeNote says when the algorithm has fewer points than the budget has trials.
func (r *sweepRun) sizeNote() string {
	spec := r.study.Spec
	if earlystop.Copies(spec.Stopper) { // it has enough points, or was refused
		return ""
	}
	sp, err := space.Parse(spec.Space)
	if err != nil {
		return ""
	}
	size, finite := sp.Size()
	what := "the space has"
	sg, err := suggest.New(builtin.Algorithms(), spec.Algorithm, suggest.Config{Space: sp, Objectives: spec.Objectives, Seed: spec.Seed, Deterministic: "auto"})
	if s, ok := sg.(suggest.Sizer); err == nil && ok {
		size, finite = s.Size()
		what = "the " + spec.Algorithm.Name + " has"
	}
	n := spec.Budget.Trials
	switch {
	case finite && n > size:
		return fmt.Sprintf("%s %s: the sweep ends after that, before its %d trials", what, plural(size, "point"), n)
	case finite && n == 0:
		return fmt.Sprintf("%s %s: the sweep ends after that", what, plural(size, "point"))
	}
	return ""
}

// expand is the command line of a lease.
func expand(t *argv.Template, spec types.StudySpec, l types.Lease) ([]string, error) {
	v := procenv.Trial{Project: spec.Project, Study: spec.Name, Number: l.Ref.Trial, Attempt: l.Ref.Attempt,
		Seed: l.Seed, Budget: l.Budget, Texts: map[string]string{},
		Dir: "TRIAL_DIR", ParamsFile: "TRIAL_DIR/params.json", CheckpointDir: "TRIAL_DIR/1/checkpoint"}
	for i, q := range l.Params {
		v.Texts[q.Name] = l.Texts[i]
	}
	return t.Expand(v)
}

// result prints the best trial, how to run it again, and what to do next.
func (r *sweepRun) result(ctx context.Context, reason string) error {
	v := r.study
	if r.flags.json {
		return r.jsonResult(ctx, reason)
	}
	var b strings.Builder
	if reason == "" {
		reason = v.Reason
	}
	fmt.Fprintf(&b, "%s: %s", v.Spec.Name, countsText(v.Counts))
	if reason != "" && !strings.HasPrefix(reason, "the budget of") {
		b.WriteString(" · " + reason)
	}
	b.WriteString("\n")
	stopped, err := countStopped(ctx, r.at.reader, v.ID, v.Spec, v.Counts)
	if err != nil {
		return err
	}
	if stopped != nil {
		b.WriteString(stopped.text(v.Spec.Stopper) + "\n")
	}
	for _, n := range v.Best {
		if err := r.bestTrial(ctx, &b, n); err != nil {
			return err
		}
	}
	if n := v.Counts.Running; n > 0 {
		fmt.Fprintf(&b, "%s still running; the same sweep finds them again\n", isAre(n, "trial"))
	}
	if n := v.Counts.Queued; n > 0 {
		fmt.Fprintf(&b, "%s left in the queue; run the same sweep again to go on\n", isAre(n, "trial"))
	}
	if v.Advice != "" && v.Spec.Budget.StopWhen != "unlikely" && !r.flags.quiet {
		b.WriteString("note: going on is unlikely to pay: " + v.Advice + "\n")
	}
	if saved, err := r.wouldSave(ctx); err != nil {
		return err
	} else if saved != "" && !r.flags.quiet {
		b.WriteString("note: " + saved + "\n")
	}
	if why, err := unmatched(ctx, r.at.reader, v.ID, v.Spec, v.Counts); err != nil {
		return err
	} else if why != "" && !r.flags.quiet {
		b.WriteString("note: " + why + "\n")
	}
	if len(v.Best) > 0 && !r.flags.quiet {
		r.hints(&b)
	}
	if !r.flags.quiet { // between the events and the result, where both are seen
		_, _ = fmt.Fprintln(r.st.Stderr)
	}
	_, err = fmt.Fprint(r.st.Stdout, b.String())
	return err
}

// hints are the next useful commands.
func (r *sweepRun) hints(b *strings.Builder) {
	name, where := quoted(r.study.Spec.Name), r.where()
	b.WriteString("\nnext:\n")
	next := [][2]string{
		{"trials " + name + " --sort value", "all trials"},
		{fmt.Sprintf("show %s %d", name, r.study.Best[0]), "this trial"},
		{"export " + name + " -o csv", "for a spreadsheet or a notebook"},
		r.moreTrials(name),
	}
	if r.at.url != "" { // more trials need the command that was typed
		next[3] = [2]string{}
	}
	for _, h := range next {
		if h[0] == "" {
			continue
		}
		fmt.Fprintf(b, "  %-*s  %s\n", 34+len(name)+len(where), "tuner "+h[0]+where, h[1])
	}
}

// where are the flags that lead a command to this study.
func (r *sweepRun) where() string { return r.db.where(r.study.Spec.Project) }

// where are the flags that lead another command to a study of a project.
func (f *dbFlags) where(project string) string {
	s := ""
	if project != "default" {
		s = " --project " + quoted(project)
	}
	for _, x := range []struct{ flag, value string }{{"--db", f.db}, {"--url", f.url}, {"--token-file", f.tokenFile}, {"--pin", f.pin}} {
		if x.value != "" {
			s += " " + x.flag + " " + quoted(x.value)
		}
	}
	return s
}

// moreTrials is the command that goes on, if one would.
func (r *sweepRun) moreTrials(name string) [2]string {
	spec, spent := r.study.Spec, r.study.Counts.Spent()
	jobs := ""
	if r.plan.jobs > 1 {
		jobs = fmt.Sprintf(" -j %d", r.plan.jobs)
	}
	switch n := spec.Budget.Trials; {
	case r.study.State == types.StudyFinished && earlystop.Copies(spec.Stopper): // its trials are at their end
		return [2]string{}
	case n > 0 && spent >= n:
		return [2]string{fmt.Sprintf("sweep --name %s -n %d%s", name, 2*max(n, spent), jobs), "more trials"}
	case r.study.State == types.StudyActive:
		return [2]string{fmt.Sprintf("sweep --name %s%s", name, jobs), "go on where it was left"}
	}
	return [2]string{} // every point was tried, or the target was met
}

// bestTrial describes one of the best trials.
func (r *sweepRun) bestTrial(ctx context.Context, b *strings.Builder, n int64) error {
	t, sp, outside, err := r.stored(ctx, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "best: %s (trial %d)\n", valuesText(r.study.Spec.Objectives, t.Metrics), n)
	if outside {
		b.WriteString(outsideLine + "\n")
	}
	table(b, paramRows(sp, t.Params))
	if c := t.Basis.Copy; c != nil {
		fmt.Fprintf(b, "  since step %d, when it went on from trial %d (tuner show %s %d)\n", c.Step, c.Of, quoted(r.study.Spec.Name), n)
	}
	cmd, err := r.bestCommand(ctx, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "run it again:\n  %s\n", cmd)
	return nil
}

// stored is a trial with the space that it belongs to, and whether it lies outside
// of the present one.
func (r *sweepRun) stored(ctx context.Context, number int64) (t trial.Trial, sp *space.Space, outside bool, err error) {
	if t, err = r.at.reader.Trial(ctx, r.study.ID, number); err != nil {
		return t, nil, false, err
	}
	spaces, err := spacesOf(ctx, r.at.reader, r.study.ID)
	if err != nil {
		return t, nil, false, err
	}
	if sp, err = versionOf(spaces, number, t.SpaceVersion); err != nil {
		return t, nil, false, err
	}
	outside, err = isOutside(spaces, &t)
	return t, sp, outside, err
}

// bestCommand is the copy-paste command of a trial.
func (r *sweepRun) bestCommand(ctx context.Context, number int64) (string, error) {
	t, sp, _, err := r.stored(ctx, number)
	if err != nil {
		return "", err
	}
	attempts, err := r.at.reader.Attempts(ctx, r.study.ID, number)
	if err != nil {
		return "", err
	}
	return rerunCommand(r.study.Spec, sp, &t, attempts, r.st.Dir)
}

// jsonResult is the last line of --json.
func (r *sweepRun) jsonResult(ctx context.Context, reason string) error {
	stopped, err := countStopped(ctx, r.at.reader, r.study.ID, r.study.Spec, r.study.Counts)
	if err != nil {
		return err
	}
	out := struct {
		Event   string        `json:"event"`
		Study   string        `json:"study"`
		State   string        `json:"state"`
		Reason  string        `json:"reason,omitempty"`
		Counts  types.Counts  `json:"counts"`
		Stopped *stoppedSteps `json:"stopped,omitempty"`
		Best    *types.Trial  `json:"best,omitempty"`
		Cmd     string        `json:"command,omitempty"`
	}{Event: "result", Study: r.study.Spec.Name, State: string(r.study.State), Reason: reason, Counts: r.study.Counts, Stopped: stopped}
	if len(r.study.Best) > 0 {
		t, err := r.at.Trial(ctx, r.study.ID, r.study.Best[0])
		if err != nil {
			return err
		}
		out.Best = &t
		if out.Cmd, err = r.bestCommand(ctx, t.Number); err != nil {
			return err
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(r.st.Stdout, "%s\n", b)
	return err
}

// countsText is "30 trials: 21 completed, 8 pruned, 1 failed".
func countsText(c types.Counts) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		word string
	}{{c.Completed, "completed"}, {c.Pruned, "pruned"}, {c.Failed, "failed"}, {c.Infeasible, "infeasible"},
		{c.Cancelled, "cancelled"}, {c.Running, "running"}, {c.Queued, "queued"}, {c.Paused, "paused"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	word := "trials"
	if c.Total() == 1 {
		word = "trial"
	}
	if len(parts) == 0 {
		return "no trials"
	}
	return fmt.Sprintf("%d %s: %s", c.Total(), word, strings.Join(parts, ", "))
}
