package collect

import (
	"bytes"
	"unicode/utf8"
)

// manyPairs is from where on the pairs of a line are indexed.
const manyPairs = 32

// pair is a metric and its value on one line. Names alias the line or are made
// for it; whoever keeps one copies it.
type pair struct {
	name  []byte
	value float64
}

// line is what one line says.
type line struct {
	text  []byte
	pairs []pair
	// index has the places of the pairs on lines with many of them.
	index map[string]int
	// infeasible is set by {"tuner":"infeasible"}.
	infeasible bool
	// report is set by {"tuner":"report"}: whatever metrics are read from, these
	// are meant for it. own is set by {"tuner":"trial"}, too: they are said in no
	// other way.
	report, own bool
	reason      string
}

// set adds a pair; a name that was on the line before gets the new value.
func (l *line) set(name []byte, value float64) {
	if len(l.pairs) < manyPairs {
		for i := range l.pairs {
			if bytes.Equal(l.pairs[i].name, name) {
				l.pairs[i].value = value
				return
			}
		}
		l.pairs = append(l.pairs, pair{name, value})
		return
	}
	if l.index == nil {
		l.index = make(map[string]int, 2*manyPairs)
		for i, p := range l.pairs {
			l.index[string(p.name)] = i
		}
	}
	if i, ok := l.index[string(name)]; ok {
		l.pairs[i].value = value
		return
	}
	l.index[string(name)] = len(l.pairs)
	l.pairs = append(l.pairs, pair{name, value})
}

// reset forgets the pairs.
func (l *line) reset() {
	l.pairs, l.index = l.pairs[:0], nil
	l.infeasible, l.reason, l.report, l.own = false, "", false, false
}

// scan finds the pairs of text: those of the JSON object or Python dict at its
// end, if there is one, and those written as name=value or name: value before
// it. phrases are names that are no single word.
func (l *line) scan(text []byte, phrases [][]byte) {
	l.text = text
	l.reset()
	trimmed := bytes.TrimRight(text, " \t,;")
	if n := len(trimmed); n > 0 && trimmed[n-1] == '}' {
		if open := bytes.IndexByte(trimmed, '{'); open >= 0 && l.dict(trimmed[open:]) {
			l.plain(trimmed[:open], phrases)
			return
		}
		l.reset()
	}
	l.plain(text, phrases)
}

// plain finds name=value and name: value, with spaces around the sign or not.
func (l *line) plain(text []byte, phrases [][]byte) {
	signs := newFinder(text, '=', ':')
	for sign := signs.next(); sign >= 0; sign = signs.next() {
		value := bytes.TrimLeft(text[sign+1:], " \t")
		if len(value) == 0 || !beginsValue(value[0]) {
			continue
		}
		left := bytes.TrimRight(text[:sign], " \t")
		if len(left) == 0 {
			continue
		}
		v, ok := scanValue(value)
		if !ok {
			continue
		}
		if name, ok := nameAt(left); ok {
			l.set(name, v)
		}
		for _, p := range phrases {
			if start := len(left) - len(p); bytes.HasSuffix(left, p) && nameBefore(left[:start]) == start {
				l.set(p, v)
			}
		}
	}
}

// beginsValue refuses most of what scanValue refuses, at the cost of one look.
func beginsValue(c byte) bool {
	switch c {
	case '+', '-', '.', '"', '\'':
		return true
	}
	return isDigit(c) || isLetter(c)
}

// nameAt returns the name that ends left: a quoted text, or a whole run of name
// characters that begins with a letter. So in val_loss there is no loss, and
// --lr is no metric.
func nameAt(left []byte) ([]byte, bool) {
	if q := left[len(left)-1]; q == '"' || q == '\'' {
		inner := left[:len(left)-1]
		open := bytes.LastIndexByte(inner, q)
		name := inner[open+1:]
		return name, open >= 0 && len(name) > 0 && len(name) <= maxName
	}
	name := left[nameBefore(left):]
	if len(name) == 0 || len(name) > maxName {
		return nil, false
	}
	return name, isLetter(name[0]) || name[0] == '_' || name[0] >= utf8.RuneSelf
}

// stripANSI returns b without terminal control sequences (ECMA-48): CSI such as
// colours and cursor movements, OSC such as titles and links, and two-byte
// escapes. It returns b itself if there are none, else a slice of buf.
func stripANSI(b, buf []byte) (text, newBuf []byte) {
	esc := bytes.IndexByte(b, 0x1b)
	if esc < 0 {
		return b, buf
	}
	buf = buf[:0]
	for esc >= 0 {
		buf = append(buf, b[:esc]...)
		b = b[esc+escapeLen(b[esc:]):]
		esc = bytes.IndexByte(b, 0x1b)
	}
	buf = append(buf, b...)
	return buf, buf
}

// escapeLen is the length of the escape sequence at the start of b.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return len(b)
	}
	switch b[1] {
	case '[':
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
			if b[i] < 0x20 || b[i] > 0x7e {
				return i // broken off; what follows is text again
			}
		}
		return len(b)
	case ']':
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 {
				return i + 1
			}
			if b[i] == 0x1b {
				if i+1 < len(b) && b[i+1] == '\\' {
					i++
				}
				return i + 1
			}
		}
		return len(b)
	}
	// Intermediates (as in ESC ( B, which selects a character set) and a final.
	i := 1
	for i < len(b) && b[i] >= 0x20 && b[i] <= 0x2f {
		i++
	}
	return min(i+1, len(b))
}
