package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
	"github.com/gotuner/tuner/trial"
	"github.com/gotuner/tuner/trial/earlystop"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// OpenStudy creates the study of spec, or continues the one with its project
// and name. Continuing takes what spec leaves empty from the stored study and
// changes algorithm, stopper, budget and limits to what spec gives; another
// space (unless spec.Extend), other objectives, another command or directory
// are a Conflict whose message lists the differences. Of a study that another
// process runs only budget and parallelism can be changed.
func (e *Engine) OpenStudy(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return e.Open(ctx, spec, Opening{})
}

// Check does what OpenStudy does short of storing anything, and returns the
// study as it would be.
func (e *Engine) Check(ctx context.Context, spec types.StudySpec) (types.Study, error) {
	return e.Open(ctx, spec, Opening{Dry: true})
}

// Opening says who opens a study, and what for.
type Opening struct {
	// User is whom a new study belongs to (types.Study.CreatedBy); "" is nobody.
	User string
	// Own refuses to continue what another user has made (Forbidden).
	Own bool
	// Dry stores nothing.
	Dry bool
}

// Open is OpenStudy for a user.
func (e *Engine) Open(ctx context.Context, spec types.StudySpec, how Opening) (types.Study, error) {
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
		v, err := e.create(ctx, spec, how)
		if types.CodeOf(err) != types.Conflict {
			return v, err
		}
		// Somebody created it in this moment.
		if stored, err = e.cfg.Store.Study(ctx, spec.Project, spec.Name); err != nil {
			return types.Study{}, err
		}
	} else if err != nil {
		return types.Study{}, err
	}
	if how.Own && (stored.CreatedBy != how.User || how.User == "") {
		return types.Study{}, trial.NotOwn(stored, how.User)
	}
	return e.resume(ctx, stored, spec, how.Dry)
}

// create makes a new study; its first trials come with its first loading.
func (e *Engine) create(ctx context.Context, spec types.StudySpec, how Opening) (types.Study, error) {
	spec.Extend = false
	sp, err := e.check(ctx, &spec)
	if err != nil {
		return types.Study{}, err
	}
	if how.Dry {
		return types.Study{Spec: spec, State: types.StudyActive, SpaceVersion: 1, CreatedBy: how.User}, nil
	}
	st, err := e.cfg.Store.CreateStudy(ctx, trial.Study{Spec: spec, Space: sp, SpaceVersion: 1,
		State: types.StudyActive, Created: e.cfg.Now(), CreatedBy: how.User})
	if err != nil {
		return types.Study{}, err
	}
	v, ok, err := here(ctx, e, st.ID, func(s *study, _ *txn) (types.Study, error) { return s.view(), nil })
	if !ok { // another process was faster to become its owner
		return e.resume(ctx, st, spec, false)
	}
	return v, err
}

// check fills the defaults of a new study's spec, validates it whole, and
// returns its compiled space.
func (e *Engine) check(ctx context.Context, spec *types.StudySpec) (*space.Space, error) {
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
	sg, stp, err := e.build(*spec, sp)
	if err != nil {
		return nil, err
	}
	if err := fitsPopulation(*spec, sp, stp); err != nil {
		return nil, err
	}
	if err := earlystop.CheckIdle(spec.Stopper.Name, stp); err != nil {
		return nil, err
	}
	if _, err := tries(sp, *spec, 0); err != nil {
		return nil, err
	}
	return sp, proposes(ctx, sg, sp)
}

// tries compiles the points to try of a spec, from that of index on.
func tries(sp *space.Space, spec types.StudySpec, from int) ([]space.Point, error) {
	var ps []space.Point
	for i, t := range spec.Try[min(from, len(spec.Try)):] {
		p, err := tryPoint(sp, t)
		if err != nil {
			return nil, within(err, fmt.Sprintf("try[%d]", from+i))
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// within says in which part of a spec the place of an error lies.
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
	return &inner
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
	if err := checkLabels("require", spec.Require); err != nil {
		return err
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
	if t := b.Target; t != nil && (math.IsNaN(*t) || math.IsInf(*t, 0)) {
		return types.Errorf(types.Invalid, "%v is no value that a metric could reach", *t).WithField("budget.target").
			WithRemedy("give a finite number")
	}
	if c := b.Cost; c != (types.Cost{}) && (c.Metric == "" || !(c.Limit > 0) || math.IsInf(c.Limit, 0)) {
		return types.Errorf(types.Invalid, "%v is no limit of %q", c.Limit, c.Metric).WithField("budget.cost").
			WithRemedy("name a metric and a finite number above 0, as in trial.elapsed and 3600")
	}
	for _, c := range []struct {
		field, v string
		known    []string
	}{{"budget.stop_when", b.StopWhen, []string{"", "never", "unlikely"}},
		{"strategy", spec.Strategy, []string{"", "last", "min", "max"}},
		{"deterministic", spec.Deterministic, []string{"", "auto", "yes", "no"}}} {
		if !slices.Contains(c.known, c.v) {
			return types.Errorf(types.Invalid, "%q is not known", c.v).WithField(c.field).
				WithRemedy("use one of %s", strings.Join(c.known[1:], ", "))
		}
	}
	return nil
}
