package collect

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// anyNumber finds what may be the value in a sentence.
var anyNumber = regexp.MustCompile(`[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?`)

// Pattern proposes a Config.Regex that reads metric from lines which tell it in
// prose, such as "final loss 0.31" or "Loss after 3 epochs is 0.31", and the last
// line that it reads; "" if no line does. The metric's name is looked for as a
// whole word in any case, then as the beginning of one (acc in "Accuracy").
func Pattern(metric string, lines []string) (pattern, line string) {
	if metric == "" {
		return "", ""
	}
	for _, whole := range []bool{true, false} {
		for _, l := range slices.Backward(lines) {
			text, _ := stripANSI([]byte(l), nil)
			if p := patternOf(metric, string(text), whole); p != "" {
				return p, strings.TrimSpace(string(text))
			}
		}
	}
	return "", ""
}

// patternOf proposes a pattern for one line.
func patternOf(metric, line string, whole bool) string {
	for at := range line {
		end := wordAt(line, at, metric, whole)
		if end < 0 {
			continue
		}
		numbers := anyNumber.FindAllStringIndex(line[end:], -1)
		for _, leads := range []func(string) bool{announces, precedes} {
			for _, n := range numbers {
				between := line[end : end+n[0]]
				if len(strings.Fields(between)) > maxWords || !leads(between) {
					continue
				}
				p := quoted(line[at:end]) + quoted(between) + `(\S+)`
				if reads(p, metric, line) {
					return p
				}
			}
		}
	}
	return ""
}

// wordAt is the end of the word that begins at and is the metric's name, or only
// begins with it unless whole; -1 if there is none.
func wordAt(line string, at int, metric string, whole bool) int {
	end := at + len(metric)
	if end > len(line) || !strings.EqualFold(line[at:end], metric) {
		return -1
	}
	if r, _ := utf8.DecodeLastRuneInString(line[:at]); at > 0 && inWord(r) {
		return -1
	}
	rest := strings.IndexFunc(line[end:], func(r rune) bool { return !inWord(r) })
	if rest < 0 || whole && rest > 0 {
		return -1
	}
	return end + rest
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// maxWords is how many words may stand between a metric's name and its value.
const maxWords = 4

// announces reports whether the words between a name and a number end in what
// says that the value follows.
func announces(between string) bool {
	b := strings.TrimRight(between, " \t")
	return strings.HasSuffix(b, "=") || strings.HasSuffix(b, ":") || strings.HasSuffix(b, " is")
}

// precedes reports whether the value can stand right behind these words: they
// have no other number, and do not lead to one of another kind (loss after 3).
func precedes(between string) bool {
	return between != "" && !strings.ContainsFunc(between, unicode.IsDigit) && !otherKind.MatchString(between)
}

var otherKind = regexp.MustCompile(`(?i)\b(after|at|in|for|on|step|epoch|iteration|iter|round)\W*$`)

// quoted is a pattern of text in which numbers and white space may differ.
func quoted(text string) string {
	var b strings.Builder
	for text != "" {
		n := anyNumber.FindStringIndex(text)
		if n == nil {
			n = []int{len(text), len(text)}
		}
		b.WriteString(spaces.ReplaceAllString(regexp.QuoteMeta(text[:n[0]]), `\s+`))
		if n[1] > n[0] {
			b.WriteString(`\S+`)
		}
		text = text[n[1]:]
	}
	return b.String()
}

// spaces is what no single blank is.
var spaces = regexp.MustCompile(`\s{2,}|[^\S ]`)

// reads reports whether an Output with the pattern finds the metric in the line.
func reads(pattern, metric, line string) bool {
	o, err := New(Config{Metrics: []string{metric}, Regex: []string{pattern}})
	if err != nil {
		return false
	}
	o.Write("stdout", []byte(line+"\n"))
	return len(o.Seen()) > 0
}
