package argv

import (
	"path"
	"slices"
	"strings"
)

// shells are the programs whose -c takes a script of a shell.
var shells = map[string]bool{
	"sh": true, "bash": true, "zsh": true, "dash": true, "ksh": true, "ash": true, "fish": true,
}

// evaluators are other programs that take code as the value of an option.
var evaluators = map[string]string{
	"python": "-c", "pypy": "-c", "perl": "-e", "ruby": "-e", "node": "-e", "Rscript": "-e", "julia": "-e", "lua": "-e",
}

// wrappers run the command that their arguments hold, so that the program of a
// command may stand behind them.
var wrappers = []string{
	"env", "nice", "ionice", "chrt", "taskset", "numactl", "nohup", "setsid", "stdbuf", "time", "timeout",
	"sudo", "doas", "srun", "mpirun", "mpiexec", "sshpass", "strace", "unbuffer", "xargs",
}

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
		case evaluators[program] != "":
			for _, j := range evaluated(command, i+1, evaluators[program]) {
				out[j] = program
			}
		}
	}
	return out
}

// programName is the last element of a path without a version, so that
// /usr/bin/python3.12 is "python".
func programName(arg string) string {
	name := strings.TrimSuffix(path.Base(arg), ".exe")
	if bare := strings.TrimRight(name, "0123456789."); evaluators[bare] != "" {
		return bare
	}
	return name
}

// valuedOptions are options of interpreters whose value is an argument of its
// own, which must not be taken for the end of the options.
var valuedOptions = []string{"-o", "+o", "-O", "+O", "--rcfile", "--init-file", "-W", "-X", "-I", "-r"}

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

// evaluated returns the indices of the code of an interpreter's -c or -e. The
// code may be in the same argument as the option.
func evaluated(command []string, from int, flag string) []int {
	var out []int
	for i := from; i < len(command); i++ {
		arg := command[i]
		switch {
		case slices.Contains(valuedOptions, arg):
			i++
		case arg == "--eval" || arg == "--print":
			out = append(out, i+1)
			i++
		case strings.HasPrefix(arg, "--eval="), strings.HasPrefix(arg, "--print="):
			out = append(out, i)
		case !strings.HasPrefix(arg, "-") || arg == "-" || arg == "--":
			return within(out, len(command))
		case strings.HasPrefix(arg, "--"):
		case strings.HasSuffix(arg, flag[1:]) || flag == "-e" && strings.HasSuffix(arg, "E"):
			out = append(out, i+1)
			i++
			if flag == "-c" { // of python: it ends the options
				return within(out, len(command))
			}
		case flag == "-c" && strings.HasPrefix(arg, "-c"), flag == "-e" && strings.HasPrefix(arg, "-e"):
			out = append(out, i)
			if flag == "-c" {
				return within(out, len(command))
			}
		}
	}
	return within(out, len(command))
}

func within(indices []int, n int) []int {
	return slices.DeleteFunc(indices, func(i int) bool { return i >= n })
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
	remedy := `write "$%s" in its place: the value is in the environment`
	if program == "python" || program == "pypy" {
		remedy = `read "$%[1]s" from the environment instead: os.environ["%[1]s"]`
	}
	return p.fault(i, "this argument is code for %s %s, in which the text of {%s} would become code", program, evaluators[program], r.name).
		WithRemedy(remedy, v)
}
