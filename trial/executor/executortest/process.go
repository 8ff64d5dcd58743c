//go:build linux || darwin

package executortest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gotuner/tuner/api/types"
	"github.com/gotuner/tuner/trial/executor"
)

// taskScript is a Task in shell; its arguments are Count, Until, Fail.
const taskScript = `printf x >>"$1"
while [ -n "$2" ] && ! [ -e "$2" ]; do sleep 0.01; done
! "$3"`

// process returns a new attempt that runs a shell script with arguments.
func (s *suite) process(script string, args ...string) executor.Spec {
	s.t.Helper()
	return s.command(append([]string{"/bin/sh", "-c", script, "sh"}, args...)...)
}

// helper returns a new attempt that runs Helper.
func (s *suite) helper(args ...string) executor.Spec {
	s.t.Helper()
	if len(s.Helper) == 0 {
		s.t.Fatal("Harness.Helper is missing")
	}
	return s.command(append(slices.Clone(s.Helper), args...)...)
}

func (s *suite) command(argv ...string) executor.Spec {
	s.t.Helper()
	s.ids++
	dir := s.path(fmt.Sprint("attempt", s.ids))
	if err := os.Mkdir(dir, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return executor.Spec{
		ID:   fmt.Sprintf("%s/%d", s.t.Name(), s.ids),
		Argv: argv, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: s.root, AttemptDir: dir,
	}
}

func (s *suite) read(path string) string {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func (s *suite) stdout(spec executor.Spec) string {
	return s.read(filepath.Join(spec.AttemptDir, "stdout.log"))
}

// pid waits for a process to write its number to the file.
func (s *suite) pid(name string) int {
	s.t.Helper()
	pid := 0
	s.until("a pid is in "+name, func() bool {
		b, err := os.ReadFile(s.path(name))
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	s.t.Cleanup(func() { _ = unix.Kill(pid, unix.SIGKILL) }) // If the test fails.
	return pid
}

// living tells whether a process runs; zombies, which another parent may be
// slow to wait for, do not.
func living(pid int) bool {
	if unix.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		// There is no /proc on macOS, and kill fails for zombies there.
		return unix.Kill(pid, 0) == nil
	}
	return !bytes.HasPrefix(b[bytes.LastIndexByte(b, ')')+1:], []byte(" Z"))
}

func (s *suite) dead(what string, pid int) {
	s.t.Helper()
	if living(pid) {
		s.t.Errorf("%s (process %d) is left", what, pid)
	}
}

func processTests(h Harness) map[string]func(*suite) {
	tests := map[string]func(*suite){
		"ExitCodes":           testExitCodes,
		"Usage":               testUsage,
		"HugeOutput":          testHugeOutput,
		"BinaryOutput":        testBinaryOutput,
		"Surroundings":        testSurroundings,
		"EnvOfSeveral":        testEnvOfSeveral,
		"RelativeProgram":     testRelativeProgram,
		"CannotStart":         testCannotStart,
		"TrapsTerm":           testTrapsTerm,
		"IgnoresTerm":         testIgnoresTerm,
		"StopSignals":         testStopSignals,
		"TermOnce":            testTermOnce,
		"StopsSuspended":      testStopsSuspended,
		"GraceOfChildren":     testGraceOfChildren,
		"KillsBackground":     testKillsBackground,
		"KillsDeafEscapees":   testKillsDeafEscapees,
		"StopKillsAll":        testStopKillsAll,
		"LeavesOthersAlone":   testLeavesOthersAlone,
		"HandleOfNobody":      testHandleOfNobody,
		"StatusFromElsewhere": testStatusFromElsewhere,
	}
	if h.Capabilities.Survives {
		tests["Adopt"] = testAdopt
		tests["TwoExecutors"] = testTwoExecutors
	}
	if h.KillSupervisor != nil {
		tests["SupervisorKilled"] = testSupervisorKilled
		tests["SupervisorKilledUnseen"] = testSupervisorKilledUnseen
	}
	return tests
}

func testExitCodes(s *suite) {
	for script, want := range map[string]executor.Status{
		"exit 0":                  {Exit: 0},
		"exit 7":                  {Exit: 7},
		"exit 255":                {Exit: 255},
		"kill -KILL $$":           {Exit: -1, Signal: "KILL"},
		"kill -TERM $$; sleep 9":  {Exit: -1, Signal: "TERM"},
		"kill -SEGV $$; sleep 9":  {Exit: -1, Signal: "SEGV"},
		"kill -INT $$; sleep 9":   {Exit: -1, Signal: "INT"},
		"(kill -KILL $$); exit 3": {Exit: -1, Signal: "KILL"},
	} {
		st := s.wait(s.start(s.process(script)))
		got := executor.Status{Phase: st.Phase, Exit: st.Exit, Signal: st.Signal, Err: st.Err}
		want.Phase = executor.Ended
		if got != want {
			s.t.Errorf("%s: %+v, want %+v", script, got, want)
		}
	}
}

func testUsage(s *suite) {
	st := s.wait(s.start(s.process("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")))
	if st.CPU <= time.Millisecond || st.CPU > st.Ended.Sub(st.Started)+100*time.Millisecond {
		s.t.Errorf("CPU is %v of %v", st.CPU, st.Ended.Sub(st.Started))
	}
	if st.MaxRSS < 100<<10 || st.MaxRSS > 1<<30 {
		s.t.Errorf("MaxRSS is %d bytes, which a shell does not take", st.MaxRSS)
	}
}

func testHugeOutput(s *suite) {
	const size = 20 << 20
	spec := s.process(fmt.Sprintf(`yes tuner | head -c %d; echo end >&2; printf last`, size))
	if st := s.wait(s.start(spec)); st.Exit != 0 {
		s.t.Fatalf("Wait = %+v", st)
	}
	out := s.stdout(spec)
	if len(out) != size+4 || !strings.HasPrefix(out, "tuner\ntuner\n") || !strings.HasSuffix(out, "last") {
		s.t.Errorf("stdout.log has %d bytes, want %d that end with \"last\"", len(out), size+4)
	}
	if got := s.read(filepath.Join(spec.AttemptDir, "stderr.log")); got != "end\n" {
		s.t.Errorf("stderr.log = %q", got)
	}
	if info, err := os.Stat(filepath.Join(spec.AttemptDir, "stdout.log")); err != nil || info.Mode().Perm()&0o077 != 0 {
		s.t.Errorf("stdout.log is open to others: %v, %v", info.Mode(), err)
	}
}

func testBinaryOutput(s *suite) {
	var want, script strings.Builder
	script.WriteString("printf '")
	for i := range 256 {
		fmt.Fprintf(&script, `\%03o`, i)
		want.WriteByte(byte(i))
	}
	script.WriteString("'")
	spec := s.process(script.String())
	s.wait(s.start(spec))
	if got := s.stdout(spec); got != want.String() {
		s.t.Errorf("stdout.log = %q, want all bytes in order", got)
	}
}

func (s *suite) facts(spec executor.Spec, name string) Facts {
	s.t.Helper()
	if st := s.wait(s.start(spec)); st.Exit != 0 {
		s.t.Fatalf("Wait = %+v; %s", st, s.read(filepath.Join(spec.AttemptDir, "stderr.log")))
	}
	var f Facts
	if err := json.Unmarshal([]byte(s.read(s.path(name))), &f); err != nil {
		s.t.Fatal(err)
	}
	return f
}

func texts(list [][]byte) []string {
	out := []string{}
	for _, b := range list {
		out = append(out, string(b))
	}
	return out
}

func testSurroundings(s *suite) {
	args := []string{"", "a b", "$HOME", "'\"\\", "new\nline", "no UTF-8 \xff\xfe", "ü", "-x=*"}
	env := []string{"PLAIN=1", "EMPTY=", "SPACES= a b ", "LINES=a\nb", "BYTES=\xff\x01", "EQUALS=a=b", "PATH=/nowhere"}
	cwd := s.path("dir with \xff byte")
	if err := os.Mkdir(cwd, 0o700); err != nil {
		cwd = s.path("dir with ü") // A file system that takes only UTF-8.
		if err := os.Mkdir(cwd, 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	spec := s.helper(append([]string{"facts", s.path("facts")}, args...)...)
	spec.Env, spec.Dir = env, cwd
	f := s.facts(spec, "facts")

	if diff := cmp.Diff(args, texts(f.Args)); diff != "" {
		s.t.Errorf("arguments (-want +got):\n%s", diff)
	}
	got := slices.DeleteFunc(texts(f.Env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(s.AddedEnv, name)
	})
	if diff := cmp.Diff(env, got); diff != "" {
		s.t.Errorf("environment (-want +got):\n%s", diff)
	}
	if want, err := filepath.EvalSymlinks(cwd); err != nil || string(f.Dir) != want {
		s.t.Errorf("working directory %q, want %q (%v)", f.Dir, want, err)
	}
	if f.Session != f.Pid || f.Group != f.Pid {
		s.t.Errorf("process %d is in session %d and group %d, want its own", f.Pid, f.Session, f.Group)
	}
	if f.Stdin != "0 EOF" {
		s.t.Errorf("reading stdin gives %q, want its end", f.Stdin)
	}
	if len(f.Open) != 0 {
		s.t.Errorf("it inherited the file descriptors %v", f.Open)
	}
}

// testEnvOfSeveral: programs see the first of several entries of one name, and
// callers append what is to win.
func testEnvOfSeveral(s *suite) {
	spec := s.helper("facts", s.path("facts"))
	spec.Env = []string{"A=1", "B=2", "A=3"}
	got := texts(s.facts(spec, "facts").Env)
	if len(got) < 2 || got[0] != "A=3" || got[1] != "B=2" {
		s.t.Errorf("environment = %q, want A=3 and B=2", got)
	}
}

func testRelativeProgram(s *suite) {
	if err := os.MkdirAll(s.path("project/bin"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	program := s.path("project/bin/train")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$0\"\n"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range []struct{ name, path string }{
		{"./bin/train", "/bin"}, {"bin/train", "/bin"}, {"train", "bin:/bin"},
	} {
		spec := s.command(c.name)
		spec.Dir, spec.Env = s.path("project"), []string{"PATH=" + c.path}
		if st := s.wait(s.start(spec)); st.Exit != 0 {
			s.t.Errorf("%s with PATH=%s: %+v", c.name, c.path, st)
		}
		if out := s.stdout(spec); !strings.HasSuffix(out, "bin/train\n") {
			s.t.Errorf("%s with PATH=%s ran %q", c.name, c.path, out)
		}
	}
}

func testCannotStart(s *suite) {
	write := func(name, content string, mode os.FileMode) {
		if err := os.WriteFile(s.path(name), []byte(content), mode); err != nil {
			s.t.Fatal(err)
		}
	}
	write("train.py", "print(1)\n", 0o600)
	write("notes.txt", "hello\n", 0o700)
	write("odd", "#!/no/such/interpreter\n", 0o700)
	write("dos", "#!/bin/sh\r\necho\r\n", 0o700)
	for _, c := range []struct {
		argv []string
		dir  string
		want []string
	}{
		{[]string{"tarin.py"}, "", []string{"no such executable: tarin.py (looked in PATH)"}},
		{[]string{"train.py"}, "", []string{"no such executable: train.py", "python train.py"}},
		{[]string{"./train.py"}, "", []string{"not executable", "chmod +x", "python"}},
		{[]string{"./tarin.py"}, "", []string{"no such executable: ./tarin.py"}},
		{[]string{"/no/such/program"}, "", []string{"no such executable: /no/such/program"}},
		{[]string{"./notes.txt"}, "", []string{"#!", "notes.txt"}},
		{[]string{"./odd"}, "", []string{"/no/such/interpreter"}},
		{[]string{"./dos"}, "", []string{"Windows"}},
		{[]string{s.root}, "", []string{"folder"}},
		{[]string{"sh"}, s.path("nowhere"), []string{"no such working directory"}},
		{[]string{"sh"}, s.path("train.py"), []string{"not a folder"}},
		{[]string{"sh", "-c", strings.Repeat("x", 20<<20)}, "", []string{"too long"}},
		{[]string{}, "", []string{"no command"}},
		{[]string{""}, "", []string{"no command"}},
		{[]string{"sh", "a\x00b"}, "", []string{"zero byte"}},
	} {
		spec := s.command(c.argv...)
		if c.dir != "" {
			spec.Dir = c.dir
		}
		h, err := s.ex.Start(s.t.Context(), spec)
		if types.CodeOf(err) != types.Invalid {
			s.t.Errorf("%.40q: Start = %q, %v; want an Invalid error", c.argv, h, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				s.t.Errorf("%.40q: %q does not say %q", c.argv, err, want)
			}
		}
		if left, err := os.ReadDir(spec.AttemptDir); err != nil || len(left) > 0 {
			s.t.Errorf("%.40q: %v is left behind (%v)", c.argv, left, err)
		}
		// What is refused can be corrected.
		spec.Argv, spec.Dir = []string{"true"}, s.root
		if st := s.wait(s.start(spec)); st.Exit != 0 {
			s.t.Errorf("%.40q corrected: %+v", c.argv, st)
		}
	}
	spec := s.command("true")
	spec.AttemptDir = s.path("no attempt")
	if h, err := s.ex.Start(s.t.Context(), spec); types.CodeOf(err) != types.Invalid {
		s.t.Errorf("without attempt directory: Start = %q, %v; want an Invalid error", h, err)
	}
}
