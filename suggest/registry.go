package suggest

import (
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// Registry is the list of the algorithms that a program offers, in the order in
// which users see them. It is passed around; there is no global one.
type Registry []Algorithm

// Names are the names of the algorithms.
func (r Registry) Names() []string {
	names := make([]string, len(r))
	for i, a := range r {
		names[i] = a.Name
	}
	return names
}

// Lookup returns the algorithm called name. The error, of code types.Invalid,
// lists those that exist.
func (r Registry) Lookup(name string) (Algorithm, error) {
	for _, a := range r {
		if a.Name == name {
			return a, nil
		}
	}
	return Algorithm{}, types.Errorf(types.Invalid, "there is no algorithm %q", name).
		WithField("algorithm").WithRemedy("use one of %s", strings.Join(r.Names(), ", "))
}

// Resolve returns the algorithm that c names and its complete settings.
func (r Registry) Resolve(c types.Component) (Algorithm, trial.Settings, error) {
	a, err := r.Lookup(c.Name)
	if err != nil {
		return Algorithm{}, nil, err
	}
	s, err := trial.ResolveSettings(a.Name, a.Settings, c.Settings)
	if err != nil {
		return Algorithm{}, nil, err
	}
	return a, s, nil
}

// multiObjective names the algorithms that take several objectives.
func (r Registry) multiObjective() []string {
	var names []string
	for _, a := range r {
		if a.MultiObjective {
			names = append(names, a.Name)
		}
	}
	return names
}

// New builds the Suggester that c names, with the settings of c; cfg.Settings
// is ignored. All its errors are of code types.Invalid and say what is wrong
// with c or cfg.
func New(r Registry, c types.Component, cfg Config) (Suggester, error) {
	a, settings, err := r.Resolve(c)
	if err != nil {
		return nil, err
	}
	cfg.Settings = settings
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if len(cfg.Objectives) > 1 && !a.MultiObjective {
		e := types.Errorf(types.Invalid, "%s takes one objective, not %d", a.Name, len(cfg.Objectives)).
			WithField("algorithm")
		if able := r.multiObjective(); len(able) > 0 {
			return nil, e.WithRemedy("for several objectives use one of %s", strings.Join(able, ", "))
		}
		return nil, e.WithRemedy("keep one objective; no algorithm takes several yet")
	}
	return a.New(cfg)
}

func (c *Config) check() error {
	switch {
	case c.Space == nil:
		return types.Errorf(types.Invalid, "there is no search space").WithField("space")
	case len(c.Objectives) == 0:
		return types.Errorf(types.Invalid, "there is no objective").WithField("objectives").
			WithRemedy("name a metric to minimise or maximise")
	}
	for _, o := range c.Objectives {
		if o.Goal != types.Minimize && o.Goal != types.Maximize {
			return types.Errorf(types.Invalid, "the goal of %s is %q", o.Metric, o.Goal).
				WithField("objectives").WithRemedy("a goal is min or max")
		}
	}
	switch c.Deterministic {
	case "", "yes", "no", "auto":
		return nil
	}
	return types.Errorf(types.Invalid, "deterministic is %q", c.Deterministic).
		WithField("deterministic").WithRemedy("it is yes, no or auto")
}

// Repeats reports whether the study may evaluate a point twice: only if the
// user said that the same point gives different results.
func (c *Config) Repeats() bool { return c.Deterministic == "no" }
