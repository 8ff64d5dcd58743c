//go:build linux || darwin

package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CheckProgram makes sure, as far as that can be known without running it, that
// the command name can be executed: beyond FindExecutable, that the file is a
// program or a script whose interpreter exists. Call it once before a study is
// made of the command.
func CheckProgram(name, dir string, env []string) error {
	path, err := FindExecutable(name, dir, env)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // a program may be executable and not readable
	}
	if err := f.Close(); err != nil {
		return err
	}
	line := firstLine(path)
	if script, ok := strings.CutPrefix(line, "#!"); ok {
		return checkInterpreter(path, script)
	}
	for _, magic := range programMagic {
		if strings.HasPrefix(line, magic) {
			return nil
		}
	}
	if handlersRegistered() {
		return nil
	}
	return startError(path, 0, unix.ENOEXEC)
}

// programMagic is how programs begin: ELF, and Mach-O in both byte orders and
// for several machines at once.
var programMagic = []string{
	"\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe",
}

// checkInterpreter checks the program that the first line of a script names. A
// carriage return at its end belongs to the name, as for the kernel.
func checkInterpreter(path, script string) error {
	interpreter, _, _ := strings.Cut(strings.TrimLeft(script, " \t"), " ")
	interpreter, _, _ = strings.Cut(interpreter, "\t")
	if !filepath.IsAbs(interpreter) {
		return nil // seen from the trial's directory
	}
	switch err := executable(interpreter); {
	case errors.Is(err, os.ErrNotExist):
		return startError(path, 0, unix.ENOENT)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EISDIR):
		return startError(path, 0, unix.EACCES)
	}
	return nil
}

// handlersRegistered reports whether Linux was told to run other kinds of files
// as well (binfmt_misc), such as those of other machines or of Windows.
func handlersRegistered() bool {
	entries, err := os.ReadDir("/proc/sys/fs/binfmt_misc")
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name() != "register" && e.Name() != "status" {
			return true
		}
	}
	return false
}
