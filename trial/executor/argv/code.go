package argv

import (
	"path"
	"slices"
	"strings"
)

// codeContext returns, for each argument, the program that would read it as
// code ("sh", "python", "ssh", …) or "", and one more entry for what would be
// appended to the command.
func codeContext(command []string) []string {
	out := make([]string, len(command)+1)
	wrapped := slices.Contains(wrappers, path.Base(command[0]))
	for i, arg := range command {
		program := programName(arg)
		switch {
		case program == "eval" && i == 0, program == "ssh" && (i == 0 || wrapped):
			// ssh joins all its arguments to one line for the remote shell.
			for j := i + 1; j < len(out); j++ {
				out[j] = program
			}
		case shells[program]:
			if j := shellScript(command, i+1); j > 0 {
				out[j] = program
			}
		case isTimeit(program, command[i+1:]):
			for _, j := range upTo(i+1, len(command)) {
				out[j] = program
			}
		default:
			in, ok := interpreters[program]
			if !ok || in.word && i > 0 && !wrapped {
				continue
			}
			for _, j := range in.code(command, i+1) {
				out[j] = program
			}
		}
	}
	return out
}

// isTimeit reports whether these are the arguments of python -m timeit, which are
// statements.
func isTimeit(program string, args []string) bool {
	if program != "python" && program != "pypy" {
		return false
	}
	i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-m") || !strings.HasPrefix(a, "-") })
	return i >= 0 && (args[i] == "-mtimeit" || args[i] == "-m" && i+1 < len(args) && args[i+1] == "timeit")
}

// programName is the last element of a path without a version, so that
// /usr/bin/python3.12 is "python".
func programName(arg string) string {
	name := strings.TrimSuffix(path.Base(arg), ".exe")
	bare := strings.TrimRight(name, "0123456789.")
	if _, ok := interpreters[bare]; ok {
		return bare
	}
	return name
}

// valuedOptions are options of shells whose value is an argument of its
// own, which must not be taken for the end of the options.
var valuedOptions = []string{"-o", "+o", "-O", "+O", "--rcfile", "--init-file"}

// shellScript returns the index of the script of a shell's -c, or 0: the first
// argument after its options, if one of them holds a c.
func shellScript(command []string, from int) int {
	c := false
	for i := from; i < len(command); i++ {
		arg := command[i]
		switch {
		case slices.Contains(valuedOptions, arg):
			i++
		case strings.HasPrefix(arg, "--"), strings.HasPrefix(arg, "+"):
		case strings.HasPrefix(arg, "-") && len(arg) > 1:
			c = c || strings.Contains(arg, "c")
		case c:
			return i
		default:
			return 0
		}
	}
	return 0
}

// checkCode refuses texts where a program would read them as code. Numbers and
// bools can be no code.
func (p *parser) checkCode() error {
	context := codeContext(p.command)
	for i, a := range p.tmpl.args {
		program := context[i]
		if program == "" {
			continue
		}
		for _, r := range a.refs(p.names.Params) {
			if r.kind == Text {
				return p.codeError(i, program, r)
			}
		}
	}
	return nil
}

// refs lists what an argument refers to.
func (a *argument) refs(params []Param) []ref {
	switch a.form {
	case optionForm:
		return []ref{a.ref}
	case argsForm:
		out := make([]ref, len(params))
		for i, q := range params {
			out[i] = ref{name: q.Name, kind: q.Kind}
		}
		return out
	case textForm:
	}
	var out []ref
	for _, part := range a.parts {
		if part.value {
			out = append(out, part.ref)
		}
	}
	return out
}

func (p *parser) codeError(i int, program string, r ref) error {
	v := r.variable()
	switch {
	case program == "ssh":
		return p.fault(i, "ssh hands its arguments to a shell, where the text of {%s} would become code", r.name).
			WithRemedy(`write ssh -o SendEnv=%s HOST '… "$%s"' (the server must accept it), or call a script that reads "$%s"`, v, v, v)
	case program == "eval":
		return p.fault(i, "eval runs its arguments as code, and the text of {%s} would become code", r.name).
			WithRemedy(`write "$%s" in its place: the value is in the environment`, v)
	case shells[program]:
		return p.fault(i, "this argument is a script for %s -c, in which the text of {%s} would become code", program, r.name).
			WithRemedy(`write "$%s" in its place: the value is in the environment`, v)
	}
	in := interpreters[program]
	fault := p.fault(i, "this argument is code for %s, in which the text of {%s} would become code", in.label(program), r.name)
	switch {
	case in.shell:
		return fault.WithRemedy(`write "$%s" in its place: the value is in the environment`, v)
	case in.env != "":
		return fault.WithRemedy(`read "$%s" from the environment instead: `+in.env, v, v)
	}
	return fault.WithRemedy(`call a script that reads "$%s": the value is in its environment`, v)
}
