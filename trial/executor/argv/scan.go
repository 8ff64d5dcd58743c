package argv

import (
	"strings"
	"unicode"
)

func isOption(s string) bool {
	o, ok := parseOption(s)
	return ok && o.opt == s
}

// option is a parsed option form.
type option struct {
	opt    string // with its dashes
	joined bool
	name   string
}

// parseOption reads --opt, --opt=, --opt:name and --opt=:name; one dash will do
// for programs with short options.
func parseOption(inner string) (option, bool) {
	opt, name, named := strings.Cut(inner, ":")
	opt, joined := strings.CutSuffix(opt, "=")
	bare := strings.TrimPrefix(strings.TrimPrefix(opt, "-"), "-")
	if bare == opt || !isName(bare) {
		return option{}, false
	}
	if !named {
		name = bare
	}
	return option{opt: opt, joined: joined, name: name}, isName(name)
}

// katib is the prefix of a name in the placeholders of Katib's trial templates.
const katib = "trialParameters."

// placeholder is a {name} found in an argument: arg[from:end].
type placeholder struct {
	from, end int
	inner     string // between the braces: what --literal takes
	name      string // what it refers to
}

// placeholderAt reads the placeholder whose brace is arg[at].
func placeholderAt(arg string, at int) (placeholder, bool) {
	end := at + 1
	for i, r := range arg[at+1:] {
		if !isNameRune(i, r) {
			break
		}
		end = at + 1 + i + len(string(r))
	}
	if end == at+1 || end == len(arg) || arg[end] != '}' {
		return placeholder{}, false
	}
	p := placeholder{from: at, end: end + 1, inner: arg[at+1 : end], name: arg[at+1 : end]}
	if at == 0 {
		return p, true
	}
	switch arg[at-1] {
	case '{':
		return placeholder{}, false
	case '$':
		name, ok := strings.CutPrefix(p.inner, katib)
		if !ok || name == "" {
			return placeholder{}, false
		}
		p.from, p.name = at-1, name
	}
	return p, true
}

// braced returns what is between the braces of an argument that is nothing but
// one pair of braces.
func braced(arg string) (string, bool) {
	inner, ok := strings.CutPrefix(arg, "{")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, "}")
	return inner, ok && !strings.ContainsAny(inner, "{}")
}

// isName reports whether s is an identifier in which dots and dashes may occur.
func isName(s string) bool {
	for i, r := range s {
		if !isNameRune(i, r) {
			return false
		}
	}
	return s != ""
}

// isNameRune reports whether r may be at byte i of a name. The rune of invalid
// UTF-8 may not: it is no letter.
func isNameRune(i int, r rune) bool {
	if r == '_' || unicode.IsLetter(r) {
		return true
	}
	return i > 0 && (r == '.' || r == '-' || unicode.IsDigit(r) || unicode.IsMark(r))
}
