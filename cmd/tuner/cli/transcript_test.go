package cli

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the transcripts of testdata/script print now into them")

// transcript runs each line of a file that begins with "$ " as a user would
// type it, and compares what it prints with the lines below it. The last line of
// a command that does not end well is [exit CODE].
func transcript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: transcript FILE")
	}
	want := ts.ReadFile(args[0])
	var got strings.Builder
	for line := range strings.Lines(want) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			got.WriteString(line)
			got.WriteString(typed(ts, command))
		} else if strings.HasPrefix(line, "#") || line == "\n" {
			got.WriteString(line)
		}
	}
	switch {
	case want == got.String():
	case *update:
		ts.Check(rewrite(filepath.Join("testdata", "script", ts.Name()+".txtar"), args[0], got.String()))
	default:
		ts.Fatalf("%s differs (-want +got; go test -update writes it):\n%s", args[0], cmp.Diff(strings.Split(want, "\n"), strings.Split(got.String(), "\n")))
	}
}

// typed is what a command line prints, errors last.
func typed(ts *testscript.TestScript, command string) string {
	err := ts.Exec("sh", "-c", command)
	out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "\n"
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		out += "[exit " + strconv.Itoa(e.ExitCode()) + "]\n"
	} else {
		ts.Check(err)
	}
	return strings.ReplaceAll(out, ts.Getenv("WORK"), "$WORK")
}

func rewrite(path, file, content string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	archive := txtar.Parse(b)
	for i := range archive.Files {
		if archive.Files[i].Name == file {
			archive.Files[i].Data = []byte(content)
		}
	}
	return os.WriteFile(path, txtar.Format(archive), 0o600)
}

// exits runs a program that has to end with a code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM …")
	}
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
		code = e.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("it ended with code %d, not %s", code, args[0])
	}
}

// untouched makes sure that refused commands left nothing half-made: no study,
// no directory of a trial, no database.
func untouched(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: untouched")
	}
	ts.Check(ts.Exec("tuner", "ls"))
	if out := ts.ReadFile("stdout") + ts.ReadFile("stderr"); !strings.Contains(out, "no studies yet") {
		ts.Fatalf("there are studies:\n%s", out)
	}
	var left []string
	err := filepath.WalkDir(ts.Getenv("XDG_DATA_HOME"), func(path string, _ fs.DirEntry, err error) error {
		left = append(left, path)
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		ts.Fatalf("left behind: %v, %v", left, err)
	}
}
