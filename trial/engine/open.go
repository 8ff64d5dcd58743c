package engine

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/store"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// OpenStudy creates the study of spec, or continues the one with its project
// and name. Continuing takes what spec leaves empty from the stored study and
// changes algorithm, stopper, budget and limits to what spec gives; another
// space (unless spec.Extend), other objectives, another command or directory
// are a Conflict whose message lists the differences.
func (e *Engine) OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return e.open(ctx, spec, false)
}

// Check does what OpenStudy does short of storing anything, and returns the
// study as it would be.
func (e *Engine) Check(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return e.open(ctx, spec, true)
}

func (e *Engine) open(ctx context.Context, spec types.StudySpec, dry bool) (types.Study, error) {
	if spec.Project == "" {
		spec.Project = "default"
	}
	for _, f := range []struct{ field, v string }{{"name", spec.Name}, {"project", spec.Project}} {
		if !nameForm.MatchString(f.v) {
			return types.Study{}, types.Errorf(types.Invalid, "%q is no name of a %s", f.v, strings.Replace(f.field, "name", "study", 1)).
				WithField(f.field).WithRemedy("use letters, digits, '.', '_' and '-', a letter or digit first, at most 128")
		}
	}
	stored, err := e.cfg.Store.Study(ctx, spec.Project, spec.Name)
	if types.CodeOf(err) == types.NotFound {
		v, err := e.create(ctx, spec, dry)
		if types.CodeOf(err) != types.Conflict {
			return v, err
		}
		// Somebody created it in this moment.
		stored, err = e.cfg.Store.Study(ctx, spec.Project, spec.Name)
		if err != nil {
			return types.Study{}, err
		}
	} else if err != nil {
		return types.Study{}, err
	}
	return e.resume(ctx, stored, spec, dry)
}

func (e *Engine) create(ctx context.Context, spec types.StudySpec, dry bool) (types.Study, error) {
	spec.Extend = false
	sp, err := e.check(&spec)
	if err != nil {
		return types.Study{}, err
	}
	if dry {
		return types.Study{Spec: spec, State: types.StudyActive, SpaceVersion: 1}, nil
	}
	st, err := e.cfg.Store.CreateStudy(ctx, trial.Study{Spec: spec, Space: sp, SpaceVersion: 1,
		State: types.StudyActive, Created: e.cfg.Now()})
	if err != nil {
		return types.Study{}, err
	}
	return call(ctx, e, st.ID, kindControl, types.ControlRequest{}, func(s *study, tx *txn) (types.Study, error) {
		return s.view(), s.first(tx)
	})
}

// first queues the defaults and the points to try of a new study.
func (s *study) first(tx *txn) error {
	if s.st.NextNumber > 0 {
		return nil
	}
	if p, ok := s.st.Space.Default(); ok && s.st.Space.Feasible(p) {
		lt := &liveTrial{point: p, Trial: trial.Trial{Params: s.st.Space.Params(p), Origin: trial.FromDefault, Parent: -1}}
		if err := s.add(tx, lt); err != nil {
			return err
		}
	}
	return s.addPoints(tx, s.st.Spec.Try, trial.FromTry)
}

// check fills the defaults of a new study's spec, validates it whole, and
// returns its compiled space.
func (e *Engine) check(spec *types.StudySpec) (*space.Space, error) {
	sp, err := space.Parse(spec.Space)
	if err != nil {
		return nil, err
	}
	spec.Space = sp.AppendJSON(nil)
	if spec.Algorithm.Name == "" {
		spec.Algorithm.Name = "tpe"
	}
	if spec.Stopper.Name == "" {
		spec.Stopper.Name = "none"
	}
	if spec.Seed == 0 {
		spec.Seed = e.cfg.NewSeed()
	}
	if err := checkSpec(*spec); err != nil {
		return nil, err
	}
	if _, _, err := e.build(*spec, sp); err != nil {
		return nil, err
	}
	for i, t := range spec.Try {
		if _, err := tryPoint(sp, t); err != nil {
			return nil, types.Errorf(types.CodeOf(err), "%w", err).WithField(fmt.Sprintf("try[%d]", i))
		}
	}
	return sp, nil
}

func checkSpec(spec types.StudySpec) error {
	if len(spec.Objectives) == 0 {
		return types.Errorf(types.Invalid, "a study needs an objective").WithField("objectives").
			WithRemedy("name a metric to minimise or maximise")
	}
	seen := map[string]bool{}
	for i, o := range spec.Objectives {
		field := fmt.Sprintf("objectives[%d]", i)
		if o.Metric == "" || seen[o.Metric] {
			return types.Errorf(types.Invalid, "the metric %q is empty or named twice", o.Metric).WithField(field)
		}
		seen[o.Metric] = true
		if o.Goal != types.Minimize && o.Goal != types.Maximize {
			return types.Errorf(types.Invalid, "%q is no goal", o.Goal).WithField(field).WithRemedy("use min or max")
		}
	}
	b := spec.Budget
	for _, n := range []struct {
		field string
		v     int64
	}{{"budget.trials", b.Trials}, {"budget.time", int64(b.Time)}, {"budget.patience", b.Patience},
		{"budget.max_failures", b.MaxFailures + 1}, {"parallelism", int64(spec.Parallelism)}, {"retries", int64(spec.Retries) + 1}} {
		if n.v < 0 {
			return types.Errorf(types.Invalid, "a negative number makes no sense here").WithField(n.field)
		}
	}
	for _, c := range []struct {
		field, v string
		known    []string
	}{{"strategy", spec.Strategy, []string{"", "last", "min", "max"}},
		{"deterministic", spec.Deterministic, []string{"", "auto", "yes", "no"}}} {
		if !slices.Contains(c.known, c.v) {
			return types.Errorf(types.Invalid, "%q is not known", c.v).WithField(c.field).
				WithRemedy("use one of %s", strings.Join(c.known[1:], ", "))
		}
	}
	return nil
}

// resume continues a stored study with what spec gives.
func (e *Engine) resume(ctx context.Context, stored trial.Study, spec types.StudySpec, dry bool) (types.Study, error) {
	merged, next, err := e.merge(ctx, stored, spec)
	if err != nil {
		return types.Study{}, err
	}
	if dry {
		return types.Study{ID: stored.ID, Spec: merged, State: types.StudyActive, Continued: true}, nil
	}
	s, err := e.own(ctx, stored.ID)
	if err != nil {
		return types.Study{}, err
	}
	if s == nil {
		return e.join(ctx, stored, merged, next)
	}
	v, err := change(ctx, s, txn{}, func(s *study, tx *txn) (types.Study, error) {
		err := s.apply(tx, merged, next)
		v := s.view()
		v.Continued = true
		return v, err
	})
	if err == nil {
		// The algorithm, the stopper or the space may have changed: loading the
		// study again rebuilds them from the events.
		e.forget(s)
		if _, err = e.own(ctx, stored.ID); err != nil {
			return v, err
		}
	}
	return v, err
}

// join takes part in a study that another process runs: budget and limits are
// sent to it, anything else has to agree.
func (e *Engine) join(ctx context.Context, stored trial.Study, merged types.StudySpec, next *space.Space) (types.Study, error) {
	if next != nil {
		return types.Study{}, types.Errorf(types.Conflict, "%s is being run by %s; its space cannot be extended from here",
			stored.Spec.Name, stored.OwnerAddr).WithRemedy("stop it there first")
	}
	req := types.ControlRequest{Study: stored.ID, Kind: types.Edit}
	if !sameBudget(merged.Budget, stored.Spec.Budget) {
		req.Budget = &merged.Budget
	}
	if merged.Parallelism != stored.Spec.Parallelism {
		req.Parallelism = &merged.Parallelism
	}
	r, err := e.Control(ctx, req)
	r.Study.Continued = true
	return r.Study, err
}

// merge is the spec with which a stored study goes on; next is its new space
// version, nil if the space stays.
func (e *Engine) merge(ctx context.Context, stored trial.Study, spec types.StudySpec) (types.StudySpec, *space.Space, error) {
	old := stored.Spec
	m := old
	var diff []string
	var next *space.Space
	if len(spec.Space) > 0 {
		sp, err := space.Parse(spec.Space)
		if err != nil {
			return m, nil, err
		}
		spaces, err := e.cfg.Store.Spaces(ctx, stored.ID)
		if err != nil {
			return m, nil, err
		}
		was, err := space.Parse(spaces[len(spaces)-1])
		if err != nil {
			return m, nil, err
		}
		if d := was.Diff(sp); len(d) > 0 {
			next, m.Space = sp, sp.AppendJSON(nil)
			if !spec.Extend {
				diff = append(diff, d...)
			}
		}
	}
	if len(spec.Objectives) > 0 && !slices.Equal(spec.Objectives, old.Objectives) {
		diff = append(diff, fmt.Sprintf("objective: %s → %s", objectiveText(old.Objectives), objectiveText(spec.Objectives)))
	}
	diff = append(diff, mergeRun(&m, spec.Run)...)
	if len(diff) > 0 {
		err := types.Errorf(types.Conflict, "the study %s exists and differs:\n  %s", spec.Name, strings.Join(diff, "\n  "))
		return m, nil, err.WithRemedy("choose another --name, or accept a changed space with --extend")
	}
	mergeRest(&m, spec)
	sp := next
	if sp == nil {
		var err error
		if sp, err = space.Parse(m.Space); err != nil {
			return m, nil, err
		}
	}
	if err := checkSpec(m); err != nil {
		return m, nil, err
	}
	_, _, err := e.build(m, sp)
	return m, next, err
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
	set(&m.Parallelism, spec.Parallelism)
	set(&m.Retries, spec.Retries)
	set(&m.Strategy, spec.Strategy)
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

// apply makes the merged spec the study's and wakes a finished study up.
func (s *study) apply(tx *txn, m types.StudySpec, next *space.Space) error {
	tried := len(s.st.Spec.Try)
	s.st.Spec = m
	if next != nil {
		s.spaces = append(s.spaces, next)
		s.st.Space, s.st.SpaceVersion = next, len(s.spaces)
		s.put(store.AddSpace{Version: s.st.SpaceVersion, JSON: m.Space, Time: tx.now})
		s.emit(trial.Event{Kind: trial.EventSpace, Trial: -1, Time: tx.now, Space: next})
	}
	s.exhausted = false
	s.finishedHere, s.failedHere, s.sinceBest = 0, 0, 0
	s.put(store.PutStudy{Spec: m, State: s.st.State, Reason: s.st.Reason})
	s.setState(tx, types.StudyActive, "")
	return s.addPoints(tx, m.Try[min(tried, len(m.Try)):], trial.FromTry)
}

// view is the study as a client sees it.
func (s *study) view() types.Study {
	return types.Study{ID: s.id, Spec: s.st.Spec, State: s.st.State, Reason: s.st.Reason, Created: s.st.Created,
		Counts: s.counts, Best: slices.Clone(s.best.numbers), SpaceVersion: s.st.SpaceVersion}
}

// storedView is the same for a study of another process, from the store.
func (e *Engine) storedView(ctx context.Context, id int64) (types.Study, error) {
	st, err := e.cfg.Store.StudyByID(ctx, id)
	if err != nil {
		return types.Study{}, err
	}
	v := types.Study{ID: id, Spec: st.Spec, State: st.State, Reason: st.Reason, Created: st.Created, SpaceVersion: st.SpaceVersion}
	if v.Counts, err = e.cfg.Store.Counts(ctx, id); err != nil {
		return v, err
	}
	v.Best, err = BestStored(ctx, e.cfg.Store, st)
	return v, err
}

// BestStored finds the best trials of a study in the store: one for one
// objective, the Pareto front for several.
func BestStored(ctx context.Context, db store.Store, st trial.Study) ([]int64, error) {
	o := st.Spec.Objectives[0]
	f := store.TrialFilter{States: []types.State{types.Completed}, Sort: store.SortMetric, Metric: o.Metric,
		Desc: o.Goal == types.Maximize, Limit: 1}
	if len(st.Spec.Objectives) > 1 {
		f.Limit = 1000
	}
	var best bestSet
	for {
		page, next, err := db.ListTrials(ctx, st.ID, f)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			v := make([]float64, len(st.Spec.Objectives))
			for i, o := range st.Spec.Objectives {
				v[i] = t.Metrics[o.Metric]
			}
			best.add(st.Spec.Objectives, t.Number, v)
		}
		if len(st.Spec.Objectives) == 1 || next == "" {
			return best.numbers, nil
		}
		f.After = next
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
