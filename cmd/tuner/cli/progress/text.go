package progress

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// style is an ANSI SGR code.
type style string

const (
	normal style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// span is text in one style; line is what stands beside each other.
type (
	span struct {
		text  string
		style style
	}
	line []span
)

// add puts text at the end of l.
func (l *line) add(s style, text string) { *l = append(*l, span{text, s}) }

// width is the number of columns that l takes.
func (l *line) width() int {
	w := 0
	for _, s := range *l {
		w += columns(s.text)
	}
	return w
}

// render writes l in at most o.Width columns; what does not fit ends in an
// ellipsis.
func (l *line) render(o Options) string {
	shown := l.cleaned(o.ASCII)
	room := o.width()
	more := "…"
	if o.ASCII {
		more = "~"
	}
	cut := shown.width() > room
	if cut {
		room--
	}
	var b strings.Builder
	for _, s := range shown {
		fitting := head(s.text, room)
		room -= columns(fitting)
		if cut && len(fitting) < len(s.text) {
			paint(&b, fitting+more, s.style, o)
			break
		}
		paint(&b, fitting, s.style, o)
	}
	return b.String()
}

// cleaned makes user text harmless and the end of l free of spaces.
func (l *line) cleaned(ascii bool) line {
	out := make(line, 0, len(*l))
	for _, s := range *l {
		out = append(out, span{clean(s.text, ascii), s.style})
	}
	for len(out) > 0 {
		last := &out[len(out)-1]
		last.text = strings.TrimRight(last.text, " ")
		if last.text != "" {
			break
		}
		out = out[:len(out)-1]
	}
	return out
}

func paint(b *strings.Builder, text string, s style, o Options) {
	if text == "" {
		return
	}
	if !o.Color || s == normal || strings.TrimSpace(text) == "" { // spaces have no colour
		b.WriteString(text)
		return
	}
	b.WriteString("\x1b[" + string(s) + "m" + text + "\x1b[0m")
}

// clean replaces what a terminal would act on: a control character could move
// the cursor.
func clean(s string, ascii bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case ascii && r == '…':
			return '~'
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsGraphic(r):
			return '?'
		case ascii && r > unicode.MaxASCII:
			return '?'
		}
		return r
	}, s)
}

// head is the longest beginning of s that fits into n columns.
func head(s string, n int) string {
	for i, r := range s {
		n -= runeColumns(r)
		if n < 0 {
			return s[:i]
		}
	}
	return s
}

func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is the number of columns of a rune: none for marks that combine,
// two for the wide letters of East Asia and for pictures (the blocks that
// Unicode Annex 11 gives as wide).
func runeColumns(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// padLeft and padRight fill s up to n columns.
func padLeft(s string, n int) string  { return strings.Repeat(" ", max(n-columns(s), 0)) + s }
func padRight(s string, n int) string { return s + strings.Repeat(" ", max(n-columns(s), 0)) }

// number is a value for people: four significant digits, an exponent only where
// zeros would have to be counted.
func number(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+")
	case v == math.Trunc(v) && a < 1e9:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case a >= 1e-4 && a < 1e6:
		digits := max(3-int(math.Floor(math.Log10(a))), 0)
		s := strconv.FormatFloat(v, 'f', digits, 64)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// duration is a time for people: 0.8s, 41s, 3m05s, 2h10m, 3d04h.
func duration(d time.Duration) string {
	two := func(n time.Duration) string {
		return strconv.FormatInt(int64(n)/10, 10) + strconv.FormatInt(int64(n)%10, 10)
	}
	whole := func(n time.Duration) string { return strconv.FormatInt(int64(n), 10) }
	d = max(d, 0)
	if d < 9950*time.Millisecond {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	s := d.Round(time.Second) / time.Second
	switch m, h := s/60, s/3600; {
	case s < 60:
		return whole(s) + "s"
	case m < 60:
		return whole(m) + "m" + two(s%60) + "s"
	case h < 48:
		return whole(h) + "h" + two(m%60) + "m"
	default:
		return whole(h/24) + "d" + two(h%24) + "h"
	}
}
