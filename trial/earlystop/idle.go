package earlystop

import (
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial"
)

// mostComparisons is how often a population may be compared. A trial keeps a result
// for each.
const mostComparisons = 10_000

// CheckIdle refuses a rule whose settings are such that it can never do anything: it
// is meant for new studies, of which nobody would notice it. s is what New built for
// the rule name. The error is of code types.Invalid.
func CheckIdle(name string, s Stopper) error {
	fault := func(setting, format string, args ...any) *types.Error {
		return types.Errorf(types.Invalid, format, args...).WithField(name + "." + setting)
	}
	switch s := s.(type) {
	case *stopping:
		return s.checkIdle(fault)
	case *promoting:
		return s.checkIdle(fault)
	case *population:
		switch n := s.rungs(); {
		case n == 0:
			return fault("interval", "a population of %d steps is never compared every %d", s.maxStep, s.interval).
				WithRemedy("make it smaller than max_step")
		case n > mostComparisons:
			return fault("interval", "a population of %d steps would be compared %d times", s.maxStep, n).
				WithRemedy("make it larger: %d comparisons are the most, and ten are usual", mostComparisons)
		}
	case *threshold:
		if !s.nan && s.bounds == 0 {
			return fault("nan", "without bounds, and with NaN allowed, no trial is ever ended").WithRemedy("add upper=V or lower=V")
		}
	case *wilcoxon:
		if s.p == 0 {
			return fault("p", "no test is below 0, so no trial is ever ended").WithRemedy("give a level such as 0.1")
		}
	}
	return nil
}

// checkIdle refuses brackets without a rung. Those whose length has to be learnt are
// not known yet.
func (h *halving) checkIdle(fault func(setting, format string, args ...any) *types.Error) error {
	if h.made == nil && !h.alone {
		return nil
	}
	if h.made != nil {
		for _, rungs := range h.made.rungs {
			if len(rungs) > 0 {
				return nil
			}
		}
	}
	switch {
	case h.alone:
		return fault("max_rungs", "a bracket of one rung lets all trials run to their end").WithRemedy("give 2 or more; 5 is the default")
	case h.first >= h.maxStep && h.maxStep > 1:
		return fault("min_step", "the first rung, step %d, has to lie before the end of a trial, step %d", h.first, h.maxStep).
			WithRemedy("make min_step smaller, or leave it out; or make max_step larger")
	}
	return fault("max_step", "trials of %s have no rung before their end", plural(h.maxStep, "step")).
		WithRemedy("max_step is how many epochs, or whatever your program reports by, a whole trial has")
}

// Parse reads a rule and its settings as people type them, see
// trial.ParseComponent; where a value stands without its setting, as in
// asha:promote, the error says how it is written.
func Parse(text string) (types.Component, error) {
	c, err := trial.ParseComponent(text)
	e, ok := err.(*types.Error) //nolint:errorlint // it is that function's own
	if !ok {
		return c, err
	}
	name, rest, _ := strings.Cut(text, ":")
	rule, unknown := Rules().Lookup(name)
	if unknown != nil {
		return c, err
	}
	parts := strings.Split(rest, ",")
	found := false
	for i, part := range parts {
		for _, s := range rule.Settings {
			for _, choice := range s.Choices {
				if part == choice {
					parts[i], found = s.Name+"="+part, true
				}
			}
		}
	}
	if !found {
		return c, err
	}
	return c, e.WithRemedy("write it as %s:%s", name, strings.Join(parts, ","))
}
