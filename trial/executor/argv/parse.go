package argv

import (
	"slices"
	"strings"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor/procenv"
)

// Parse checks a command and makes its template. literals are the words that
// stand for themselves when they are found between braces (--literal). The
// notes are sentences for the user: options that are appended because the
// command has no placeholder, parameters that it never sees, literals that
// occur nowhere.
func Parse(command []string, names Names, literals []string) (*Template, []string, error) {
	if len(command) == 0 || command[0] == "" {
		return nil, nil, types.Errorf(types.Invalid, "there is no command").WithField("command").
			WithRemedy("put -- before your command, as in: -- python train.py {args}")
	}
	p := &parser{
		names:    names,
		command:  command,
		refs:     map[string]ref{},
		literals: map[string]bool{},
		seen:     map[string]bool{},
		tmpl:     &Template{params: slices.Clone(names.Params)},
	}
	if err := p.declare(); err != nil {
		return nil, nil, err
	}
	for _, l := range literals {
		p.literals[unbraced(l)] = false
	}
	for i, arg := range command {
		a, err := p.argument(i, arg)
		if err != nil {
			return nil, nil, err
		}
		p.tmpl.args = append(p.tmpl.args, a)
	}
	if len(p.unknown) > 0 {
		return nil, nil, p.unknownError()
	}
	notes := p.mentions()
	notes = append(notes, p.appendAll()...)
	if err := p.checkCode(); err != nil {
		return nil, nil, err
	}
	return p.tmpl, append(notes, p.notes(literals)...), nil
}

// parser holds what Parse knows of one command.
type parser struct {
	names    Names
	command  []string
	refs     map[string]ref
	literals map[string]bool // whether it occurred
	seen     map[string]bool // parameters that the command sees
	placed   bool            // there is a placeholder or a mention of TUNER_PARAM
	unknown  []unknownWord
	tmpl     *Template
}

type unknownWord struct {
	argument int
	word     string // what --literal takes
	name     string
}

// declare collects the names and refuses those that a command could not tell
// apart.
func (p *parser) declare() error {
	for name, r := range reserved {
		p.refs[name] = ref{name: name, kind: r.kind, reserved: true, optional: name == "trial.budget" && !p.names.Budgets}
	}
	all := make([]string, 0, len(p.names.Params))
	for _, q := range p.names.Params {
		if _, ok := reserved[q.Name]; ok || q.Name == allArgs {
			return types.Errorf(types.Invalid, "{%s} in a command has a meaning of its own, so no parameter can have this name", q.Name).
				WithField(q.Name).WithRemedy("rename the parameter")
		}
		p.refs[q.Name] = ref{name: q.Name, kind: q.Kind, optional: q.Conditional}
		all = append(all, q.Name)
	}
	return procenv.CheckNames(all)
}

// argument parses the i-th argument.
func (p *parser) argument(i int, arg string) (argument, error) {
	if inner, ok := braced(arg); ok {
		if inner == allArgs && !p.isLiteral(inner) {
			if i == 0 {
				return argument{}, p.fault(i, "{args} stands where the program's name belongs").
					WithRemedy("write the program first, as in: -- python train.py {args}")
			}
			p.placed = true
			for _, q := range p.names.Params {
				p.seen[q.Name] = true
			}
			return argument{form: argsForm}, nil
		}
		if o, ok := parseOption(inner); ok && !p.isLiteral(inner) {
			return p.option(i, inner, o)
		}
	}
	return p.text(i, arg)
}

// option resolves an option form.
func (p *parser) option(i int, inner string, o option) (argument, error) {
	if i == 0 {
		return argument{}, p.fault(i, "{%s} stands where the program's name belongs", inner).
			WithRemedy("write the program first, as in: -- python train.py {%s}", inner)
	}
	if o.name == allArgs {
		return argument{}, p.fault(i, "{%s}: args is not a value but all options", inner).
			WithRemedy("write {args} as an argument of its own")
	}
	r, ok := p.refs[o.name]
	if !ok {
		p.unknown = append(p.unknown, unknownWord{i, inner, o.name})
		return argument{}, nil
	}
	p.see(r)
	return argument{form: optionForm, opt: o.opt, joined: o.joined, ref: r}, nil
}

// text splits an argument into literal text and values.
func (p *parser) text(i int, arg string) (argument, error) {
	a := argument{form: textForm}
	rest := 0 // where the text since the last value begins
	for at := 0; at < len(arg); at++ {
		if arg[at] != '{' {
			continue
		}
		ph, ok := placeholderAt(arg, at)
		if !ok {
			if err := p.misplaced(i, arg, at); err != nil {
				return a, err
			}
			continue
		}
		if p.isLiteral(ph.inner) {
			at = ph.end - 1
			continue
		}
		r, err := p.plain(i, ph)
		if err != nil {
			return a, err
		}
		if ph.from > rest {
			a.parts = append(a.parts, part{text: arg[rest:ph.from]})
		}
		a.parts = append(a.parts, part{value: true, ref: r})
		rest, at = ph.end, ph.end-1
	}
	if rest < len(arg) || len(a.parts) == 0 {
		a.parts = append(a.parts, part{text: arg[rest:]})
	}
	return a, nil
}

// plain resolves a {name} within a text. An unknown one is kept, for one error
// about all of them.
func (p *parser) plain(i int, ph placeholder) (ref, error) {
	if ph.name == allArgs {
		err := p.fault(i, "{args} is several arguments and cannot be part of one")
		if program := codeContext(p.command)[i]; shells[program] {
			return ref{}, err.WithRemedy(`write %s -c '… "$@"' %s {args}`, program, program)
		}
		return ref{}, err.WithRemedy("write {args} as an argument of its own")
	}
	r, ok := p.refs[ph.name]
	if !ok {
		p.unknown = append(p.unknown, unknownWord{i, ph.inner, ph.name})
		return ref{name: ph.name}, nil
	}
	if r.optional {
		return r, p.inactiveError(i, r)
	}
	p.see(r)
	return r, nil
}

// misplaced refuses an option form that is only a part of an argument. Braces
// with an unknown option are text.
func (p *parser) misplaced(i int, arg string, at int) error {
	if at > 0 && (arg[at-1] == '{' || arg[at-1] == '$') {
		return nil
	}
	inner, _, ok := strings.Cut(arg[at+1:], "}")
	if !ok || p.isLiteral(inner) {
		return nil
	}
	o, ok := parseOption(inner)
	if !ok {
		return nil
	}
	if _, known := p.refs[o.name]; !known {
		return nil
	}
	return p.fault(i, "{%s} gives an option and its value and cannot be a part of an argument", inner).
		WithRemedy("write {%s} as an argument of its own, or {%s} for the value alone", inner, o.name)
}

func (p *parser) see(r ref) {
	p.placed = true
	switch {
	case !r.reserved:
		p.seen[r.name] = true
	case r.name == "trial.params": // the file holds all of them
		for _, q := range p.names.Params {
			p.seen[q.Name] = true
		}
	}
}

func (p *parser) isLiteral(inner string) bool {
	if _, ok := p.literals[inner]; !ok {
		return false
	}
	p.literals[inner] = true
	return true
}
