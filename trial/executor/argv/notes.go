package argv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/internal/nearest"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// mentions finds the parameters that a script in the command reads from its
// environment, and says which of those variables will not be set.
func (p *parser) mentions() []string {
	byVariable := map[string]string{reserved["trial.params"].variable: "trial.params"}
	for _, q := range p.names.Params {
		byVariable[procenv.ParamVar(q.Name)] = q.Name
	}
	var notes []string
	for _, arg := range p.command {
		for at := range len(arg) {
			word := variableAt(arg, at)
			if word == "" {
				continue
			}
			if name, ok := byVariable[word]; ok {
				p.see(p.refs[name])
				continue
			}
			p.placed = true
			notes = append(notes, fmt.Sprintf("the command reads %s, which belongs to no parameter", word))
		}
	}
	return notes
}

// variableAt returns the whole TUNER_PARAM… word that begins at arg[at], or "".
func variableAt(arg string, at int) string {
	if !strings.HasPrefix(arg[at:], "TUNER_PARAM") || at > 0 && isWordByte(arg[at-1]) {
		return ""
	}
	end := at
	for end < len(arg) && isWordByte(arg[end]) {
		end++
	}
	return arg[at:end]
}

func isWordByte(c byte) bool {
	return c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
}

// appendAll adds {args} to a command without any placeholder and says so.
func (p *parser) appendAll() []string {
	if p.placed || len(p.names.Params) == 0 {
		return nil
	}
	options := make([]string, len(p.names.Params))
	for i, q := range p.names.Params {
		options[i] = "--" + q.Name + "=VALUE"
		p.seen[q.Name] = true
	}
	first := p.names.Params[0].Name
	note := fmt.Sprintf("the command has no placeholder: %s is appended to it; write {args} or {%s} where it belongs to place values yourself",
		strings.Join(options, " "), first)
	context := codeContext(p.command)
	if i := slices.IndexFunc(context[:len(p.command)], func(program string) bool { return shells[program] }); i >= 0 {
		note += fmt.Sprintf(`; the script of %s -c sees them only as "$0", "$1", …, or read "$%s" in it`, context[i], procenv.ParamVar(first))
	}
	p.tmpl.args = append(p.tmpl.args, argument{form: argsForm})
	return []string{note}
}

// notes says what is probably an oversight.
func (p *parser) notes(literals []string) []string {
	var out []string
	var unseen []string
	for _, q := range p.names.Params {
		if !p.seen[q.Name] {
			unseen = append(unseen, q.Name)
		}
	}
	p.tmpl.unseen = unseen
	if len(unseen) > 0 {
		value := "its value changes"
		if len(unseen) > 1 {
			value = "their values change"
		}
		out = append(out, fmt.Sprintf("the command never sees %s: %s nothing unless the program reads %s or params.json itself; add {--%s}, or {args} for all",
			strings.Join(unseen, ", "), value, procenv.ParamVar(unseen[0]), unseen[0]))
	}
	for _, l := range literals {
		if !p.literals[unbraced(l)] {
			out = append(out, fmt.Sprintf("--literal %s is not needed: {%s} does not occur in the command", unbraced(l), unbraced(l)))
		}
	}
	return out
}

// unbraced allows --literal {word} for --literal word.
func unbraced(literal string) string {
	if inner, ok := braced(literal); ok {
		return inner
	}
	return literal
}

// fault makes an error about the i-th argument.
func (p *parser) fault(i int, format string, args ...any) *types.Error {
	return types.Errorf(types.Invalid, format, args...).WithField(fmt.Sprintf("command[%d]", i))
}

// unknownError tells all unknown words at once.
func (p *parser) unknownError() error {
	known := make([]string, 0, len(p.names.Params))
	for _, q := range p.names.Params {
		known = append(known, q.Name)
	}
	all := slices.Clone(known)
	for name := range reserved {
		all = append(all, name)
	}
	slices.Sort(all[len(known):]) // the order of a map must not choose the hint
	var words, literal []string
	hint := ""
	for _, u := range p.unknown {
		if w := "{" + u.word + "}"; !slices.Contains(words, w) {
			words = append(words, w)
			literal = append(literal, Quote([]string{"--literal", u.word}))
		}
		if near := nearest.Word(u.name, all); near != "" && hint == "" {
			hint = fmt.Sprintf("did you mean {%s}? ", fixed(u.word, u.name, near))
		}
	}
	verb, noun := "names", "parameter"
	if len(words) > 1 {
		verb = "name"
	}
	list := "there is none"
	if len(known) > 0 {
		list = strings.Join(known, ", ")
	}
	return p.fault(p.unknown[0].argument, "%s %s no %s (%s)", strings.Join(words, " and "), verb, noun, list).
		WithRemedy("%sif the program itself wants these braces, add %s", hint, strings.Join(literal, " "))
}

// fixed rewrites an unknown word so that it names near: {--batch-size} becomes
// {--batch-size:batch_size}, {hiden} becomes {hidden}.
func fixed(word, name, near string) string {
	if o, ok := parseOption(word); ok {
		eq := ""
		if o.joined {
			eq = "="
		}
		return o.opt + eq + ":" + near
	}
	return strings.TrimSuffix(word, name) + near
}

// inactiveError names the form that gives nothing for an inactive parameter.
func (p *parser) inactiveError(i int, r ref) error {
	if r.reserved {
		return p.fault(i, "{%s} has no value: this study gives its trials no budget", r.name).
			WithRemedy("give the stopper the length of a trial, as in --stopper asha:max_step=40; or write {--option:%s}, which gives nothing then", r.name)
	}
	whole := "{--" + r.name + "}"
	before, _, _ := strings.Cut(p.command[i], "{"+r.name+"}")
	if before == p.command[i] {
		before, _, _ = strings.Cut(p.command[i], "${"+katib+r.name+"}")
	}
	switch {
	case before == "" && i > 1 && isOption(p.command[i-1]): // --opt {name}
		whole = optionFor(p.command[i-1], r.name, false)
	case strings.HasSuffix(before, "=") && isOption(strings.TrimSuffix(before, "=")): // --opt={name}
		whole = optionFor(strings.TrimSuffix(before, "="), r.name, true)
	}
	return p.fault(i, "{%s} can be inactive, and then there is no value to put here", r.name).
		WithRemedy("write %s as an argument of its own, which gives nothing then", whole)
}

// optionFor writes the form that gives opt and the value of name.
func optionFor(opt, name string, joined bool) string {
	eq := ""
	if joined {
		eq = "="
	}
	if strings.TrimPrefix(opt, "--") == name {
		return "{" + opt + eq + "}"
	}
	return "{" + opt + eq + ":" + name + "}"
}
