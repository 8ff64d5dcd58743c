package argv

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// Fits reports whether the values of a trial are of the space that the command
// was checked for: the space of a study may change while it runs, and values come
// from somebody else's machine. A Conflict says what does not fit. What passes
// can be no code where the command has a number or a bool in some.
func (tp *Template) Fits(t procenv.Trial) error {
	for name := range t.Texts {
		if !slices.ContainsFunc(tp.params, func(p Param) bool { return p.Name == name }) {
			return misfit("it has the parameter %s, which it had not when this began", name)
		}
	}
	for _, p := range tp.params {
		text, ok := t.Texts[p.Name]
		switch {
		case !ok && !p.Conditional:
			return misfit("it has the parameter %s no more, or not always", p.Name)
		case !ok:
		case p.Kind == Number && !isNumber(text):
			return misfit("%s was a number and is %q", p.Name, text)
		case p.Kind == Bool && !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false"):
			return misfit("%s was true or false and is %q", p.Name, text)
		}
	}
	return nil
}

func misfit(format string, args ...any) error {
	return types.Errorf(types.Conflict, "the study has another space by now: "+format, args...).
		WithRemedy("start it again, which checks the command anew")
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	if err == nil {
		return true
	}
	_, err = strconv.ParseInt(text, 0, 64)
	return err == nil || strings.HasSuffix(err.Error(), strconv.ErrRange.Error())
}

// Unseen are the parameters of which the command has no placeholder, and whose
// variable it does not mention.
func (tp *Template) Unseen() []string { return slices.Clone(tp.unseen) }
