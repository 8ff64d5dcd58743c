package cli

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/cmd/tuner/cli/sweepfile"
)

// mostJobs bounds -j: each trial at once costs a few goroutines and files here,
// and a larger number is a slip.
const mostJobs = 10_000

// limits takes over the numbers, after it checked them. Errors name the key of
// a sweep file; sweepErrors makes the flag of it.
func (p *plan) limits(f sweepfile.File) error {
	if err := checkCounts(f); err != nil {
		return err
	}
	if err := checkDurations(f); err != nil {
		return err
	}
	if t := f.Target; t != nil && (math.IsNaN(*t) || math.IsInf(*t, 0)) {
		return usagef("%v is no value that a metric could reach", *t).WithField("target").WithRemedy("give a finite number, as in 0.05")
	}
	set(&p.spec.Budget.Trials, f.Trials)
	set(&p.spec.Budget.Patience, f.Patience)
	set(&p.spec.Budget.MaxFailures, f.MaxFailures)
	set(&p.spec.Seed, f.Seed)
	p.spec.Budget.Target = f.Target
	var err error
	if p.spec.Budget.Cost, err = costOf(f.MaxCost); err != nil {
		return err
	}
	if f.StopWhen != "" && f.StopWhen != "never" && f.StopWhen != "unlikely" {
		return usagef("%q is not known", f.StopWhen).WithField("stop_when").WithRemedy("use unlikely or never")
	}
	p.spec.Budget.StopWhen = f.StopWhen
	if f.Retries != nil {
		p.spec.Retries = int(*f.Retries)
		if p.spec.Retries == 0 {
			p.spec.Retries = -1 // "none", where 0 in the spec is the default
		}
	}
	p.spec.Strategy = f.MetricStrategy
	p.jobs = max(1, len(f.GPUs))
	if f.Jobs != nil {
		p.jobs = int(*f.Jobs)
	}
	if len(f.GPUs) > 0 && p.jobs > len(f.GPUs) {
		p.notes = append(p.notes, fmt.Sprintf("%d trials at once share %d GPUs", p.jobs, len(f.GPUs)))
	}
	return nil
}

// costOf reads METRIC=LIMIT; "" is no limit.
func costOf(text string) (types.Cost, error) {
	if text == "" {
		return types.Cost{}, nil
	}
	i := strings.LastIndex(text, "=")
	metric, limit := text, ""
	if i >= 0 {
		metric, limit = text[:i], text[i+1:]
	}
	v, err := strconv.ParseFloat(limit, 64)
	if metric == "" || err != nil || !(v > 0) || math.IsInf(v, 0) {
		return types.Cost{}, usagef("%q is no metric with a limit above 0", text).WithField("max_cost").
			WithRemedy("write it as METRIC=LIMIT, such as trial.elapsed=36000 for ten hours of trials")
	}
	return types.Cost{Metric: metric, Limit: v}, nil
}

func checkCounts(f sweepfile.File) error {
	for _, n := range []struct {
		key         string
		v           *int64
		least, most int64
		meaning     string
	}{
		{"trials", f.Trials, 1, 0, "the number of trials"}, {"jobs", f.Jobs, 1, mostJobs, "the number of trials at once"},
		{"seed", f.Seed, 1, 0, "a seed"}, {"patience", f.Patience, 1, 0, "a number of trials"},
		{"max_failures", f.MaxFailures, -1, 0, "a number of failed trials, or -1 for no limit"},
		{"retries", f.Retries, -1, math.MaxInt32, "a number of retries, or -1 for none"},
		{"infeasible_exit", f.InfeasibleExit, 1, 255, "an exit code"},
	} {
		switch {
		case n.v == nil:
		case n.key == "max_failures" && *n.v == 0:
			return usagef("0 failed trials would end it before it began").WithField(n.key).
				WithRemedy("write 1 to end at the first failure, or -1 for no limit")
		case *n.v < n.least:
			return usagef("%d is too small: it is %s, at least %d", *n.v, n.meaning, n.least).WithField(n.key)
		case n.most > 0 && *n.v > n.most:
			return usagef("%d is too large: it is %s, at most %d", *n.v, n.meaning, n.most).WithField(n.key)
		}
	}
	return nil
}

func checkDurations(f sweepfile.File) error {
	for _, d := range []struct {
		key   string
		v     *time.Duration
		least time.Duration
	}{{"for", f.For, 1}, {"timeout", f.Timeout, 1}, {"grace", f.Grace, 0}} {
		switch {
		case d.v == nil || *d.v >= d.least:
		case *d.v < 0:
			return usagef("the duration %v is negative", *d.v).WithField(d.key).WithRemedy("write a positive one, as in 90s, 30m or 1h30m")
		default:
			return usagef("the duration is 0").WithField(d.key).WithRemedy("write a positive one, as in 90s, 30m or 1h30m, or leave it out")
		}
	}
	return nil
}

// sweepErrors says where the user wrote what an error is about: on the command
// line or in the sweep file.
type sweepErrors struct {
	flags *sweepFlags
	fs    *pflag.FlagSet
	src   *sweepfile.Source // nil without -f
}

// flagWords are the words of the engine, which speaks to users of every interface,
// in those of the command line.
var flagWords = strings.NewReplacer("with extend", "with --extend", "another name", "another --name",
	"remove the study ", "remove the study with: tuner rm ")

// locate replaces the field of an error by the flag, or adds its place in the
// file.
func (s *sweepErrors) locate(spec types.StudySpec, err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	named := *e
	named.Remedy = flagWords.Replace(e.Remedy)
	if e.Field == "" {
		return &named
	}
	named.Field = fieldKey(spec, e.Field)
	if (named.Field == "algorithm" || named.Field == "stopper") && named.Field != e.Field {
		named.Message = e.Field + ": " + e.Message // the setting, which has no place of its own
	}
	flag := s.fs.Lookup(strings.ReplaceAll(named.Field, "_", "-"))
	switch {
	case flag != nil && (flag.Changed || s.src == nil):
		return flagged(flag, &named)
	case s.src == nil || s.typed(named.Field):
		return &named
	}
	return s.src.Locate(&named)
}

// typed reports whether a parameter, a point to try or the command was given by
// flags.
func (s *sweepErrors) typed(field string) bool {
	switch root, rest, _ := strings.Cut(field, "."); {
	case root == "space" && !strings.HasPrefix(rest, "constraints"):
		name, _, _ := strings.Cut(rest, ".")
		return slices.ContainsFunc(s.flags.params, func(p string) bool {
			return strings.HasPrefix(p, name+"=") || strings.HasPrefix(p, name+":=")
		})
	case strings.HasPrefix(root, "command"):
		return s.fs.ArgsLenAtDash() >= 0
	}
	return false
}

// fieldKey is the key of a sweep file that a field of the spec comes from.
func fieldKey(spec types.StudySpec, field string) string {
	if key, ok := map[string]string{"strategy": "metric_strategy", "budget.target": "target", "db": "db"}[field]; ok {
		return key
	}
	if name, _, ok := strings.Cut(field, "."); ok {
		switch name {
		case spec.Algorithm.Name:
			return "algorithm"
		case spec.Stopper.Name:
			return "stopper"
		}
	}
	return field
}
