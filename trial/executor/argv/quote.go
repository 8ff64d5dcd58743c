package argv

import "strings"

// Quote writes an argument list as one line that a POSIX shell (and fish) reads
// back as the same list. Words that need no quotes have none.
func Quote(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		quoteWord(&b, arg, i == 0)
	}
	return b.String()
}

// quoteWord puts everything between single quotes but quotes and backslashes:
// those stand outside, escaped, because fish (unlike POSIX) lets a backslash
// escape within single quotes.
func quoteWord(b *strings.Builder, word string, first bool) {
	if isPlain(word, first) {
		b.WriteString(word)
		return
	}
	b.WriteByte('\'')
	for i := range len(word) {
		switch c := word[i]; c {
		case '\'', '\\':
			b.WriteString(`'\`)
			b.WriteByte(c)
			b.WriteByte('\'')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
}

// isPlain reports whether no shell gives word a meaning. A first word with "="
// would be an assignment, and zsh expands a word that begins with it.
func isPlain(word string, first bool) bool {
	if word == "" || word[0] == '=' || first && strings.Contains(word, "=") {
		return false
	}
	for i := range len(word) {
		c := word[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("_@+=:,./-", rune(c)) {
			return false
		}
	}
	return true
}
