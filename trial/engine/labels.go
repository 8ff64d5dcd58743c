package engine

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

const mostLabels = 64

var (
	labelName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[!-~]{0,128}$`)
)

// checkLabels refuses what is no set of labels.
func checkLabels(field string, labels map[string]string) error {
	if len(labels) > mostLabels {
		return types.Errorf(types.Invalid, "%d labels are too many", len(labels)).WithField(field).WithRemedy("use at most %d", mostLabels)
	}
	for name, value := range labels {
		if !labelName.MatchString(name) || !labelValue.MatchString(value) {
			return types.Errorf(types.Invalid, "%q is no label", name+"="+value).WithField(field).
				WithRemedy("write it as in gpu=a100: a name of letters, digits and . _ / -, a value without spaces")
		}
	}
	return nil
}

// fits refuses a worker that lacks a required label.
func fits(require, has map[string]string) error {
	if err := checkLabels("labels", has); err != nil {
		return err
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(require)) {
		if v, ok := has[name]; !ok || v != require[name] {
			missing = append(missing, name+"="+require[name])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	own := "none"
	if len(has) > 0 {
		var texts []string
		for _, name := range slices.Sorted(maps.Keys(has)) {
			texts = append(texts, name+"="+has[name])
		}
		own = strings.Join(texts, ", ")
	}
	return types.Errorf(types.Conflict, "the study gives its trials to workers with %s only; the labels of this one: %s", strings.Join(missing, ", "), own).
		WithField("labels").WithRemedy("ask on a machine that has what is required, and say so by labels")
}
