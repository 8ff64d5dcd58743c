//go:build linux || darwin

package executortest

import (
	"bytes"
	"context"
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

func testTrapsTerm(s *suite) {
	spec := s.process(`trap 'echo saved; exit 42' TERM; echo >"$1"; while :; do sleep 0.01; done`, s.path("ready"))
	h := s.start(spec)
	s.untilFile("ready")
	s.stop(h, "TERM", deadline)
	if st := s.wait(h); st.Exit != 42 || st.Signal != "" {
		s.t.Errorf("Wait = %+v, want exit code 42", st)
	}
	if out := s.stdout(spec); out != "saved\n" {
		s.t.Errorf("stdout.log = %q, want what it wrote when it was stopped", out)
	}
}

func testIgnoresTerm(s *suite) {
	h := s.start(s.helper("deaf", s.path("ready")))
	pid := s.pid("ready")
	s.stop(h, "TERM", 50*time.Millisecond)
	if st := s.wait(h); st.Exit != -1 || st.Signal != "KILL" {
		s.t.Errorf("Wait = %+v, want killed by KILL", st)
	}
	s.dead("the attempt", pid)
}

func testStopSignals(s *suite) {
	for _, signal := range []string{"INT", "USR1", "TERM"} {
		h := s.start(s.process(`trap 'exit 9' "$2"; echo >"$1"; while :; do sleep 0.01; done`, s.path(signal), signal))
		s.untilFile(signal)
		s.stop(h, signal, deadline)
		if st := s.wait(h); st.Exit != 9 {
			s.t.Errorf("%s: %+v, want exit code 9", signal, st)
		}
	}
	h := s.start(s.helper("deaf", s.path("ready")))
	s.untilFile("ready")
	// KILL does not wait for the grace, nor for that of a stop before it.
	s.stop(h, "TERM", time.Hour)
	s.stop(h, "KILL", time.Hour)
	if st := s.wait(h); st.Signal != "KILL" {
		s.t.Errorf("KILL: %+v, want killed by KILL", st)
	}
}

// testTermOnce: programs take a second signal as "at once".
func testTermOnce(s *suite) {
	h := s.start(s.helper("count", s.path("terms")))
	s.untilFile("terms")
	s.stop(h, "TERM", time.Hour)
	s.until("the first signal is counted", func() bool { return s.count("terms") == 1 })
	s.stop(h, "TERM", time.Hour)
	s.stop(h, "TERM", deadline)
	s.stop(h, "USR1", deadline)
	s.wait(h)
	if n := s.count("terms"); n != 1 {
		s.t.Errorf("it got TERM %d times, want once", n)
	}
}

func testStopsSuspended(s *suite) {
	h := s.start(s.process(`echo $$ >"$1"; kill -STOP $$; exec sleep 1000`, s.path("pid")))
	pid := s.pid("pid")
	s.stop(h, "TERM", deadline)
	if st := s.wait(h); st.Signal != "TERM" {
		s.t.Errorf("Wait = %+v, want killed by TERM", st)
	}
	s.dead("the attempt", pid)
}

// testGraceOfChildren: a shell that dies of the stop signal at once does not
// take the grace from the program that it started.
func testGraceOfChildren(s *suite) {
	argv := append([]string{`"$@" & wait`}, s.Helper...)
	h := s.start(s.process(argv[0], append(argv[1:], "save", s.path("checkpoint"))...))
	s.untilFile("checkpoint.ready")
	s.stop(h, "TERM", deadline)
	if st := s.wait(h); st.Signal != "TERM" {
		s.t.Errorf("Wait = %+v, want killed by TERM", st)
	}
	if got := s.read(s.path("checkpoint")); got != "saved" {
		s.t.Errorf("the checkpoint is %q", got)
	}
}

func testKillsBackground(s *suite) {
	h := s.start(s.process(`sleep 1000 & echo $! >"$1"; (sleep 1000 & echo $! >"$2"); exit 5`, s.path("one"), s.path("two")))
	if st := s.wait(h); st.Exit != 5 {
		s.t.Errorf("Wait = %+v, want exit code 5", st)
	}
	s.dead("a background process", s.pid("one"))
	s.dead("a background process of a child", s.pid("two"))
}

func testKillsDeafEscapees(s *suite) {
	argv := append([]string{"escape", s.path("escaped")}, s.Helper...)
	h := s.start(s.helper(append(argv, "deaf", s.path("deaf"))...))
	if st := s.wait(h); st.Exit != 0 || st.Err != "" {
		s.t.Errorf("Wait = %+v, want exit code 0", st)
	}
	s.dead("a process in a session of its own", s.pid("escaped"))
}

func testStopKillsAll(s *suite) {
	deaf := append(append(slices.Clone(s.Helper), "escape", s.path("escaped")), append(slices.Clone(s.Helper), "deaf", s.path("deaf1"))...)
	// The files are named by a variable, for the arguments are a command.
	spec := s.process(`"$@"; trap '' TERM; echo $$ >"$READY"; sleep 1000 & echo $! >"$READY.child"; wait; sleep 1000`, deaf...)
	spec.Env = append(spec.Env, "READY="+s.path("ready"))
	h := s.start(spec)
	leader, child, escaped := s.pid("ready"), s.pid("ready.child"), s.pid("escaped")
	s.untilFile("deaf1")
	s.stop(h, "TERM", 20*time.Millisecond)
	if st := s.wait(h); st.Signal != "KILL" {
		s.t.Errorf("Wait = %+v, want killed by KILL", st)
	}
	s.dead("the main process", leader)
	s.dead("its child", child)
	s.dead("a process in a session of its own", escaped)
}

// testLeavesOthersAlone: clearing up after one attempt spares the others, and
// what they put in the background.
func testLeavesOthersAlone(s *suite) {
	argv := append([]string{"escape", s.path("escaped")}, "sleep", "1000")
	other := s.process(`"$@"; sleep 1000 & echo $! >"$PIDS"; while ! [ -e "$GO" ]; do sleep 0.01; done`,
		append(slices.Clone(s.Helper), argv...)...)
	other.Env = append(other.Env, "PIDS="+s.path("background"), "GO="+s.path("go"))
	h := s.start(other)
	escaped, background := s.pid("escaped"), s.pid("background")
	for i := range 3 {
		mine := fmt.Sprint("mine", i)
		s.wait(s.start(s.helper("escape", s.path(mine), "sleep", "1000")))
		s.dead("a process in a session of its own, while another attempt runs,", s.pid(mine))
		s.wait(s.start(s.process(`env -i sleep 1000 & echo $! >"$1"`, s.path(mine+".group"))))
		s.dead("a background process, while another attempt runs,", s.pid(mine+".group"))
	}
	if !living(escaped) || !living(background) {
		s.t.Error("the end of one attempt killed processes of another")
	}
	s.touch("go")
	if st := s.wait(h); st.Exit != 0 {
		s.t.Errorf("Wait = %+v, want exit code 0", st)
	}
	s.dead("a process in a session of its own", escaped)
	s.dead("a background process", background)
}

func testHandleOfNobody(s *suite) {
	if sts, err := s.ex.Status(s.t.Context(), []string{"no handle"}); err == nil {
		s.t.Errorf("Status of what is no handle = %+v", sts)
	}
	if st, err := s.ex.Wait(s.t.Context(), "no handle"); err == nil {
		s.t.Errorf("Wait for what is no handle = %+v", st)
	}
	if err := s.ex.Stop(s.t.Context(), "no handle", "TERM", 0); err == nil {
		s.t.Error("Stop of what is no handle is no error")
	}
	spec := s.process("exit 0")
	h := s.start(spec)
	s.wait(h)
	if err := os.RemoveAll(spec.AttemptDir); err != nil {
		s.t.Fatal(err)
	}
	fresh := s.open()
	sts, err := fresh.Status(s.t.Context(), []string{h})
	if err != nil || sts[0].Phase != executor.Gone {
		s.t.Errorf("Status of an attempt whose directory was removed = %+v, %v; want gone", sts, err)
	}
	if st := waitFor(s.t, fresh, h); st.Phase != executor.Gone {
		s.t.Errorf("Wait for it = %+v, want gone", st)
	}
	if err := fresh.Stop(s.t.Context(), h, "TERM", 0); err != nil {
		s.t.Errorf("Stop of it: %v", err)
	}
}

// testStatusFromElsewhere: the handle is enough for an executor with another
// state folder.
func testStatusFromElsewhere(s *suite) {
	other := s.New(s.t, s.path("other state"))
	defer other.Close()
	spec := s.spec(Task{Until: s.path("go"), Fail: true})
	h := s.start(spec)
	sts, err := other.Status(s.t.Context(), []string{h})
	if err != nil || sts[0].Phase != executor.Running {
		s.t.Errorf("Status = %+v, %v; want running", sts, err)
	}
	if again, err := other.Start(s.t.Context(), spec); err != nil || again != h {
		s.t.Errorf("Start = %q, %v; want the handle %q", again, err, h)
	}
	s.touch("go")
	if st := waitFor(s.t, other, h); st.Phase != executor.Ended || st.Exit != 1 {
		s.t.Errorf("Wait = %+v, want ended with 1", st)
	}
	stopped := s.start(s.helper("deaf", s.path("ready")))
	s.untilFile("ready")
	if err := other.Stop(s.t.Context(), stopped, "TERM", 10*time.Millisecond); err != nil {
		s.t.Errorf("Stop: %v", err)
	}
	if st := s.wait(stopped); st.Signal != "KILL" {
		s.t.Errorf("Wait after a stop from elsewhere = %+v, want killed by KILL", st)
	}
}

func testAdopt(s *suite) {
	spec := s.spec(Task{Until: s.path("go"), Fail: true})
	h := s.start(spec)
	stopped := s.start(s.helper("deaf", s.path("ready")))
	s.untilFile("ready")
	if err := s.ex.Close(); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.ex.Wait(s.t.Context(), h); err == nil {
		s.t.Error("Wait of a closed executor is no error")
	}
	s.ex = s.open()
	for _, st := range s.status(h, stopped) {
		if st.Phase != executor.Running {
			s.t.Errorf("Status = %+v, want running", st)
		}
	}
	if again := s.start(spec); again != h {
		s.t.Errorf("Start returned %q, want %q", again, h)
	}
	s.stop(stopped, "TERM", 10*time.Millisecond)
	if st := s.wait(stopped); st.Signal != "KILL" {
		s.t.Errorf("Wait = %+v, want killed by KILL", st)
	}
	s.touch("go")
	if st := s.wait(h); st.Phase != executor.Ended || st.Exit != 1 {
		s.t.Errorf("Wait = %+v, want ended with 1", st)
	}
	if n := s.count("count"); n != 1 {
		s.t.Errorf("it ran %d times, want once", n)
	}
	// One that ends while nobody is there.
	h = s.start(s.spec(Task{Count: s.path("unseen"), Fail: true}))
	if err := s.ex.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.ex = s.open()
	if st := s.wait(h); st.Phase != executor.Ended || st.Exit != 1 {
		s.t.Errorf("Wait = %+v, want ended with 1", st)
	}
}

func testTwoExecutors(s *suite) {
	other := s.open()
	spec := s.spec(Task{Until: s.path("go")})
	h := s.start(spec)
	if again, err := other.Start(s.t.Context(), spec); err != nil || again != h {
		s.t.Errorf("Start of the other = %q, %v; want %q", again, err, h)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	both := make(chan executor.Status, 2)
	for _, ex := range []executor.Executor{s.ex, other} {
		go func() {
			st, err := ex.Wait(ctx, h)
			if err != nil {
				st.Err = err.Error()
			}
			both <- st
		}()
	}
	s.touch("go")
	for range 2 {
		if st := <-both; st.Phase != executor.Ended || st.Exit != 0 || st.Err != "" {
			s.t.Errorf("Wait = %+v, want ended with 0", st)
		}
	}
	if n := s.count("count"); n != 1 {
		s.t.Errorf("it ran %d times, want once", n)
	}
}

// beforeKill starts attempts of all kinds and returns their handles and the
// processes that must die.
func (s *suite) beforeKill() (ended string, lost []string, pids []int) {
	ended = s.start(s.process("exit 3"))
	s.wait(ended)
	argv := append([]string{"escape", s.path("escaped")}, s.Helper...)
	spec := s.process(`"$@"; trap '' TERM; sleep 1000 & echo $! >"$PIDS.child"
		(env -i sleep 1000 & echo $! >"$PIDS.orphan"); echo $$ >"$PIDS"; wait; sleep 1000`,
		append(slices.Clone(s.Helper), append(argv, "deaf", s.path("deaf"))...)...)
	spec.Env = append(spec.Env, "PIDS="+s.path("pid"))
	lost = append(lost, s.start(spec), s.start(s.spec(Task{Until: s.path("never")})))
	s.untilFile("deaf")
	return ended, lost, []int{s.pid("pid"), s.pid("pid.child"), s.pid("pid.orphan"), s.pid("escaped")}
}

func (s *suite) afterKill(ended string, lost []string, pids []int) {
	s.t.Helper()
	for _, h := range lost {
		if st := s.wait(h); st.Phase != executor.Gone {
			s.t.Errorf("Wait = %+v, want gone", st)
		}
		if st := s.status(h)[0]; st.Phase != executor.Gone {
			s.t.Errorf("Status = %+v, want gone", st)
		}
		s.stop(h, "TERM", 0)
	}
	for _, pid := range pids {
		s.dead("a process of a lost attempt", pid)
	}
	if st := s.wait(ended); st.Phase != executor.Ended || st.Exit != 3 {
		s.t.Errorf("Wait for one that ended before = %+v, want ended with 3", st)
	}
	if st := s.wait(s.start(s.process("exit 4"))); st.Exit != 4 {
		s.t.Errorf("a new attempt: %+v, want ended with 4", st)
	}
}

func testSupervisorKilled(s *suite) {
	ended, lost, pids := s.beforeKill()
	s.KillSupervisor(s.t, s.path("state"))
	// Nobody asks, and yet they go.
	s.until("the lost attempts are dead", func() bool { return !slices.ContainsFunc(pids, living) })
	s.afterKill(ended, lost, pids)
}

func testSupervisorKilledUnseen(s *suite) {
	ended, lost, pids := s.beforeKill()
	if err := s.ex.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.KillSupervisor(s.t, s.path("state"))
	s.ex = s.open()
	s.afterKill(ended, lost, pids)
}
