package cli

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
)

// flagError says what was wrong with a flag and what to write instead.
func flagError(st *State, c *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(st, c, e)
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usagef("the flag --%s needs a value", e.GetFlag().Name).WithRemedy("see tuner help %s", c.Name())
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return badValue(c, e)
	}
	return usagef("%s", err.Error()).WithRemedy("see tuner help %s", c.Name())
}

// unknownFlag names the flag that was meant. In a sweep without -- it is most
// often the command's own.
func unknownFlag(st *State, c *cobra.Command, e *pflag.NotExistError) error {
	name, dashes := e.GetSpecifiedName(), "--"
	if e.GetSpecifiedShortnames() != "" {
		dashes = "-"
	}
	out := usagef("there is no flag %s%s", dashes, name)
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	meant := ""
	if dashes == "--" {
		if flag := cmp.Or(nearest.Word(name, names), shortened(name, names)); flag != "" {
			meant = "did you mean --" + flag + "?"
		}
	}
	switch missing := c.Name() == "sweep" && !slices.Contains(st.Args, "--"); {
	case missing && meant != "":
		return out.WithRemedy("%s If it is your command's, put -- before your command: tuner sweep … -- COMMAND", meant)
	case missing:
		return out.WithRemedy("put -- before your command: tuner sweep … -- COMMAND")
	case meant != "":
		return out.WithRemedy("%s", meant)
	}
	return out.WithRemedy("see tuner help %s", c.Name())
}

// shortened is the longest of the names, of three letters or more, that another one
// begins with: min for minimize.
func shortened(name string, among []string) (out string) {
	for _, n := range among {
		if len(n) >= 3 && len(n) > len(out) && strings.HasPrefix(name, n) {
			out = n
		}
	}
	return out
}

// onceValue is a text flag of which the last value would else win in silence.
type onceValue struct {
	text  *string
	given bool
}

// once stores the value of a flag that is given at most once.
func once(text *string) pflag.Value { return &onceValue{text: text} }

// errTwice says that a flag of one value has two.
var errTwice = errors.New("it is given twice")

// Set implements pflag.Value.
func (o *onceValue) Set(text string) error {
	if o.given {
		return errTwice
	}
	*o.text, o.given = text, true
	return nil
}

// String implements pflag.Value.
func (o *onceValue) String() string {
	if o.text == nil { // pflag asks a zero value
		return ""
	}
	return *o.text
}

// Type implements pflag.Value.
func (*onceValue) Type() string { return "string" }

func badValue(c *cobra.Command, e *pflag.InvalidValueError) error {
	if errors.Is(e, errTwice) {
		f := e.GetFlag()
		return flagged(f, usagef("it is given twice: %s and %s", f.Value, e.GetValue()).WithRemedy("keep one"))
	}
	if errors.Is(e, strconv.ErrRange) {
		return flagged(e.GetFlag(), usagef("%s does not fit", e.GetValue()).WithRemedy("write a smaller number"))
	}
	var kind, remedy string
	switch e.GetFlag().Value.Type() {
	case "int", "int64":
		kind, remedy = "whole number", "write it with digits only, as in 30"
	case "float64":
		kind, remedy = "number", "write it as in 0.05 or 1e-3"
	case "duration":
		kind, remedy = "duration", "write it with its unit, as in 90s, 30m or 1h30m"
	case "bool":
		kind, remedy = "yes or no", "leave the value out, or write true or false"
	default:
		return flagged(e.GetFlag(), usagef("%q: %v", e.GetValue(), errors.Unwrap(e)).WithRemedy("see tuner help %s", c.Name()))
	}
	return flagged(e.GetFlag(), usagef("%q is no %s", e.GetValue(), kind).WithRemedy("%s", remedy))
}

// emptyFlag refuses a text flag with an empty value, which is mostly a shell
// variable that is not set, and which would otherwise count as not given; and one
// whose value is the next flag.
func emptyFlag(fs *pflag.FlagSet) (err error) {
	fs.Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			next, isFlag := strings.CutPrefix(v, "--")
			if next, _, _ = strings.Cut(next, "="); err == nil && isFlag && fs.Lookup(next) != nil {
				err = flagged(f, usagef("the value is missing: --%s, which stands there, is a flag", next).WithRemedy("give it a value, or leave the flag out"))
			}
		}
		if err == nil && (f.Value.Type() == "string" && f.Value.String() == "" || f.Value.Type() == "stringSlice" && f.Value.String() == "[]") {
			err = flagged(f, usagef("the value is empty").WithRemedy("leave the flag out, or give it a value"))
		}
	})
	return err
}

// flagged names the flag as it is typed.
func flagged(f *pflag.Flag, e *types.Error) *types.Error {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name += " (-" + f.Shorthand + ")"
	}
	return e.WithField(name)
}
