package collect

import (
	"regexp"
	"slices"

	"github.com/gotuner/tuner/api/types"
)

// Config says what an Output reads. The zero value reports every metric that
// it recognises, up to DefaultOthers names.
type Config struct {
	// Metrics are the metrics that matter: the objectives of the study. Every
	// value of theirs is reported, also NaN and the infinities.
	Metrics []string
	// Step is the name that holds the step ("" none). On lines without it, and
	// where it is not set, step, epoch, iteration or iter is taken.
	Step string
	// Regex are patterns of the Go syntax (RE2). Each named group is the value of
	// the metric of its name, or the step if it is named like one; without named
	// groups the first group is the value of Metrics[0]. A metric that a pattern
	// names is read by the patterns only, and by marked lines (see FileOnly).
	Regex []string
	// FileOnly reads metrics from the stream "file" alone, for commands that
	// write a metric file. What tuner report and the SDKs write
	// ({"tuner":"report",…} and {"tuner":"trial",…}), and that a trial is infeasible,
	// counts in any stream. A metric of an SDK's line is read from such lines alone
	// from then on, whatever the program prints of it beside that for people.
	FileOnly bool
	// Others is how many metrics beside Metrics are reported too, for people who
	// look at a trial: the first that appear. 0 is DefaultOthers, -1 none. Only
	// their finite values are reported, and of long curves a thinned part: all of
	// the first 256 values, then 128 of each doubling, and always the last.
	Others int
	// MaxLine is the length in bytes from which on a line is skipped; 0 is 1 MiB.
	MaxLine int
}

// The limits that keep an Output small, whatever it is fed.
const (
	// DefaultOthers is Config.Others if that is 0.
	DefaultOthers = 50

	defaultMaxLine = 1 << 20
	maxSeen        = 256  // names
	maxName        = 128  // bytes of a name; longer ones are no metrics
	maxReason      = 1000 // bytes of the reason of an infeasible trial
)

// pattern is a checked Config.Regex.
type pattern struct {
	re *regexp.Regexp
	// names has the metric of each group; "" for a group that is none.
	names []string
}

func compile(cfg Config) ([]pattern, error) {
	var patterns []pattern
	for _, text := range cfg.Regex {
		p, err := compileOne(cfg, text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}

func compileOne(cfg Config, text string) (pattern, error) {
	const field = "metric_regex"
	re, err := regexp.Compile(text)
	if err != nil {
		return pattern{}, types.Errorf(types.Invalid, "the metric regex %q is wrong: %w", text, err).WithField(field).
			WithRemedy(`write it in the Go (RE2) syntax, which has no look-around and no \1, such as 'loss is (\S+)'`)
	}
	names := re.SubexpNames()
	if re.NumSubexp() == 0 {
		return pattern{}, types.Errorf(types.Invalid, "the metric regex %q has no group", text).WithField(field).
			WithRemedy(`put the number in parentheses, as in 'loss is (\S+)', or name it, as in '(?P<loss>\S+) is the loss'`)
	}
	metrics, named := 0, false
	for _, name := range names {
		if name != "" {
			named = true
			if !isStepName(cfg.Step, []byte(name)) || slices.Contains(cfg.Metrics, name) {
				metrics++
			}
		}
	}
	switch {
	case named && metrics == 0:
		return pattern{}, types.Errorf(types.Invalid, "the metric regex %q names a step but no metric", text).WithField(field).
			WithRemedy(`name the number too, as in 'round (?P<step>\d+) loss (?P<loss>\S+)'`)
	case !named && len(cfg.Metrics) == 0:
		return pattern{}, types.Errorf(types.Invalid, "the metric regex %q does not say which metric it finds", text).WithField(field).
			WithRemedy(`name the group, as in 'loss is (?P<loss>\S+)'`)
	case !named:
		names = []string{"", cfg.Metrics[0]}
	}
	return pattern{re: re, names: names}, nil
}
