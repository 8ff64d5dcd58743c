package progress

import (
	"strconv"
	"strings"
)

// Frame is what to write to a terminal of so many columns (0: not known) that
// shows the lines of an earlier block, with the cursor below them, so that it
// shows lines instead. It writes over the old lines and clears only what is left
// of them, so nothing flickers.
//
// A terminal that was made narrower since breaks the old lines, and the block
// takes more rows than it has lines: all of them are cleared.
func Frame(before []string, width int, lines []string) string {
	var b strings.Builder
	taken := 0
	for _, l := range before {
		taken += rows(l, width)
	}
	if taken > 0 {
		b.WriteString("\x1b[" + strconv.Itoa(taken) + "A\r")
	}
	if taken > len(before) {
		b.WriteString("\x1b[J")
	}
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\n")
	}
	if taken == len(before) && taken > len(lines) {
		b.WriteString("\x1b[J")
	}
	return b.String()
}

// rows is how many rows a rendered line takes: one, or more if it is wider than
// the terminal. A wide letter that would be cut goes to the next row.
func rows(line string, width int) int {
	n, at := 1, 0
	for line != "" {
		text, rest, colour := strings.Cut(line, "\x1b[")
		for _, r := range text {
			w := runeColumns(r)
			if width > 0 && at+w > width {
				n, at = n+1, 0
			}
			at += w
		}
		if line = ""; colour {
			_, line, _ = strings.Cut(rest, "m")
		}
	}
	return n
}
