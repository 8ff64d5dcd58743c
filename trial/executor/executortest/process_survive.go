//go:build linux || darwin

package executortest

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/gotuner/tuner/trial/executor"
)

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
