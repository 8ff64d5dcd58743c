package grammar

import (
	"regexp"
	"slices"
	"strings"

	"github.com/gotuner/tuner/suggest/space"
)

// numberForm is a number wherever one can be meant as the end of a range.
const numberForm = `[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?`

// dashed is a range in the notation of other programs and of people: 1e-5-1e-1,
// 1 - 8, 1 to 8, 1–8, or two numbers with a space between.
var dashed = regexp.MustCompile(`^(` + numberForm + `)(?:\s*[-–—~]\s*|\s+to\s+|\s+)(` + numberForm + `)$`)

// slip refuses a list of choices that is most likely a range in another
// notation: taken at its word it would be one constant text, or a text among
// numbers, and nothing would be searched. The error names both readings.
func (a *argument) slip() error {
	if a.has("str") {
		return nil
	}
	if m := dashed.FindStringSubmatch(a.spec); m != nil {
		if form, ok := a.ascending(m[1], m[2]); ok {
			return a.fault("%s is a text and no range", a.spec).
				WithRemedy("did you mean %s=%s? A text is written as %s=%s:str", a.name, form, a.name, a.spec)
		}
	}
	parts := strings.Split(a.spec, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return a.strayWord(parts)
}

// strayWord refuses a modifier, or points, among numbers: 1e-5,1e-1,log and
// 1,2,..,8.
func (a *argument) strayWord(parts []string) error {
	isWord := func(s string) bool { return !anyNumber.MatchString(s) }
	i := slices.IndexFunc(parts, isWord)
	if i < 1 || slices.ContainsFunc(parts[i+1:], isWord) {
		return nil
	}
	word, last := parts[i], parts[len(parts)-1]
	switch {
	case i == len(parts)-1 && slices.Contains(bareModifiers, word):
		e := a.fault("%s has the modifier %s among its choices", a.spec, word)
		list := strings.Join(parts[:i], ",")
		if form, ok := a.ascending(parts[0], parts[i-1]); ok && i == 2 && a.fits(form+":"+word) {
			return e.WithRemedy("did you mean %s=%s:%s? A text of that name goes as JSON: '%s'", a.name, form, word, asJSON(a.name, a.spec))
		}
		return e.WithRemedy("modifiers stand behind a colon, as in %s:%s; a text of that name goes as JSON: '%s'", list, word, asJSON(a.name, a.spec))
	case strings.Trim(word, ".") == "" && i < len(parts)-1:
		e := a.fault("%s has the text %s among numbers", a.spec, word)
		if form, ok := a.ascending(parts[0], last); ok {
			return e.WithRemedy("did you mean the range %s=%s? Choices are listed one by one", a.name, form)
		}
		return e.WithRemedy("list all values, or write a range as in 1..8")
	}
	return nil
}

// bracketed is the error for a spec in brackets: an interval, or a list.
func (a *argument) bracketed() error {
	e := a.fault("%s begins with a bracket", a.spec)
	parts := strings.Split(strings.Trim(a.spec, "[]{}() "), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	if len(parts) == 2 {
		if form, ok := a.ascending(parts[0], parts[1]); ok {
			return e.WithRemedy("did you mean the range %s=%s? The two choices are %s=%s", a.name, form, a.name, strings.Join(parts, ","))
		}
	}
	if list := strings.Join(parts, ","); len(parts) > 1 && a.fits(list) {
		return e.WithRemedy("write choices without it: %s=%s", a.name, list)
	}
	return e.WithRemedy("write a range as 1e-5..1e-1, choices as a,b, or JSON behind := as in '%s:=[1,2]'", a.name)
}

// trailingModifiers are the words behind the range in LO..HI,WORD,… if all of
// them are modifiers, as they are written.
func (a *argument) trailingModifiers(choice string) (words string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(a.spec), choice)
	if !ok {
		return "", false
	}
	words = strings.ReplaceAll(strings.Trim(strings.ReplaceAll(rest, " ", ""), ","), ",", ":")
	return words, a.fits(choice + ":" + words)
}

// ascending is the range from low to high as it is written, if these are numbers
// that make one.
func (a *argument) ascending(low, high string) (form string, ok bool) {
	if !anyNumber.MatchString(low) || !anyNumber.MatchString(high) {
		return "", false
	}
	lo, ok1 := float(low)
	hi, ok2 := float(high)
	if !ok1 || !ok2 || lo >= hi {
		return "", false
	}
	if form = low + ".." + high; a.fits(form) {
		return form, true
	}
	// .1..5 and 0..1 have to be written with digits on both sides of a point.
	form = floatText(lo) + ".." + floatText(hi)
	return form, a.fits(form)
}

// fits reports whether the argument would be right with another spec, so that
// only what works is advised.
func (a *argument) fits(spec string) bool {
	other := &argument{name: a.name, spec: spec}
	parsed, err := other.parse()
	if err != nil {
		return false
	}
	_, err = space.New([]space.Parameter{parsed.Parameter}, nil)
	return err == nil
}
