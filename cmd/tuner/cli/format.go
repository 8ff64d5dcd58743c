package cli

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
)

// formatValue is a parameter's value as a command sees it: a float is the
// shortest decimal that reads back equal, with a point. Text that would disturb
// a line of output is quoted.
func formatValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return printable(v)
	case types.Float:
		return formatFloat(float64(v))
	}
	b, err := types.AppendValue(nil, v)
	if err != nil {
		return fmt.Sprint(v) // NaN and other types, which no parameter has
	}
	return string(b)
}

// formatFloat is f to six significant digits; whole numbers have all of theirs.
func formatFloat(f float64) string {
	switch a := math.Abs(f); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == math.Trunc(f) && a < 1e15:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 1e-4 && a < 1e6:
		s := strconv.FormatFloat(f, 'g', 6, 64)
		if !strings.Contains(s, "e") {
			return s
		}
		return strconv.FormatFloat(f, 'f', 0, 64) // 999999.7 rounds to 1e+06
	}
	digits, exp, ok := strings.Cut(strconv.FormatFloat(f, 'g', 6, 64), "e")
	if !ok {
		return digits
	}
	n, err := strconv.Atoi(exp)
	if err != nil {
		panic(err) // FormatFloat writes a number there
	}
	return digits + "e" + strconv.Itoa(n)
}

// formatDuration is d to two units: 350ms, 4.2s, 17s, 1m23s, 2h05m, 3d04h.
func formatDuration(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	return sign + formatPositive(d)
}

func formatPositive(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < time.Millisecond:
		return "<1ms"
	case d < 999500*time.Microsecond:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + "ms"
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	m := int64(d.Round(time.Minute) / time.Minute)
	if m < 24*60 {
		return fmt.Sprintf("%dh%02dm", m/60, m%60)
	}
	h := int64(d.Round(time.Hour) / time.Hour)
	return fmt.Sprintf("%dd%02dh", h/24, h%24)
}

// formatTime is a time in the user's zone; "-" if it is none.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// formatAge is how long ago t was.
func formatAge(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return formatDuration(max(now.Sub(t), 0).Truncate(time.Second)) + " ago"
}

// formatBytes is a size: 512 B, 3.4 KB, 120 MB, with units of 1000.
func formatBytes(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(n), 0
	for f >= 999.5 && i < len(units)-1 {
		f /= 1000
		i++
	}
	if i > 0 && f < 9.95 {
		return strconv.FormatFloat(f, 'f', 1, 64) + " " + units[i]
	}
	return strconv.FormatFloat(f, 'f', 0, 64) + " " + units[i]
}

// plural is "1 trial", "3 trials".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if before, ok := strings.CutSuffix(one, "y"); ok {
		one = before + "ie"
	}
	return strconv.FormatInt(n, 10) + " " + one + "s"
}

// printable is s on one line and without control characters, so that text of a
// program or a file cannot disturb the terminal.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 && utf8.ValidString(s) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// suggestName is "did you mean X?" for a mistyped name, "" if none is near.
func suggestName(name string, among []string) string {
	if w := nearest.Word(name, among); w != "" {
		return fmt.Sprintf("did you mean %s?", w)
	}
	return ""
}

// table writes rows in aligned columns, the first row as the head, within the
// width of the terminal if w is one. Columns of numbers are set flush right.
func table(w io.Writer, rows [][]string) { tableFit(w, rows, terminalWidth(w), style{}) }

// tableFit is table for a width (0: any) and a style of the head.
func tableFit(w io.Writer, rows [][]string, width int, s style) {
	const gap = "  "
	widths, right := columns(rows)
	if width > 0 {
		squeeze(widths, nil, width-len(gap)*(len(widths)-1))
	}
	var b strings.Builder
	for i, row := range rows {
		b.Reset()
		for j, cell := range row {
			cell = clip(printable(cell), widths[j])
			pad := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell))
			if j > 0 {
				b.WriteString(gap)
			}
			if right[j] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		line := strings.TrimRight(b.String(), " ")
		if i == 0 {
			line = s.bold(line)
		}
		// A write that fails is found when the buffer behind w is flushed, or by
		// the next write.
		_, _ = io.WriteString(w, line+"\n")
	}
}

// columns are the width of each column and whether it holds numbers only.
func columns(rows [][]string) (widths []int, right []bool) {
	for i, row := range rows {
		for j, cell := range row {
			if j == len(widths) {
				widths, right = append(widths, 0), append(right, len(rows) > 1)
			}
			widths[j] = max(widths[j], utf8.RuneCountInString(printable(cell)))
			if i > 0 && right[j] {
				right[j] = isNumber(cell)
			}
		}
	}
	return widths, right
}

func isNumber(cell string) bool {
	if cell == "" || cell == "-" {
		return true
	}
	_, err := strconv.ParseFloat(cell, 64)
	return err == nil
}

// squeeze makes the widest columns narrower until the sum is at most total;
// none becomes narrower than least says, nor than a short word.
func squeeze(widths, least []int, total int) {
	const word = 6
	sum := 0
	for _, w := range widths {
		sum += w
	}
	for sum > total {
		k := -1
		for j, w := range widths {
			if w <= word || least != nil && w <= least[j] {
				continue
			}
			if k < 0 || w >= widths[k] {
				k = j
			}
		}
		if k < 0 {
			return
		}
		widths[k]--
		sum--
	}
}

// clip cuts s to n characters, the last of which is an ellipsis then.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(n-1, 0)]) + "…"
}

// terminalWidth is the width of the terminal that w is; 0 if it is none.
func terminalWidth(w any) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// style colours text, or leaves it as it is: the zero style.
type style struct{ on bool }

// outStyle is the style of stdout.
func (s *State) outStyle() style {
	return style{on: terminalWidth(s.Stdout) > 0 && s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb"}
}

func (s style) bold(t string) string   { return s.wrap(t, "1") }
func (s style) red(t string) string    { return s.wrap(t, "31") }
func (s style) green(t string) string  { return s.wrap(t, "32") }
func (s style) yellow(t string) string { return s.wrap(t, "33") }

func (s style) wrap(t, code string) string {
	if !s.on || t == "" {
		return t
	}
	return "\x1b[" + code + "m" + t + "\x1b[0m"
}

// sparks draws a curve with eight heights, low values low; values that are no
// finite numbers are gaps.
func sparks(values []float64) string {
	low, high := extremes(values)
	if math.IsNaN(low) {
		return ""
	}
	bars := []rune("▁▂▃▄▅▆▇█")
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			out[i] = ' '
		case high == low:
			out[i] = bars[len(bars)/2]
		default:
			// Halves, so that the difference of the ends cannot overflow.
			share := (v/2 - low/2) / (high/2 - low/2)
			out[i] = bars[min(int(share*float64(len(bars))), len(bars)-1)]
		}
	}
	return string(out)
}

// extremes are the least and the greatest of the finite values; NaN if there is
// none.
func extremes(values []float64) (low, high float64) {
	low, high = math.NaN(), math.NaN()
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if math.IsNaN(low) {
			low, high = v, v
		}
		low, high = min(low, v), max(high, v)
	}
	return low, high
}
