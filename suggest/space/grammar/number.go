package grammar

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/suggest/space"
)

var (
	// rangeNumber is a number as a range has it: with digits on both sides of a
	// point, so that the points between the parts cannot be taken for its own.
	rangeNumber = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	// anyNumber is a number everywhere else.
	anyNumber = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	// integer is a number without point and exponent.
	integer = regexp.MustCompile(`^[+-]?[0-9]+$`)
)

// number reads text, which matches anyNumber, as an int64 if it is written as a
// whole number, else as a float64. ok is false if it does not fit.
func number(text string) (v space.Value, ok bool) {
	if integer.MatchString(text) {
		i, err := strconv.ParseInt(text, 10, 64)
		return i, err == nil
	}
	f, ok := float(text)
	return f, ok
}

// float reads text, which matches anyNumber, as a float64.
func float(text string) (f float64, ok bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f + 0, err == nil
}

// whole reads text, which matches anyNumber, as an int64; also 1e3 and 5.0.
func whole(text string) (i int64, ok bool) {
	if integer.MatchString(text) {
		i, err := strconv.ParseInt(text, 10, 64)
		return i, err == nil
	}
	f, ok := float(text)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// rational is the exact value of text, which matches anyNumber and fits a
// float64 (else its exponent could cost all memory).
func rational(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(strings.TrimPrefix(text, "+"))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// floatText is the shortest way to write f as the end of a float range.
func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	mantissa, exponent, hasExponent := strings.Cut(s, "e")
	if hasExponent {
		sign := ""
		if exponent[0] == '-' {
			sign = "-"
		}
		return mantissa + "e" + sign + strings.TrimLeft(exponent, "+-0")
	}
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// numberText writes a bound of a parameter.
func numberText(v space.Value) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return floatText(v)
	}
	return ""
}
