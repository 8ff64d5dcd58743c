package cli

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gotuner/tuner/benchmarks/report"
	"github.com/gotuner/tuner/internal/pgtest"
)

var postgres pgtest.Server

// tests are all tests, with an end of the server that they started.
type tests struct{ *testing.M }

func (t tests) Run() int {
	defer postgres.Stop()
	return t.M.Run()
}

func TestMain(m *testing.M) {
	// Under the race detector processes would take a second to exit.
	if err := os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	testscript.Main(tests{m}, map[string]func(){
		"tuner":       func() { os.Exit(Main(System())) },
		"current":     func() { os.Exit(currentProgram()) },
		"benchreport": func() { os.Exit(report.Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// patience bounds the waiting for other processes.
const patience = 2 * time.Minute

// TestScript runs the transcripts under testdata/script: the real program with
// real databases and processes. Their command await repeats a command until it
// succeeds and its output matches a pattern.
func TestScript(t *testing.T) { runScripts(t, "testdata/script", nil) }

// TestPostgresScript runs the commands against PostgreSQL.
func TestPostgresScript(t *testing.T) {
	dsn := postgres.DSN(t)
	runScripts(t, "testdata/postgres", map[string]string{"TUNER_DB": dsn})
}

func runScripts(t *testing.T, dir string, env map[string]string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the local executor does not run there")
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_DATA_HOME", e.WorkDir+"/data")
			e.Setenv("TZ", "UTC")
			for k, v := range env {
				e.Setenv(k, v)
			}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await": await, "transcript": transcript, "exits": exits, "untouched": untouched,
			"serve": serve,
		},
	})
}

// serve starts a server of the script's database and makes it what commands use:
// TUNER_URL and TUNER_TOKEN_FILE. "serve off" forgets it again.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 1 && args[0] == "off" {
		ts.Setenv("TUNER_URL", "")
		return
	}
	if neg || len(args) > 0 {
		ts.Fatalf("usage: serve [off]")
	}
	program := "tuner"
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			program = filepath.Join(dir, program)
			break
		}
	}
	c := exec.Command(program, "serve", "--listen", "127.0.0.1:0")
	c.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "TZ", "HOME", "TUNER_DB", "TESTSCRIPT_COMMAND", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	out, err := c.StdoutPipe()
	ts.Check(err)
	c.Stderr = c.Stdout
	ts.Check(c.Start())
	ts.Defer(func() {
		_ = c.Process.Signal(os.Interrupt) // it may have ended
		_ = c.Wait()
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if m := useIt.FindStringSubmatch(lines.Text()); m != nil {
			ts.Setenv("TUNER_URL", m[1])
			ts.Setenv("TUNER_TOKEN_FILE", m[2])
			go func() { _, _ = io.Copy(io.Discard, out) }() // its log
			return
		}
	}
	ts.Fatalf("the server did not say where it is:\n%s", said.String())
}

var useIt = regexp.MustCompile(`TUNER_URL=(\S+) TUNER_TOKEN_FILE=(\S+)`)

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN COMMAND …")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%q did not appear in time; the last error is %v", args[0], err)
		}
	}
}
