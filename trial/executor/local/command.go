//go:build linux || darwin

package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
)

// defaultPath is searched when the environment has no PATH, as execvp does.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// interpreters names what runs a script of a kind, for remedies.
var interpreters = map[string]string{
	".py": "python", ".sh": "sh", ".bash": "bash", ".R": "Rscript", ".r": "Rscript",
	".jl": "julia", ".pl": "perl", ".rb": "ruby", ".js": "node", ".lua": "lua",
}

// FindExecutable returns the file that the command name means in the working
// directory dir with the environment env, as a shell would: a name with a slash
// is a path, seen from dir; any other is looked up in PATH. The error, if there
// is none, says what to do.
func FindExecutable(name, dir string, env []string) (string, error) {
	if name == "" {
		return "", types.Errorf(types.Invalid, "there is no command to run").WithField("command")
	}
	if strings.Contains(name, "/") {
		return findPath(name, dir)
	}
	search := defaultPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			search = v
		}
	}
	var found error
	for _, entry := range filepath.SplitList(search) {
		path := filepath.Join(absolute(entry, dir), name)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if errors.Is(err, unix.EACCES) && found == nil {
			found = notExecutable(path)
		}
	}
	if found != nil {
		return "", found
	}
	e := types.Errorf(types.Invalid, "no such executable: %s (looked in PATH)", name).WithField("command")
	here := filepath.Join(dir, name)
	if st, err := os.Stat(here); err == nil && st.Mode().IsRegular() {
		if by := interpreters[filepath.Ext(name)]; by != "" {
			return "", e.WithRemedy("there is one in %s: write %s %s", dir, by, name)
		}
		return "", e.WithRemedy("there is one in %s: write ./%s", dir, name)
	}
	return "", e.WithRemedy("check the name, or give the path of the file")
}

func findPath(name, dir string) (string, error) {
	path := absolute(name, dir)
	err := executable(path)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, unix.EACCES):
		return "", notExecutable(path)
	case errors.Is(err, unix.EISDIR):
		return "", types.Errorf(types.Invalid, "not executable: %s is a folder", path).WithField("command").
			WithRemedy("name the program in it")
	case filepath.IsAbs(name):
		return "", types.Errorf(types.Invalid, "no such executable: %s", name).WithField("command").
			WithRemedy("check the path")
	default:
		return "", types.Errorf(types.Invalid, "no such executable: %s (looked in %s)", name, dir).WithField("command").
			WithRemedy("check the path; it is seen from the working directory")
	}
}

func absolute(path, dir string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// executable returns why path cannot be executed, nil if it can.
func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return unix.EISDIR
	}
	return unix.Access(path, unix.X_OK)
}

func notExecutable(path string) *types.Error {
	e := types.Errorf(types.Invalid, "not executable: %s (permission denied)", path).WithField("command")
	if by := interpreters[filepath.Ext(path)]; by != "" {
		return e.WithRemedy("chmod +x %s, or write %s %s", path, by, path)
	}
	return e.WithRemedy("chmod +x %s", path)
}

// checkDir returns why dir cannot be a working directory.
func checkDir(dir string) *types.Error {
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return types.Errorf(types.Invalid, "no such working directory: %s", dir).WithField("cwd").
			WithRemedy("make it, or give another with --cwd")
	case err != nil:
		return types.Errorf(types.Invalid, "the working directory cannot be used: %w", err).WithField("cwd").
			WithRemedy("give another with --cwd")
	case !st.IsDir():
		return types.Errorf(types.Invalid, "the working directory %s is not a folder", dir).WithField("cwd").
			WithRemedy("give another with --cwd")
	}
	if err := unix.Access(dir, unix.X_OK); err != nil {
		return types.Errorf(types.Invalid, "the working directory %s cannot be entered (permission denied)", dir).
			WithField("cwd").WithRemedy("chmod u+x %s, or give another with --cwd", dir)
	}
	return nil
}

// startError explains why the kernel refused to execute path, which was found
// and looked executable.
func startError(path string, size int, err error) *types.Error {
	invalid := func(format string, args ...any) *types.Error {
		return types.Errorf(types.Invalid, format, args...).WithField("command")
	}
	switch {
	case errors.Is(err, unix.ENOEXEC):
		if strings.HasPrefix(firstLine(path), "\x7fELF") {
			return invalid("cannot execute %s: it was built for another kind of machine", path).
				WithRemedy("build it for this one")
		}
		e := invalid("cannot execute %s: it is no program, and has no #! line that says what runs it", path)
		by := interpreters[filepath.Ext(path)]
		if by == "" {
			by = "sh"
		}
		return e.WithRemedy("write %s %s, or begin the file with the line #!/usr/bin/env %s", by, path, by)
	case errors.Is(err, unix.ENOENT):
		if line, ok := strings.CutPrefix(firstLine(path), "#!"); ok {
			e := invalid("cannot execute %s: its first line names %s, which does not exist", path,
				strings.TrimSpace(strings.TrimSuffix(line, "\r")))
			if strings.HasSuffix(line, "\r") {
				return e.WithRemedy("the file has Windows line ends: convert it with dos2unix")
			}
			return e.WithRemedy("correct that line")
		}
		return invalid("cannot execute %s: its dynamic loader does not exist here", path).
			WithRemedy("it was built for another system: build it for this one, or link it statically")
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return notExecutable(path).WithRemedy("the file system may be mounted noexec, or its interpreter be not executable; chmod +x %s", path)
	case errors.Is(err, unix.E2BIG):
		return invalid("arguments and environment of the command are too long (%d bytes)", size).
			WithRemedy("pass large values in a file, such as the one that TUNER_PARAMS_FILE names")
	case errors.Is(err, unix.ETXTBSY):
		return types.Errorf(types.Unavailable, "cannot execute %s: it is being written", path).WithField("command").
			WithRemedy("wait until it is built")
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		return types.Errorf(types.Unavailable, "cannot start a process: %w", err).
			WithRemedy("too many processes or too little memory: lower -j, or raise the limit (ulimit -u)")
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return types.Errorf(types.Unavailable, "cannot start a process: %w", err).
			WithRemedy("lower -j, or raise the limit of open files (ulimit -n)")
	default:
		return types.Errorf(types.Internal, "cannot execute %s: %w", path, err).WithField("command")
	}
}

// firstLine returns the beginning of the first line of a file, with a carriage
// return if it ends with one, and "" if the file cannot be read.
func firstLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer closeFile(f)
	b, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// fileError explains why a file of the attempt could not be made.
func fileError(what string, err error) *types.Error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return types.Errorf(types.Unavailable, "%s: %w", what, err).
			WithRemedy("the disk is full: make room (tuner gc), or use another with --dir")
	case errors.Is(err, os.ErrNotExist):
		return types.Errorf(types.Invalid, "%s: %w", what, err).WithRemedy("the attempt's directory must exist")
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return types.Errorf(types.Unavailable, "%s: %w", what, err).
			WithRemedy("lower -j, or raise the limit of open files (ulimit -n)")
	default:
		return types.Errorf(types.Unavailable, "%s: %w", what, err).
			WithRemedy("check the permissions of the folder, or use another with --dir")
	}
}

// markEnv cleans an environment: of several entries of one name the last
// counts, and the attempt's mark is added. Programs would see the first.
func markEnv(env []string, attemptDir string) []string {
	out := make([]string, 0, len(env)+1)
	at := make(map[string]int, len(env)+1)
	for _, e := range append(slices.Clip(env), fmt.Sprintf("%s=%s", MarkEnv, attemptDir)) {
		name, _, ok := strings.Cut(e, "=")
		if !ok {
			out = append(out, e)
		} else if i, seen := at[name]; seen {
			out[i] = e
		} else {
			at[name] = len(out)
			out = append(out, e)
		}
	}
	return out
}
