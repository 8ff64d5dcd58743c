package collect

import (
	"bytes"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// scanNumber reads the number at the start of b and returns how many bytes it
// has; 0 if there is none. It knows decimal numbers, nan, inf and infinity in
// any case, with a sign. Numbers too large for a float64 are infinite.
func scanNumber(b []byte) (v float64, n int) {
	i := 0
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	for _, word := range [...]string{"infinity", "inf", "nan"} {
		if hasFoldPrefix(b[i:], word) {
			v, _ = strconv.ParseFloat(word, 64)
			if b[0] == '-' {
				v = -v
			}
			return v, i + len(word)
		}
	}
	digits := countDigits(b[i:])
	i += digits
	if i < len(b) && b[i] == '.' {
		fraction := countDigits(b[i+1:])
		if digits+fraction == 0 {
			return 0, 0
		}
		// "0.3." ends a sentence, and "1.2.3" is refused by what follows.
		digits += fraction
		i += 1 + fraction
	}
	if digits == 0 {
		return 0, 0
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		j := i + 1
		if j < len(b) && (b[j] == '+' || b[j] == '-') {
			j++
		}
		if d := countDigits(b[j:]); d > 0 {
			i = j + d
		}
	}
	// The only possible error is a range error, with the infinity as value.
	v, _ = strconv.ParseFloat(string(b[:i]), 64)
	return v, i
}

// wholeNumber is scanNumber for a text that is nothing but a number.
func wholeNumber(b []byte) (float64, bool) {
	b = bytes.TrimSpace(b)
	v, n := scanNumber(b)
	return v, n > 0 && n == len(b)
}

// scanValue reads the value after "name=": a number, a number in quotes, or the
// way in which array libraries print one, such as tensor(0.3, device='cuda:0').
// What follows must not make it part of something else: a date, a time, a
// version, a unit, a list, a fraction.
func scanValue(b []byte) (float64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	if q := b[0]; q == '"' || q == '\'' {
		if end := bytes.IndexByte(b[1:], q); end > 0 {
			return wholeNumber(b[1 : 1+end])
		}
		return 0, false
	}
	if v, n := scanNumber(b); n > 0 {
		return v, ends(b[n:])
	}
	if n := scalarCall(b); n > 0 {
		v, m := scanNumber(b[n:])
		return v, m > 0 && n+m < len(b) && (b[n+m] == ',' || b[n+m] == ')')
	}
	return 0, false
}

// ends reports whether a number may be followed by rest.
func ends(rest []byte) bool {
	if len(rest) == 0 {
		return true
	}
	switch c := rest[0]; c {
	case ',':
		// "1,5" and "1,234" could be a decimal comma, thousands, or a list.
		return len(rest) == 1 || !isDigit(rest[1])
	case '.':
		return len(rest) == 1 || rest[1] == ' ' || rest[1] == '\t'
	case '%':
		return true
	case ':', '+', '=', '<', '\\':
		return false
	}
	return !startsWithNameRune(rest)
}

// scalarCall returns the length of a prefix such as "tensor(" or "np.float64("
// of b: how PyTorch, NumPy 2 and JAX print a single number.
func scalarCall(b []byte) int {
	open := bytes.IndexByte(b[:min(len(b), 32)], '(')
	if open <= 0 {
		return 0
	}
	name := b[:open]
	if dot := bytes.LastIndexByte(name, '.'); dot >= 0 {
		name = name[dot+1:]
	}
	switch string(name) {
	case "tensor", "array", "Array", "float", "float16", "bfloat16", "float32", "float64",
		"int", "int8", "int16", "int32", "int64", "Decimal":
	default:
		return 0
	}
	open++
	if open < len(b) && (b[open] == '\'' || b[open] == '"') {
		return 0
	}
	return open
}

// asStep turns the value of a step into an integer. whole is false if it has a
// fraction, such as the epoch 0.5; ok is false if it is no step at all.
func asStep(v float64) (step int64, whole, ok bool) {
	if math.IsNaN(v) || v < 0 || v > 1<<53 {
		return 0, false, false
	}
	return int64(v), v == math.Trunc(v), true
}

// isNameByte reports whether the ASCII byte c can be part of a metric name, such
// as val/loss, train-rmse, ndcg@10 or f1_macro.
func isNameByte(c byte) bool {
	switch c {
	case '_', '.', '/', '-', '@', '#', '$', '~', '^', '%':
		return true
	}
	return isLetter(c) || isDigit(c)
}

func isNameRune(r rune) bool {
	if r < utf8.RuneSelf {
		return isNameByte(byte(r))
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}

func startsWithNameRune(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	if b[0] < utf8.RuneSelf {
		return isNameByte(b[0])
	}
	r, _ := utf8.DecodeRune(b)
	return isNameRune(r)
}

// nameBefore returns where the run of name characters that ends b begins.
func nameBefore(b []byte) int {
	i := len(b)
	for i > 0 {
		if c := b[i-1]; c < utf8.RuneSelf {
			if !isNameByte(c) {
				return i
			}
			i--
			continue
		}
		r, n := utf8.DecodeLastRune(b[:i])
		if !isNameRune(r) {
			return i
		}
		i -= n
	}
	return i
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func countDigits(b []byte) int {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}

// hasFoldPrefix reports whether b begins with the lower-case ASCII word.
func hasFoldPrefix(b []byte, word string) bool {
	if len(b) < len(word) {
		return false
	}
	for i := range len(word) {
		if b[i]|0x20 != word[i] {
			return false
		}
	}
	return true
}
