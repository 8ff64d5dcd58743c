package earlystop

import (
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// DefaultName is the rule of a study that names none: nobody's trials are
// ended unasked, because reports need not be comparable between trials.
const DefaultName = "none"

// Registry is the list of the rules that a program offers.
type Registry []Rule

// Rules returns the rules of this package, in the order in which users see them.
func Rules() Registry {
	return Registry{noneRule(), medianRule(), percentileRule(), ashaRule(), hyperbandRule(), pbtRule(),
		patienceRule(), thresholdRule(), wilcoxonRule()}
}

// Names are the names of the rules.
func (r Registry) Names() []string {
	names := make([]string, len(r))
	for i, rule := range r {
		names[i] = rule.Name
	}
	return names
}

// Lookup returns the rule called name. The error, of code types.Invalid, lists
// those that exist.
func (r Registry) Lookup(name string) (Rule, error) {
	for _, rule := range r {
		if rule.Name == name {
			return rule, nil
		}
	}
	return Rule{}, types.Errorf(types.Invalid, "there is no stopper %q", name).
		WithField("stopper").WithRemedy("use one of %s", strings.Join(r.Names(), ", "))
}

// Resolve returns the rule that c names and its complete settings. An empty
// name is DefaultName.
func (r Registry) Resolve(c types.Component) (Rule, trial.Settings, error) {
	if c.Name == "" {
		c.Name = DefaultName
	}
	rule, err := r.Lookup(c.Name)
	if err != nil {
		return Rule{}, nil, err
	}
	s, err := trial.ResolveSettings(rule.Name, rule.Settings, c.Settings)
	if err != nil {
		return Rule{}, nil, err
	}
	return rule, s, nil
}

// New builds the Stopper that c names out of Rules, with the settings of c;
// cfg.Settings is ignored. Its errors are of code types.Invalid.
func New(c types.Component, cfg Config) (Stopper, error) {
	rule, settings, err := Rules().Resolve(c)
	if err != nil {
		return nil, err
	}
	if len(cfg.Objectives) == 0 {
		return nil, types.Errorf(types.Invalid, "there is no objective").WithField("objectives").
			WithRemedy("name a metric to minimise or maximise")
	}
	cfg.Settings = settings
	return rule.New(cfg)
}

// Copies reports whether the rule that c names makes copies of trials.
func Copies(c types.Component) bool {
	rule, err := Rules().Lookup(c.Name)
	return err == nil && rule.Copies
}

// Budgets reports whether the rule that c names gives every trial a budget.
func Budgets(c types.Component) bool {
	rule, err := New(c, Config{Objectives: []types.Objective{{Goal: types.Minimize}}})
	if err != nil {
		return false // told where the study is made
	}
	b, ok := rule.(Budgeter)
	if !ok {
		return false
	}
	step, _ := b.Budget(0)
	return step > 0
}
