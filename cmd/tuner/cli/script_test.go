package cli

import (
	"os"
	"regexp"
	"runtime"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

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
	testscript.Main(tests{m}, map[string]func(){
		"tuner": func() { os.Exit(Main(System())) },
	})
}

// patience bounds the waiting for other processes.
const patience = 20 * time.Second

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
		},
	})
}

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
