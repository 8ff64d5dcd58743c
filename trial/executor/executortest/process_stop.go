//go:build linux || darwin

package executortest

import (
	"fmt"
	"slices"
	"time"
)

func testTrapsTerm(s *suite) {
	spec := s.process(`trap 'echo saved; exit 42' TERM; echo >"$1"; while :; do sleep 0.01; done`, s.path("ready"))
	h := s.start(spec)
	s.untilFile("ready")
	s.stop(h, "TERM", deadline)
	if st := s.wait(h); st.Exit != 42 || st.Signal != "" || st.Stopped != "TERM" {
		s.t.Errorf("Wait = %+v, want exit code 42 after TERM", st)
	}
	if st := s.wait(s.start(s.process("kill -TERM $$"))); st.Signal != "TERM" || st.Stopped != "" {
		s.t.Errorf("Wait = %+v, want killed by TERM that nobody asked for", st)
	}
	if out := s.stdout(spec); out != "saved\n" {
		s.t.Errorf("stdout.log = %q, want what it wrote when it was stopped", out)
	}
}

func testIgnoresTerm(s *suite) {
	h := s.start(s.helper("deaf", s.path("ready")))
	pid := s.pid("ready")
	s.stop(h, "TERM", 50*time.Millisecond)
	if st := s.wait(h); st.Exit != -1 || st.Signal != "KILL" || st.Stopped != "TERM" {
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
	if st := s.wait(h); st.Signal != "KILL" || st.Stopped != "KILL" {
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
