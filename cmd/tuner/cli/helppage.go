package cli

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// pageWidth is the width of a page of the guide that goes to no terminal, and
// the most that one on a terminal takes: longer lines are hard to read.
const pageWidth = 100

// pageLink is a link within the guide, in the words of its text alone.
var pageLink = regexp.MustCompile(`\[([^\]\[]+)\]\([a-z-]+\.md[^)]*\)`)

// plainPage is a page of the guide as it is read in a terminal: its tables with
// aligned columns, in which long cells go on in the next line, and its links to
// other pages without the file. All else of its Markdown is plain text already.
func plainPage(text string, width int) string {
	text = pageLink.ReplaceAllString(text, "$1")
	if width <= 0 || width > pageWidth {
		width = pageWidth
	}
	var b strings.Builder
	var rows [][]string
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if strings.HasPrefix(line, "|") && !code {
			rows = append(rows, cellsOf(line))
			continue
		}
		plainTable(&b, rows, width)
		rows = nil
		b.WriteString(line)
	}
	plainTable(&b, rows, width)
	return b.String()
}

// cellsOf splits a row of a Markdown table; \| is no end of a cell.
func cellsOf(line string) []string {
	line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00")
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if strings.HasPrefix(line, "||") { // an empty first cell
		cells = append([]string{""}, cells...)
	}
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|")
	}
	return cells
}

// plainTable writes a Markdown table, whose second row only separates the head.
func plainTable(b *strings.Builder, rows [][]string, width int) {
	if len(rows) < 2 {
		return
	}
	const gap = "  "
	head, rows := rows[0], rows[2:]
	widths, words := make([]int, len(head)), make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for j, c := range row[:min(len(row), len(widths))] {
			widths[j] = max(widths[j], utf8.RuneCountInString(c))
			for w := range strings.FieldsSeq(c) {
				words[j] = max(words[j], utf8.RuneCountInString(w))
			}
		}
	}
	room := width - len(gap)*(len(widths)-1)
	squeeze(widths, words, room)
	squeeze(widths, nil, room) // then words are broken, too
	line := make([]string, len(widths))
	for j, w := range widths {
		line[j] = strings.Repeat("-", w)
	}
	for _, row := range append([][]string{head, line}, rows...) {
		folded := make([][]string, len(widths))
		height := 0
		for j := range folded {
			if j < len(row) {
				folded[j] = fold(row[j], widths[j])
			}
			height = max(height, len(folded[j]))
		}
		for k := range height {
			var out strings.Builder
			for j, parts := range folded {
				part := ""
				if k < len(parts) {
					part = parts[k]
				}
				out.WriteString(part + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(part)) + gap)
			}
			b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
		}
	}
}

// fold breaks text into lines of at most width characters, between words where
// that is possible.
func fold(text string, width int) []string {
	var lines []string
	line, n := "", 0
	for word := range strings.FieldsSeq(text) {
		w := utf8.RuneCountInString(word)
		if n > 0 && n+1+w > width {
			lines, line, n = append(lines, line), "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		for w > width { // longer than any line
			r := []rune(word)
			lines, word, w = append(lines, string(r[:width])), string(r[width:]), w-width
		}
		line, n = line+word, n+w
	}
	return append(lines, line)
}
