package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/suggest/space/grammar"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

// resume continues a stored study with what spec gives.
func (e *Engine) resume(ctx context.Context, stored trial.Study, spec types.StudySpec, dry bool) (types.Study, error) {
	if dry {
		c, err := e.merge(ctx, stored.Spec, spec)
		return types.Study{ID: stored.ID, Spec: c.spec, State: types.StudyActive, CreatedBy: stored.CreatedBy, Continued: true}, err
	}
	v, ok, err := here(ctx, e, stored.ID, func(s *study, tx *txn) (types.Study, error) { return s.goOn(ctx, tx, spec) })
	if !ok {
		return e.join(ctx, stored.ID, spec)
	}
	return v, err
}

// goOn makes what spec gives the study's and wakes a finished study up.
func (s *study) goOn(ctx context.Context, tx *txn, spec types.StudySpec) (types.Study, error) {
	c, err := s.e.merge(ctx, s.st.Spec, spec)
	if err != nil {
		return types.Study{}, err
	}
	// Another algorithm, stopper or space is built from the events when the study
	// is loaded again.
	tx.retire = c.next != nil || !same(c.spec.Algorithm, s.st.Spec.Algorithm) || !same(c.spec.Stopper, s.st.Spec.Stopper)
	s.costOf(tx, c.spec.Budget.Cost)
	s.st.Spec = c.spec
	if c.next != nil {
		s.newSpace(tx, c.next)
	}
	s.exhausted = false
	if s.st.State == types.StudyActive && s.counts.Running > 0 { // it never paused
		s.put(store.PutStudy{Spec: c.spec, State: s.st.State, Reason: s.st.Reason})
	} else {
		s.become(tx, types.StudyActive, "")
	}
	s.addPoints(tx, c.try, trial.FromTry)
	v := s.view()
	v.Continued = true
	return v, nil
}

// same compares what has one JSON form, whether it was stored meanwhile or not.
func same(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(x, y)
}

// join takes part in a study that another process runs: budget and limits are
// sent to it, anything else has to agree.
func (e *Engine) join(ctx context.Context, id int64, spec types.StudySpec) (types.Study, error) {
	stored, err := e.cfg.Store.StudyByID(ctx, id)
	if err != nil {
		return types.Study{}, err
	}
	c, err := e.merge(ctx, stored.Spec, spec)
	if err != nil {
		return types.Study{}, err
	}
	if other := settled(stored.Spec, c.spec); len(other) > 0 {
		return types.Study{}, types.Errorf(types.Conflict, "%s is being run by %s; from here its %s cannot be changed",
			stored.Spec.Name, stored.OwnerAddr, strings.Join(other, ", ")).
			WithRemedy("stop it there first, or take part with the settings that it has")
	}
	req := types.ControlRequest{Study: stored.ID, Kind: types.Edit}
	if !sameBudget(c.spec.Budget, stored.Spec.Budget) {
		req.Budget = &c.spec.Budget
	}
	if c.spec.Parallelism != stored.Spec.Parallelism {
		req.Parallelism = &c.spec.Parallelism
	}
	r, err := e.Control(ctx, req)
	r.Study.Continued = true
	return r.Study, err
}

// settled names what differs of that which only the owner can change.
func settled(a, b types.StudySpec) []string {
	var out []string
	for _, f := range []struct {
		name string
		a, b any
	}{{"space", a.Space, b.Space}, {"algorithm", a.Algorithm, b.Algorithm}, {"stopper", a.Stopper, b.Stopper},
		{"strategy", a.Strategy, b.Strategy}, {"retries", a.Retries, b.Retries}, {"points to try", a.Try, b.Try},
		{"way of running trials", a.Run, b.Run}, {"required labels", a.Require, b.Require}} {
		if !same(f.a, f.b) {
			out = append(out, f.name)
		}
	}
	return out
}

// continuation is how a study goes on.
type continuation struct {
	spec types.StudySpec
	next *space.Space  // its new space version, nil if the space stays
	try  []space.Point // those that were not tried before
}

// merge is how a study of the spec old goes on with what spec gives.
func (e *Engine) merge(ctx context.Context, old, spec types.StudySpec) (c continuation, err error) {
	c.spec = old
	if old.Run == nil && spec.Run != nil && len(spec.Run.Command) == 0 {
		return c, types.Errorf(types.Conflict, "the study %s has no command that could be run: a program asks for its trials and tells their values", old.Name).
			WithRemedy("run that program again to go on, or choose another name for a sweep with a command")
	}
	sp, err := space.Parse(old.Space)
	if err != nil {
		return c, err
	}
	var diff []string
	if len(spec.Space) > 0 {
		wanted, err := continued(sp, spec.Space)
		if err != nil {
			return c, err
		}
		if d := sp.Diff(wanted, grammar.ConditionForm); len(d) > 0 {
			c.next, c.spec.Space = wanted, wanted.AppendJSON(nil)
			sp = wanted
			if !spec.Extend {
				diff = append(diff, d...)
			}
		}
	}
	spaceDiffs := len(diff)
	if len(spec.Objectives) > 0 && !slices.Equal(spec.Objectives, old.Objectives) {
		diff = append(diff, fmt.Sprintf("objective: %s → %s", objectiveText(old.Objectives), objectiveText(spec.Objectives)))
	}
	if spec.Seed != 0 && spec.Seed != old.Seed {
		diff = append(diff, fmt.Sprintf("seed: %d → %d", old.Seed, spec.Seed))
	}
	diff = append(diff, mergeRun(&c.spec, spec.Run)...)
	// What is unknown or impossible by itself is told before what differs.
	mergeRest(&c.spec, spec)
	if err := checkSpec(c.spec); err != nil {
		return c, err
	}
	sg, stp, err := e.build(c.spec, sp)
	if err != nil {
		return c, err
	}
	if err := fitsPopulation(c.spec, sp, stp); err != nil {
		return c, err
	}
	if !same(c.spec.Stopper, old.Stopper) { // an old study goes on as it is
		if err := earlystop.CheckIdle(c.spec.Stopper.Name, stp); err != nil {
			return c, err
		}
	}
	if !same(c.spec.Stopper, old.Stopper) && (earlystop.Copies(c.spec.Stopper) || earlystop.Copies(old.Stopper)) {
		diff = append(diff, fmt.Sprintf("stopper: %s → %s, and a population is trained by one rule from its start to its end",
			componentText(old.Stopper), componentText(c.spec.Stopper)))
	}
	if len(diff) > 0 {
		err := types.Errorf(types.Conflict, "the study %s exists and differs:\n  %s", spec.Name, strings.Join(diff, "\n  "))
		if len(diff) == spaceDiffs {
			return c, err.WithRemedy("accept the changed space with extend, or choose another name")
		}
		return c, err.WithRemedy("choose another name, or remove the study %s", spec.Name)
	}
	if c.next != nil {
		if err := proposes(ctx, sg, sp); err != nil {
			return c, err
		}
	}
	c.try, err = tries(sp, c.spec, len(old.Try))
	return c, err
}

// componentText is c as it is typed.
func componentText(c types.Component) string {
	var set []string
	for _, k := range slices.Sorted(maps.Keys(c.Settings)) {
		set = append(set, fmt.Sprintf("%s=%v", k, c.Settings[k]))
	}
	if set == nil {
		return c.Name
	}
	return c.Name + ":" + strings.Join(set, ",")
}

func objectiveText(os []types.Objective) string {
	var out []string
	for _, o := range os {
		out = append(out, string(o.Goal)+" "+o.Metric)
	}
	return strings.Join(out, ", ")
}

// mergeRest takes over what a continuation may change where it is given.
func mergeRest(m *types.StudySpec, spec types.StudySpec) {
	if spec.Algorithm.Name != "" {
		m.Algorithm = spec.Algorithm
	}
	if spec.Stopper.Name != "" {
		m.Stopper = spec.Stopper
	}
	b := spec.Budget
	set(&m.Budget.Trials, b.Trials)
	set(&m.Budget.Time, b.Time)
	set(&m.Budget.Patience, b.Patience)
	set(&m.Budget.MaxFailures, b.MaxFailures)
	set(&m.Budget.Target, b.Target)
	set(&m.Budget.Cost, b.Cost)
	set(&m.Budget.StopWhen, b.StopWhen)
	set(&m.Parallelism, spec.Parallelism)
	set(&m.Retries, spec.Retries)
	set(&m.Strategy, spec.Strategy)
	if spec.Require != nil {
		m.Require = spec.Require
	}
	for _, t := range spec.Try {
		if !slices.ContainsFunc(m.Try, func(o types.Params) bool { return slices.Equal(o, t) }) {
			m.Try = append(slices.Clip(m.Try), t)
		}
	}
}

func set[T comparable](dst *T, v T) {
	var zero T
	if v != zero {
		*dst = v
	}
}

// mergeRun takes over what run gives of how processes are run; another command
// or directory is a difference.
func mergeRun(m *types.StudySpec, run *types.RunSpec) []string {
	if run == nil {
		return nil
	}
	if m.Run == nil {
		return []string{"command: none (its trials are told, not run) → " + strings.Join(run.Command, " ")}
	}
	var diff []string
	if len(run.Command) > 0 && !slices.Equal(run.Command, m.Run.Command) {
		diff = append(diff, fmt.Sprintf("command: %s → %s", strings.Join(m.Run.Command, " "), strings.Join(run.Command, " ")))
	}
	if run.Dir != "" && run.Dir != m.Run.Dir {
		diff = append(diff, fmt.Sprintf("directory: %s → %s", m.Run.Dir, run.Dir))
	}
	merged := *m.Run
	set(&merged.Timeout, run.Timeout)
	set(&merged.Grace, run.Grace)
	set(&merged.StopSignal, run.StopSignal)
	set(&merged.InfeasibleExit, run.InfeasibleExit)
	set(&merged.Step, run.Step)
	set(&merged.MetricFile, run.MetricFile)
	set(&merged.Keep, run.Keep)
	for _, l := range []struct {
		dst *[]string
		src []string
	}{{&merged.Env, run.Env}, {&merged.MetricRegex, run.MetricRegex}, {&merged.Literal, run.Literal}} {
		if len(l.src) > 0 {
			*l.dst = l.src
		}
	}
	m.Run = &merged
	return diff
}

// sameBudget compares two budgets by value.
func sameBudget(a, b types.Budget) bool {
	if (a.Target == nil) != (b.Target == nil) || (a.Target != nil && *a.Target != *b.Target) {
		return false
	}
	a.Target, b.Target = nil, nil
	return a == b
}
