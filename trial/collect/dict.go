package collect

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxDepth bounds the nesting that dict follows.
const maxDepth = 32

// dict reads b, which begins with '{', as a JSON object or a printed Python
// dict: strings in either quote, NaN and Infinity, True and None, lists, tuples
// and numbers in calls such as np.float64(0.3). The numbers of nested objects
// get names with a point, as val.loss. Numbers in strings are numbers too, as
// newer Hugging Face trainers print them. It returns false, and leaves l in any
// state, unless b is such an object as a whole.
func (l *line) dict(b []byte) bool {
	d := decoder{line: l, b: b}
	return d.object("", 0) && d.i == len(b)
}

type decoder struct {
	line *line
	b    []byte
	i    int
}

// value is what the decoder learned of one value.
type value struct {
	number   float64
	isNumber bool
	text     string
	isText   bool
}

// peek skips white space and returns the next byte; 0 at the end.
func (d *decoder) peek() byte {
	for d.i < len(d.b) {
		switch d.b[d.i] {
		case ' ', '\t':
			d.i++
		default:
			return d.b[d.i]
		}
	}
	return 0
}

func (d *decoder) object(prefix string, depth int) bool {
	if depth > maxDepth {
		return false
	}
	d.i++ // '{'
	tuner, reason := "", ""
	for d.peek() != '}' {
		if strings.IndexByte("{[(", d.peek()) >= 0 {
			return false
		}
		key, ok := d.value("", maxDepth)
		if !ok || d.peek() != ':' {
			return false
		}
		d.i++
		name := prefix + key.text
		v, ok := d.value(name+".", depth+1)
		if !ok {
			return false
		}
		switch {
		case !key.isText || name == "" || len(name) > maxName:
		case v.isNumber:
			d.line.set([]byte(name), v.number)
		case v.isText && name == "tuner":
			tuner = v.text
		case v.isText && name == "reason":
			reason = v.text
		}
		if d.peek() == ',' {
			d.i++
		} else if d.peek() != '}' {
			return false
		}
	}
	d.i++
	if depth == 0 && (tuner == "report" || tuner == "trial") {
		d.line.report, d.line.own = true, tuner == "trial"
	}
	if depth == 0 && tuner == "infeasible" {
		d.line.infeasible, d.line.reason = true, reason
	}
	return true
}

// value reads one value. Objects in it report to the line under prefix. A
// depth of maxDepth admits no objects and lists.
func (d *decoder) value(prefix string, depth int) (value, bool) {
	switch c := d.peek(); {
	case c == '{':
		return value{}, d.object(prefix, depth)
	case c == '[' || c == '(':
		return value{}, d.list(c, depth)
	case c == '"' || c == '\'':
		return d.str(c)
	case c == 0:
		return value{}, false
	}
	if v, n := scanNumber(d.b[d.i:]); n > 0 && !d.wordAt(d.i+n) {
		d.i += n
		return value{number: v, isNumber: true}, true
	}
	if n := scalarCall(d.b[d.i:]); n > 0 {
		if v, m := scanNumber(d.b[d.i+n:]); m > 0 {
			d.i += n + m
			return value{number: v, isNumber: true}, d.closeCall()
		}
	}
	start := d.i
	for d.wordAt(d.i) {
		d.i++
	}
	// True, null, …; and calls such as datetime.date(2024, 1, 1).
	if d.i > start && d.i < len(d.b) && d.b[d.i] == '(' {
		return value{}, d.list('(', depth)
	}
	return value{}, d.i > start
}

func (d *decoder) wordAt(i int) bool {
	if i >= len(d.b) {
		return false
	}
	c := d.b[i]
	return isLetter(c) || isDigit(c) || c == '_' || c == '.'
}

// closeCall skips the rest of a call: what NumPy and PyTorch print beside the
// number, such as dtype=float32 or grad_fn=<NllLossBackward0>.
func (d *decoder) closeCall() bool {
	end := bytes.IndexByte(d.b[d.i:], ')')
	if end < 0 {
		return false
	}
	d.i += end + 1
	return true
}

// list skips a list or a tuple: series are no metrics.
func (d *decoder) list(open byte, depth int) bool {
	if depth >= maxDepth {
		return false
	}
	closing := byte(']')
	if open == '(' {
		closing = ')'
	}
	d.i++
	// What objects in lists say is not said of the trial.
	inner := decoder{line: &line{}, b: d.b, i: d.i}
	for inner.peek() != closing {
		if _, ok := inner.value("", depth+1); !ok {
			return false
		}
		if inner.peek() == ',' {
			inner.i++
		} else if inner.peek() != closing {
			return false
		}
	}
	d.i = inner.i + 1
	return true
}

// str reads a quoted string; a number in it counts as a number too.
func (d *decoder) str(quote byte) (value, bool) {
	start := d.i + 1
	escaped := false
	for i := start; i < len(d.b); i++ {
		switch d.b[i] {
		case '\\':
			escaped = true
			i++
		case quote:
			raw := d.b[start:i]
			d.i = i + 1
			v := value{text: string(raw), isText: true}
			if escaped {
				v.text = unescape(v.text, quote)
			}
			v.number, v.isNumber = wholeNumber(raw)
			return v, true
		}
	}
	return value{}, false
}

// unescape resolves the escapes that JSON and Python share; a string with
// others stays as it is.
func unescape(s string, quote byte) string {
	if quote == '\'' {
		s = strings.ReplaceAll(strings.ReplaceAll(s, `\'`, `'`), `"`, `\"`)
	}
	var out string
	if err := json.Unmarshal([]byte(`"`+s+`"`), &out); err != nil {
		return s
	}
	return out
}
