package grammar

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/suggest/space"
)

// span is a range as it was typed.
type span struct {
	low, high string
	step      string // "" none
	factor    string // of a geometric range; "" none
}

var (
	startsLikeRange = regexp.MustCompile(`^[+-]?[0-9][0-9.]*([eE][+-]?[0-9]+)?\.\.`)
	date            = regexp.MustCompile(`^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}`)
)

// spaced makes a colon of the space before a modifier.
var spaced = strings.NewReplacer(" :", ":", ": ", ":", " ", ":")

// rangeSpec reads LO..HI, LO..HI..STEP or LO..HI..xK. ok is false if the spec is
// no range, and err is set if it looks as if it should be one.
func (a *argument) rangeSpec() (r span, ok bool, err error) {
	if !strings.Contains(a.spec, "..") {
		return span{}, false, nil
	}
	parts := strings.Split(a.spec, "..")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	isNumber := func(s string) bool { return rangeNumber.MatchString(s) }
	if n := len(parts); n == 2 || n == 3 {
		r = span{low: parts[0], high: parts[1]}
		if n == 3 {
			if k, geometric := strings.CutPrefix(parts[2], "x"); geometric {
				r.factor = k
			} else {
				r.step = parts[2]
			}
		}
		last := r.step + r.factor
		if isNumber(r.low) && isNumber(r.high) && (n == 2 || isNumber(last)) {
			return r, true, nil
		}
	}
	return span{}, false, a.noRange(parts)
}

// noRange is the error for a spec with .. that is no range, or nil if it can
// well be choices: relative paths.
func (a *argument) noRange(parts []string) error {
	if date.MatchString(parts[0]) && len(parts) > 1 && date.MatchString(parts[1]) {
		return a.dates(parts[0], parts[1])
	}
	const form = "write numbers with digits on both sides of a point, as in 1e-5..1e-1, 1..8, 0.0..0.8..0.1 or 16..512..x2"
	for choice := range strings.SplitSeq(a.spec, ",") {
		choice = strings.TrimSpace(choice)
		switch {
		case !strings.Contains(choice, ".."):
		case startsLikeRange.MatchString(choice) && choice != a.spec:
			e := a.fault("%s is a list with the range %s in it", a.spec, choice)
			if words, ok := a.trailingModifiers(choice); ok {
				return e.WithRemedy("write modifiers behind a colon: %s:%s", choice, words)
			}
			return e.WithRemedy("write one range, or list all values")
		case choice == a.spec && strings.Contains(choice, " ") && a.fits(spaced.Replace(choice)):
			return a.fault("%s has spaces in it", a.spec).WithRemedy("did you mean %s=%s?", a.name, spaced.Replace(choice))
		case startsLikeRange.MatchString(choice), choice == a.spec && !strings.ContainsAny(choice, `/\`) && choice != "..":
			return a.fault("%s is no range", a.spec).WithRemedy("%s; a text that has two points goes as JSON: '%s'", form, asJSON(a.name, a.spec))
		}
	}
	return nil
}

// dates advises to use a day offset.
func (a *argument) dates(from, to string) error {
	e := a.fault("%s is a range of dates, and dates are no numbers", a.spec)
	first, err1 := time.Parse("2006-1-2", from)
	last, err2 := time.Parse("2006-1-2", to)
	days := int64(31)
	if err1 == nil && err2 == nil && last.After(first) {
		days = int64(last.Sub(first) / (24 * time.Hour))
	}
	return e.WithRemedy("use a day offset, such as %s=0..%d, and let the program add it to %s", a.name, days, from)
}

// rangeParameter builds the parameter of a range.
func (a *argument) rangeParameter(r span) (space.Parameter, error) {
	if r.factor != "" {
		return a.geometric(r)
	}
	if err := a.allow("a range", "log", "revlog", "int", "float", "n", "default"); err != nil {
		return space.Parameter{}, err
	}
	integers := integer.MatchString(r.low) && integer.MatchString(r.high)
	typ, err := a.numberType()
	if err != nil {
		return space.Parameter{}, err
	}
	switch {
	case typ != "":
	case !integers:
		typ = space.Float
	case r.step != "" && !integer.MatchString(r.step):
		return space.Parameter{}, a.fault("the ends of %s are whole numbers and the step is not", a.spec).
			WithRemedy("write %s.0..%s.0..%s", r.low, r.high, r.step)
	case isZeroOne(r):
		return space.Parameter{}, a.fault("%s can be meant as two whole numbers or as all numbers between", a.spec).
			WithRemedy("write 0..1:int or 0.0..1.0 (or true,false)")
	default:
		typ = space.Int
	}
	p := space.Parameter{Name: a.name, Kind: typ}
	for _, part := range []struct {
		text string
		to   *space.Value
	}{{r.low, &p.Low}, {r.high, &p.High}, {r.step, &p.Step}} {
		if part.text == "" {
			continue
		}
		if *part.to, err = a.bound(part.text, typ); err != nil {
			return p, err
		}
	}
	return a.numeric(p)
}

func isZeroOne(r span) bool {
	low, _ := strconv.Atoi(r.low)
	high, _ := strconv.Atoi(r.high)
	return low == 0 && high == 1
}

// bound reads an end or a step in the parameter's type.
func (a *argument) bound(text string, typ space.Kind) (space.Value, error) {
	if typ == space.Int {
		if i, ok := whole(text); ok {
			return i, nil
		}
		if integer.MatchString(text) {
			return nil, a.fault("%s does not fit a 64-bit integer", text).WithRemedy("write it as a float, as in 1e20")
		}
		return nil, a.fault("%s is no whole number, and the type is int", text).WithRemedy("leave :int out, or write whole numbers")
	}
	f, ok := float(text)
	if !ok {
		return nil, a.fault("%s does not fit a 64-bit float", text).WithRemedy("write a smaller number, or tune its logarithm")
	}
	return f, nil
}

// numeric adds what the modifiers say of a numeric parameter.
func (a *argument) numeric(p space.Parameter) (space.Parameter, error) {
	switch {
	case a.has("log") && a.has("revlog"):
		return p, a.fault(":log and :revlog exclude each other").
			WithRemedy("keep :log, which is fine near the low end, or :revlog, which is fine near the high end")
	case a.has("log"):
		p.Scale = space.Log
	case a.has("revlog"):
		p.Scale = space.ReverseLog
	}
	if text, ok := a.value("n"); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return p, a.fault("n=%s is no number of grid points", text).WithRemedy("write a whole number from 1 on, as in n=5")
		}
		p.Grid = n
	}
	return a.withDefault(p)
}

// A geometric range has at most maxGeometric values, and its numbers at most
// maxDigits characters, so that exact products stay small.
const (
	maxGeometric = 1000
	maxDigits    = 50
)

// geometric builds the ordinal of LO..HI..xK, exactly: in rational numbers.
func (a *argument) geometric(r span) (space.Parameter, error) {
	p := space.Parameter{Name: a.name, Kind: space.Ordinal}
	if err := a.allow("a geometric range, which is a list of values in order,", "int", "float", "default"); err != nil {
		return p, err
	}
	typ, err := a.numberType()
	if err != nil {
		return p, err
	}
	for _, text := range []string{r.low, r.high, r.factor} {
		if _, err := a.bound(text, space.Float); err != nil {
			return p, err
		}
		if len(text) > maxDigits {
			return p, a.fault("the number %s… has more than %d digits", text[:20], maxDigits).WithRemedy("round it")
		}
	}
	low, high, factor := rational(r.low), rational(r.high), rational(r.factor)
	switch {
	case factor.Cmp(big.NewRat(1, 1)) <= 0:
		return p, a.fault("the factor %s of %s does not grow", r.factor, a.spec).WithRemedy("write a factor above 1, as in 16..512..x2")
	case low.Sign() <= 0:
		return p, a.fault("%s begins at %s, and no factor leads away from there", a.spec, r.low).
			WithRemedy("begin above 0, or add a step: %s..%s..STEP", r.low, r.high)
	case low.Cmp(high) > 0:
		return p, a.fault("the low end %s is above the high end %s", r.low, r.high).WithRemedy("swap them")
	}
	var values []*big.Rat
	for v := low; v.Cmp(high) <= 0; v = new(big.Rat).Mul(v, factor) {
		if len(values) == maxGeometric {
			return p, a.fault("%s has more than %d values", a.spec, maxGeometric).WithRemedy("write a larger factor, or a range with :log")
		}
		values = append(values, v)
	}
	if typ == "" {
		typ = space.Float
		if integer.MatchString(r.low) && integer.MatchString(r.high) && allWhole(values) {
			typ = space.Int
		}
	}
	for _, v := range values {
		value, ok := ratValue(v, typ)
		if !ok {
			return p, a.fault("%s has the value %s, which is no whole number of 64 bits", a.spec, v.FloatString(3)).WithRemedy("leave :int out")
		}
		text := numberText(value)
		if f, isFloat := value.(float64); isFloat {
			text = string(types.AppendFloat(nil, f))
		}
		p.Choices = append(p.Choices, space.Choice{Value: value, Text: text})
	}
	if len(values) == 1 && low.Cmp(high) != 0 {
		return p, a.fault("the factor %s leads beyond the high end %s at once", r.factor, r.high).WithRemedy("write a smaller factor, as in %s..%s..x2", r.low, r.high)
	}
	if last := values[len(values)-1]; last.Cmp(high) != 0 {
		text := p.Choices[len(values)-1].Text
		return p, a.fault("the high end %s is not reached from %s in factors of %s; the last value is %s", r.high, r.low, r.factor, text).
			WithRemedy("write %s..%s..x%s", r.low, text, r.factor)
	}
	return a.withDefault(p)
}

func allWhole(values []*big.Rat) bool {
	for _, v := range values {
		if !v.IsInt() || !v.Num().IsInt64() {
			return false
		}
	}
	return true
}

func ratValue(v *big.Rat, typ space.Kind) (space.Value, bool) {
	if typ == space.Int {
		return v.Num().Int64(), v.IsInt() && v.Num().IsInt64()
	}
	f, _ := v.Float64()
	return f, true
}
