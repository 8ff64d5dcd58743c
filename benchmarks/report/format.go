package report

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// none stands where there is no number.
const none = "–"

// number writes v with three significant digits, or all of its whole ones:
// 0.0123, 4.50, 12,300, 1.2e-7.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return none
	case math.IsInf(v, 0):
		return "∞"
	case v == 0:
		return "0"
	case a < 1e-4 || a >= 1e9:
		s := strconv.FormatFloat(v, 'e', 1, 64)
		mantissa, exponent, _ := strings.Cut(s, "e")
		e, err := strconv.Atoi(exponent)
		if err != nil {
			panic(err) // FormatFloat writes a number there
		}
		return strings.TrimSuffix(mantissa, ".0") + "e" + strconv.Itoa(e)
	}
	// Rounding to three digits first, so that 0.9999 is 1.00 and not 1.000.
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		panic(err) // as above
	}
	if a >= 100 {
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	}
	return strconv.FormatFloat(rounded, 'f', 2-int(math.Floor(math.Log10(math.Abs(rounded)))), 64)
}

// thousands puts commas into whole digits.
func thousands(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// tick writes a value of an axis without digits that say nothing.
func tick(v float64) string {
	s := number(v)
	if strings.Contains(s, ".") && !strings.Contains(s, "e") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// probability writes a p-value.
func probability(p float64) string {
	switch {
	case math.IsNaN(p):
		return none
	case p < 1e-4:
		return "< 0.0001"
	}
	return strconv.FormatFloat(p, 'f', 4, 64)
}

// interval writes an estimate with its limits.
func (e estimate) String() string {
	switch {
	case e.pairs == 0:
		return none
	case math.IsNaN(e.low):
		return number(e.value)
	}
	return fmt.Sprintf("%s (%s–%s)", number(e.value), number(e.low), number(e.high))
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(strconv.Itoa(n)) + " " + one + "s"
}

// natural compares texts such that numbers in them are in the order of their
// values: f2 before f10.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		m, n := digitsAt(x), digitsAt(y)
		if m > 0 && n > 0 {
			p, q := strings.TrimLeft(x[:m], "0"), strings.TrimLeft(y[:n], "0")
			if c := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q)); c != 0 {
				return c
			}
			x, y = x[m:], y[n:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

func digitsAt(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// cell makes text fit into a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;").Replace(s)
}

// code is cell as code; nothing for "".
func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "`", "'").Replace(s) + "`"
}
