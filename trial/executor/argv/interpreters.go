package argv

import (
	"slices"
	"strings"
)

// shells are the programs whose -c takes a script of a shell.
var shells = map[string]bool{
	"sh": true, "bash": true, "zsh": true, "dash": true, "ksh": true, "ash": true, "fish": true,
	"csh": true, "tcsh": true, "mksh": true, "rbash": true, "yash": true, "xonsh": true,
}

// wrappers run the command that their arguments hold, so that the program of a
// command may stand behind them.
var wrappers = []string{
	"env", "nice", "ionice", "chrt", "taskset", "numactl", "nohup", "setsid", "stdbuf", "time", "timeout",
	"sudo", "doas", "srun", "mpirun", "mpiexec", "sshpass", "strace", "unbuffer", "xargs", "find", "busybox", "chroot",
	"docker", "podman", "apptainer", "singularity", "kubectl", "conda", "mamba", "micromamba", "uv", "poetry", "pipenv",
	"systemd-run", "nsenter", "unshare", "flock", "xvfb-run",
}

// interpreter says which arguments of a program are code.
type interpreter struct {
	// short are letters of options whose value is code. Such a letter may close a
	// cluster (-ne), or have the value behind it (-eCODE). long are options of words,
	// whose value is the next argument or stands behind a "=".
	short string
	long  []string
	// rest says that code ends the options; tail that all behind it is code too.
	rest, tail bool
	// from and last are the numbers of the first and the last of the arguments that
	// are no options that are code; 0: none, and to the end. With an option of unless
	// none is, nor a last one with code in an option.
	from, last int
	unless     []string
	// valued are further options whose value is an argument of its own; pairs those
	// with two.
	valued, pairs []string
	// mixed says that options may stand behind other arguments, too.
	mixed bool
	// word says that the name is a word for other things, too: the program is meant
	// at the begin of a command or behind a wrapper only.
	word bool
	// shell says that the code is a script of a shell.
	shell bool
	// env is how the code reads a variable of the environment, with %s for its name;
	// "" if it cannot.
	env string
}

// interpreters are programs that take code from their arguments, by name without
// a version. The shells are above; ssh and eval, which take nothing else, below.
var interpreters = map[string]interpreter{
	"python":     {short: "c", rest: true, valued: []string{"-W", "-X"}, env: `os.environ["%s"]`},
	"pypy":       {short: "c", rest: true, valued: []string{"-W", "-X"}, env: `os.environ["%s"]`},
	"ipython":    {short: "c", rest: true, env: `os.environ["%s"]`},
	"perl":       {short: "eE", valued: []string{"-I"}, env: `$ENV{"%s"}`},
	"ruby":       {short: "e", valued: []string{"-I", "-r", "-C"}, env: `ENV["%s"]`},
	"node":       {short: "ep", long: []string{"--eval", "--print"}, valued: []string{"-r", "--require", "--import"}, env: "process.env.%s"},
	"bun":        {short: "ep", long: []string{"--eval", "--print"}, valued: []string{"-r"}, env: "process.env.%s"},
	"php":        {short: "rBRE", valued: []string{"-d", "-c"}, env: `getenv("%s")`},
	"lua":        {short: "e", valued: []string{"-l"}, env: `os.getenv("%s")`},
	"luajit":     {short: "e", valued: []string{"-l"}, env: `os.getenv("%s")`},
	"julia":      {short: "eE", long: []string{"--eval", "--print"}, valued: []string{"-L", "-t", "-p", "-J"}, env: `ENV["%s"]`},
	"Rscript":    {short: "e", env: `Sys.getenv("%s")`},
	"R":          {short: "e", word: true, env: `Sys.getenv("%s")`},
	"octave":     {long: []string{"--eval"}, env: `getenv("%s")`},
	"matlab":     {long: []string{"-batch", "-r"}, env: `getenv("%s")`},
	"pwsh":       {long: []string{"-c", "-C", "-command", "-Command"}, tail: true, env: "$env:%s"},
	"powershell": {long: []string{"-c", "-C", "-command", "-Command"}, tail: true, env: "$env:%s"},

	"awk":  {from: 1, last: 1, unless: []string{"-f", "--file"}, valued: []string{"-F", "-v"}, word: true, env: `ENVIRON["%s"]`},
	"mawk": {from: 1, last: 1, unless: []string{"-f"}, valued: []string{"-F", "-v"}, env: `ENVIRON["%s"]`},
	"gawk": {short: "e", long: []string{"--source"}, from: 1, last: 1, unless: []string{"-f", "--file"},
		valued: []string{"-F", "-v", "-i", "-l"}, env: `ENVIRON["%s"]`},
	"sed": {short: "e", long: []string{"--expression"}, from: 1, last: 1, unless: []string{"-f", "--file"},
		valued: []string{"-l"}, mixed: true, word: true},
	"jq": {from: 1, last: 1, unless: []string{"-f", "--from-file"}, valued: []string{"-L", "--indent"},
		pairs: []string{"--arg", "--argjson", "--slurpfile", "--rawfile"}, word: true, env: "env.%s"},

	"psql":    {short: "c", long: []string{"--command"}, mixed: true},
	"mysql":   {short: "e", long: []string{"--execute"}, mixed: true},
	"mariadb": {short: "e", long: []string{"--execute"}, mixed: true},
	"sqlite":  {long: []string{"-cmd"}, from: 2, valued: []string{"-separator", "-nullvalue", "-newline", "-init"}},
	"duckdb":  {long: []string{"-c", "-s", "-cmd"}, from: 2, valued: []string{"-separator", "-nullvalue", "-newline", "-init"}, mixed: true},

	"env":       {short: "S", long: []string{"--split-string"}, valued: []string{"-u", "-C"}, word: true},
	"su":        {short: "c", long: []string{"--command", "--session-command"}, mixed: true, word: true, shell: true},
	"runuser":   {short: "c", long: []string{"--command", "--session-command"}, mixed: true, shell: true},
	"script":    {short: "c", long: []string{"--command"}, mixed: true, word: true, shell: true},
	"flock":     {short: "c", long: []string{"--command"}, mixed: true, shell: true},
	"sbatch":    {long: []string{"--wrap"}, shell: true},
	"nix-shell": {long: []string{"--run", "--command"}, mixed: true, shell: true},
	"watch":     {from: 1, unless: []string{"-x", "--exec"}, valued: []string{"-n", "--interval"}, word: true, shell: true},
	"parallel":  {from: 1, valued: []string{"-j", "--jobs", "-S", "--sshlogin"}, word: true, shell: true},
	"hyperfine": {long: []string{"-p", "--prepare", "-s", "--setup", "-c", "--cleanup"}, from: 1, mixed: true, shell: true,
		valued: []string{"-w", "--warmup", "-r", "--runs", "-m", "--min-runs", "-M", "--max-runs", "--export-json"}},
}

// code returns the indices of the arguments from start on that are code. One more
// than the command has stands for what is appended.
func (in interpreter) code(command []string, start int) (out []int) {
	others, closed := 0, false
	for i := start; i <= len(command); i++ {
		if i == len(command) || closed || len(command[i]) < 2 || command[i][0] != '-' {
			if others++; in.from > 0 && others >= in.from && (in.last == 0 || others <= in.last) {
				out = append(out, i)
			}
			closed = closed || !in.mixed
			continue
		}
		arg := command[i]
		if in.is(arg, in.unless) {
			in.from = 0
		}
		switch behind, inside := in.option(arg); {
		case arg == "--":
			closed = true
		case !behind && !inside:
			if slices.Contains(in.valued, arg) {
				i++
			} else if slices.Contains(in.pairs, arg) {
				i += 2
			}
		case in.tail:
			return upTo(i, len(command))
		default:
			if behind {
				i++
			}
			if out = append(out, i); in.rest {
				return within(out, len(command))
			}
			if in.last > 0 {
				in.from = 0
			}
		}
	}
	return within(out, len(command)+1)
}

// option reports whether the value of an option is code: of one that is the next
// argument, or stands in the option's own.
func (in interpreter) option(arg string) (behind, inside bool) {
	if slices.Contains(in.long, arg) {
		return true, false
	}
	if name, _, ok := strings.Cut(arg, "="); ok && slices.Contains(in.long, name) {
		return false, true
	}
	if in.short == "" || strings.HasPrefix(arg, "--") {
		return false, false
	}
	if strings.ContainsRune(in.short, rune(arg[len(arg)-1])) {
		return true, false
	}
	return false, strings.IndexByte(in.short, arg[1]) >= 0
}

// is reports whether an argument is one of these options, also with a value.
func (in interpreter) is(arg string, options []string) bool {
	return slices.ContainsFunc(options, func(o string) bool {
		if strings.HasPrefix(o, "--") {
			return arg == o || strings.HasPrefix(arg, o+"=")
		}
		return strings.HasPrefix(arg, o)
	})
}

// label is how the program is asked to read code: "python -c", or "awk".
func (in interpreter) label(program string) string {
	switch {
	case in.from == 1:
		return program
	case in.short != "":
		return program + " -" + in.short[:1]
	}
	return program + " " + in.long[0]
}

func upTo(from, to int) (out []int) {
	for i := from; i <= to; i++ {
		out = append(out, i)
	}
	return out
}

func within(indices []int, n int) []int {
	return slices.DeleteFunc(indices, func(i int) bool { return i >= n })
}
