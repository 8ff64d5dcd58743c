package failpoint

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

const childEnv = "FAILPOINT_TEST_CHILD"

// TestMain lets the test binary play the process that dies.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	s, err := Parse(os.Getenv(Env))
	if err != nil {
		panic(err)
	}
	for _, line := range []string{"one", "two", "three"} {
		s.Hit("test.other")
		s.Hit("test.line")
		os.Stdout.WriteString(line + "\n")
	}
}

func TestHitKillsTheProcess(t *testing.T) {
	for _, c := range []struct {
		points, output string
		dies           bool
	}{
		{"", "one\ntwo\nthree\n", false},
		{"test.line", "", true},
		{"test.line:3", "one\ntwo\n", true},
		{"test.line:4", "one\ntwo\nthree\n", false},
		{"nowhere,test.line:2", "one\n", true},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1", Env+"="+c.points)
		out, err := cmd.Output()
		if string(out) != c.output || (err != nil) != c.dies {
			t.Errorf("%q: output %q, error %v; want %q, dies %v", c.points, out, err, c.output, c.dies)
		}
		if c.dies && runtime.GOOS != "windows" && !strings.Contains(err.Error(), "killed") {
			t.Errorf("%q: died of %v, want SIGKILL", c.points, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"a:0", "a:x", "a:", ":2", "a,,b", "a:1,a:2"} {
		if s, err := Parse(text); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, s)
		}
	}
}

func TestNilSetDoesNothing(t *testing.T) {
	s, err := Parse("")
	if s != nil || err != nil {
		t.Fatalf("Parse(\"\") = %v, %v; want nil, nil", s, err)
	}
	s.Hit("anything")
}
