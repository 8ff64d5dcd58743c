package space

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/gotuner/tuner/api/types"
)

// isValue reports whether v has one of the four types and, if a float, is
// finite.
func isValue(v Value) bool {
	switch v := v.(type) {
	case int64, bool, string:
		return true
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	return false
}

// normal turns an int into an int64, a float32 into a float64 and a negative
// zero into zero, so that callers may write literals.
func normal(v Value) Value {
	switch v := v.(type) {
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case float32:
		return float64(v) + 0
	case float64:
		return v + 0
	}
	return v
}

// sameValue reports whether a and b compare equal, as 1 and 1.0 do.
func sameValue(a, b Value) bool {
	switch a.(type) {
	case int64, float64:
		c, ok := compareNumbers(a, b)
		return ok && c == 0
	}
	return isValue(b) && a == b
}

// compareNumbers compares two numbers exactly, also an int64 with a float64;
// ok is false if one is no number or NaN.
func compareNumbers(a, b Value) (c int, ok bool) {
	switch a := a.(type) {
	case int64:
		switch b := b.(type) {
		case int64:
			return cmpOrdered(a, b), true
		case float64:
			return compareIntFloat(a, b), !math.IsNaN(b)
		}
	case float64:
		switch b := b.(type) {
		case int64:
			return -compareIntFloat(b, a), !math.IsNaN(a)
		case float64:
			return cmpOrdered(a, b), !math.IsNaN(a) && !math.IsNaN(b)
		}
	}
	return 0, false
}

func cmpOrdered[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compareIntFloat compares without rounding i to a float64.
func compareIntFloat(i int64, f float64) int {
	const two63 = 1 << 63
	switch {
	case f >= two63:
		return -1
	case f < -two63:
		return 1
	}
	whole := math.Floor(f)
	if c := cmpOrdered(i, int64(whole)); c != 0 {
		return c
	}
	if f > whole {
		return -1
	}
	return 0
}

// asFloat converts a number to a float64; ok is false if that is not exact.
func asFloat(v Value) (f float64, ok bool) {
	switch v := v.(type) {
	case float64:
		return v + 0, true
	case int64:
		f := float64(v)
		return f, compareIntFloat(v, f) == 0
	}
	return 0, false
}

// canonicalText is the text of v without regard to a parameter.
func canonicalText(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return string(types.AppendFloat(nil, v))
	}
	return fmt.Sprint(v)
}

// literal is v as messages show it: texts in quotes, floats short.
func literal(v Value) string {
	switch v := v.(type) {
	case string:
		return string(types.AppendString(nil, v))
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	}
	return canonicalText(v)
}

// typeName names the type of v for messages.
func typeName(v Value) string {
	switch v.(type) {
	case int64:
		return "a whole number"
	case float64:
		return "a float"
	case bool:
		return "a bool"
	case string:
		return "a text"
	case nil:
		return "nothing"
	}
	return fmt.Sprintf("a %T", v)
}

// decimals does exact decimal arithmetic for the values low + k*step, so that
// 0 + 3*0.1 is the float64 of "0.3". It works in whole units of 10^-digits
// below 2^53, where one division by a power of ten that a float64 holds
// exactly is rounded correctly, which is what reading the decimal does.
type decimals struct {
	ok        bool
	digits    int
	unit      float64 // 10^digits
	low, step int64   // in units
}

const (
	maxDigits = 15
	maxUnits  = 1 << 53
)

func newDecimals(low, high, step float64) decimals {
	digits := max(decimalDigits(low), decimalDigits(step))
	if digits > maxDigits {
		return decimals{}
	}
	unit := math.Pow10(digits)
	if math.Abs(low)*unit >= maxUnits || math.Abs(high)*unit >= maxUnits || step*unit >= maxUnits {
		return decimals{}
	}
	return decimals{
		ok: true, digits: digits, unit: unit,
		low: int64(math.Round(low * unit)), step: int64(math.Round(step * unit)),
	}
}

func (d decimals) at(k uint64) float64 {
	return float64(d.low+int64(k)*d.step) / d.unit
}

// text writes f with the decimals of the grid, or canonically if f is not on it.
func (d decimals) text(f float64) string {
	s := strconv.FormatFloat(f, 'f', max(d.digits, 1), 64)
	if g, err := strconv.ParseFloat(s, 64); err != nil || g != f {
		return canonicalText(f)
	}
	return s
}

// decimalDigits is the number of digits after the point in the shortest
// decimal that reads back as f.
func decimalDigits(f float64) int {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exp, _ := strings.Cut(s, "e")
	e, _ := strconv.Atoi(exp) // FormatFloat always writes one
	_, frac, _ := strings.Cut(mantissa, ".")
	return max(len(frac)-e, 0)
}

// floatSteps is how many whole steps fit into high - low, in the decimals that
// the user wrote, and whether the last one ends at high, within a billionth of
// a step (a third written as 0.3333333333333333 ends at 1).
func floatSteps(low, high, step float64) (n *big.Int, exact bool) {
	width := new(big.Rat).Sub(shortest(high), shortest(low))
	q := width.Quo(width, shortest(step))
	half := big.NewRat(1, 2)
	up := new(big.Rat).Add(q, half)
	n = new(big.Int).Div(up.Num(), up.Denom()) // the nearest whole number
	off := new(big.Rat).Sub(q, new(big.Rat).SetInt(n))
	if off.Abs(off).Cmp(big.NewRat(1, 1_000_000_000)) <= 0 {
		return n, true
	}
	return new(big.Int).Div(q.Num(), q.Denom()), false
}

// shortest is the decimal that reads back as f, as an exact number.
func shortest(f float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'e', -1, 64))
	return r
}
